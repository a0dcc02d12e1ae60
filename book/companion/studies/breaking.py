"""Inputs that break key estimators: damaged and odd files, sounds that are no music, music out of tune."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import soundfile

from companion.observations import DIGITS
from companion.studies import nonmusic
from companion.studies.robustness import play, test_clips
from companion.systems import checksums, systems
from skey.audio import SAMPLE_RATE
from skey.cli.measure import cadence
from skey.corpus.plan import plan_clips, render_clip
from skey.errors import SkeyError
from skey.estimator import KeyEstimator
from skey.inference.tonality import measure_tonality
from skey.shapes import Float
from skey.weights import DEFAULT

NAME = "inputs-that-break"  # the observation, and its notebook

PEERS = Path(__file__).with_name("peers.csv")
"""What others did with such inputs, measured on 21 November 2026: an input a row, a system a column."""

SPEECH = "speech"  # the entry that is computed where espeak-ng is installed
MUSIC_CLIPS = 60  # the first clips of the test set, half of them of the *hard* level; the first 15 s of each
DETUNED_CLIPS = 16  # clips that are detuned, all of the *full* level
CENTS = (-50, -45, -40, -20, 0, 20, 40, 45, 50)  # how far the test clips are tuned from A4 = 440 Hz
ESTIMATORS = (DEFAULT, "skey-fifths", "krumhansl")  # what listens to the detuned clips

Sound = Float[np.ndarray, "samples *channels"]


def observe_inputs(limit: int = 0) -> dict[str, dict[str, Any]]:
    """Everything that the page shows; with a ``limit`` only so many sounds, clips and tunings."""
    estimator, sums = KeyEstimator(), checksums(systems(*ESTIMATORS))
    clips = enumerate(plan_clips("test")[:MUSIC_CLIPS][: limit or None])
    starts = ((clip.level, n, render_clip(clip)[: nonmusic.SECONDS * SAMPLE_RATE]) for n, clip in clips)
    made = [kind for kind in nonmusic.KINDS if kind != nonmusic.SPOKEN]
    asked = {
        "inputs": ask_inputs(estimator),
        "sounds": ask_waves(estimator, nonmusic.sounds(made, limit)),
        "music": ask_waves(estimator, starts),
    }
    if shutil.which("espeak-ng"):
        asked[SPEECH] = ask_waves(estimator, nonmusic.sounds([nonmusic.SPOKEN], limit))
    lists: dict[str, Any] = {name: table.to_dict("list") for name, table in asked.items()}
    entries = {name: {"checksum": sums[DEFAULT], **columns} for name, columns in lists.items()}
    return entries | ask_detuned(sums, limit)


def ask_inputs(estimator: KeyEstimator) -> pd.DataFrame:
    """What the estimator does with each input: its key, ``no key: …``, or ``error: …``."""
    said = {}
    with tempfile.TemporaryDirectory() as folder, decoders_muted():
        for name, make in INPUTS.items():
            path = Path(folder) / name
            if make is not None:
                make(path)
            said[name] = answer_words(estimator, path)
    return pd.DataFrame({"input": said.keys(), "answer": said.values()})


@contextmanager
def decoders_muted() -> Iterator[None]:
    """Nothing goes to the standard error of the process, where mpg123 describes each damaged frame."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def answer_words(estimator: KeyEstimator, path: Path) -> str:
    """The key of a file, or why it has none, without its name."""
    try:
        estimate = estimator.estimate(path)
    except SkeyError as error:
        return f"error: {type(error).__name__}"
    return str(estimate.key) if estimate.key else f"no key: {str(estimate.reason).split(':')[0]}"


def ask_waves(estimator: KeyEstimator, waves: Iterable[tuple[str, int, nonmusic.Wave]]) -> pd.DataFrame:
    """``kind``, ``number``, ``evidence`` and ``confidence`` (0 without a key) of each sound."""
    rows = []
    for kind, number, wave in waves:
        tonality, confidence = measure_tonality(wave), estimator.estimate(wave, SAMPLE_RATE).confidence
        # Far below zero where the spectrum has no lines at all.
        evidence = tonality.evidence if tonality.tonal else min(tonality.evidence, -9.0)
        rows.append((kind, number, evidence, confidence))
    return pd.DataFrame(rows, columns=["kind", "number", "evidence", "confidence"]).round(DIGITS)


def ask_detuned(sums: Mapping[str, str], limit: int = 0) -> dict[str, dict[str, Any]]:
    """What is answered to detuned clips, by the papers' front end and by the one that follows the tuning."""
    clips = test_clips()[:DETUNED_CLIPS][: limit or None]
    waves = {str(cents): [play(clip, cents=float(cents)) for clip in clips] for cents in CENTS}
    said: dict[str, dict[str, Any]] = {"clips": {"checksum": "", "keys": [str(clip.key) for clip in clips]}}
    for name in ESTIMATORS:
        for front in FRONTS:
            estimator = KeyEstimator(name, as_published=front == FRONTS[0])
            said[f"{name}, {front}"] = {"checksum": sums.get(name, "")} | {
                cents: [str(estimator.estimate(wave, SAMPLE_RATE).key) for wave in played]
                for cents, played in waves.items()
            }
    return said


