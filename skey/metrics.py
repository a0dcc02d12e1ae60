"""Scores of key estimates: counts by relation, MIREX, KSEA, modes, confusion matrices, intervals.

References and estimates come one a track in the same order; an estimate of None scores nothing, and key
signatures are pitch classes of major keys. A *score* in 0..1 is the mean of its *points*. STONE and S-KEY
credit fifths in both directions (``"both"``), ``mir_eval`` 0.8 the ascending fifth only. Intervals are
percentile bootstraps over tracks (Efron & Tibshirani, 1993). ``MetricError`` is raised where numbers differ,
kinds are wrong, or there are no tracks.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from skey.errors import SkeyError
from skey.keys import CIRCLE_OF_FIFTHS, KEYS, SIGNATURES_BY_FIFTHS, Key, Relation, relation
from skey.shapes import Float, Integer

Keys = Sequence[Key]
Estimates = Sequence[Key | None]
Points = Float[np.ndarray, "tracks"]

_BLOCK = 2_000_000  # numbers drawn at a time by the bootstrap: 16 MB


class MetricError(SkeyError, ValueError):
    """Something that cannot be scored: no tracks at all, or not one estimate a reference."""


@dataclass(frozen=True)
class Interval:
    """A mean with the two ends of its confidence interval; ``f"{interval:.1f}"`` is ``73.2 [67.1, 79.0]``."""

    value: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        value, low, high = (format(each, form) for each in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


_KINDS = {
    "key": (KEYS, "parse_key makes one; leave out tracks that have none"),
    "key signature": (range(12), "expected the pitch class of a major key, 0..11"),
}
"""What can be scored: all there are of a kind, and what is said of anything else."""


def _pairs(references: Any, estimates: Any, *kinds: str) -> list[tuple[Any, Any]]:  # noqa: ANN401 - of any kind
    """References with estimates (or None), of such kinds; ``MetricError`` for others, or not as many."""
    if len(references) != len(estimates):
        raise MetricError(
            f"{len(references)} references but {len(estimates)} estimates: expected one a track"
        )
    for values, kind in zip((references, [e for e in estimates if e is not None]), kinds, strict=False):
        known, expected = _KINDS[kind]
        if odd := [value for value in values if value not in known]:
            raise MetricError(f"{odd[0]!r} is no {kind}: {expected}")
    return list(zip(references, estimates, strict=True))


def bootstrap_interval(
    points: Points, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The mean of the points, one a track, and its percentile bootstrap interval of probability ``level``."""
    points = np.asarray(points, np.float64)
    if not (0 < level < 1 and resamples > 0):
        raise MetricError(f"level {level}, {resamples} resamples: expected one in 0..1, and one at least")
    value = _mean(float(points.sum()), points.size)
    # To draw how often each distinct value occurs is to resample the tracks, in less memory.
    values, counts = np.unique(points, return_counts=True)
    rng, shares = np.random.default_rng(seed), counts / points.size
    block = max(1, _BLOCK // values.size)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    sums = [rng.multinomial(points.size, shares, size=size) @ values for size in sizes]
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(np.concatenate(sums) / points.size, tails)
    return Interval(value, float(low), float(high))


def paired_bootstrap(a: Points, b: Float[np.ndarray, "other_tracks"], seed: int = 0) -> Interval:
    """Mean of A minus mean of B on the same tracks; an interval that excludes zero tells the two apart."""
    _pairs(a, b)
    return bootstrap_interval(np.subtract(a, b), seed=seed)


def confusion_matrix(references: Keys, estimates: Estimates) -> Integer[np.ndarray, "24 24"]:
    """Count estimates by reference, both along CIRCLE_OF_FIFTHS, relatives side by side (Figure 4, STONE)."""
    return _count_cells(_pairs(references, estimates, "key", "key"), CIRCLE_OF_FIFTHS)


def signature_confusion(references: Keys, signatures: Sequence[int]) -> Integer[np.ndarray, "24 12"]:
    """Count key signatures, along SIGNATURES_BY_FIFTHS, by reference key (Figure 4, STONE, left)."""
    return _count_cells(_pairs(references, signatures, "key", "key signature"), SIGNATURES_BY_FIFTHS)


def _count_cells(pairs: Iterable[tuple[Key, Any]], columns: Sequence[Any]) -> Integer[np.ndarray, "24 width"]:
    matrix = np.zeros((len(CIRCLE_OF_FIFTHS), len(columns)), dtype=np.int64)
    for reference, estimate in pairs:
        if estimate is not None:
            matrix[CIRCLE_OF_FIFTHS.index(reference), columns.index(estimate)] += 1
    return matrix


Fifths = Literal["both", "ascending"]  # which fifths earn half a point

MIREX_WEIGHTS = {
    Relation.SAME: 1.0,
    Relation.FIFTH_UP: 0.5,
    Relation.FIFTH_DOWN: 0.5,
    Relation.RELATIVE: 0.3,
    Relation.PARALLEL: 0.2,
    Relation.OTHER: 0.0,
}
"""Points of an estimate by its relation to the reference (MIREX Audio Key Detection), fifths both ways."""


@dataclass(frozen=True)
class RelationCounts:
    """How many estimates stand in each relation to their reference."""

    same: int
    fifth_up: int
    fifth_down: int
    relative: int
    parallel: int
    other: int

    @property
    def fifth(self) -> int:
        """Fifths in both directions, as Table 3 of STONE counts them."""
        return self.fifth_up + self.fifth_down

    @property
    def total(self) -> int:
        """The number of tracks."""
        return sum(vars(self).values())


@dataclass(frozen=True)
class SignatureCounts:
    """How many estimated key signatures are right, a fifth off in either direction, or anything else."""

    correct: int
    fifth: int
    other: int

    @property
    def total(self) -> int:
        """The number of tracks."""
        return self.correct + self.fifth + self.other


def _relations(references: Keys, estimates: Estimates) -> list[Relation]:
    pairs = _pairs(references, estimates, "key", "key")
    return [Relation.OTHER if key is None else relation(reference, key) for reference, key in pairs]


def count_relations(references: Keys, estimates: Estimates) -> RelationCounts:
    """Count the estimates by their relation to the reference (the columns of Table 3, STONE)."""
    counts = Counter(_relations(references, estimates))
    return RelationCounts(**{each.value: counts[each] for each in Relation})


def _mirex_weight(each: Relation, fifths: Fifths) -> float:
    """The points of one relation under a convention on fifths; raises ``MetricError`` for an unknown one."""
    if fifths not in get_args(Fifths):
        raise MetricError(f"{fifths!r} says not which fifths count: expected {' or '.join(get_args(Fifths))}")
    return 0.0 if fifths == "ascending" and each is Relation.FIFTH_DOWN else MIREX_WEIGHTS[each]


def mirex_score(counts: RelationCounts, fifths: Fifths = "both") -> float:
    """The MIREX weighted score: 1 for the key, ½ for a fifth, 0.3 for the relative, 0.2 for the parallel."""
    points = sum(count * _mirex_weight(Relation(name), fifths) for name, count in asdict(counts).items())
    return _mean(points, counts.total)


def mirex_points(references: Keys, estimates: Estimates, fifths: Fifths = "both") -> Points:
    """The MIREX points of each track, whose mean is :func:`mirex_score`."""
    return np.array([_mirex_weight(each, fifths) for each in _relations(references, estimates)], np.float64)


def ksea_points(references: Sequence[int], estimates: Sequence[int | None]) -> Points:
    """The points 0, ½ or 1 of each track, whose mean is :func:`ksea` (Eq. 12, STONE)."""
    pairs = _pairs(references, estimates, "key signature", "key signature")
    apart = np.array([np.nan if named is None else abs(named - true) for true, named in pairs])
    return np.asarray((apart == 0) + 0.5 * np.isin(apart, (5, 7)))


def count_signatures(references: Sequence[int], estimates: Sequence[int | None]) -> SignatureCounts:
    """Count right signatures and those a fifth off (the columns of Table 1, STONE)."""
    points = ksea_points(references, estimates)
    return SignatureCounts(*(int(np.count_nonzero(points == value)) for value in (1.0, 0.5, 0.0)))


def ksea(counts: SignatureCounts) -> float:
    """Key signature estimation accuracy: 1 if right, ½ for a fifth above or below (Eq. 12, STONE)."""
    return _mean(counts.correct + 0.5 * counts.fifth, counts.total)


def mode_points(references: Keys, estimates: Estimates) -> Points:
    """1 where the estimated mode is that of the reference, else 0."""
    pairs = _pairs(references, estimates, "key", "key")
    return np.array([key is not None and key.mode == reference.mode for reference, key in pairs], np.float64)


def _mean(points: float, tracks: int) -> float:
    if tracks == 0:
        raise MetricError("there is nothing to score: no tracks")
    return points / tracks
