"""Reading labels so that every wrong line is reported at once, with its number and what was expected."""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from skey.datasets.base import LabelError
from skey.keys import Key, KeyParseError, parse_key

Row = Mapping[str, str]
"""One line of a table: the text of each column."""
_Cells = Mapping[str | Any, str | Any]
Parsed = TypeVar("Parsed")
Raw = TypeVar("Raw")

_NO_KEY = ("", "-", "unknown", "none", "n/a")
"""Labels of a track that has no key."""

_BETWEEN_KEYS = re.compile(r"[|/]|-(?=[A-Ga-g](?:[#b]|\b))")
"""What stands between the keys of a label with several."""

_LISTED = 50
"""How many wrong lines a message lists."""


def parse_label(text: str) -> tuple[Key | None, str]:
    """Read a label that may say that there is no key, or name several; a tab or a new line begins a comment.

    Returns the key on which all names in the label agree, and an empty text; or None and why there is none.
    Raises ``KeyParseError`` where the label is something else.
    """
    label = text.strip().split("\n")[0].split("\t")[0].strip()
    if label.lower() in _NO_KEY:
        return None, "no key"
    try:
        return parse_key(label), ""
    except KeyParseError:
        names = _BETWEEN_KEYS.split(label)
        if len(names) == 1:
            raise
    try:
        (key,) = {parse_key(name) for name in names}
    except ValueError:  # two keys, or half a name as in "A/E major"
        return None, f"several keys: {label}"
    return key, ""


def refuse_second(track: str, seen: set[str]) -> None:
    """Note a track of a table; raises ``LabelError`` where it stands above already."""
    if track in seen:
        raise LabelError(f"track {track} stands above already: expected each track once")
    seen.add(track)


def read_table(
    path: Path, columns: Sequence[str], parse: Callable[[Row], Parsed], delimiter: str = ","
) -> list[Parsed]:
    """Read a CSV file in UTF-8 with a header, of which ``columns`` must be there, and parse each line.

    ``parse`` turns one line into what is wanted, or raises ``LabelError`` or ``KeyParseError``. Raises
    ``LabelError`` where the file is no such table, or lines are wrong; each is listed with its number.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True, delimiter=delimiter)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            rows: list[tuple[str, _Cells]] = [(f"line {reader.line_num}", row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path} is not a CSV file in UTF-8: {error}") from error
    if not set(columns) <= set(header):
        expected, found = ", ".join(columns), ", ".join(header) or "none"
        raise LabelError(f"{path}, line 1: expected the columns {expected}, found {found}")
    return parse_each(path.name, rows, lambda row: parse(_cells(row)))


def _cells(row: _Cells) -> Row:
    """The text of each column; more cells than columns would shift a label unnoticed."""
    if None in row:
        raise LabelError(
            f"{len(row) - 1} columns but more cells: expected commas within a cell only in quotes"
        )
    return {str(name): str(text).strip() for name, text in row.items()}


def parse_each(source: str, raws: Iterable[tuple[str, Raw]], parse: Callable[[Raw], Parsed]) -> list[Parsed]:
    """Parse each of several labels, given with their places, and complain about all wrong ones together.

    ``source`` is the file or folder that holds them. Raises ``LabelError`` where labels are wrong; each is
    listed with its place and what was expected.
    """
    parsed: list[Parsed] = []
    wrong: list[str] = []
    for place, raw in raws:
        try:
            parsed.append(parse(raw))
        except (LabelError, KeyParseError) as error:
            wrong.append(f"{source}, {place}: {error}")
    if wrong:
        more = [f"… and {len(wrong) - _LISTED} more"] if len(wrong) > _LISTED else []
        raise LabelError("\n".join([f"{len(wrong)} wrong label(s):", *wrong[:_LISTED], *more]))
    return parsed
