"""Reading labels so that every wrong line is reported at once, with its number and what was expected."""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from companion.datasets.base import LabelError, Track
from skey.keys import Key, KeyParseError, parse_key

Row = Mapping[str, str]  # one line of a table: the text of each column
Raw = TypeVar("Raw")

_NO_KEY = ("", "-", "?", "unknown", "no key", "none", "n/a", "na", "nan", "n", "x", "off", "all", "atonal")
_BETWEEN_NAMES = re.compile(r"[|/]|-(?=[A-Ga-g](?:[#b]|\b))")
_BETWEEN_KEYS = re.compile(rf"{_BETWEEN_NAMES.pattern}|[,;]|\s-\s")
"""What stands between the keys of a label with several; names also between halves: ``G minor/major``."""

_LISTED = 50  # how many wrong lines a message lists


def parse_label(text: str) -> tuple[Key | None, str]:
    """Read a label that may say that there is no key, or name several; a tab or a new line begins a comment.

    Between tonic and mode a tab is a space; a comment that is a key counts. Returns the key on which all
    names agree, and an empty text; or None and why there is none. Raises ``KeyParseError`` where the label is
    something else.
    """
    cells = re.split(r"\s*[\t\n]\s*", text.strip())
    label = cells[0]
    if label.lower() in _NO_KEY:
        return None, "no key"
    for size in (2, 1):
        if keys := _named(" ".join(cells[:size])):
            keys = keys.union(*map(_named, cells[size:]))  # a comment that is a key is another one
            return (keys.pop(), "") if len(keys) == 1 else (None, f"several keys: {', '.join(cells)}")
    try:
        (key,) = {parse_key(name) for name in _BETWEEN_KEYS.split(label)}
    except ValueError as error:  # two keys, half a name as in "A/E major", or a comment after a comma
        if isinstance(error, KeyParseError) and not _BETWEEN_NAMES.search(label):
            raise
        return None, f"several keys: {label}"
    return key, ""


def _named(text: str) -> set[Key]:
    """The key that a text names, if it does."""
    with suppress(KeyParseError):
        return {parse_key(text)}
    return set()


def read_table(
    path: Path, columns: Sequence[str], parse: Callable[[Row], Track], delimiter: str = ","
) -> list[Track]:
    """Read a CSV file in UTF-8 with these columns, a track a line; ``LabelError`` for any wrong line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True, delimiter=delimiter)
            reader.fieldnames = header = [name.strip() for name in reader.fieldnames or ()]
            rows = [(f"line {reader.line_num}", row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path} is not a CSV file in UTF-8: {error}") from error
    if not set(columns) <= set(header):
        expected, found = ", ".join(columns), ", ".join(header) or "none"
        raise LabelError(f"{path}, line 1: expected the columns {expected}, found {found}")
    if len(set(header)) < len(header):
        raise LabelError(f"{path}, line 1: expected each column once, found {', '.join(header)}")

    def parse_row(row: dict[str, str]) -> Track:
        if None in row:  # a label may have moved to another column unnoticed
            raise LabelError(f"{len(header)} columns but more cells: expected commas in cells only in quotes")
        return parse({name: text.strip() for name, text in row.items()})

    return parse_each(path.name, rows, parse_row)


def parse_each(source: str, raws: Iterable[tuple[str, Raw]], parse: Callable[[Raw], Track]) -> list[Track]:
    """Make a track of each label, given with its place in a ``source``, a file or a folder.

    Raises ``LabelError``, which lists all labels that ``parse`` refuses by ``LabelError`` or
    ``KeyParseError``, or that are of one track, with their places and what was expected.
    """
    tracks: dict[str, Track] = {}
    wrong: list[str] = []
    for place, raw in raws:
        try:
            track = parse(raw)
            if track.id in tracks:
                raise LabelError(f"track {track.id} stands above already: expected each track once")
            tracks[track.id] = track
        except (LabelError, KeyParseError) as error:
            wrong.append(f"{source}, {place}: {error}")
    if wrong:
        more = [f"… and {len(wrong) - _LISTED} more"] if len(wrong) > _LISTED else []
        raise LabelError("\n".join([f"{len(wrong)} wrong label(s):", *wrong[:_LISTED], *more]))
    return list(tracks.values())
