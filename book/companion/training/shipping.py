"""From finished runs to what ships: a record of every run, and the weights of one seed a system."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from companion.record import RESULTS, RecordError
from companion.training.record import (
    IN_RUN,
    TrainingRecord,
    is_sealed,
    read_training_record,
    record_file,
    record_run,
    recorded_runs,
    write_training_record,
)
from skey.datasets import Dataset
from skey.experiments import find_experiment
from skey.training.data import Pool
from skey.training.scoring import add_temperature, weights_of
from skey.weights import read_header, read_weights, save_weights

SHIPPED = Path("skey") / "weights"
"""Where shipped weights lie, below the top of the checkout."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What was shipped of one system: the chosen run, and its weights."""

    record: TrainingRecord
    weights: Path


def choose(records: Iterable[TrainingRecord]) -> dict[str, TrainingRecord]:
    """The run of each system whose weights are used: among its seeds the lowest last validation loss.

    That loss is measured on held-out pieces of the training split. No score takes part, so that a system
    which needs no labels is not chosen by labels either.

    Args:
        records: those of variants, which have names of their own, are passed over.

    Returns:
        System → the record of the chosen run.
    """
    seeds: dict[str, list[TrainingRecord]] = {}
    for record in records:
        if record.is_candidate:
            seeds.setdefault(record.system, []).append(record)
    return {
        system: min(runs, key=lambda run: (run.validation_loss, run.seed)) for system, runs in seeds.items()
    }


def finish_run(
    folder: Path, validation: Pool | None = None, dataset: Dataset | None = None
) -> TrainingRecord:
    """Make sure that a run's folder holds its record, and that its weights know how sure they may be.

    Args:
        folder: of a finished run.
        validation: held-out clips for the temperature, where the header has none; by default those of the
            run's own settings.
        dataset: what to score on; by default the open test set, built where it is not.

    Returns:
        The record, which is computed only where the folder holds none of these weights.

    Raises:
        RunError: the folder holds no finished run.
    """
    add_temperature(weights_of(folder), validation)
    path = folder / IN_RUN
    if path.is_file() and is_sealed(path):
        record = read_training_record(path)
        if record.name == folder.name and record.weights == read_header(weights_of(folder)).checksum:
            return record
    record = record_run(folder, dataset)
    write_training_record(record, path)
    return record


def ship(checkout: Path, folders: Sequence[Path], dataset: Dataset | None = None) -> list[Shipment]:
    """Copy the records of runs into the checkout, and of each system the weights that are chosen.

    The runs of a system that are given are all that count: records of other seeds of it are removed.

    Args:
        checkout: its top.
        folders: of finished runs.
        dataset: what to score on; by default the open test set, built where it is not.

    Returns:
        What was shipped, a system each.

    Raises:
        RunError: a folder holds no finished run.
        RecordError: the seeds of a system differ in more than the seed.
    """
    records = {folder: finish_run(folder, dataset=dataset) for folder in map(Path.resolve, folders)}
    for system in {record.system for record in records.values()}:
        _refuse_mixture([record for record in records.values() if record.system == system])
    _remove_others(checkout / RESULTS, records.values())
    for record in records.values():
        write_training_record(record, record_file(checkout / RESULTS, record.name))
    folder_of = {record.name: folder for folder, record in records.items()}
    return [
        Shipment(record, _copy_weights(weights_of(folder_of[record.name]), checkout / SHIPPED, record))
        for record in choose(records.values()).values()
    ]


def _refuse_mixture(records: Sequence[TrainingRecord]) -> None:
    """Raise ``RecordError`` where seeds of a system were trained with other settings or other data."""
    seeds = [record for record in records if record.is_candidate]
    for record in seeds[1:]:
        settings = [completed(each.settings) for each in (record, seeds[0])]
        same = settings[0] == settings[1] and record.training["data"] == seeds[0].training["data"]
        if not same:
            raise RecordError(
                f"{record.name} and {seeds[0].name} differ in more than the seed: "
                "give the folder of a variant another name"
            )


def completed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings with the defaults of those that came after the record; they changed nothing in it."""
    return _filled(settings, asdict(find_experiment(str(settings["name"]))))


def _filled(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, and the defaults of what is not, level by level."""
    return {
        name: _filled(value, defaults.get(name, {})) if isinstance(value, Mapping) else value
        for name, value in {**defaults, **given}.items()
    }


def _remove_others(results: Path, records: Iterable[TrainingRecord]) -> None:
    """Remove records of seeds that were not given, of the systems that were."""
    given = {record.name for record in records}
    systems = {record.system for record in records if record.is_candidate}
    for name in recorded_runs(results):
        old = read_training_record(record_file(results, name))
        if old.is_candidate and old.system in systems and name not in given:
            record_file(results, name).unlink()


def _copy_weights(file: Path, folder: Path, record: TrainingRecord) -> Path:
    """The weights of a chosen run under the name of their system."""
    loaded = read_weights(file)
    target = folder / f"{record.system}.safetensors"
    save_weights(target, loaded.network, replace(loaded.header, name=record.system))
    return target
