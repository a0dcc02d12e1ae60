"""From answers to scores: a tidy table with a row for each system, part of the data and metric."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from skey.keys import TONIC_NAMES, Key, parse_key
from skey.metrics import (
    Interval,
    RelationCounts,
    SignatureCounts,
    bootstrap_interval,
    count_relations,
    count_signatures,
    ksea_points,
    mirex_points,
    mode_points,
    paired_bootstrap,
)
from skey.shapes import Float

Answer = Key | int | None  # an int is a key signature: the pitch class of its major tonic, C = 0
Points = Float[np.ndarray, " tracks"]

TAGS = ("group", "source", "level")  # what a table of answers says of its tracks, before their reference
REFERENCE = "reference"  # the column of a table of answers that holds the annotated keys, before the systems
PART_TAGS = ("level", "source")  # tags whose values name a part of the data that gets scores of its own
COLUMNS = ["system", "part", "metric", "value", "low", "high", "n"]  # in percent, on n tracks
DIGITS = 4  # decimals of a recorded percentage: far below what matters, far above rounding errors


def _signature(answer: Answer) -> int | None:
    return answer.signature if isinstance(answer, Key) else answer


def _key_estimates(answers: Iterable[Answer]) -> list[Key | None]:
    """Answers of a system that estimates keys; a signature is no key."""
    return [answer if isinstance(answer, Key) else None for answer in answers]


KEY_METRICS: Mapping[str, Callable[..., Any]] = {
    "mirex": partial(mirex_points, fifths="both"),
    "mirex_ascending": partial(mirex_points, fifths="ascending"),
    "mode": mode_points,
}
"""Scores that need a key: MIREX, fifths both ways (as the papers) or ascending only (as mir_eval); mode."""

METRICS = (*KEY_METRICS, "ksea")  # every score


def format_answer(answer: Answer) -> str:
    """``Eb minor`` for a key, the tonic of the major key (``Eb``) for a signature, nothing for no answer."""
    if answer is None:
        return ""
    return TONIC_NAMES[answer] if isinstance(answer, int) else str(answer)


@cache
def parse_answer(text: str) -> Answer:
    """The inverse of ``format_answer``; raises ``ValueError`` for anything else."""
    if not text:
        return None
    return TONIC_NAMES.index(text) if text in TONIC_NAMES else parse_key(text)


def systems_in(answers: pd.DataFrame) -> list[str]:
    """The systems of a table of answers: the columns after the reference."""
    columns = [str(name) for name in answers.columns]
    return columns[columns.index(REFERENCE) + 1 :]


def is_signature(answers: Iterable[Answer]) -> bool:
    """Whether a system answers key signatures (12 classes) and not keys (24)."""
    return any(isinstance(answer, int) for answer in answers)


def is_right(reference: Key, answer: Answer) -> bool:
    """Whether an answer is the key, or the key's signature."""
    return answer in (reference, reference.signature)


def points(metric: str, references: Iterable[Key], answers: Iterable[Answer]) -> Points:
    """Points of each track, 0 to 1, whose mean is the score ``metric`` (one of ``METRICS``)."""
    if metric == "ksea":
        return ksea_points([key.signature for key in references], [_signature(each) for each in answers])
    return np.asarray(KEY_METRICS[metric](list(references), _key_estimates(answers)), dtype=float)


def parts_of(answers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Each part of the data with its rows: ``all``, then each other value of the tags level and source."""
    parts = {"all": answers}
    for tag in PART_TAGS:
        found = answers.get(tag, pd.Series(dtype=str))
        parts |= {value: answers[found == value] for value in sorted({*found} - {"", *parts})}
    return parts


def score(answers: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Every system on every part of the data, as ``COLUMNS``; a system of key signatures has KSEA alone."""
    rows = []
    for system in systems_in(answers):
        for part, table in parts_of(answers).items():
            for metric in ("ksea",) if is_signature(table[system]) else METRICS:
                found = bootstrap_interval(points(metric, table[REFERENCE], table[system]), seed=seed)
                rows.append((system, part, metric, *astuple(percent(found)), len(table)))
    return pd.DataFrame(rows, columns=COLUMNS).round(DIGITS)


def percent(share: Interval) -> Interval:
    """An interval of shares in percent."""
    return Interval(100 * share.value, 100 * share.low, 100 * share.high)


def interval_of(scores: pd.DataFrame, system: str, metric: str, part: str = "all") -> Interval | None:
    """One score in percent with its 95 % interval; None where the system has no such score."""
    wanted = (scores.system == system) & (scores.metric == metric) & (scores.part == part)
    found = scores.loc[wanted, ["value", "low", "high"]]
    return None if found.empty else Interval(*map(float, found.iloc[0]))


def leading_metric(scores: pd.DataFrame, system: str) -> str:
    """The score that a system is named with: MIREX where it has one, else KSEA."""
    return "mirex" if interval_of(scores, system, "mirex") else "ksea"


def difference(answers: pd.DataFrame, ours: str, other: str, metric: str, seed: int = 0) -> Interval:
    """Ours minus the other on the same tracks, in percentage points, by the paired bootstrap over tracks."""
    first, second = (points(metric, answers[REFERENCE], answers[name]) for name in (ours, other))
    return percent(paired_bootstrap(first, second, seed=seed))


def relations(answers: pd.DataFrame, system: str) -> RelationCounts:
    """How the answers of a system that names keys stand to their references."""
    return count_relations(list(answers[REFERENCE]), _key_estimates(answers[system]))


def mode_shares(answers: pd.DataFrame, systems: Iterable[str]) -> pd.DataFrame:
    """How often systems are right in major and in minor, and how many answers are minor, in percent."""
    keys, minor = answers[list(systems)], answers[REFERENCE].map(lambda key: key.mode == "minor")
    right = keys.eq(answers[REFERENCE], axis=0)
    shares = {
        "right in major": right[~minor].mean(),
        "right in minor": right[minor].mean(),
        "answers that are minor": keys.map(lambda key: getattr(key, "mode", "") == "minor").mean(),
    }
    return (100 * pd.DataFrame(shares)).astype(float).round(1)


def signatures(answers: pd.DataFrame, system: str) -> SignatureCounts:
    """How often a system's key signature is right, a fifth off, or further away."""
    return count_signatures(
        [key.signature for key in answers[REFERENCE]], [_signature(answer) for answer in answers[system]]
    )
