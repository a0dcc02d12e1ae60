"""From the parameters of a notebook to its record: read what is recorded, or compute it from the features."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from companion.record import (
    RESULTS,
    Record,
    RecordError,
    find_checkout,
    predictions_path,
    provenance,
    read_record,
    sha256,
    write_if_changed,
    write_record,
)
from companion.results.carried import Answered, answers_on, with_carried
from companion.results.parameters import Parameters
from companion.results.predictions import Answer, Predictions, predictions_to_csv, read_predictions
from companion.results.scores import score_predictions
from companion.results.shared import are_shared, shared_answers
from companion.systems import EVALUATIONS, checksums
from skey.datasets import Dataset, Track, labelled_tracks, load_dataset
from skey.keys import Key

Value = TypeVar("Value")

System = Callable[..., Any]
"""Log-VQT of a track, (99, frames), to its answer."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A record with its predictions and the folder where both lie."""

    record: Record
    predictions: Predictions
    folder: Path

    @property
    def name(self) -> str:
        """The name of the experiment, which is that of its notebook."""
        return self.record.experiment


def open_dataset(parameters: Parameters) -> Dataset:
    """The data set that the parameters name, with their limit; its files may still be absent."""
    return load_dataset(parameters.dataset, root=parameters.root or None, limit=parameters.limit or None)


def run_experiment(experiment: str, systems: Mapping[str, System], parameters: Parameters) -> Experiment:
    """Read or compute the record of an experiment.

    The shipped record answers for the open corpus (``limit`` and ``seed`` are applied to its predictions)
    unless ``recompute``; any other data set is computed. The result is written to ``parameters.folder``.
    ``systems``: name → callable from log-VQT (99, frames) to a ``Key`` or the pitch class of a key signature.
    Raises ``RecordError`` without a record, ``MissingData`` without the data set's files.
    """
    checkout, began = find_checkout(), time.monotonic()
    if parameters == Parameters():
        return read_experiment(checkout / RESULTS, experiment)
    dataset = open_dataset(parameters)
    if replace(parameters, limit=0, seed=0).shipped and not parameters.recompute:
        answered = recorded_answers(experiment, dataset)
    else:
        dataset.require()
        computed = Answered(compute_predictions(dataset, systems), checksums(systems))
        answered = with_carried(computed, answers_to_carry(experiment, parameters, dataset))
    return _write(experiment, parameters, answered, describe(dataset), began)


def read_experiment(folder: Path, experiment: str) -> Experiment:
    """The record and the predictions in ``folder``, systems in the order of their table or figure.

    Raises ``RecordError`` where either cannot be read.
    """
    record = read_record(folder, experiment)
    predictions = read_predictions(predictions_path(folder, experiment))
    return Experiment(
        replace(
            record,
            scores=_in_order(record.scores, experiment),
            weights=_in_order(record.weights, experiment),
        ),
        replace(predictions, answers=_in_order(predictions.answers, experiment)),
        folder,
    )


def _in_order(by_system: Mapping[str, Value], experiment: str) -> dict[str, Value]:
    """The same in the order in which the evaluation of that name shows its systems; others come last."""
    asked = EVALUATIONS[experiment].systems if experiment in EVALUATIONS else ()
    place = {system: number for number, system in enumerate(asked)}
    return dict(sorted(by_system.items(), key=lambda item: place.get(item[0], len(place))))


def recorded_answers(experiment: str, dataset: Dataset) -> Answered:
    """What the shipped record says of the tracks of ``dataset``; raises ``RecordError`` where it does not."""
    recorded = read_experiment(find_checkout() / RESULTS, experiment)
    return Answered(answers_on(recorded.predictions, dataset, experiment), recorded.record.weights)


def answers_to_carry(experiment: str, parameters: Parameters, dataset: Dataset) -> Answered | None:
    """The recorded answers on ``dataset``, or None where there is no sound record of just this music."""
    if not replace(parameters, limit=0, seed=0, recompute=False).shipped:
        return None
    whole = describe(open_dataset(replace(parameters, limit=0)))
    try:
        recorded = read_record(find_checkout() / RESULTS, experiment)
        return recorded_answers(experiment, dataset) if recorded.data["hash"] == whole["hash"] else None
    except RecordError:
        return None


def compute_predictions(dataset: Dataset, systems: Mapping[str, System]) -> Predictions:
    """Ask every system for every track that has a key.

    Raises ``MissingData`` or ``AudioError`` where the sound or the features of a track cannot be had.
    """
    tracks = labelled_tracks(dataset)
    return Predictions(
        tracks=tuple(track.id for track in tracks),
        tags=tags_of(tracks),
        references=tuple(track.key for track in tracks if track.key is not None),
        answers=_answers(dataset, tracks, systems),
    )


def _answers(
    dataset: Dataset, tracks: Sequence[Track], systems: Mapping[str, System]
) -> dict[str, tuple[Answer, ...]]:
    """Answers of each system: a track after the other, or where they are shared a system after the other."""
    if not are_shared():
        return predict((dataset.log_vqt(track) for track in tracks), systems)
    music = {**describe(dataset), "tracks": [track.id for track in tracks]}

    def ask(name: str) -> tuple[Answer, ...]:
        """One system about every track."""
        return predict((dataset.log_vqt(track) for track in tracks), {name: systems[name]})[name]

    return {name: shared_answers(system, music, partial(ask, name)) for name, system in systems.items()}


def describe(dataset: Dataset) -> dict[str, str | int]:
    """What the record says of the data: name, title, hash."""
    return {"name": dataset.name, "title": dataset.title, "hash": dataset.data_hash()}


def predict(features: Iterable[Any], systems: Mapping[str, System]) -> dict[str, tuple[Answer, ...]]:
    """Answers of each system on each track's log-VQT, (99, frames)."""
    answers: dict[str, list[Answer]] = {name: [] for name in systems}
    for log_vqt in features:
        for name, system in systems.items():
            answer = system(log_vqt)
            answers[name].append(answer if isinstance(answer, Key) or answer is None else int(answer))
    return {name: tuple(column) for name, column in answers.items()}


def tags_of(tracks: Sequence[Track]) -> dict[str, tuple[str, ...]]:
    """Group and tags of the tracks, column by column, in the order in which they occur."""
    names = dict.fromkeys(name for track in tracks for name in track.tags)
    return {
        "group": tuple(str(track.group) for track in tracks),
        **{name: tuple(str(track.tags.get(name, "")) for track in tracks) for name in names},
    }


def _write(
    experiment: str,
    parameters: Parameters,
    answered: Answered,
    data: Mapping[str, str | int],
    began: float,
) -> Experiment:
    """Score the predictions and write both files, each only if something in it changed."""
    checkout, predictions = find_checkout(), answered.predictions
    folder = parameters.folder(checkout)
    table = predictions_path(folder, experiment)
    write_if_changed(table, predictions_to_csv(predictions))
    record = Record(
        experiment=experiment,
        parameters=parameters.recorded(),
        data={**data, "tracks": len(predictions)},
        weights=answered.weights,
        predictions={"sha256": sha256(table), "rows": len(predictions)},
        scores=score_predictions(predictions, parameters.seed),
        made={**provenance(checkout, time.monotonic() - began), "carried": list(answered.carried)},
    )
    write_record(record, folder)
    return read_experiment(folder, experiment)
