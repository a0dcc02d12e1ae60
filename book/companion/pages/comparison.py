"""The papers' tables as Markdown, row by row: what the paper counts, and below it what we count."""

from collections.abc import Iterator, Mapping, Sequence

from companion.pages.tables import markdown_table, with_interval
from companion.paper import Number, PaperTable, dataset_title, label, paper_tables
from companion.results import Experiment
from companion.systems import EVALUATIONS
from skey.metrics import RelationCounts, SignatureCounts

HEADERS: Mapping[str, tuple[str, ...]] = {
    "ksea": ("", "Correct", "Fifth", "Wrong", "KSEA"),
    "mirex": ("", "Correct", "Fifth", "Relative", "Parallel", "Wrong", "MIREX"),
}
"""The columns of a table by its score."""

ABSENT = "not computed here"

Counts = RelationCounts | SignatureCounts


def comparison_table(experiment: Experiment) -> str:
    """Shares of each outcome in percent, the paper's row above ours, by the tables of ``EVALUATIONS``.

    Every row of the first of these tables is shown; of the others those of the experiment's own systems.
    """
    evaluation = EVALUATIONS[experiment.name]
    tables = [paper_tables()[name] for name in evaluation.tables]
    names = dict.fromkeys((*evaluation.systems, *tables[0].systems))
    metric = tables[0].metric
    rows = [row for name in names for row in _rows(experiment, name, tables, metric)]
    return markdown_table(HEADERS[metric], rows)


def relations_table(experiment: Experiment) -> str:
    """Shares of each relation in percent, for every system that answers keys: our rows alone."""
    scores = experiment.record.scores
    rows = [
        _our_row(experiment, system, scores[system]["all"], "mirex")
        for system in scores
        if "mirex" in scores[system]["all"]
    ]
    return markdown_table(HEADERS["mirex"], rows)


def _rows(
    experiment: Experiment, system: str, tables: Sequence[PaperTable], metric: str
) -> Iterator[list[str]]:
    """The paper's row and ours of one system: both, one, or none of them."""
    papers = next((table for table in tables if system in table.systems), None)
    if papers is not None:
        yield _papers_row(papers, system)
    numbers = experiment.record.scores.get(system, {}).get("all")
    if numbers is not None and metric in numbers:
        yield _our_row(experiment, system, numbers, metric)
    elif papers is not None:
        yield [f"{label(system)}<br>*ours: {ABSENT}*", *["–"] * (len(HEADERS[metric]) - 1)]


def _papers_row(table: PaperTable, system: str) -> list[str]:
    """One row of a table of the papers."""
    percent = table.row(system)["percent"]
    score = f"{percent:.1f}" if table.metric == "mirex" else f"{percent:.0f}"
    where = f"{dataset_title(table.dataset)}, n = {table.tracks:,}"
    return [f"{label(system)}<br>*paper: {where}*", *_shares(table.counts(system)), score]


def _our_row(experiment: Experiment, system: str, numbers: Mapping[str, Number], metric: str) -> list[str]:
    """One row of ours."""
    data = experiment.record.data
    where = f"{data['title']}, n = {data['tracks']:,}"
    counts = _our_counts(numbers, metric)
    return [f"{label(system)}<br>*ours: {where}*", *_shares(counts), with_interval(numbers, metric)]


def _our_counts(numbers: Mapping[str, Number], metric: str) -> Counts:
    """The counts of a record by which a table of that score is filled."""
    if metric == "ksea":
        names = SignatureCounts.__dataclass_fields__
        return SignatureCounts(**{name: int(numbers[f"signature_{name}"]) for name in names})
    return RelationCounts(**{name: int(numbers[name]) for name in RelationCounts.__dataclass_fields__})


def _shares(counts: Counts) -> list[str]:
    """Each outcome as a percentage of all tracks, fifths in both directions together."""
    if isinstance(counts, SignatureCounts):
        numbers = [counts.correct, counts.fifth, counts.other]
    else:
        numbers = [counts.same, counts.fifth, counts.relative, counts.parallel, counts.other]
    return [f"{100 * number / counts.total:.1f}" for number in numbers]
