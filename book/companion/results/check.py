"""Does the record still hold? Every number is computed again and compared, each difference named."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from companion.record import RecordError, predictions_path, recorded_experiments, seal_is_broken, sha256
from companion.results.experiment import (
    Experiment,
    describe,
    open_dataset,
    predict,
    read_experiment,
    tags_of,
)
from companion.results.parameters import Parameters
from companion.results.predictions import Predictions, System, format_answer
from companion.results.scores import compare, score_predictions
from companion.systems import RELEASED, checksums
from skey.datasets import Track, labelled_tracks


def parameters_of(experiment: Experiment, root: str = "") -> Parameters:
    """The notebook's parameters with which a record was made."""
    known = {field.name for field in fields(Parameters)}
    recorded = {name: value for name, value in experiment.record.parameters.items() if name in known}
    return Parameters(**recorded, root=root)  # type: ignore[arg-type]


def check_records(folder: Path, systems: Mapping[str, System] | None = None) -> list[str]:
    """Every way in which the records in ``folder`` do not hold, a line each, by experiment.

    ``systems``: also compute the predictions again, from the features. An empty list means that all hold; a
    folder without any record is itself a fault.
    """
    names = recorded_experiments(folder)
    if not names:
        return [f"{folder} holds no record"]
    return [f"{name}: {line}" for name in names for line in check_experiment(folder, name, systems)]


def check_experiment(folder: Path, name: str, systems: Mapping[str, System] | None = None) -> Iterator[str]:
    """Each fault of one record: its scores, files, parameters, data, and with ``systems`` its predictions."""
    try:
        experiment = read_experiment(folder, name)
    except RecordError as error:
        yield str(error)
        return
    faults = [
        *scores_that_moved(experiment),
        *changed_files(experiment),
        *changed_parameters(experiment),
        *changed_data(experiment),
    ]
    if systems is not None:
        faults += predictions_that_moved(experiment, systems)
    if not faults and seal_is_broken(folder, name):
        faults.append("seal: the record is not as it was written, though its numbers hold")
    yield from faults


def scores_that_moved(experiment: Experiment) -> list[str]:
    """Numbers of the record that its predictions do not give."""
    seed = int(experiment.record.parameters.get("seed", 0))
    return compare(experiment.record.scores, score_predictions(experiment.predictions, seed))


def changed_files(experiment: Experiment) -> Iterator[str]:
    """Whether the CSV is the one that was scored and the JSON is as it was written."""
    record, rows = experiment.record, len(experiment.predictions)
    path = predictions_path(experiment.folder, experiment.name)
    if record.predictions.get("sha256") != sha256(path):
        yield f"predictions / sha256: {path.name} is not the file that was scored"
    for number in (("predictions", "rows"), ("data", "tracks")):
        recorded = getattr(record, number[0]).get(number[1])
        if recorded != rows:
            yield f"{' / '.join(number)}: record {recorded}, the predictions have {rows}"


def changed_parameters(experiment: Experiment) -> list[str]:
    """Parameters of the record that are not the notebook's defaults."""
    return compare(experiment.record.parameters, Parameters().recorded(), "the notebook has")


def changed_data(experiment: Experiment) -> Iterator[str]:
    """Whether the data set is still the recorded one: its hash, its tracks, their tags and keys."""
    dataset = open_dataset(parameters_of(experiment))
    recorded = experiment.record.data
    now = describe(dataset)
    yield from compare({"data": {**now, **recorded}}, {"data": {**recorded, **now}}, "the data set gives")
    tracks = {track.id: track for track in labelled_tracks(dataset)}
    predictions = experiment.predictions
    for row, track in enumerate(predictions.tracks):
        if track not in tracks:
            yield f"{track}: not a track of {dataset.title}"
            continue
        yield from _changed_labels(predictions, row, tracks[track])


def _changed_labels(predictions: Predictions, row: int, track: Track) -> list[str]:
    """Tags and reference of one row that are not those of the track."""
    recorded = {name: column[row] for name, column in predictions.tags.items()}
    recorded["reference"] = str(predictions.references[row])
    known = {name: column[0] for name, column in tags_of([track]).items()} | {"reference": str(track.key)}
    return compare({track.id: recorded}, {track.id: known}, "the data set gives")


def predictions_that_moved(experiment: Experiment, systems: Mapping[str, System]) -> list[str]:
    """Answers that the features no longer give, by track and system.

    Raises ``MissingData`` where the features were not built.
    """
    dataset = open_dataset(parameters_of(experiment))
    tracks = {track.id: track for track in labelled_tracks(dataset)}
    known = [track for track in experiment.predictions.tracks if track in tracks]
    used = {name: systems[name] for name in experiment.predictions.answers if name in systems}
    answers = predict((dataset.log_vqt(tracks[track]) for track in known), used)
    weights = {**experiment.record.weights, **checksums(used)}
    return [
        *unknown_systems(experiment, systems),
        *compare({"weights": experiment.record.weights}, {"weights": weights}, "those here are"),
        *compare_answers(experiment.predictions, known, answers),
    ]


def unknown_systems(experiment: Experiment, systems: Mapping[str, System]) -> list[str]:
    """Recorded systems that can no longer be asked, though they need no weights that may be absent."""
    return [
        f"{name}: there is no such system"
        for name in experiment.predictions.answers
        if name not in systems and name not in RELEASED
    ]


def compare_with_record(recorded: Experiment, computed: Experiment) -> list[str]:
    """Each answer, and on the same tracks each score, that was computed otherwise than it is recorded."""
    known = set(recorded.predictions.tracks)
    weights = ({"weights": recorded.record.weights}, {"weights": computed.record.weights})
    rows = [row for row, track in enumerate(computed.predictions.tracks) if track in known]
    found = computed.predictions.select(rows)
    gone = [name for name in recorded.predictions.answers if name not in found.answers]
    lines = [f"{name}: not computed" for name in gone if name not in RELEASED]
    lines += compare(*weights, "computed with")
    lines += compare_answers(recorded.predictions, list(found.tracks), found.answers)
    if len(found) == len(recorded.predictions):
        lines += compare(recorded.record.scores, computed.record.scores, "computed here")
    if len(found) < len(computed.predictions):
        lines.append(f"{len(computed.predictions) - len(found)} computed tracks are not in the record")
    return [f"{recorded.name}: {line}" for line in lines]


def compare_answers(
    recorded: Predictions, tracks: list[str], answers: Mapping[str, tuple[Any, ...]]
) -> list[str]:
    """A line for each of the ``answers`` on ``tracks``, in order, that differs from the recorded one."""
    row_of = {track: row for row, track in enumerate(recorded.tracks)}
    old = {
        track: {
            name: format_answer(column[row_of[track]])
            for name, column in recorded.answers.items()
            if name in answers
        }
        for track in tracks
    }
    new = {
        track: {name: format_answer(column[place]) for name, column in answers.items()}
        for place, track in enumerate(tracks)
    }
    return compare(old, new, "features give")
