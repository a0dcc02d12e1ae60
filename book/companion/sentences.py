"""Sentences beside figures and tables, each with the comparison of numbers that it rests on.

A sentence that the numbers do not support is marked where it is printed, as on another collection, and stops
the build of the book.
"""

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from skey.errors import SkeyError

NOT_HERE = "*Does not hold on these data:*"  # what precedes a sentence whose premise is false


@dataclass(frozen=True, slots=True)
class Check:
    """A sentence of a page (``…`` where it prints a number), and the code of its premise."""

    page: str
    sentence: str
    premise: str


def holds_while(premise: Callable[[], bool], sentence: str) -> str:
    """A sentence, after ``NOT_HERE`` where its premise is false or looks up what is not there."""
    try:
        true = premise()
    except LookupError:
        true = False
    return sentence if true else f"{NOT_HERE} {sentence.removeprefix('What to see: ')}"


def refuse_stale(pages: Mapping[str, str]) -> None:
    """Raise ``SkeyError`` where a page, as text by its name, holds a sentence that is not supported."""
    found = [
        f"{name}: {line.split(NOT_HERE, 1)[1].strip()}"
        for name, text in pages.items()
        for line in text.splitlines()
        if NOT_HERE in line
    ]
    if found:
        raise SkeyError("the record no longer supports these sentences:\n" + "\n".join(found))


def printed_text(notebook: Path) -> str:
    """All Markdown and HTML that an executed notebook prints."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    return "\n".join("".join(text) for data in outputs for text in data.values())


def checks(checkout: Path) -> Iterator[Check]:
    """Every sentence with its premise, read from the notebooks and from the modules of the pages."""
    for path in sorted((checkout / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        yield from _checks_in("\n".join(code), f"notebooks/{path.name}")
    for path in sorted(Path(__file__).with_name("pages").glob("*.py")):
        yield from _checks_in(path.read_text(encoding="utf-8"), path.stem)


def _checks_in(code: str, page: str) -> Iterator[Check]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "holds_while":
            premise, sentence = node.args
            body = premise.body if isinstance(premise, ast.Lambda) else premise
            yield Check(page, _template(sentence), ast.unparse(body))


def _template(sentence: ast.expr) -> str:
    """The words of a string literal, with ``…`` for what an f-string computes."""
    parts = sentence.values if isinstance(sentence, ast.JoinedStr) else [sentence]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
