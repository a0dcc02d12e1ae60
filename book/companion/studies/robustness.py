"""How answers change when one thing about a recording gets worse and everything else stays.

The notes of test pieces are played clean and in tune, and one effect at a time is added. What every system
answers is kept; scores and intervals follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.signal import butter, sosfilt

from companion.scores import format_answer
from companion.systems import checksums, systems
from skey.audio import SAMPLE_RATE
from skey.corpus.arrangement import CLIP_SECONDS, DETUNING, generator
from skey.corpus.degradation import RANGES, add_noise, normalise_peak, reverb, saturate
from skey.corpus.plan import Clip, arrangements, plan_clips
from skey.corpus.soundfont import soundfont
from skey.inference.threads import one_thread
from skey.shapes import Float32
from skey.vqt import log_vqt
from skey.weights import DEFAULT

Wave = Float32[np.ndarray, " samples"]

NAME = "degradation"  # the observation, and its notebook

LISTENERS = (  # the systems that are asked, where they are at hand
    *("krumhansl", "temperley-peaks", DEFAULT, "stone", "supervised"),
    *("released-skey", "released-stone12"),
)

CLIPS = 24  # how many clips: a quarter each in major and minor from chorales and from tunes
SECONDS = 15.0  # how long a clip is where its length is not the matter: one segment of the papers

ROOM_SECONDS = 3.5  # of 60 dB of decay, in the middle of the *hard* level's; the room's loudness varies
FILTER_ORDER = 8  # of the Butterworth filter that takes the bass away: 48 dB per octave

CLEAN = "clean"  # the condition without any effect


@dataclass(frozen=True, slots=True)
class Effect:
    """One way for a recording to get worse.

    ``strengths`` are tried in order; ``untouched``: that of the clean sound, or None, which then is first;
    ``range``: those of the corpus' *hard* level; ``shown``: two that are heard, the second in the table.
    """

    title: str
    axis: str
    unit: str
    strengths: tuple[float, ...]
    untouched: float | None
    range: tuple[float, float] | None
    shown: tuple[float, float]

    @property
    def scale(self) -> tuple[float | None, ...]:
        """The strengths with the clean sound among them, from left to right."""
        if self.untouched is None:
            return (None, *self.strengths)
        return tuple(sorted((*self.strengths, self.untouched)))


_HARD = RANGES["hard"]

EFFECTS: Mapping[str, Effect] = {  # every effect by name
    "detuning": Effect(
        "Detuning",
        "cents from A4 = 440 Hz",
        "cents",
        (-50.0, -35.0, -20.0, 20.0, 35.0, 50.0),
        0.0,
        (-DETUNING["hard"], DETUNING["hard"]),
        (35.0, 50.0),
    ),
    "saturation": Effect(
        "Saturation", "drive in dB", "dB", (10.0, 25.0, 40.0), None, _HARD["drive_db"], (10.0, 40.0)
    ),
    "reverb": Effect(
        "Reverberation",
        "level of the room in dB",
        "dB",
        (0.0, 10.0, 20.0),
        None,
        _HARD["wet_db"],
        (0.0, 20.0),
    ),
    "noise": Effect(
        "Pink noise", "music over noise in dB", "dB", (20.0, 5.0, -10.0), None, _HARD["snr_db"], (5.0, -10.0)
    ),
    "high-pass": Effect(
        "Without bass", "Hz below which it fades", "Hz", (100.0, 200.0, 400.0), None, None, (200.0, 400.0)
    ),
    "length": Effect(
        "Length of the excerpt", "seconds", "s", (3.0, 5.0, 10.0, 30.0), SECONDS, None, (10.0, 3.0)
    ),
}

CONDITIONS: Mapping[str, tuple[str | None, float | None]] = {
    CLEAN: (None, None),
    **{f"{name} {each:g}": (name, each) for name, effect in EFFECTS.items() for each in effect.strengths},
}
"""The name under which answers are recorded, ``clean``, ``detuning -50``, … → effect and strength."""


def condition(effect: str, strength: float | None) -> str:
    """The name of an effect at a strength; the clean sound where the effect does nothing at it."""
    untouched = strength is None or strength == EFFECTS[effect].untouched
    return CLEAN if untouched else f"{effect} {strength:g}"


def test_clips(limit: int = 0) -> tuple[Clip, ...]:
    """The first clips of the test split's *full* level, at least one, balanced over sources and modes.

    ``limit``: at most so many sounds, a clip having one for each of ``CONDITIONS``; 0 for all.
    """
    count = max(1, min(CLIPS, limit // len(CONDITIONS))) if limit else CLIPS
    return tuple(clip for clip in plan_clips("test") if clip.level == "full")[:count]


def render(clip: Clip, effect: str | None = None, strength: float | None = None) -> Wave:
    """A clip with one of ``EFFECTS``, or clean; 15 s, or as long as the effect says, at 22,050 Hz, peak 1."""
    if effect is None or strength is None:
        return play(clip)
    if effect == "detuning":
        return play(clip, cents=strength)
    if effect == "length":
        return play(clip, seconds=strength)
    wave, rng = play(clip), generator(clip.seed_text, f"study {effect}")
    if effect == "high-pass":
        sections = butter(FILTER_ORDER, strength, "highpass", fs=SAMPLE_RATE, output="sos")
        return normalise_peak(np.asarray(sosfilt(sections, wave), np.float32))
    if effect == "saturation":
        return normalise_peak(saturate(wave, strength))
    if effect == "reverb":
        return normalise_peak(reverb(wave, ROOM_SECONDS, strength, rng))
    return normalise_peak(add_noise(wave, strength, rng))


def play(clip: Clip, seconds: float = SECONDS, cents: float = 0.0) -> Wave:
    """The beginning of a clip, undegraded, tuned so many cents above A4 = 440 Hz; 22,050 Hz, peak 1."""
    return normalise_peak(_whole(clip, cents)[: round(seconds * SAMPLE_RATE)])


@lru_cache(maxsize=4)
def _whole(clip: Clip, cents: float) -> Wave:
    """The sound of all thirty seconds; cut afterwards, so that a shorter excerpt holds the same samples."""
    part = arrangements(clip)[0]
    return soundfont().render(part.notes, part.programs, CLIP_SECONDS, cents)


def ask_listeners(limit: int = 0) -> dict[str, dict[str, Any]]:
    """Each system at hand → condition → its answers to :func:`test_clips`, whose ids and keys come first."""
    listeners, clips = systems(*LISTENERS), test_clips(limit)
    sums, keys = checksums(listeners), [str(clip.key) for clip in clips]
    entries: dict[str, dict[str, Any]] = {
        "clips": {"checksum": "", "ids": [clip.id for clip in clips], "keys": keys},
        **{name: {"checksum": sums.get(name, ""), **{each: [] for each in CONDITIONS}} for name in listeners},
    }
    with one_thread():
        for clip, (name, how) in product(clips, CONDITIONS.items()):
            features = log_vqt(torch.from_numpy(render(clip, *how)))
            for system, listener in listeners.items():
                entries[system][name].append(format_answer(listener(features)))
    return entries
