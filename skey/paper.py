"""The numbers of the two papers and the claims they draw from them, read from ``paper.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from skey.errors import SkeyError
from skey.metrics import RelationCounts, SignatureCounts, ksea, mirex_score

Number = int | float
"""A count or a percentage."""

Mark = Literal["P", "C", "Q2", "Q1", "I"]
"""How well a number is known, from read in the paper (P) to inferred (I)."""

MARKS: Mapping[str, str] = {
    "P": "read in the paper",
    "C": "read in the authors' code or checkpoint",
    "Q2": "quoted by two or more independent sources",
    "Q1": "quoted by one source",
    "I": "inferred",
}
"""What each mark means, for a reader."""


class PaperError(SkeyError):
    """A number or a claim that ``paper.toml`` does not hold."""


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One table of a paper: system → counts out of ``tracks`` and the printed ``percent`` of ``metric``."""

    id: str
    paper: str
    title: str
    dataset: str
    tracks: int
    mark: Mark
    metric: str
    systems: Mapping[str, Mapping[str, Number]]

    def counts(self, system: str) -> RelationCounts | SignatureCounts:
        """The counts of one row, all of them out of ``tracks``.

        Fifths, which the papers count in both directions at once, are under ``fifth_up``.
        """
        row = {name: int(value) for name, value in self.row(system).items() if name != "percent"}
        if self.metric == "ksea":
            return SignatureCounts(other=self.tracks - sum(row.values()), **row)
        return RelationCounts(fifth_up=row.pop("fifth"), fifth_down=0, **row)

    def computed_percent(self, system: str) -> float:
        """The percentage that follows from the counts of one row, unrounded."""
        counts = self.counts(system)
        return 100 * (ksea(counts) if isinstance(counts, SignatureCounts) else mirex_score(counts))

    def row(self, system: str) -> Mapping[str, Number]:
        """Counts and printed percentage of one system; raises ``PaperError`` where there is no such row."""
        if system not in self.systems:
            raise PaperError(
                f"{self.title} of {self.paper} has no row {system!r}: it has {list(self.systems)}"
            )
        return self.systems[system]


@dataclass(frozen=True, slots=True)
class PaperNumber:
    """A single percentage of a paper: of which system, by which metric, on which data, found where."""

    paper: str
    where: str
    system: str
    dataset: str
    metric: str
    percent: Number
    mark: Mark


@dataclass(frozen=True, slots=True)
class Claim:
    """That ``better`` scores above ``worse`` on ``metric``: in ``table`` of ``paper``, and in our data.

    ``worse_table`` is where the paper has the second number, the same table unless said otherwise;
    ``papers_better`` and ``papers_worse`` its names of the systems, where they are others than ours.
    """

    id: str
    text: str
    paper: str
    table: str
    experiment: str
    metric: str
    better: str
    worse: str
    worse_table: str = ""
    papers_better: str = ""
    papers_worse: str = ""

    def papers_percentages(self) -> tuple[Number, Number]:
        """What the papers print for the better and the worse system on the data of ``table``."""
        tables = paper_tables()
        other = tables[self.worse_table or self.table]
        better = printed_percentage(self.papers_better or self.better, tables[self.table])
        return better, other.row(self.papers_worse or self.worse)["percent"]


@cache
def _content() -> Mapping[str, Any]:
    """The whole of ``paper.toml``."""
    return tomllib.loads(files("skey").joinpath("paper.toml").read_text(encoding="utf-8"))


@cache
def paper_tables() -> Mapping[str, PaperTable]:
    """The papers' tables by their identifier, such as ``stone-table-3``."""
    datasets = _content()["datasets"]
    return {
        name: PaperTable(id=name, tracks=datasets[table["dataset"]]["tracks"], **table)
        for name, table in _content()["tables"].items()
    }


@cache
def paper_numbers() -> tuple[PaperNumber, ...]:
    """The papers' single numbers, those outside a table of counts."""
    return tuple(PaperNumber(**number) for number in _content()["numbers"])


@cache
def claims() -> tuple[Claim, ...]:
    """The claims that this companion tests, in the order of the papers."""
    return tuple(Claim(**claim) for claim in _content()["claims"])


def printed_percentage(system: str, table: PaperTable) -> Number:
    """A system's percentage in a table, or else by the same score on the same data elsewhere in the papers.

    Raises ``PaperError`` where it is nowhere.
    """
    single = (n for n in paper_numbers() if (n.system, n.dataset, n.metric) == (system, *_measured(table)))
    elsewhere = None if system in table.systems else next(single, None)
    return elsewhere.percent if elsewhere else table.row(system)["percent"]


def _measured(table: PaperTable) -> tuple[str, str]:
    """On which data a table measures what."""
    return table.dataset, table.metric


def label(system: str) -> str:
    """The name of a system for a reader; raises ``PaperError`` for a system without one."""
    try:
        return str(_content()["labels"][system])
    except KeyError:
        raise PaperError(f"{system!r} has no label: give it one in skey/paper.toml") from None


def dataset_title(dataset: str) -> str:
    """The name of a data set of the papers for a reader."""
    return str(_content()["datasets"][dataset]["title"])


def citation_key(paper: str) -> str:
    """The paper's entry in ``book/references.bib``."""
    return str(_content()["papers"][paper]["cite"])
