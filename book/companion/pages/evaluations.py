"""What single tables and figures show beside the common tables: spread of answers, curves, S-KEY's table."""

import math
from collections.abc import Mapping, Sequence

from companion.pages.tables import markdown_table, paper_cell, with_interval
from companion.paper import dataset_title, label, papers_numbers
from companion.plots import Drawing
from companion.plots.evaluation import (
    REFERENCE,
    Panel,
    growth_drawing,
    our_values,
    papers_values,
    spread_drawing,
)
from companion.results import Answer, Experiment, Predictions
from companion.studies.collapse import Spread, spread
from companion.systems import EVALUATIONS
from skey.keys import Key

LABEL_CURVES: Mapping[str, Mapping[float, str]] = {
    "Semi-TONE": {1.0: "semitone-1", 10.0: "semitone-10", 100.0: "semitone"},
    "Sup-TONE": {1.0: "suptone-1", 10.0: "suptone-10", 100.0: "suptone"},
}
"""The curves of Figure 3, STONE: percent of the labels → system."""

LABEL_LINES = ("stone24", "supervised")
"""The dashed lines of Figure 3, STONE."""

DATA_CURVES: Mapping[str, Mapping[float, str]] = {"S-KEY": {1.0: "skey-1", 10.0: "skey-10", 100.0: "skey"}}
"""S-KEY: percent of the training clips → system."""

PERCENT_TICKS: Mapping[float, str] = {1.0: "1 %", 10.0: "10 %", 100.0: "100 %"}

PAPERS_DATASETS = ("fmakv2", "gtzan", "giantsteps", "winterreise")
"""The collections of S-KEY's table."""


def spreads(predictions: Predictions) -> dict[str, Spread]:
    """How the annotated keys and the answers of each system are spread over the key signatures."""
    return {
        REFERENCE: spread(predictions.references),
        **{system: spread(answers) for system, answers in predictions.answers.items()},
    }


def spread_drawings(predictions: Predictions) -> list[Drawing]:
    """The same as figures."""
    return [spread_drawing(each, system) for system, each in spreads(predictions).items()]


def spread_table(predictions: Predictions) -> str:
    """Different answers, the most frequent one with its share, and the entropy, system by system."""
    rows = [
        [
            "*Annotated keys*" if system == REFERENCE else label(system),
            f"{each.most_frequent[0]} major",
            f"{100 * each.most_frequent[1]:.1f}",
            str(each.distinct),
            f"{each.entropy:.2f}",
        ]
        for system, each in spreads(predictions).items()
    ]
    header = [
        "",
        "Most frequent",
        "its share, %",
        "different, of 12",
        f"entropy, of {math.log2(12):.2f} bits",
    ]
    return markdown_table(header, rows, text=2)


def supervision_drawing(experiment: Experiment) -> Drawing:
    """Figure 3, STONE: the paper's curves as its earlier version shows them, and ours."""
    papers = papers_values(papers_numbers("mirex", "fmak"))
    ours = our_values(experiment.record.scores, "mirex")
    panels = [
        Panel(f"Paper: {dataset_title('fmak')}", LABEL_CURVES, papers, PERCENT_TICKS, LABEL_LINES),
        Panel(f"Ours: {experiment.record.data['title']}", LABEL_CURVES, ours, PERCENT_TICKS, LABEL_LINES),
    ]
    return growth_drawing(panels, "Semi-TONE and Sup-TONE against labels", "MIREX, %", "share of the labels")


def data_drawing(experiment: Experiment) -> Drawing:
    """S-KEY against the amount of training data: the paper's two points, and our three."""
    papers = papers_values(papers_numbers("mirex"))
    ours = our_values(experiment.record.scores, "mirex")
    tracks: dict[float, str] = {60e3: "60 k", 1e6: "1 M"}
    curve: dict[str, Mapping[float, str]] = {"S-KEY": {60e3: "skey-60k", 1e6: "skey"}}
    panels = [
        Panel(f"Paper: {dataset_title('fmakv2')}", curve, papers, tracks, ("krumhansl",)),
        Panel(f"Ours: {experiment.record.data['title']}", DATA_CURVES, ours, PERCENT_TICKS, ("krumhansl",)),
    ]
    return growth_drawing(panels, "S-KEY against training data", "MIREX, %", "training tracks")


def collections_table(experiment: Experiment) -> str:
    """S-KEY's table: the papers' MIREX on each of their collections with its mark, then ours."""
    papers = [papers_numbers("mirex", dataset, ours=False) for dataset in PAPERS_DATASETS]
    asked = EVALUATIONS[experiment.name].systems
    ours_begin = asked.index("skey")
    names = [*asked[:ours_begin], "skey-60k", "skey-1m", *asked[ours_begin:]]
    ours = experiment.record.scores
    rows = [
        [
            label(system),
            *(paper_cell(numbers.get(system)) for numbers in papers),
            with_interval(ours[system]["all"], "mirex") if system in ours else "–",
        ]
        for system in names
    ]
    data = experiment.record.data
    header = [
        "MIREX, %",
        *map(dataset_title, PAPERS_DATASETS),
        f"ours: {data['title']}, n = {data['tracks']}",
    ]
    return markdown_table(header, rows)


def modes_table(predictions: Predictions) -> str:
    """For each mode of the reference the share of right answers in percent, and how many answers are minor.

    A system of key signatures is right where the signature is, and says nothing of the mode.
    """
    rows = [
        [
            label(system),
            *(_right(predictions.references, answers, mode) for mode in ("major", "minor")),
            _share_of_minor(answers),
        ]
        for system, answers in predictions.answers.items()
    ]
    return markdown_table(["%", "right in major", "right in minor", "answers that are minor"], rows)


def _right(references: Sequence[Key], answers: Sequence[Answer], mode: str) -> str:
    """The share of right answers where the reference has that mode; a dash where none has."""
    right = [
        answer == (reference if isinstance(answer, Key) else reference.signature)
        for reference, answer in zip(references, answers, strict=True)
        if reference.mode == mode
    ]
    return f"{100 * sum(right) / len(right):.1f}" if right else "–"


def _share_of_minor(answers: Sequence[Answer]) -> str:
    """How many answers are minor keys; a dash where the answers are key signatures."""
    keys = [answer for answer in answers if isinstance(answer, Key)]
    return f"{100 * sum(key.mode == 'minor' for key in keys) / len(keys):.1f}" if keys else "–"
