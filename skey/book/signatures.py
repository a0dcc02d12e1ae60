"""Table 1 of STONE as Markdown: key signatures, the paper's rows above ours."""

from collections.abc import Iterable, Iterator

from skey.book.tables import markdown_table, with_interval
from skey.metrics import SignatureCounts
from skey.paper import PaperTable, dataset_title, label
from skey.results import Experiment

HEADER = ("", "Correct", "Fifth", "Wrong", "KSEA")

Row = list[str]


def signatures_table(experiment: Experiment, table: PaperTable, ablations: PaperTable) -> str:
    """Shares of each outcome in percent: the paper's ``table``, then what ``ablations`` adds, then our rows.

    Of the table of ablations only those systems are shown that are ours too: the constant.
    """
    ours = experiment.record.scores
    added = [system for system in ablations.systems if system in ours and system not in table.systems]
    papers = [*_papers_rows(table, table.systems), *_papers_rows(ablations, added)]
    return markdown_table(HEADER, [*papers, *_our_rows(experiment)])


def _papers_rows(table: PaperTable, systems: Iterable[str]) -> Iterator[Row]:
    """Rows of a table of key signatures."""
    where = f"{dataset_title(table.dataset)}, n = {table.tracks:,}"
    for system in systems:
        counts = table.counts(system)
        assert isinstance(counts, SignatureCounts)
        name = f"{label(system)}<br>*paper: {where}*"
        yield [name, *_shares(counts), f"{table.row(system)['percent']:.0f}"]


def _our_rows(experiment: Experiment) -> Iterator[Row]:
    """A row for each system."""
    data = experiment.record.data
    where = f"{data['title']}, n = {data['tracks']:,}"
    for system, parts in experiment.record.scores.items():
        names = ("correct", "fifth", "other")
        counts = SignatureCounts(**{name: int(parts["all"][f"signature_{name}"]) for name in names})
        name = f"{label(system)}<br>*ours: {where}*"
        yield [name, *_shares(counts), with_interval(parts["all"], "ksea")]


def _shares(counts: SignatureCounts) -> Row:
    """Correct, fifth, wrong as percentages of all tracks."""
    numbers = (counts.correct, counts.fifth, counts.other)
    return [f"{100 * number / sum(numbers):.1f}" for number in numbers]
