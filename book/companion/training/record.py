"""The record of a training, ``results/training/<run>.json``: from its settings to its scores."""

import csv
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from companion.record import RecordError, digest, find_checkout, provenance, write_if_changed
from companion.results.experiment import compute_predictions, describe, tags_of
from companion.results.predictions import Answer, Predictions, format_answer, parse_answer
from companion.results.scores import leading_metric, recorded_interval, score_predictions
from skey.datasets import Dataset, labelled_tracks
from skey.listeners import NetworkSystem
from skey.training.scoring import open_test_set, weights_of
from skey.weights import Header, read_header

FOLDER = "training"
"""Where the records lie, below the folder of the record."""

IN_RUN = "record.json"
"""The record in the folder of the run itself."""

DIGITS = 6
"""Significant digits of a number in a curve."""

SEPARATOR = ", "
"""Between the answers on two clips."""

Curve = Mapping[str, Sequence[Any]]
"""column of the log → one entry an epoch: a number, None, or the twelve counts of a histogram."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What the record of one run holds.

    ``name`` of the run, ``system`` and ``seed``; ``settings``: the whole experiment; ``training``: what else
    the weights' header says of how they came about (data, clips, steps, seconds, device, temperature);
    ``weights``: their checksum; ``calibration``: which key each output means; ``curve``: the log; ``test``:
    the test set; ``answers`` to its clips in order, and their ``scores`` by part of the test set; ``made``:
    by which code the scores were computed, when and on what.
    """

    name: str
    system: str
    seed: int
    settings: Mapping[str, Any]
    training: Mapping[str, Any]
    weights: str
    calibration: Mapping[str, Any]
    curve: Curve
    test: Mapping[str, str | int]
    answers: str
    scores: Mapping[str, Mapping[str, int | float]]
    made: Mapping[str, Any]

    @property
    def substance(self) -> dict[str, Any]:
        """Everything but ``made``: a record with the same substance needs no rewriting."""
        return {name: value for name, value in asdict(self).items() if name != "made"}

    @property
    def validation_loss(self) -> float:
        """The loss on held-out training pieces after the last epoch, which decides among seeds."""
        return float(self.curve["validation_loss"][-1])

    @property
    def metric(self) -> str:
        """The score that a run is judged by: MIREX where there are modes, else KSEA."""
        return leading_metric(self.scores["all"])

    @property
    def score_words(self) -> str:
        """That score on the whole test set with its interval: ``MIREX 81.5 % [77.5, 85.5]``."""
        score = recorded_interval(self.scores["all"], self.metric)
        return f"{self.metric.upper()} {score.value:.1f} % [{score.low:.1f}, {score.high:.1f}]"

    @property
    def uses_labels(self) -> bool:
        """Whether labels took part in training."""
        return bool(self.settings["supervision"] != "none")

    @property
    def is_candidate(self) -> bool:
        """Whether the run is one of its system's seeds, and no variant, which has a name of its own."""
        return self.name == f"{self.system}-s{self.seed}"

    def answered(self) -> tuple[Answer, ...]:
        """The answers, one a clip of the test set."""
        return tuple(parse_answer(text) for text in self.answers.split(SEPARATOR))


def record_run(folder: Path, dataset: Dataset | None = None) -> TrainingRecord:
    """Score the weights in the folder of a finished run, and put together its record.

    Args:
        folder: of the run, with its log and its weights; the last part of its path names the run.
        dataset: what to score on; by default the open test set, built where it is not.

    Raises:
        RunError: the folder holds no finished run.
    """
    began, file = time.monotonic(), weights_of(folder)
    header = read_header(file)
    dataset = dataset or open_test_set(build=True)
    predictions = compute_predictions(dataset, {"run": NetworkSystem(file)})
    scores = score_predictions(predictions)["run"]
    return TrainingRecord(
        name=folder.name,
        **facts_of(header),
        curve=read_curve(folder / "log.csv"),
        test={**describe(dataset), "tracks": len(predictions)},
        answers=SEPARATOR.join(map(format_answer, predictions.answers["run"])),
        scores=scores,
        made=provenance(find_checkout(), time.monotonic() - began),
    )


def facts_of(header: Header) -> dict[str, Any]:
    """The fields of a record that are read off the header of the weights."""
    training = dict(header.training)
    settings = training.pop("experiment")
    training.pop("last_epoch", None)
    return {
        "system": settings["name"],
        "seed": training.pop("seed"),
        "settings": settings,
        "training": training,
        "weights": header.checksum,
        "calibration": header.calibration.as_dict(),
    }


def read_curve(log: Path) -> Curve:
    """The log of a run column by column, rounded to ``DIGITS`` significant digits."""
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: [_entry(column, row[column]) for row in rows] for column in (rows[0] if rows else ())}


def _entry(column: str, text: str) -> int | float | list[int] | None:
    """One field of the log as a number, or as the counts of a histogram."""
    if column.startswith("rows_"):
        return [int(count) for count in text.split()]
    if not text:
        return None
    return int(text) if column == "epoch" else float(f"{float(text):.{DIGITS}g}")


def record_file(folder: Path, name: str) -> Path:
    """``folder/training/<name>.json``."""
    return folder / FOLDER / f"{name}.json"


def recorded_runs(folder: Path) -> tuple[str, ...]:
    """Names of the runs that have a record in ``folder``, in alphabetical order."""
    return tuple(sorted(path.stem for path in (folder / FOLDER).glob("*.json")))


def read_training_records(folder: Path) -> tuple[TrainingRecord, ...]:
    """All records in ``folder/training``, in alphabetical order; raises ``RecordError`` for a broken one."""
    return tuple(read_training_record(record_file(folder, name)) for name in recorded_runs(folder))


def read_training_record(path: Path) -> TrainingRecord:
    """Read the record of one run; raises ``RecordError`` where it is missing or none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return TrainingRecord(**{field.name: content[field.name] for field in fields(TrainingRecord)})
    except FileNotFoundError:
        raise RecordError(f"{path} is missing: restore it with git, or train the run again") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} is no record of a training ({error!r}): restore it with git") from error


def is_sealed(path: Path) -> bool:
    """Whether a record is as it was written: its ``seal`` is the sha256 of all the rest."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return bool(content.pop("seal", None) == digest(content))


def write_training_record(record: TrainingRecord, path: Path) -> bool:
    """Write a record whole and sealed, unless what is there says the same; returns whether it did."""
    content = json.loads(json.dumps(asdict(record)))
    if path.is_file() and is_sealed(path) and _same_substance(read_training_record(path), record):
        return False
    text = json.dumps({**content, "seal": digest(content)}, indent=1, ensure_ascii=False)
    return write_if_changed(path, _short_lists(text) + "\n")


def _same_substance(old: TrainingRecord, new: TrainingRecord) -> bool:
    """Whether two records say the same, as JSON keeps it."""
    return bool(old.substance == json.loads(json.dumps(new.substance)))


def _short_lists(text: str) -> str:
    """JSON with every list of numbers on one line."""
    numbers = r"\[\s+(?:[-+\deE.,\s]|null)*?\]"
    return re.sub(numbers, lambda found: re.sub(r"\s+", " ", found[0]), text)


def answers_of(records: Iterable[TrainingRecord], dataset: Dataset) -> Predictions:
    """The answers of several runs on the test set as one table, a column a run."""
    tracks = labelled_tracks(dataset)
    return Predictions(
        tracks=tuple(track.id for track in tracks),
        tags=tags_of(tracks),
        references=tuple(track.key for track in tracks if track.key is not None),
        answers={record.name: record.answered() for record in records},
    )
