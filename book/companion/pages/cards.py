"""Model cards: one of the network that estimates by default, and a table of all others."""

from collections.abc import Mapping
from pathlib import Path

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
from skey.weights import DEFAULT, read_header
from skey.weights.authors import RELEASES

LABELS: Mapping[str, str] = {  # which labels took part, by the kind of supervision
    "none": "no labels",
    "alternate": "labels of {labelled_clips:,} clips in every other epoch",
    "only": "labels of all {labelled_clips:,} clips",
}

METRICS = ("mirex", "mode", "ksea")


def default_card(checkout: Path) -> str:
    """The card of the network that estimates where no weights are named."""
    records = read_training_records(checkout / RESULTS)
    record = choose(records)[DEFAULT]
    header = read_header(checkout / SHIPPED / f"{DEFAULT}.safetensors")
    training, settings = record.training, record.settings
    seeds = sum(run.is_candidate and run.system == record.system for run in records)
    among = "the only one" if seeds == 1 else f"of {seeds} the one with the lowest"
    start, recorded = training.get("started_from"), training.get("recorded_tracks")
    link = download(record.name, record_file(checkout / RESULTS, record.name))
    commands = (f"`{command(part, records)}`" for part in parts_of_training(record, records))
    terms = {
        "Name": f"`{record.system}`; run {link} of [](notebooks/training.ipynb)",
        "Licence": header.licence,
        "Checksum": f"`{header.checksum}`",
        "Size": f"{training['parameters']:,} trainable parameters",
        "Data": f"{training['clips']:,} clips: [the open corpus](notebooks/open-corpus.ipynb)"
        + (", composed songs" if settings["songs"] else "")
        + (f", and segments of {recorded:,} recordings of free game music" if recorded else ""),
        "Labels": LABELS[settings["supervision"]].format(**training),
        "Training": f"{training['steps']:,} steps in {training['seconds'] / 60:.0f} minutes, "
        f"{training['machine']}, commit `{training['commit']}`"
        + (f", from weights that had seen {_examples_words(start['examples'])}" if start else ""),
        "Commands": f"{', then '.join(commands)}; `MUSIC` is what `skey corpus music` fetches",
        "Seed": f"{record.seed}, {among}; loss on held-out training pieces {record.validation_loss:.4f}",
        "Outputs": _outputs_words(header.calibration),
        "Confidence": _confidence_words(record),
    }
    for metric in METRICS:
        parts = record.scores[record.scores.metric == metric].part
        shown = (f"{part} {with_interval(record.score(metric, part)).replace('<br>', ' ')}" for part in parts)
        terms[f"{METRIC_TITLES[metric]}, %"] = "; ".join(shown)
    return f"## {header.title}\n\n{definitions(terms)}"


def others_table(checkout: Path) -> str:
    """Every other network on record, ours and the released ones: what each is, and what it scores."""
    scores, chosen = read_scores(checkout / RESULTS), choose(read_training_records(checkout / RESULTS))
    entries = read_observation(checkout / RESULTS, NAME).entries
    files = {file.stem: file for file in (checkout / SHIPPED).glob("*.safetensors") if file.stem != DEFAULT}
    rows = []
    for name in (name for name in SYSTEMS if name in RELEASED or name in files):
        if name in RELEASED:
            checkpoint, entry = SYSTEMS[name].checkpoint, entries[name]
            release = RELEASES[checkpoint]
            takes = "a track in one pass" if release.whole_track else "windows of 15 s"
            trained = f"`{checkpoint}.pt` of <{release.source}>, epoch {entry['epoch']} of its training"
            source = f"{trained}; takes {takes}"
            calibration, checksum = Calibration(**entry["calibration"]), entry["checksum"]
            licence, parameters = release.licence, entry["parameters"]
        else:
            header, record = read_header(files[name]), chosen[name]
            labels = LABELS[record.settings["supervision"]].format(**record.training)
            source = f"{_examples_words(header.examples)}, {labels}; seed {record.seed}"
            calibration, checksum = header.calibration, header.checksum
            licence, parameters = header.licence, record.training["parameters"]
        metric = leading_metric(scores, name)
        score = f"{with_interval(interval_of(scores, name, metric))}<br>{METRIC_TITLES[metric]}"
        made = [source, _outputs_words(calibration), f"{licence}<br>`{checksum[:12]}`", f"{parameters:,}"]
        rows.append([f"{label(name)}<br>`{name}`", *made, score])
    header_row = ["Network", "Trained on", "Outputs", "Licence, checksum", "Parameters", "Score here, %"]
    return markdown_table(header_row, rows, text=4)


def _examples_words(examples: int | None) -> str:
    return "an unknown number of examples" if examples is None else f"{examples:,} examples"


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
