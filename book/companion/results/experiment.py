"""From the parameters of a notebook to its record: read what is recorded, or compute it from the features."""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from companion.record import (
    RESULTS,
    Record,
    RecordError,
    digest,
    find_checkout,
    predictions_path,
    provenance,
    read_record,
    sha256,
    write_if_changed,
    write_record,
)
from companion.results.carried import Answered, answers_on, with_carried
from companion.results.kept import KeptAnswers, are_shared, kept_answers, sound_of
from companion.results.parameters import Parameters
from companion.results.predictions import (
    Answer,
    Predictions,
    System,
    as_answer,
    predictions_to_csv,
    read_predictions,
)
from companion.results.scores import score_predictions
from companion.systems import EVALUATIONS, checksums
from skey.audio import AudioError
from skey.datasets import Dataset, MissingData, Track, labelled_tracks, load_dataset

Value = TypeVar("Value")


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
    Tracks of a collection that cannot be scored are skipped, and named in the record with the reason.
    Raises ``RecordError`` without a record, ``MissingData`` without the data set's files, ``AudioError``
    where none can be used, ``ParameterError`` where the result would overwrite the shipped record.
    """
    checkout, began = find_checkout(), time.monotonic()
    parameters.refuse_to_overwrite(checkout)
    if parameters == Parameters():
        return read_experiment(checkout / RESULTS, experiment)
    dataset = open_dataset(parameters)
    if replace(parameters, limit=0, seed=0).shipped and not parameters.recompute:
        answered = recorded_answers(experiment, dataset)
    else:
        with kept_answers(checkout, systems, parameters.recompute) as kept:
            computed = replace(ask_all(dataset, kept), weights=checksums(systems))
        answered = with_carried(computed, answers_to_carry(experiment, parameters, dataset))
    return _write(experiment, parameters, answered, describe(dataset, answered.sounds), began)


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


def ask_all(dataset: Dataset, kept: KeptAnswers) -> Answered:
    """Ask every system for every track that has a key; skip files that cannot be used.

    Raises ``MissingData`` or ``AudioError`` where there is no sound or no features at all.
    """
    tracks = labelled_tracks(dataset)
    labels = dataset.data_hash()
    found: dict[str, tuple[str, dict[str, Answer]]] = {}
    wrong: dict[str, str] = {}
    # Notebooks side by side ask the same systems: in orders of their own they meet few tracks at once.
    order = random.sample(tracks, len(tracks)) if are_shared() else tracks
    # A bar that writes seldom: a reader's papermill waits 4 s for the output of a cell.
    for track in tqdm(order, dataset.title, unit="track", mininterval=10, disable=tracks[0].audio is None):
        try:
            sound = sound_of(dataset, track, labels)
            found[track.id] = sound, kept.ask(sound, partial(dataset.log_vqt, track))
        except (AudioError, MissingData, OSError) as error:
            if track.audio is None:
                raise
            wrong[track.id] = reason_of(error, track)
    if not found:
        dataset.require()
        raise AudioError(f"{dataset.title}: no track can be used; the first: {next(iter(wrong.items()))}")
    used = [track for track in tracks if track.id in found]
    no_key = {track.id: track.unlabelled or "no key" for track in dataset.tracks() if track.key is None}
    reasons = no_key | wrong
    return Answered(
        table_of(used, {name: tuple(found[track.id][1][name] for track in used) for name in kept.systems}),
        {},
        skipped={track.id: reasons[track.id] for track in dataset.tracks() if track.id in reasons},
        sounds=tuple(found[track.id][0] for track in used),
    )


def reason_of(error: Exception, track: Track) -> str:
    """Why a track is skipped, in one line that names no folder of this machine."""
    if isinstance(error, FileNotFoundError):
        return "the audio is missing"
    said = " ".join(str(error).replace(str(track.audio), track.id).split())
    return said.removeprefix(f"{track.id}: ")


def compute_predictions(dataset: Dataset, systems: Mapping[str, System]) -> Predictions:
    """Ask every system for every track that has a key; every one must have features."""
    tracks = labelled_tracks(dataset)
    return table_of(tracks, predict((dataset.log_vqt(track) for track in tracks), systems))


def table_of(tracks: Sequence[Track], answers: Mapping[str, tuple[Answer, ...]]) -> Predictions:
    """The answers about labelled tracks, in their order, with tags and references."""
    return Predictions(
        tracks=tuple(track.id for track in tracks),
        tags=tags_of(tracks),
        references=tuple(track.key for track in tracks if track.key is not None),
        answers=answers,
    )


def describe(dataset: Dataset, sounds: Sequence[str] = ()) -> dict[str, str | int]:
    """What the record says of the data: name, title, and the hash of its labels.

    ``sounds``: what identifies the sound of each track; the hash of a collection of files depends on it too.
    """
    labels = dataset.data_hash()
    made = all(track.audio is None for track in dataset.tracks())
    known = labels if made else digest({"labels": labels, "sounds": list(sounds)})[: len(labels)]
    return {"name": dataset.name, "title": dataset.title, "hash": known}


def predict(features: Iterable[Any], systems: Mapping[str, System]) -> dict[str, tuple[Answer, ...]]:
    """Answers of each system on each track's log-VQT, (99, frames)."""
    rows = [{name: as_answer(system(log_vqt)) for name, system in systems.items()} for log_vqt in features]
    return {name: tuple(row[name] for row in rows) for name in systems}


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
    data: Mapping[str, Any],
    began: float,
) -> Experiment:
    """Score the predictions and write both files, each only if something in it changed."""
    checkout, predictions = find_checkout(), answered.predictions
    skipped = {"skipped": answered.skipped} if answered.skipped else {}
    folder = parameters.folder(checkout, str(data["hash"]))
    table = predictions_path(folder, experiment)
    write_if_changed(table, predictions_to_csv(predictions))
    record = Record(
        experiment=experiment,
        parameters=parameters.recorded(),
        data={**data, "tracks": len(predictions), **skipped},
        weights=answered.weights,
        predictions={"sha256": sha256(table), "rows": len(predictions)},
        scores=score_predictions(predictions, parameters.seed),
        made={**provenance(checkout, time.monotonic() - began), "carried": list(answered.carried)},
    )
    write_record(record, folder)
    return read_experiment(folder, experiment)
