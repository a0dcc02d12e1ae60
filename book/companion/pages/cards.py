"""Model cards: one of the network that estimates by default, and a table of all others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from companion.answers import read_scores
from companion.observations import read_observation
from companion.pages.tables import METRIC_TITLES, definitions, download, markdown_table, with_interval
from companion.pages.trainings import command
from companion.paper import label
from companion.record import RESULTS
from companion.scores import interval_of, leading_metric
from companion.studies.alignment import NAME, apart, first_row, mode_offset
from companion.systems import RELEASED, SYSTEMS
from companion.training import (
    SHIPPED,
    TrainingRecord,
    choose,
    parts_of_training,
    read_training_records,
    record_file,
)
from skey.calibration import Calibration
from skey.weights import DEFAULT, Header, read_header
from skey.weights.authors import RELEASES

LABELS: Mapping[str, str] = {
    "none": "no labels",
    "alternate": "labels of {labelled_clips:,} clips in every other epoch",
    "only": "labels of all {labelled_clips:,} clips",
}
"""Which labels took part, by the kind of supervision."""

METRICS = ("mirex", "mode", "ksea")


def default_card(checkout: Path) -> str:
    """The card of the network that estimates where no weights are named."""
    records = read_training_records(checkout / RESULTS)
    record = choose(records)[DEFAULT]
    commands = (f"`{command(part, records)}`" for part in parts_of_training(record, records))
    header = read_header(checkout / SHIPPED / f"{DEFAULT}.safetensors")
    training, link = record.training, download(record.name, record_file(checkout / RESULTS, record.name))
    terms = {
        "Name": f"`{record.system}`; run {link} of [](notebooks/training.ipynb)",
        "Licence": header.licence,
        "Checksum": f"`{header.checksum}`",
        "Size": f"{training['parameters']:,} trainable parameters",
        "Data": _data_words(training, record.settings),
        "Labels": LABELS[record.settings["supervision"]].format(**training),
        "Training": _training_words(training),
        "Commands": f"{', then '.join(commands)}; `MUSIC` is what `skey corpus music` fetches",
        "Seed": _seed_words(record, records),
        "Outputs": _outputs_words(header.calibration),
        "Confidence": _confidence_words(record),
        **_scores(record),
    }
    return f"## {header.title}\n\n{definitions(terms)}"


def _seed_words(record: TrainingRecord, records: Sequence[TrainingRecord]) -> str:
    seeds = sum(run.is_candidate and run.system == record.system for run in records)
    among = "the only one" if seeds == 1 else f"of {seeds} the one with the lowest"
    return f"{record.seed}, {among}; loss on held-out training pieces {record.validation_loss:.4f}"


def others_table(checkout: Path) -> str:
    """Every other network on record, ours and the released ones: what each is, and what it scores."""
    scores, chosen = read_scores(checkout / RESULTS), choose(read_training_records(checkout / RESULTS))
    released = read_observation(checkout / RESULTS, NAME).entries
    files = {file.stem: file for file in (checkout / SHIPPED).glob("*.safetensors") if file.stem != DEFAULT}
    rows = []
    for name in (name for name in SYSTEMS if name in RELEASED or name in files):
        if name in RELEASED:
            cells = _released_cells(name, released[name])
        else:
            cells = _cells(read_header(files[name]), chosen[name])
        metric = leading_metric(scores, name)
        score = f"{with_interval(interval_of(scores, name, metric))}<br>{METRIC_TITLES[metric]}"
        rows.append([f"{label(name)}<br>`{name}`", *cells, score])
    header = ["Network", "Trained on", "Outputs", "Licence, checksum", "Parameters", "Score here, %"]
    return markdown_table(header, rows, text=4)


def _cells(header: Header, record: TrainingRecord) -> list[str]:
    labels = LABELS[record.settings["supervision"]].format(**record.training)
    return [
        f"{header.examples:,} examples, {labels}; seed {record.seed}",
        _outputs_words(header.calibration),
        f"{header.licence}<br>`{header.checksum[:12]}`",
        f"{record.training['parameters']:,}",
    ]


def _released_cells(name: str, entry: Mapping[str, Any]) -> list[str]:
    checkpoint = SYSTEMS[name].checkpoint
    release = RELEASES[checkpoint]
    takes = "takes a track in one pass" if release.whole_track else "takes windows of 15 s"
    return [
        f"`{checkpoint}.pt` of <{release.source}>, epoch {entry['epoch']} of its training; {takes}",
        _outputs_words(Calibration(**entry["calibration"])),
        f"{release.licence}<br>`{entry['checksum'][:12]}`",
        f"{entry['parameters']:,}",
    ]


def _data_words(training: Mapping[str, Any], experiment: Mapping[str, Any]) -> str:
    said = [f"{training['clips']:,} clips: [the open corpus](notebooks/open-corpus.ipynb)"]
    said += ["composed songs"] if experiment["songs"] else []
    if recorded := training.get("recorded_tracks"):
        said.append(f"and segments of {recorded:,} recordings of free game music")
    return ", ".join(said)


def _training_words(training: Mapping[str, Any]) -> str:
    said = (
        f"{training['steps']:,} steps in {training['seconds'] / 60:.0f} minutes, "
        f"{training.get('machine', training['device'])}, commit `{training.get('commit', 'unknown')}`"
    )
    start = training.get("started_from")
    return f"{said}, from weights that had seen {start['examples']:,} examples" if start else said


def _outputs_words(calibration: Calibration) -> str:
    if calibration.outputs == 12:
        return "12 key signatures"
    steps = mode_offset(calibration)
    return f"24 keys; row 0: {first_row(calibration)}, {apart(steps)}{'' if steps == 0 else ' by signature'}"


def _confidence_words(record: TrainingRecord) -> str:
    temperature, clips = record.training.get("temperature"), record.training["temperature_clips"]
    if temperature is None:
        return f"the softmax as it is: {clips} labelled clips were held out, too few to fit a temperature"
    fitted = f"temperature {temperature:g}, fitted on {clips} labelled clips held out of training"
    said = f"softmax at {fitted}" if temperature >= 1 else f"the softmax as it is, and no bolder at {fitted}"
    if record.settings["supervision"] != "none":
        return said
    return f"{said}; the only use of labels, and it changes no answer"


def _scores(record: TrainingRecord) -> dict[str, str]:
    said = {}
    for metric in METRICS:
        parts = record.scores[record.scores.metric == metric].part
        shown = (f"{part} {with_interval(record.score(metric, part)).replace('<br>', ' ')}" for part in parts)
        said[f"{METRIC_TITLES[metric]}, %"] = "; ".join(shown)
    return said
