"""Trainings on record, and from a finished run to what ships: its record, its answers, weights of one seed.

``results/training`` holds for each run ``<run>.json`` (settings, how it went, which weights) and
``<run>.csv`` (its curve, a row an epoch); the runs' answers on the test set are a table beside them.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from companion.answers import (
    ABOUT,
    Record,
    add_answers,
    ask_anew,
    describe,
    read_record,
    read_scores,
    table_of,
)
from companion.datasets import Dataset, labelled_tracks, load_dataset
from companion.datasets.open_corpus import OpenCorpus
from companion.estimators import NetworkSystem
from companion.record import (
    RESULTS,
    RecordError,
    flat,
    provenance,
    read_json,
    write_if_changed,
    write_json,
)
from companion.scores import Answer, interval_of, leading_metric
from companion.systems import SYSTEMS, checksums
from skey.experiments import find_experiment
from skey.metrics import Interval
from skey.training.checkpoint import RunError
from skey.weights import Header, read_header
from skey.weights.file import examples_in
from skey.weights.store import read_weights, save_weights

FOLDER = "training"  # where the records lie, below the folder of the record
SHIPPED = Path("skey") / "weights"  # where shipped weights lie, below the top of the checkout
DIGITS = 6  # significant digits of a number in a curve


@dataclass(frozen=True)
class TrainingRecord:
    """What the record of one run of a system holds.

    ``settings``: the whole experiment; ``training``: what else the weights' header says of how they came
    about (data, clips, steps, seconds, device, temperature); ``weights``: their checksum; ``calibration``:
    which key each output means; ``curve``: the log, a row an epoch; ``scores``: on the test set, with the
    columns of :data:`companion.scores.COLUMNS`.
    """

    name: str
    system: str
    seed: int
    settings: Mapping[str, Any]
    training: Mapping[str, Any]
    weights: str
    calibration: Mapping[str, Any]
    curve: pd.DataFrame
    scores: pd.DataFrame

    @property
    def validation_loss(self) -> float:
        """The loss on held-out training pieces after the last epoch, which decides among seeds."""
        return float(self.curve["validation_loss"].iloc[-1])

    def score(self, metric: str, part: str = "all") -> Interval | None:
        """A score on the test set in percent; None where the system has no such score."""
        return interval_of(self.scores, self.name, metric, part)

    @property
    def examples(self) -> int | None:
        """How many examples trained it, earlier runs included; None where one of them does not say."""
        return examples_in(self.training, self.settings["batch"])

    @property
    def score_words(self) -> str:
        """MIREX, or KSEA without modes, on the whole test set: ``MIREX 81.5 [77.5, 85.5] %``."""
        metric = leading_metric(self.scores, self.name)
        score = self.score(metric)
        assert score is not None
        return f"{metric.upper()} {score:.1f} %"

    @property
    def title(self) -> str:
        """What its weights are called where they ship."""
        return f"{SYSTEMS[self.system].title}, seed {self.seed}"

    @property
    def on_card(self) -> bool:
        """Whether a graphics card computed the run."""
        return str(self.training["device"]).startswith("cuda")

    @property
    def is_candidate(self) -> bool:
        """Whether the run is one of its system's seeds, and no variant, which has a name of its own."""
        return self.name == f"{self.system}-s{self.seed}"


def facts_of(header: Header, name: str) -> dict[str, Any]:
    """A record's fields from a header; the ``name`` of the run gives its system, else the experiment does."""
    training = dict(header.training)
    settings = training.pop("experiment")
    training.pop("last_epoch", None)
    called = re.sub(r"-s\d+$", "", name)
    return {
        "system": called if called in SYSTEMS else settings["name"],
        "seed": training.pop("seed"),
        "settings": settings,
        "training": training,
        "weights": header.checksum,
        "calibration": asdict(header.calibration),
    }


def read_curve(log: Path) -> pd.DataFrame:
    """The log of a run, rounded to ``DIGITS`` significant digits; histograms stay texts of twelve counts.

    Epochs after which the held-out pieces were not listened to are left out.
    """
    table = pd.read_csv(log).dropna(subset="validation_loss", ignore_index=True)
    numbers = table.select_dtypes("float")
    return table.assign(**numbers.map(lambda value: float(f"{value:.{DIGITS}g}")))


def record_file(folder: Path, name: str) -> Path:
    """``folder/training/<name>.json``."""
    return folder / FOLDER / f"{name}.json"


def read_training_records(folder: Path) -> tuple[TrainingRecord, ...]:
    """All records below ``folder``, in alphabetical order; raises ``RecordError`` for a broken one."""
    files = sorted(path for path in (folder / FOLDER).glob("*.json") if path.name != ABOUT)
    scores = read_scores(folder / FOLDER) if files else pd.DataFrame()
    return tuple(_read(path, scores) for path in files)


