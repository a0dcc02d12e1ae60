"""Table 1 of STONE as Markdown: key signatures, the paper's rows above ours."""

from collections.abc import Iterator

from skey.book.tables import markdown_table, with_interval
from skey.metrics import SignatureCounts
from skey.paper import PaperTable, dataset_title, label
from skey.results import Experiment

HEADER = ("", "Correct", "Fifth", "Wrong", "KSEA")

Row = list[str]


def signatures_table(experiment: Experiment, *tables: PaperTable) -> str:
    """Shares of each outcome in percent: the rows of the papers' ``tables``, each once, then all of ours."""
    return markdown_table(HEADER, [*_papers_rows(tables), *_our_rows(experiment)])


def _papers_rows(tables: tuple[PaperTable, ...]) -> Iterator[Row]:
    """The papers' rows in their order, a system that several tables hold only once."""
    first = {system: each for each in reversed(tables) for system in each.systems}
    for system in dict.fromkeys(system for each in tables for system in each.systems):
        table = first[system]
        counts = table.counts(system)
        if not isinstance(counts, SignatureCounts):
            continue
        where = f"{dataset_title(table.dataset)}, n = {table.tracks:,}"
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
