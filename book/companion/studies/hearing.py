"""What the estimator predicts for a few clips of the open corpus, stretch by stretch."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from companion.answers import evaluate
from companion.observations import DIGITS, rounded
from companion.scores import REFERENCE
from companion.systems import T3
from skey.audio import SAMPLE_RATE
from skey.corpus.plan import Clip, plan_clips, render_clip
from skey.estimator import KeyEstimate, KeyEstimator
from skey.keys import relation
from skey.shapes import Float32
from skey.weights import DEFAULT, available_weights, read_header

KINDS = ("same", "relative", "other")
"""How the default network's recorded prediction is related to the key of each of the three clips."""

STRETCH_SECONDS = 7.5  # of the key over time: how long each stretch is
STEP_SECONDS = 2.5  # how far apart they begin


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
    return list(rounded(estimate.probabilities)) if estimate.key else []
