"""From predictions to numbers: counts by relation, scores in percent with their intervals, part by part."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from companion.record import Scores
from companion.results.predictions import Answer, Predictions, is_signature
from skey.keys import Key
from skey.metrics import (
    Interval,
    bootstrap_interval,
    count_relations,
    count_signatures,
    ksea_points,
    mirex_points,
    mode_points,
)

SUBSET_TAGS = ("level", "source")
"""Columns of the predictions whose values name a part of the data that gets rows of its own."""

DIGITS = 4
"""Decimals of a percentage in the record: far below what matters, far above rounding errors."""

TOLERANCE = 1.5e-4
"""Two recorded percentages closer than this are the same number."""

Numbers = dict[str, int | float]
"""Counts and percentages by name."""

Points = Float[np.ndarray, " tracks"]


def _signature(answer: Answer) -> int | None:
    """The key signature of an answer, as a pitch class."""
    return answer.signature if isinstance(answer, Key) else answer


def _key_estimates(answers: Sequence[Answer]) -> list[Key | None]:
    """Answers of a system that estimates keys; a signature is no key."""
    return [answer if isinstance(answer, Key) else None for answer in answers]


def _ksea(references: Sequence[Key], answers: Sequence[Answer]) -> Points:
    """Points of KSEA (Eq. 12, STONE), for systems of either kind."""
    return ksea_points([key.signature for key in references], [_signature(answer) for answer in answers])


KEY_METRICS: Mapping[str, Callable[..., Any]] = {
    "mirex": partial(mirex_points, fifths="both"),
    "mirex_ascending": partial(mirex_points, fifths="ascending"),
    "mode": mode_points,
}
"""Scores that need a key: MIREX, fifths both ways (as the papers) or ascending only (as mir_eval); mode."""

METRICS = (*KEY_METRICS, "ksea")
"""Every score that has an interval."""


def leading_metric(numbers: Mapping[str, int | float]) -> str:
    """The score that a system is named with: MIREX where it has one, else KSEA."""
    return "mirex" if "mirex" in numbers else "ksea"


def recorded_interval(numbers: Mapping[str, int | float], metric: str) -> Interval:
    """A recorded score in percent with the ends of its 95 % interval."""
    return Interval(*(float(numbers[metric + end]) for end in ("", "_low", "_high")))


def points(metric: str, references: Sequence[Key], answers: Sequence[Answer]) -> Points:
    """Points of each track, 0 to 1, whose mean is the score ``metric`` (one of ``METRICS``)."""
    if metric == "ksea":
        return _ksea(references, answers)
    return np.asarray(KEY_METRICS[metric](references, _key_estimates(answers)), dtype=float)


def subsets(predictions: Predictions) -> dict[str, list[int]]:
    """Name of each part of the data → its rows: ``all``, then each value of the tags level and source."""
    parts = {"all": list(range(len(predictions)))}
    for tag in SUBSET_TAGS:
        column = predictions.tags.get(tag, ())
        for value in sorted(set(column)):
            parts[value] = [row for row, found in enumerate(column) if found == value]
    return parts


def percentages(name: str, interval: Interval) -> dict[str, float]:
    """An interval of points as three numbers in percent: ``name``, ``name_low``, ``name_high``."""
    ends = {"": interval.value, "_low": interval.low, "_high": interval.high}
    return {f"{name}{end}": round(100 * float(value), DIGITS) for end, value in ends.items()}


def score_system(references: Sequence[Key], answers: Sequence[Answer], seed: int = 0) -> Numbers:
    """Counts and scores of one system.

    ``seed`` is that of the 95 % intervals. A system that answers keys gets the six relations,
    MIREX with fifths both ways and ascending only, and mode accuracy; every system gets the counts of its
    signature and KSEA. Percentages have four decimals.
    """
    numbers: Numbers = {"n": len(references)}
    metrics = ["ksea"]
    if not is_signature(answers):
        numbers |= count_relations(references, _key_estimates(answers)).as_dict()
        metrics = [*KEY_METRICS, "ksea"]
    numbers |= _signature_counts(references, answers)
    for metric in metrics:
        interval = bootstrap_interval(points(metric, references, answers), seed=seed)
        numbers |= percentages(metric, interval)
    return numbers


def _signature_counts(references: Sequence[Key], answers: Sequence[Answer]) -> dict[str, int]:
    """How often the key signature is right, a fifth off, or further away."""
    counts = count_signatures(
        [key.signature for key in references], [_signature(answer) for answer in answers]
    )
    return {
        "signature_correct": counts.correct,
        "signature_fifth": counts.fifth,
        "signature_other": counts.other,
    }


def score_predictions(predictions: Predictions, seed: int = 0) -> Scores:
    """Every system on every part of the data."""
    parts = {name: predictions.select(rows) for name, rows in subsets(predictions).items()}
    return {
        system: {
            name: score_system(part.references, part.answers[system], seed) for name, part in parts.items()
        }
        for system in predictions.answers
    }


def flatten(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Leaves of nested mappings by their path."""
    leaves: dict[tuple[str, ...], Any] = {}
    for name, value in tree.items():
        leaves |= flatten(value, (*path, name)) if isinstance(value, Mapping) else {(*path, name): value}
    return leaves


def compare(
    recorded: Mapping[str, Any], recomputed: Mapping[str, Any], giver: str = "predictions give"
) -> list[str]:
    """A line for each number that moved: ``krumhansl / hard / same: record 71, predictions give 70``.

    Counts must be equal; percentages may differ by less than ``TOLERANCE``. Numbers that only one side has
    are named too.
    """
    old, new = flatten(recorded), flatten(recomputed)
    return [
        f"{' / '.join(path)}: record {_shown(old, path)}, {giver} {_shown(new, path)}"
        for path in dict.fromkeys((*old, *new))
        if not _equal(old.get(path), new.get(path))
    ]


def _shown(leaves: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> str:
    """A number for the eye; where there is none, that."""
    return str(leaves[path]) if path in leaves else "nothing"


def _equal(old: object, new: object) -> bool:
    """Equality, with the tolerance for percentages only."""
    if isinstance(old, float) and isinstance(new, int | float):
        return abs(old - new) < TOLERANCE
    return type(old) is type(new) and bool(old == new)