def _read(path: Path, scores: pd.DataFrame) -> TrainingRecord:
    content = read_json(path)
    try:
        curve = read_curve(path.with_suffix(".csv"))
        return TrainingRecord(**content, curve=curve, scores=scores[scores.system == content["name"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is no record of a training ({error!r}): restore it with git") from error


def parts_of_training(run: TrainingRecord, records: Sequence[TrainingRecord]) -> list[TrainingRecord]:
    """The runs on record by which a network was trained: this one, after those that it started from."""
    start = run.training.get("started_from", {}).get("checksum")
    before = [part for each in records if each.weights == start for part in parts_of_training(each, records)]
    return [*before, run]


def seconds_in_all(run: TrainingRecord, records: Sequence[TrainingRecord]) -> float:
    """How long a network was trained, all parts together."""
    return sum(float(part.training["seconds"]) for part in parts_of_training(run, records))


def choose(records: Iterable[TrainingRecord]) -> dict[str, TrainingRecord]:
    """System → its seed with the lowest last validation loss; no score, and so no label, takes part."""
    chosen: dict[str, TrainingRecord] = {}
    for run in (run for run in records if run.is_candidate):
        best = chosen.get(run.system, run)
        chosen[run.system] = min(best, run, key=lambda each: (each.validation_loss, each.seed))
    return chosen


def weights_by_name(folders: Iterable[Path]) -> dict[str, Path]:
    """The weights of finished runs by the name of their folder; ``RunError`` where two have one name."""
    given = dict.fromkeys(map(Path.resolve, folders))
    files = {folder.name: weights_of(folder) for folder in given}
    if len(files) < len(given):
        raise RunError(f"two folders have one name, and one record: {', '.join(map(str, given))}")
    return files


def ship(checkout: Path, folders: Sequence[Path]) -> dict[str, TrainingRecord]:
    """Put finished runs on record, and of each system the weights that are chosen: system → the chosen run.

    Records of other seeds of these systems go. Raises ``RunError`` where a folder holds no finished run or
    has the name of another, ``RecordError`` where the seeds of a system differ in more than the seed.
    """
    files, results = weights_by_name(folders), checkout / RESULTS
    facts = {name: facts_of(read_header(file), name) for name, file in files.items()}
    curves = {name: read_curve(file.with_name("log.csv")) for name, file in files.items()}
    runs = [TrainingRecord(name, **facts[name], curve=curves[name], scores=pd.DataFrame()) for name in files]
    _refuse_mixture(runs)
    _remove_other_seeds(results, runs)
    for run in runs:
        write_run(results, run)
    tested = load_dataset(OpenCorpus.name)
    put_answers(results / FOLDER, tested, {name: NetworkSystem(file) for name, file in files.items()})
    best = choose(read_training_records(results))
    chosen = {system: run for system, run in best.items() if run.name in files}
    shipped = {system: _copy_weights(files[run.name], checkout, run) for system, run in chosen.items()}
    put_answers(results, tested, {system: NetworkSystem(file) for system, file in shipped.items()})
    return chosen


def weights_of(folder: Path) -> Path:
    """The weights of a finished run; raises ``RunError`` where there is not exactly one file of them."""
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1 or not (folder / "log.csv").is_file():
        raise RunError(f"{folder} holds no finished run: expected log.csv and one file of weights")
    return found[0]


def write_run(results: Path, run: TrainingRecord) -> None:
    """Write what a run is and its curve below the folder of the record."""
    path, tables = record_file(results, run.name), ("curve", "scores")
    write_json(path, {name: value for name, value in vars(run).items() if name not in tables})
    write_if_changed(path.with_suffix(".csv"), run.curve.to_csv(index=False, lineterminator="\n"))


def put_answers(folder: Path, dataset: Dataset, networks: Mapping[str, NetworkSystem]) -> None:
    """Ask networks about a data set, and put their answers into the record in a folder."""
    began = time.monotonic()
    answers = ask_anew(dataset, networks)
    put_columns(folder, dataset, dict(answers.items()), checksums(networks), began)


def put_columns(
    folder: Path,
    dataset: Dataset,
    columns: Mapping[Any, Iterable[Answer]],
    weights: Mapping[str, str],
    began: float,
) -> None:
    """Put answers about the labelled tracks of a data set, in their order, into the record in a folder.

    ``weights``: checksum by column; ``began``: when asking did, by ``time.monotonic``.
    """
    tracks = labelled_tracks(dataset)
    data = {**describe(dataset), "tracks": len(tracks)}
    made = provenance(began)
    before = read_record(folder) if (folder / ABOUT).is_file() else None
    new = Record(table_of(tracks, columns), data, weights, made, folder)
    add_answers(new, before if before and before.data == data else None)


def _refuse_mixture(runs: Iterable[TrainingRecord]) -> None:
    """Raise ``RecordError`` where seeds of a system were trained with other settings or other data."""
    first: dict[str, TrainingRecord] = {}
    for run in (run for run in runs if run.is_candidate):
        other = first.setdefault(run.system, run)
        same_data = run.training["data"] == other.training["data"]
        if not same_data or completed(run.settings) != completed(other.settings):
            raise RecordError(
                f"{run.name} and {other.name} differ in more than the seed: "
                "give the folder of a variant another name"
            )


def completed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings with the defaults of those that came after the record; they changed nothing in it."""
    return flat(asdict(find_experiment(str(settings["name"])))) | flat(settings)


def _remove_other_seeds(results: Path, given: Sequence[TrainingRecord]) -> None:
    """Remove what is on record of seeds that were not given, of the systems that were."""
    names, systems = {run.name for run in given}, {run.system for run in given if run.is_candidate}
    seeds = [run for run in read_training_records(results) if run.is_candidate and run.system in systems]
    gone = [run.name for run in seeds if run.name not in names]
    for name in gone:
        for suffix in (".json", ".csv"):
            record_file(results, name).with_suffix(suffix).unlink()
    if gone:
        runs = read_record(results / FOLDER)
        add_answers(replace(runs, answers=runs.answers.drop(columns=gone)), None)


def _copy_weights(file: Path, checkout: Path, run: TrainingRecord) -> Path:
    loaded, target = read_weights(file), checkout / SHIPPED / f"{run.system}.safetensors"
    save_weights(target, loaded.network, replace(loaded.header, name=run.system, title=run.title))
    return target
