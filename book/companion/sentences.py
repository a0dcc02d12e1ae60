"""Sentences beside figures and tables, each with the comparison of numbers that it rests on.

A sentence that the numbers do not support is marked where it is printed, as on another collection, and stops
the build of the book.
"""

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from skey.errors import SkeyError

NOT_HERE = "*Does not hold on these data:*"  # what precedes a sentence whose premise is false


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


def checks(code: str) -> Iterator[tuple[str, str]]:
    """Each sentence in Python code (``…`` where it prints a number), with the code of its premise."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "holds_while":
            premise, sentence = node.args
            body = premise.body if isinstance(premise, ast.Lambda) else premise
            parts = sentence.values if isinstance(sentence, ast.JoinedStr) else [sentence]
            words = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
            yield "".join(words), ast.unparse(body)
