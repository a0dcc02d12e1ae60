"""Percentile bootstrap over tracks: one system, or the difference of two (Efron & Tibshirani 1993)."""

from collections.abc import Sized
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from skey.errors import SkeyError

_BLOCK = 2_000_000
"""Numbers drawn at a time by the bootstrap: 16 MB."""


class MetricError(SkeyError, ValueError):
    """Something that cannot be scored: no tracks at all, or not one estimate a reference."""


@dataclass(frozen=True)
class Interval:
    """A mean with the two ends of its confidence interval."""

    value: float
    low: float
    high: float


def check_pairs(references: Sized, estimates: Sized) -> None:
    """Refuse references and estimates that do not pair up.

    Raises:
        MetricError: the two differ in length.
    """
    if len(references) != len(estimates):
        raise MetricError(
            f"{len(references)} references but {len(estimates)} estimates: expected one a track"
        )


def bootstrap_interval(
    points: Float[np.ndarray, "tracks"], level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The mean of the points and its percentile bootstrap interval over tracks.

    Args:
        points: one number a track, shape (tracks,).
        level: probability that the interval holds, in 0..1.
        resamples: how often the tracks are drawn again.
        seed: of the random numbers; the same seed gives the same interval.

    Returns:
        The mean and the two ends, in the unit of the points.

    Raises:
        MetricError: there are no points.
    """
    if points.size == 0:
        raise MetricError("there is nothing to score: no tracks")
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(_resampled_means(points, resamples, seed), tails)
    return Interval(float(points.mean()), float(low), float(high))


def _resampled_means(
    points: Float[np.ndarray, "tracks"], resamples: int, seed: int
) -> Float[np.ndarray, "resamples"]:
    """Means of resampled tracks: drawing how often each distinct value occurs is the same, in less memory."""
    values, counts = np.unique(points, return_counts=True)
    rng, shares = np.random.default_rng(seed), counts / points.size
    block = max(1, _BLOCK // values.size)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    return (
        np.concatenate([rng.multinomial(points.size, shares, size=size) @ values for size in sizes])
        / points.size
    )


def paired_bootstrap(
    points_a: Float[np.ndarray, "tracks"],
    points_b: Float[np.ndarray, "other_tracks"],
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """How much better system A is than system B on the same tracks, with its interval.

    Args:
        points_a: one number a track of system A, shape (tracks,).
        points_b: those of system B on the same tracks.
        level: probability that the interval holds, in 0..1.
        resamples: how often the tracks are drawn again, each with both its numbers.
        seed: of the random numbers.

    Returns:
        Mean of A minus mean of B; an interval that excludes zero tells the two apart.

    Raises:
        MetricError: the two differ in length, or there are no points.
    """
    check_pairs(points_a, points_b)
    return bootstrap_interval(points_a - points_b, level, resamples, seed)
