"""Do the records of trainings hold, and are the shipped weights those of the chosen runs?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from companion.record import RecordError
from companion.results.check import compare_answers
from companion.results.experiment import describe, predict
from companion.results.scores import compare, flatten, score_predictions
from companion.training.record import (
    TrainingRecord,
    answers_of,
    facts_of,
    is_sealed,
    read_training_record,
    record_file,
    recorded_runs,
)
from companion.training.shipping import choose
from skey.datasets import Dataset, labelled_tracks
from skey.listeners import NetworkSystem
from skey.training.scoring import open_test_set
from skey.weights import Header, WeightsError, read_weights


def check_training(results: Path, weights: Path, recompute: bool = False) -> list[str]:
    """Every way in which the records of trainings and the shipped weights do not hold, a line each.

    Args:
        results: the folder of the record.
        weights: the folder of the shipped weights.
        recompute: also let the shipped weights hear the test set again.

    Raises:
        MissingData: to recompute, and the features of the test set were not built.
    """
    dataset, names = open_test_set(), recorded_runs(results)
    faults, records = list[str](), list[TrainingRecord]()
    for name in names:
        try:
            records.append(read_training_record(record_file(results, name)))
        except RecordError as error:
            faults.append(f"{name}: {error}")
    for record in records:
        faults += [f"{record.name}: {line}" for line in _record_faults(results, record, dataset)]
    return faults + list(_weights_faults(weights, records, dataset if recompute else None))


def _record_faults(results: Path, record: TrainingRecord, dataset: Dataset) -> Iterator[str]:
    """What does not hold of one record: its test set, its scores, its seal."""
    test = {**describe(dataset), "tracks": len(labelled_tracks(dataset))}
    faults = compare({"test": record.test}, {"test": test}, "the data set gives")
    if not faults:
        scores = score_predictions(answers_of([record], dataset))[record.name]
        faults = compare(record.scores, scores, "the answers give")
    if not faults and not is_sealed(record_file(results, record.name)):
        faults = ["seal: the record is not as it was written, though its scores hold"]
    yield from faults


def _weights_faults(
    folder: Path, records: Sequence[TrainingRecord], dataset: Dataset | None
) -> Iterator[str]:
    """Shipped weights that are damaged, not recorded, or not those of the chosen run."""
    chosen = choose(records)
    for file in sorted(folder.glob("*.safetensors")):
        if file.stem not in chosen:
            yield f"{file.name}: no run of {file.stem} is on record"
            continue
        try:
            loaded = read_weights(file)
        except WeightsError as error:
            yield f"{file.name}: {error}"
            continue
        record = chosen[file.stem]
        lines = _facts_that_differ(record, loaded.header)
        if dataset is not None and not lines:
            lines = _answers_that_moved(file, record, dataset)
        yield from (f"{record.name}: {line}" for line in lines)


def _facts_that_differ(record: TrainingRecord, header: Header) -> list[str]:
    """What the header of weights says otherwise than the record of their run."""
    said = facts_of(header)
    old, new = flatten({name: record.substance[name] for name in said}), flatten(said)
    return [
        f"{' / '.join(path)}: record {old.get(path)}, the weights say {new.get(path)}"
        for path in dict.fromkeys((*old, *new))
        if old.get(path) != new.get(path)
    ]


def _answers_that_moved(file: Path, record: TrainingRecord, dataset: Dataset) -> list[str]:
    """Clips to which the shipped weights answer otherwise than it is recorded."""
    tracks = labelled_tracks(dataset)
    found = predict((dataset.log_vqt(track) for track in tracks), {record.name: NetworkSystem(file)})
    return compare_answers(answers_of([record], dataset), [track.id for track in tracks], found)
