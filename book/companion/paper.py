"""The numbers of the two papers (``paper.toml``) and the claims they draw from them (``claims.csv``)."""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from companion.systems import SYSTEMS
from skey.errors import SkeyError
from skey.metrics import RelationCounts, SignatureCounts, ksea, mirex_score

Number = int | float  # a count or a percentage
Mark = Literal["P", "C", "Q2", "Q1", "I"]  # how well a number is known, from read in the paper to inferred

MARKS: Mapping[str, str] = {  # what each mark means, for a reader
    "P": "read in the paper",
    "C": "read in the authors' code or checkpoint",
    "Q2": "quoted by two or more independent sources",
    "Q1": "quoted by one source",
    "I": "inferred",
}

ClaimKind = Literal["better", "same", "no worse"]  # what a claim says of its first system beside its second


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One table of a paper: system → counts out of ``tracks`` and the printed ``percent`` of ``metric``."""

    paper: str
    title: str
    dataset: str
    tracks: int
    mark: Mark
    metric: str
    systems: Mapping[str, Mapping[str, Number]]

    def counts(self, system: str) -> RelationCounts | SignatureCounts:
        """The counts of one row out of ``tracks``; fifths, both ways at once, are under ``fifth_up``."""
        row = {name: int(value) for name, value in self.systems[system].items() if name != "percent"}
        if self.metric == "ksea":
            return SignatureCounts(other=self.tracks - sum(row.values()), **row)
        return RelationCounts(fifth_up=row.pop("fifth"), fifth_down=0, **row)

    def computed_percent(self, system: str) -> float:
        """The percentage that follows from the counts of one row, unrounded."""
        counts = self.counts(system)
        return 100 * (ksea(counts) if isinstance(counts, SignatureCounts) else mirex_score(counts))


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

    def __str__(self) -> str:
        """The percentage, with its mark where it was not read in the paper: ``72.1 (Q1)``."""
        return f"{self.percent}" if self.mark == "P" else f"{self.percent} ({self.mark})"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a paper says of two systems, and what our data can test: a row of ``claims.csv``.

    By ``metric``, ``better`` is as ``kind`` says beside ``worse``; ``experiment`` tests it. The papers'
    numbers are of ``dataset``, for ``papers_better`` and ``papers_worse`` if given. Without a ``paper`` the
    question is ours.
    """

    id: str
    experiment: str
    metric: str
    kind: ClaimKind
    better: str
    worse: str
    paper: str
    dataset: str
    papers_better: str
    papers_worse: str
    text: str

    def evidence(self) -> tuple[PaperNumber, PaperNumber] | None:
        """The papers' numbers of the two systems; None for a question of ours."""
        if not self.paper:
            return None
        asked = (self.papers_better or self.better, self.papers_worse or self.worse)
        first, second = (find_number(system, self.dataset, self.metric) for system in asked)
        return first, second


@cache
def _content() -> Mapping[str, Any]:
    return tomllib.loads(files("companion").joinpath("paper.toml").read_text(encoding="utf-8"))


def paper_tables() -> Mapping[str, PaperTable]:
    """The papers' tables by their identifier, such as ``stone-table-3``."""
    datasets = _content()["datasets"]
    return {
        name: PaperTable(tracks=datasets[table["dataset"]]["tracks"], **table)
        for name, table in _content()["tables"].items()
    }


def claims() -> tuple[Claim, ...]:
    """The claims that this companion tests, in the order of the papers."""
    text = files("companion").joinpath("claims.csv").read_text(encoding="utf-8")
    return tuple(Claim(**row) for row in csv.DictReader(text.splitlines()))  # type: ignore[arg-type]


def every_number() -> tuple[PaperNumber, ...]:
    """Every percentage that the papers print: those of their tables, then the single ones."""
    tables = (
        PaperNumber(of.paper, of.title.split(":")[0], system, of.dataset, of.metric, row["percent"], of.mark)
        for of in paper_tables().values()
        for system, row in of.systems.items()
    )
    return (*tables, *(PaperNumber(**number) for number in _content()["numbers"]))


def papers_numbers(metric: str, dataset: str = "fmakv2", ours: bool = True) -> dict[str, PaperNumber]:
    """System → what the papers say of it; with ``ours`` also under what our data call the same system."""
    found = {
        number.system: number
        for number in reversed(every_number())
        if (number.metric, number.dataset) == (metric, dataset)
    }
    called = _content()["called"].items() if ours else ()
    return {here: found[there] for here, there in called if there in found} | found


def find_number(system: str, dataset: str, metric: str) -> PaperNumber:
    """What the papers say of a system on a data set by a score; raises ``SkeyError`` where they do not."""
    found = papers_numbers(metric, dataset)
    if system not in found:
        raise SkeyError(f"the papers have no {metric} of {system!r} on {dataset!r}: see paper.toml")
    return found[system]


def label(system: str) -> str:
    """The title of a system, ours or the papers' alone; raises ``SkeyError`` for a name of neither."""
    if system in SYSTEMS:
        return SYSTEMS[system].title
    try:
        return str(_content()["titles"][system])
    except KeyError:
        raise SkeyError(f"{system!r} is no system: give it a row in book/companion/systems.py") from None


def dataset_title(dataset: str) -> str:
    """The name of a data set of the papers for a reader."""
    return str(_content()["datasets"][dataset]["title"])


def citation_key(paper: str) -> str:
    """The paper's entry in ``book/references.bib``."""
    return str(_content()["papers"][paper])
