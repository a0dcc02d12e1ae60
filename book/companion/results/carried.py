"""Rows of a record whose weights are not on this machine: they stay in it, and are named as not computed."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from companion.record import RecordError, command, read_record, recorded_experiments
from companion.results.predictions import Predictions
from companion.systems import RELEASED
from skey.datasets import Dataset


@dataclass(frozen=True, slots=True)
class Answered:
    """Predictions with the checksums of the weights behind them.

    ``weights``: system → sha256, for those that have any; ``carried``: systems whose answers were not
    computed but taken over from the record; ``skipped``: tracks that could not be scored → why;
    ``sounds``: what identifies the sound of each track that was.
    """

    predictions: Predictions
    weights: Mapping[str, str]
    carried: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    sounds: tuple[str, ...] = ()


def answers_on(recorded: Predictions, dataset: Dataset, experiment: str) -> Predictions:
    """The recorded answers on the labelled tracks of a data set; raises ``RecordError`` without an answer."""
    row_of = {track: row for row, track in enumerate(recorded.tracks)}
    tracks = [track.id for track in dataset.tracks() if track.key is not None]
    absent = [track for track in tracks if track not in row_of]
    if absent:
        raise RecordError(
            f"the record of {experiment} has no answers for {len(absent)} tracks such as {absent[0]}: "
            f"compute it anew with `{command(experiment)}`"
        )
    return recorded.select([row_of[track] for track in tracks])


def only_on_record(recorded: Iterable[str], computed: Container[str]) -> tuple[str, ...]:
    """The released networks that the record has and that were not asked now, in the order of the record."""
    return tuple(name for name in recorded if name in RELEASED and name not in computed)


def with_carried(computed: Answered, recorded: Answered | None) -> Answered:
    """Add what the record says on the same tracks for released networks whose weights are not at hand.

    ``recorded`` answers the same tracks in the same order. Systems keep the order of the record; as soon as
    there is a new one, they stand in the order in which they were computed, and the recorded ones after them.
    """
    if recorded is None:
        return computed
    old, new = recorded.predictions.answers, computed.predictions.answers
    carried = only_on_record(old, new)
    every = {**{name: old[name] for name in carried}, **new}
    order = list(old) if set(every) == set(old) else [*new, *carried]
    weights = {**computed.weights, **{name: recorded.weights[name] for name in carried}}
    return Answered(
        replace(computed.predictions, answers={name: every[name] for name in order}),
        {name: weights[name] for name in order if name in weights},
        carried,
    )


def not_recomputed(folder: Path, at_hand: Mapping[str, object]) -> Iterator[str]:
    """A line for each recorded system that ``at_hand`` does not hold, because its weights are not here."""
    for name in recorded_experiments(folder):
        try:
            recorded = read_record(folder, name)
        except RecordError:  # the check of the record names it
            continue
        for system in recorded.weights:
            if system not in at_hand:
                yield (
                    f"{name}: {system} not recomputed: its weights are not here "
                    f"(`skey weights import {RELEASED.get(system, system)}.pt`)"
                )
