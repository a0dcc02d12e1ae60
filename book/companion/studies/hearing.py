"""What the estimator hears in a few clips of the open corpus, stretch by stretch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float32

from companion.observations import DIGITS
from skey.audio import SAMPLE_RATE
from skey.corpus.plan import Clip, plan_clips, render_clip
from skey.estimator import KeyEstimate, KeyEstimator
from skey.weights import available_weights, read_header
from skey.weights.library import DEFAULT

KINDS = (("chorales", "full", "major"), ("tunes", "full", "minor"), ("chorales", "hard", "minor"))
"""Source, level and mode of the three clips."""

STRETCH_SECONDS = 7.5
STEP_SECONDS = 2.5
"""The profile over time: so long is each stretch that the estimator hears, so far apart do they begin."""

HEARD = ("krumhansl", DEFAULT, "released-skey")
"""The systems that are asked: the template, what `skey detect` uses, and the released network."""


def example_clips() -> tuple[Clip, ...]:
    """The first clip of the test split of each kind in ``KINDS``."""
    clips = plan_clips("test")
    return tuple(
        next(clip for clip in clips if clip.key and (clip.source, clip.level, clip.key.mode) == kind)
        for kind in KINDS
    )


def hear_clips() -> dict[str, dict[str, Any]]:
    """Let every system at hand hear the example clips.

    Returns:
        System → clip → its key, confidence and 24 probabilities in the order of KEYS, tuning in cents, and
        the probabilities of each stretch; ``checksum`` of the weights (none for the template).
    """
    files = available_weights()
    weights = {"krumhansl": None} | {name: files[name] for name in HEARD if name in files}
    waves = {clip.id: render_clip(clip) for clip in example_clips()}
    return {
        name: {
            "checksum": read_header(file).checksum if file else "",
            **{
                clip: hear(KeyEstimator(file or name, as_published=True), wave)
                for clip, wave in waves.items()
            },
        }
        for name, file in weights.items()
    }


def hear(estimator: KeyEstimator, wave: Float32[np.ndarray, " samples"]) -> dict[str, Any]:
    """What an estimator says to a clip as a whole and to each of its stretches.

    Args:
        estimator: with its weights.
        wave: (samples,) at 22,050 Hz.

    Returns:
        ``key``, ``confidence``, ``tuning_cents``, ``probabilities``, and ``stretches``: a list of ``start``,
        ``end`` in seconds and ``probabilities``, none where nothing tonal sounds.
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
    """The probabilities of an answer, nothing where there is none."""
    return [] if estimate.key is None else [round(p, DIGITS) for p in estimate.probabilities]
