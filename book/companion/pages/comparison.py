"""The papers' tables as Markdown, row by row: what the paper counts, and below it what we count."""

from collections.abc import Iterator, Mapping, Sequence

from companion.answers import Evaluation
from companion.pages.tables import markdown_table, paper_cell, with_interval
from companion.paper import PaperTable, dataset_title, label, paper_tables, papers_numbers
from companion.scores import interval_of
from companion.systems import SKEY, TABLES, systems_of
from skey.metrics import RelationCounts, SignatureCounts

HEADERS: Mapping[str, tuple[str, ...]] = {
    "ksea": ("", "Correct", "Fifth", "Wrong", "KSEA"),
    "mirex": ("", "Correct", "Fifth", "Relative", "Parallel", "Wrong", "MIREX"),
}
"""The columns of a table by its score."""

ABSENT = "not computed here"

PAPERS_DATASETS = ("fmakv2", "gtzan", "giantsteps", "winterreise")
"""The collections of S-KEY's table."""

Counts = RelationCounts | SignatureCounts


def comparison_table(table: Evaluation) -> str:
    """Shares of each outcome in percent, the paper's row above ours.

    Every row of the first of the papers' tables is shown; of the others those of the table's own systems.
    """
    papers = [paper_tables()[name] for name in TABLES[table.name].papers]
    names = dict.fromkeys((*systems_of(table.name), *papers[0].systems))
    metric = papers[0].metric
    rows = [row for name in names for row in _rows(table, name, papers, metric)]
    return markdown_table(HEADERS[metric], rows)


def relations_table(table: Evaluation) -> str:
    """Shares of each relation in percent, for every system that answers keys: our rows alone."""
    rows = (_our_row(table, name, "mirex") for name in table.scored("mirex"))
    return markdown_table(HEADERS["mirex"], rows)


def _rows(table: Evaluation, system: str, papers: Sequence[PaperTable], metric: str) -> Iterator[list[str]]:
    """The paper's row and ours of one system: both, one, or none of them."""
    printed = next((each for each in papers if system in each.systems), None)
    if printed is not None:
        yield _papers_row(printed, system)
    if system in table.scored(metric):
        yield _our_row(table, system, metric)
    elif printed is not None:
        yield [f"{label(system)}<br>*ours: {ABSENT}*", *["–"] * (len(HEADERS[metric]) - 1)]


def _papers_row(table: PaperTable, system: str) -> list[str]:
    """One row of a table of the papers."""
    percent = table.row(system)["percent"]
    score = f"{percent:.1f}" if table.metric == "mirex" else f"{percent:.0f}"
    where = f"{dataset_title(table.dataset)}, n = {table.tracks:,}"
    return [f"{label(system)}<br>*paper: {where}*", *_shares(table.counts(system)), score]


def _our_row(table: Evaluation, system: str, metric: str) -> list[str]:
    """One row of ours."""
    data = table.record.data
    where = f"{data['title']}, n = {data['tracks']:,}"
    score = with_interval(interval_of(table.scores, system, metric))
    return [f"{label(system)}<br>*ours: {where}*", *_shares(table.counts(system, metric)), score]


def _shares(counts: Counts) -> list[str]:
    """Each outcome as a percentage of all tracks, fifths in both directions together."""
    if isinstance(counts, SignatureCounts):
        numbers = [counts.correct, counts.fifth, counts.other]
    else:
        numbers = [counts.same, counts.fifth, counts.relative, counts.parallel, counts.other]
    return [f"{100 * number / counts.total:.1f}" for number in numbers]


def collections_table(table: Evaluation) -> str:
    """S-KEY's table: the papers' MIREX on each of their collections with its mark, then ours."""
    papers = [papers_numbers("mirex", dataset, ours=False) for dataset in PAPERS_DATASETS]
    asked = systems_of(SKEY)
    ours_begin = asked.index("skey-1")
    names = [*asked[:ours_begin], "skey-60k", "skey-1m", *asked[ours_begin:]]
    rows = [
        [
            label(system),
            *(paper_cell(numbers.get(system)) for numbers in papers),
            with_interval(interval_of(table.scores, system, "mirex")),
        ]
        for system in names
    ]
    data = table.record.data
    header = [
        "MIREX, %",
        *map(dataset_title, PAPERS_DATASETS),
        f"ours: {data['title']}, n = {data['tracks']}",
    ]
    return markdown_table(header, rows)