FRONTS = ("tuned to 440 Hz", "following the tuning")  # the papers' front end, and ours


_RATE = 44_100


def _music(seconds: float = 20.0, rate: int = _RATE) -> Float[np.ndarray, " samples"]:
    """I-IV-V-I in C major every three seconds; other rates only resample it."""
    chords = cadence()[:, 0].reshape(4, -1)[:, : _RATE * 3 // 4]
    whole = np.resize(chords.ravel(), round(seconds * _RATE))
    places = np.arange(round(seconds * rate)) * _RATE / rate
    return np.interp(places, np.arange(whole.size), whole)


def _wav(make: Callable[[], Sound], rate: int = _RATE, **how: str) -> Callable[[Path], object]:
    return lambda path: soundfile.write(str(path), make(), rate, **how)


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _damaged(damage: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        soundfile.write(str(path), _music(), _RATE)
        path.write_bytes(damage(bytearray(path.read_bytes())))

    return write


def _bit_flips(content: bytearray) -> bytearray:
    for place in np.random.default_rng(0).integers(1_000, len(content), 40):
        content[place] ^= 0x55
    return content


def _aac(container: str) -> Callable[[Path], object]:
    """Write music as AAC in a container, whatever the name of the file says."""

    def write(path: Path) -> None:
        with av.open(str(path), "w", format=container) as out:
            stream = out.add_stream("aac", rate=_RATE, layout="mono")
            frame = av.AudioFrame.from_ndarray(_music()[None].astype(np.float32), "fltp", "mono")
            frame.sample_rate = _RATE
            out.mux([*stream.encode(frame), *stream.encode(None)])

    return write


def _with(value: float, every: int) -> Sound:
    sound = _music()
    sound[::every] = value
    return sound


_NOISE = np.random.default_rng(0).bytes(100_000)
_WORDS = b"These are words, not samples.\n" * 200

INPUTS: Mapping[str, Callable[[Path], object] | None] = {  # name in the peers' table → what writes it
    **{f"good.{suffix}": _wav(_music) for suffix in ("wav", "flac")},
    "good.opus": _wav(partial(_music, rate=48_000), 48_000, format="OGG", subtype="OPUS"),
    **{"good.aac": _aac("adts"), "good.m4a": _aac("ipod"), "aac_named.mp3": _aac("adts")},
    **{f"k{rate // 1000}.wav": _wav(partial(_music, rate=rate), rate) for rate in (8_000, 96_000, 192_000)},
    "odd_37913.wav": _wav(partial(_music, rate=37_913), 37_913),
    "u8.wav": _wav(_music, subtype="PCM_U8"),
    "over1_float.wav": _wav(lambda: 9 * _music(), subtype="FLOAT"),
    "clipped.wav": _wav(lambda: np.clip(9 * _music(), -1, 1)),
    "stereo.wav": _wav(lambda: np.stack([_music()] * 2, axis=1)),
    "surround51.wav": _wav(lambda: np.stack([_music()] * 6, axis=1)),
    'name with "quotes" é 音.wav': _wav(_music),
    **{
        f"{name}.wav": _wav(partial(_music, seconds))
        for name, seconds in {"s14": 14.0, "s5": 5.0, "s3": 3.0, "s2_9": 2.9, "s1": 1.0, "ms100": 0.1}.items()
    },
    "trunc.wav": _damaged(lambda content: content[: len(content) * 3 // 5]),
    "trunc.flac": _damaged(lambda content: content[: len(content) * 3 // 5]),
    "trunc.mp3": _damaged(lambda content: content[: len(content) * 3 // 5]),
    "beheaded.mp3": _damaged(lambda content: content[5_000:]),
    "bitflips.mp3": _damaged(_bit_flips),
    "silence20.wav": _wav(lambda: np.zeros(20 * _RATE)),
    "dc.wav": _wav(lambda: np.full(20 * _RATE, 0.5)),
    "stereo_antiphase.wav": _wav(lambda: np.stack([_music(), -_music()], axis=1)),
    "nan_some.wav": _wav(lambda: _with(np.nan, 1_000), subtype="FLOAT"),
    "nan_all.wav": _wav(lambda: _with(np.nan, 1), subtype="FLOAT"),
    "inf_one.wav": _wav(lambda: _with(np.inf, 10**9), subtype="FLOAT"),
    "zero_length.wav": _wav(lambda: np.zeros(0)),
    "header_only.wav": _damaged(lambda content: content[:44]),
    **{"empty.wav": _bytes(b""), "empty.mp3": _bytes(b"")},
    **{"text.wav": _bytes(_WORDS), "text.mp3": _bytes(_WORDS), "binary.mp3": _bytes(_NOISE)},
    "missing.wav": None,
}
