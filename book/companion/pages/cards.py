"""Model cards of the weights that ship: what each is, what it learnt from, and what it scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.pages.released import apart, card
from companion.pages.tables import METRIC_TITLES, download, with_interval
from companion.record import RESULTS
from companion.studies.alignment import mode_offset
from companion.training import SHIPPED, TrainingRecord, choose, read_training_records, record_file
from skey.weights import Header, read_header

NOTHING = "No weights of our own ship yet."

LABELS: Mapping[str, str] = {
    "none": "none: the network never saw a key",
    "alternate": "of {labelled_clips:,} clips, in every other epoch",
    "only": "of all its {labelled_clips:,} clips",
}
"""Which labels took part, by the kind of supervision."""

METRICS = ("mirex", "mode", "ksea")


def shipped_cards(checkout: Path) -> str:
    """A card for every file of weights below ``skey/weights`` whose run is on record."""
    chosen = choose(read_training_records(checkout / RESULTS))
    cards = [
        _card_of(read_header(file), chosen[file.stem], checkout)
        for file in sorted((checkout / SHIPPED).glob("*.safetensors"))
        if file.stem in chosen
    ]
    return "\n\n".join(cards) or NOTHING


def _card_of(header: Header, record: TrainingRecord, checkout: Path) -> str:
    """The card of one system."""
    training, link = record.training, download(record.name, record_file(checkout / RESULTS, record.name))
    rows = [
        ["Name", f"`{record.system}`; run {link} of [](notebooks/training.ipynb)"],
        ["Licence", header.licence],
        ["Checksum", f"`{header.checksum}`"],
        ["Size", f"{training['parameters']:,} trainable parameters"],
        ["Data", _data_words(training)],
        ["Labels", LABELS[record.settings["supervision"]].format(**training)],
        ["Training", _training_words(training)],
        ["Chosen", f"among its seeds by the loss on held-out training pieces, {record.validation_loss:.4f}"],
        ["Outputs", _outputs_words(header)],
        ["Confidence", _confidence_words(record)],
        *_score_rows(record),
    ]
    return card(header.title, rows)


def _data_words(training: Mapping[str, Any]) -> str:
    """How many clips, and how many recordings gave some of them."""
    said = f"{training['clips']:,} training clips of [the open corpus](notebooks/open-corpus.ipynb)"
    recorded = training.get("recorded_tracks")
    return f"{said}, segments of {recorded:,} recordings of free game music among them" if recorded else said


def _training_words(training: Mapping[str, Any]) -> str:
    """Steps, time, machine, commit, and the weights at the start where they were not random."""
    where = training.get("machine", training["device"])
    minutes = float(training["seconds"]) / 60
    commit = training.get("commit", "unknown")
    said = f"{training['steps']:,} steps in {minutes:.0f} minutes, {where}, commit `{commit}`"
    start = training.get("started_from")
    return f"{said}, from weights that had seen {start['examples']:,} examples" if start else said


def _outputs_words(header: Header) -> str:
    """What the outputs mean."""
    calibration = header.calibration
    if calibration.outputs == 12:
        return "12 key signatures"
    steps = mode_offset(calibration)
    lie = "relatives" if steps == 0 else f"keys whose signatures lie {apart(steps)} each other"
    return f"24 keys; a row holds {lie}"


def _confidence_words(record: TrainingRecord) -> str:
    """Where the temperature comes from, and what it needed."""
    temperature, clips = record.training.get("temperature"), record.training["temperature_clips"]
    if temperature is None:
        return f"the softmax as it is: {clips} labelled clips were held out, too few to fit a temperature"
    said = f"softmax at temperature {temperature:g}, fitted on {clips} labelled clips held out of training"
    return said if record.uses_labels else f"{said}; the only use of labels, and it changes no answer"


def _score_rows(record: TrainingRecord) -> list[list[str]]:
    """The scores of the open test set: all, then part by part."""
    rows = []
    for metric in METRICS:
        parts = record.scores[record.scores.metric == metric].part
        said = (f"{part} {with_interval(record.score(metric, part)).replace('<br>', ' ')}" for part in parts)
        rows += [[f"{METRIC_TITLES[metric]}, %", "; ".join(said)]] if len(parts) else []
    return rows
