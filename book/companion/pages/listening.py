"""Tracks to hear, as small files beside the page, with what systems say of them, some stretch by stretch."""

import html
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile as sf

from companion.answers import evaluate
from companion.datasets import Dataset, Track
from companion.observations import DIGITS, rounded
from companion.paper import label
from companion.record import find_checkout
from companion.scores import REFERENCE, TAGS, Answer, format_answer, points, systems_in
from companion.systems import T3
from skey.audio import SAMPLE_RATE
from skey.corpus.build import recipe_digest
from skey.corpus.plan import Clip, plan_clips, render_clip
from skey.estimator import KeyEstimate, KeyEstimator
from skey.keys import Key, relation
from skey.shapes import Float32
from skey.weights import DEFAULT, available_weights, read_header

CLIPS = Path("build") / "clips"  # where the sound of the book lies, below the top of the checkout
PEAK = 0.9  # leaves room for what the compression adds

KINDS = ("same", "relative", "other")
"""How the default network's recorded prediction is related to the key of each of the three clips."""

STRETCH_SECONDS = 7.5  # of the key over time: how long each stretch is
STEP_SECONDS = 2.5  # how far apart they begin

RELATION_WORDS = {
    "same": "right",
    "fifth_up": "a fifth above",
    "fifth_down": "a fifth below",
    "relative": "the relative key",
    "parallel": "the parallel key",
    "other": "wrong",
}


def instructive_rows(answers: pd.DataFrame, metric: str = "mirex") -> list[int]:
    """Three rows, always the same: what all systems find easy by this score, something between, what none."""
    each = [points(metric, answers[REFERENCE], answers[name]) for name in systems_in(answers)]
    ties = [zlib.crc32(track.encode()) for track in answers.index]
    hardest_last = -np.sum(each, axis=0)
    ranked = sorted(range(len(answers)), key=lambda row: (hardest_last[row], ties[row]))
    return [ranked[int(step)] for step in np.linspace(0, len(ranked) - 1, min(3, len(ranked)))]


def clip_file(render: Callable[[], Float32[np.ndarray, " samples"]], name: str) -> str:
    """An MP3 of sound (22,050 Hz, peak 1), rendered unless it is there; its path as seen from a notebook.

    ``name`` is of this sound alone; a checksum of it and of the code that makes the corpus ends the file's.
    """
    ending = f"{zlib.crc32(f'{name} {recipe_digest()}'.encode(errors='surrogateescape')):08x}"
    file = CLIPS / (re.sub(r"[^A-Za-z0-9.-]+", "-", f"{name[:60]}-{ending}") + ".mp3")
    path = find_checkout() / file
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        sf.write(partial, PEAK * render(), SAMPLE_RATE, format="MP3")
        partial.replace(path)
    return f"../{file.as_posix()}"


def player(source: str, caption: str) -> str:
    """An audio element with its caption, as HTML."""
    return (
        f'<figure class="companion-clip"><figcaption>{caption}</figcaption>'
        f'<audio controls preload="metadata" src="{html.escape(source)}"></audio></figure>'
    )


def listen(answers: pd.DataFrame, dataset: Dataset, rows: Sequence[int], folded: str = "") -> str:
    """Players for some rows of a table of answers, with the reference and every system's answer, as HTML."""
    tracks = {track.id: track for track in dataset.tracks()}
    return "\n".join(_clip(answers.iloc[row], dataset, tracks[answers.index[row]], folded) for row in rows)


def _clip(row: pd.Series, dataset: Dataset, track: Track, folded: str) -> str:
    reference, names = row[REFERENCE], systems_in(row.to_frame().T)
    words = filter(None, (track.id, *(row[tag] for tag in TAGS[1:] if tag in row)))
    state = track.audio.stat() if track.audio else None
    which = f" {track.audio} {state.st_size} {state.st_mtime_ns}" if state else ""
    source = clip_file(lambda: dataset.waveform(track), f"{dataset.name}-{track.id}{which}")
    caption = f"<strong>{reference}</strong><br>{' · '.join(map(html.escape, words))}"
    table = answers_table(reference, row[names])
    if folded:
        table = f"<details><summary>{html.escape(folded)}</summary><p>{caption}</p>{table}</details>"
    return (
        f'<div class="companion-heard">{player(source, "Listen first." if folded else caption)}{table}</div>'
    )


def answers_table(reference: Key, answers: pd.Series) -> str:
    """What each system answers, as HTML."""
    rows = "".join(
        f"<tr><th>{html.escape(label(str(system)))}</th><td>{answer_in_words(reference, answer)}</td></tr>"
        for system, answer in answers.items()
    )
    return f'<table class="table">{rows}</table>'


def answer_in_words(reference: Key, answer: Answer) -> str:
    """An answer and how it relates to the reference: ``G major, a fifth above``."""
    if answer is None:
        return "no answer"
    if isinstance(answer, Key):
        return f"{answer}, {RELATION_WORDS[relation(reference, answer)]}"
    right = "right" if answer == reference.signature else f"not {format_answer(reference.signature)}"
    return f"signature of {format_answer(answer)} major, {right}"


def example_clips() -> tuple[Clip, ...]:
    """The first clip of the test split of each kind in ``KINDS``, by the record of Table 3."""
    keyed = evaluate(T3).answers.dropna(subset=DEFAULT)
    clips = {clip.id: clip for clip in plan_clips("test")}
    kinds = [str(relation(*pair)) for pair in zip(keyed[REFERENCE], keyed[DEFAULT], strict=True)]
    return tuple(clips[keyed.index[kinds.index(kind)]] for kind in KINDS)


def hear_clips() -> dict[str, dict[str, Any]]:
    """What the default network predicts for the example clips."""
    estimator = KeyEstimator(DEFAULT, as_published=True)
    heard = {clip.id: hear(estimator, render_clip(clip)) for clip in example_clips()}
    return {DEFAULT: {"checksum": read_header(available_weights()[DEFAULT]).checksum, **heard}}


def hear(estimator: KeyEstimator, wave: Float32[np.ndarray, " samples"]) -> dict[str, Any]:
    """What an estimator predicts for a clip (22,050 Hz) as a whole and for each of its stretches.

    A stretch has ``start`` and ``end`` in seconds, and no ``probabilities`` where nothing tonal sounds.
    """
    whole = estimator.estimate(wave, SAMPLE_RATE)
    return {
        "key": str(whole.key) if whole.key else None,
        "confidence": round(whole.confidence, DIGITS),
        "tuning_cents": None if whole.tuning_cents is None else round(whole.tuning_cents, 1),
        "probabilities": _rounded(whole),
        "stretches": [
            {"start": start, "end": end, "probabilities": _rounded(estimator.estimate(part, SAMPLE_RATE))}
            for start, end, part in stretches(wave)
        ],
    }


def stretches(
    wave: Float32[np.ndarray, " samples"],
) -> Iterator[tuple[float, float, Float32[np.ndarray, " part"]]]:
    """Overlapping parts of a clip at 22,050 Hz, with their start and end in seconds."""
    seconds = len(wave) / SAMPLE_RATE
    for start in np.arange(0, seconds - STRETCH_SECONDS + 1e-6, STEP_SECONDS):
        end = float(start) + STRETCH_SECONDS
        yield float(start), end, wave[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def _rounded(estimate: KeyEstimate) -> list[float]:
    return list(rounded(estimate.probabilities)) if estimate.key else []
