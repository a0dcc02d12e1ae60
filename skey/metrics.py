"""Scores of key estimates: counts by relation, MIREX, KSEA, mode accuracy, confusion matrices, intervals.

Conventions
-----------
- References and estimates are sequences of :class:`~skey.keys.Key`, one a track, in the same order. An
  estimate may be None (the system named no key) and then scores nothing. Key signatures are pitch classes of
  major keys.
- A *score* is a mean in 0..1; *points* are its contributions, one a track, of which it is the mean.
- Fifths: STONE and S-KEY credit both directions (``"both"``), ``mir_eval`` 0.8 the ascending fifth only
  (``"ascending"``).
- Intervals come from :mod:`skey.bootstrap`, matrices from :mod:`skey.confusion`; their names are here too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from skey.bootstrap import Interval, MetricError, bootstrap_interval, check_pairs, paired_bootstrap
from skey.confusion import confusion_matrix, normalise_rows, signature_confusion
from skey.keys import Key, Relation, relation

__all__ = [
    "MIREX_WEIGHTS",
    "Fifths",
    "Interval",
    "MetricError",
    "RelationCounts",
    "SignatureCounts",
    "bootstrap_interval",
    "confusion_matrix",
    "count_relations",
    "count_signatures",
    "ksea",
    "ksea_points",
    "mirex_points",
    "mirex_score",
    "mode_accuracy",
    "mode_points",
    "normalise_rows",
    "paired_bootstrap",
    "signature_confusion",
]

Fifths = Literal["both", "ascending"]
"""Which fifths earn half a point."""

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
    def total(self) -> int:
        """The number of tracks."""
        return sum(asdict(self).values())

    @property
    def fifth(self) -> int:
        """Fifths in both directions, as Table 3 of STONE counts them."""
        return self.fifth_up + self.fifth_down

    def as_dict(self) -> dict[str, int]:
        """The counts by name, for a record."""
        return asdict(self)


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

    def as_dict(self) -> dict[str, int]:
        """The counts by name, for a record."""
        return asdict(self)


def _relations(references: Sequence[Key], estimates: Sequence[Key | None]) -> list[Relation]:
    """The relation of each estimate to its reference; no estimate is OTHER."""
    check_pairs(references, estimates)
    pairs = zip(references, estimates, strict=True)
    return [relation(reference, key) if key else Relation.OTHER for reference, key in pairs]


def count_relations(references: Sequence[Key], estimates: Sequence[Key | None]) -> RelationCounts:
    """Count the estimates by their relation to the reference (the columns of Table 3, STONE).

    Args:
        references: the annotated keys.
        estimates: one key a reference; None counts as other.

    Returns:
        The counts.

    Raises:
        MetricError: the two differ in length.
    """
    counts = Counter(_relations(references, estimates))
    return RelationCounts(**{each.value: counts[each] for each in Relation})


def _mirex_weight(each: Relation, fifths: Fifths) -> float:
    """The points of one relation under a convention on fifths."""
    return 0.0 if fifths == "ascending" and each is Relation.FIFTH_DOWN else MIREX_WEIGHTS[each]


def mirex_score(counts: RelationCounts, fifths: Fifths = "both") -> float:
    """The MIREX weighted score: 1 for the key, ½ for a fifth, 0.3 for the relative, 0.2 for the parallel key.

    Args:
        counts: the estimates by relation.
        fifths: ``"both"`` as in the papers, ``"ascending"`` as in ``mir_eval`` 0.8.

    Returns:
        A score in 0..1.

    Raises:
        MetricError: there are no tracks.
    """
    points = sum(count * _mirex_weight(Relation(name), fifths) for name, count in counts.as_dict().items())
    return _mean(points, counts.total)


def mirex_points(
    references: Sequence[Key], estimates: Sequence[Key | None], fifths: Fifths = "both"
) -> Float[np.ndarray, "tracks"]:
    """The MIREX points of each track, whose mean is :func:`mirex_score`.

    Args:
        references: the annotated keys.
        estimates: one key a reference, or None.
        fifths: see :func:`mirex_score`.

    Returns:
        Points in 0..1, shape (tracks,).

    Raises:
        MetricError: the two differ in length.
    """
    return np.array(
        [_mirex_weight(each, fifths) for each in _relations(references, estimates)], dtype=np.float64
    )


def ksea_points(references: Sequence[int], estimates: Sequence[int | None]) -> Float[np.ndarray, "tracks"]:
    """The points of each track, whose mean is :func:`ksea` (Eq. 12, STONE).

    Args:
        references: the annotated key signatures as pitch classes of major keys.
        estimates: one signature a reference, or None.

    Returns:
        Points 0, ½ or 1, shape (tracks,).

    Raises:
        MetricError: the two differ in length.
    """
    check_pairs(references, estimates)
    pairs = zip(references, estimates, strict=True)
    return np.array(
        [_signature_points(reference, signature) for reference, signature in pairs], dtype=np.float64
    )


def _signature_points(reference: int, estimate: int | None) -> float:
    """KSEA of one track; the bars of Eq. 12 say that both 5 and 7 semitones are a fifth."""
    if estimate is None:
        return 0.0
    return float(estimate == reference) + 0.5 * (abs(abs(estimate - reference) - 6) == 1)


def count_signatures(references: Sequence[int], estimates: Sequence[int | None]) -> SignatureCounts:
    """Count right signatures and those a fifth off (the columns of Table 1, STONE).

    Args:
        references: the annotated key signatures as pitch classes of major keys.
        estimates: one signature a reference; None counts as other.

    Returns:
        The counts.

    Raises:
        MetricError: the two differ in length.
    """
    points = ksea_points(references, estimates)
    return SignatureCounts(*(int(np.count_nonzero(points == value)) for value in (1.0, 0.5, 0.0)))


def ksea(counts: SignatureCounts) -> float:
    """Key signature estimation accuracy: 1 if right, ½ for a fifth above or below (Eq. 12, STONE).

    Args:
        counts: the estimated signatures by distance.

    Returns:
        A score in 0..1.

    Raises:
        MetricError: there are no tracks.
    """
    return _mean(counts.correct + 0.5 * counts.fifth, counts.total)


def mode_points(references: Sequence[Key], estimates: Sequence[Key | None]) -> Float[np.ndarray, "tracks"]:
    """1 where the estimated mode is that of the reference, else 0; shape (tracks,).

    Args:
        references: the annotated keys.
        estimates: one key a reference, or None.

    Raises:
        MetricError: the two differ in length.
    """
    check_pairs(references, estimates)
    pairs = zip(references, estimates, strict=True)
    return np.array(
        [key is not None and key.mode == reference.mode for reference, key in pairs], dtype=np.float64
    )


def mode_accuracy(references: Sequence[Key], estimates: Sequence[Key | None]) -> float:
    """The share of tracks whose estimated mode is right, whatever the tonic.

    Args:
        references: the annotated keys.
        estimates: one key a reference, or None.

    Returns:
        A share in 0..1.

    Raises:
        MetricError: the two differ in length, or there are no tracks.
    """
    points = mode_points(references, estimates)
    return _mean(float(points.sum()), points.size)


def _mean(points: float, tracks: int) -> float:
    """Points a track."""
    if tracks == 0:
        raise MetricError("there is nothing to score: no tracks")
    return points / tracks
