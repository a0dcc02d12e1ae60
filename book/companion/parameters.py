"""What a notebook can be asked for, and the refusal of anything else."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from companion.datasets import DATASETS
from companion.datasets.open_corpus import OpenCorpus
from companion.record import RESULTS, find_checkout
from skey.errors import SkeyError

INJECTED = "# Parameters"  # how papermill begins the cell in which it sets what it was given


class ParameterError(SkeyError):
    """A parameter of a notebook that does not exist or has no meaning; the message lists those that do."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a notebook can be asked for; the defaults are those of the shipped record.

    ``dataset``: of ``companion.datasets``; ``root``: where its files lie; ``limit``: keep this many tracks,
    spread evenly (0: all); ``recompute``: from the features, not from the record; ``seed`` of the bootstrap;
    ``output``: folder of the record, to be written or, if nothing is computed, read (empty: ``results/`` for
    the defaults, else below ``build/results/``, in a folder named by the data set, the hash of its content
    and ``limit``).
    """

    dataset: str = OpenCorpus.name
    root: str = ""
    limit: int = 0
    recompute: bool = False
    seed: int = 0
    output: str = ""

    def __post_init__(self) -> None:
        """Refuse negative numbers, music without a word of what it is, and another result in the record."""
        if self.limit < 0:
            raise ParameterError(f"limit={self.limit}: expected 0 (all tracks) or a number of tracks")
        if self.seed < 0:
            raise ParameterError(f"seed={self.seed}: expected 0 or more")
        if self.root and self.of_shipped_data:
            others = ", ".join(name for name in DATASETS if name != self.dataset)
            raise ParameterError(
                f"root={self.root!r}: {self.dataset} is made on this machine and has no root; name the data "
                f"set that lies there with `-p dataset NAME`, one of {others}"
            )
        if self.output and not self.of_shipped_record and self._is_in_record():
            asked = ", ".join(f"{name}={getattr(self, name)}" for name in ("dataset", "limit", "seed"))
            raise ParameterError(
                f"output={self.output!r} holds the shipped record, and {asked} is something else: name "
                f"another folder, or leave `output` away and find the result below build/{RESULTS}/"
            )

    def _is_in_record(self) -> bool:
        """Whether ``output`` is the folder of the shipped record, or lies in it."""
        shipped, folder = (Path(find_checkout(), name).resolve() for name in (RESULTS, self.output))
        return shipped in (folder, *folder.parents)

    @property
    def of_shipped_data(self) -> bool:
        """Whether the shipped record has answers on these tracks."""
        return self.dataset == OpenCorpus.name

    @property
    def of_shipped_record(self) -> bool:
        """Whether the shipped record, and no other, holds the result."""
        return self.of_shipped_data and not self.limit and not self.seed

    def folder(self, checkout: Path, data_hash: str) -> Path:
        """Where answers go: only those of the defaults to the shipped record; ``data_hash``: of the data."""
        if self.output:
            return checkout / self.output
        if self.of_shipped_record:
            return checkout / RESULTS
        which = [self.dataset, data_hash if self.root else "", f"limit{self.limit}" if self.limit else ""]
        return checkout / "build" / RESULTS / "-".join(filter(None, which))


def refuse_unknown(history: Sequence[str], known: Sequence[str]) -> None:
    """Refuse parameters of which papermill only warns; ``history``: IPython's ``In``, this cell last."""
    injected = history[-2] if len(history) > 1 else ""
    if injected.startswith(INJECTED):
        names = [node.id for node in ast.walk(ast.parse(injected)) if isinstance(node, ast.Name)]
        if unknown := ", ".join(name for name in names if name not in known):
            raise ParameterError(f"unknown parameter {unknown}: this notebook knows {', '.join(known)}")


def refuse_outside(values: Sequence[int], **given: object) -> None:
    """Raise ``ParameterError`` for a parameter that is none of these numbers or of another type."""
    for name, value in given.items():
        if type(value) is not type(values[0]) or value not in values:
            between = "or" if len(values) == 2 else "to"
            raise ParameterError(f"{name}={value!r}: expected {values[0]} {between} {values[-1]}")


def notebook_parameters(history: Sequence[str], **values: str | int | bool) -> Parameters:
    """The parameters of a notebook; raises ``ParameterError`` for one that it lacks, or without meaning."""
    refuse_unknown(history, [field.name for field in fields(Parameters)])
    return checked(**values)


def checked(**values: str | int | bool) -> Parameters:
    """Parameters of these values; raises ``ParameterError`` for one of another type, or without meaning."""
    for field in fields(Parameters):
        value = values.get(field.name, field.default)
        if type(value) is not type(field.default):
            expected = type(field.default).__name__
            raise ParameterError(f"{field.name}={value!r}: expected a value of type {expected}")
    return Parameters(**values)  # type: ignore[arg-type]
