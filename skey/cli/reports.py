"""Results of ``skey detect``: text, CSV, JSON or JSON lines, row by row, continued after a break."""

import csv
import io
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, TextIO

from skey.errors import SkeyError
from skey.estimator import KeyEstimate
from skey.keys import KEYS, Key, Notation, format_key

NO_KEY = "-"
"""What stands in the place of a key in text."""

_COLUMNS = (
    *("path", "key", "confidence", "runner_up", "runner_up_confidence"),
    *("tuning_cents", "duration", "reason"),
)
_SEGMENT_COLUMNS = ("path", "start", "end", "key", "confidence")
_INDENT = "  "


class Format(StrEnum):
    """How results are written."""

    TEXT = "text"
    """``Eb minor<TAB>0.87<TAB>path``; segments follow as indented lines."""
    CSV = "csv"
    """One row for each file or, with segments, for each segment."""
    JSON = "json"
    """An array, one record in a line."""
    JSONL = "jsonl"
    """One record in a line."""
    KEY = "key"
    """The key alone, an empty line where there is none: what calls us as a program reads it."""
    MIREX = "mirex"
    """``C#<TAB>minor``, as MIREX has it."""
    LAB = "lab"
    """``start<TAB>end<TAB>key`` of the file or, with segments, of each segment that has one."""
    JAMS = "jams"
    """One JAMS document in a line, in the namespace ``key_mode``."""


EXCHANGE = (Format.KEY, Format.MIREX, Format.LAB, Format.JAMS)
"""Formats for other programs, which do not name the files, so that they cannot be resumed."""

SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
"""Tonics as MIREX spells them."""


class ResumeError(SkeyError):
    """A file of results that this run cannot continue."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What results look like; ``segments`` is whether to list those of each file."""

    format: Format = Format.TEXT
    notation: Notation = Notation.NAME
    segments: bool = False

    def entry(self, path: str, estimate: KeyEstimate) -> str:
        """What is written about one file: whole lines without the last line feed."""
        if self.format in EXCHANGE:
            return self._exchanged(estimate)
        record = self._record(path, estimate)
        if self.format in (Format.JSON, Format.JSONL):
            return _json(record | {"probabilities": self._probabilities(estimate)})
        rows = record.get("segments", [])
        if self.format == Format.CSV:
            name = self.written(path)
            whole = [[name, *(record[column] for column in _COLUMNS[1:])]]
            return _csv([[name, *row.values()] for row in rows] if self.segments else whole)
        lines = [f"{record['key'] or NO_KEY}\t{record['confidence']:.2f}\t{_on_one_line(path)}"]
        lines += [
            f"{_INDENT}{r['start']}-{r['end']}\t{r['key'] or NO_KEY}\t{r['confidence']:.2f}" for r in rows
        ]
        return "\n".join(lines)

    def _exchanged(self, estimate: KeyEstimate) -> str:
        """What other programs read about one file."""
        key, name = estimate.key, self._named(estimate.key, estimate.signature) or ""
        if self.format == Format.KEY:
            return name
        if self.format == Format.MIREX:
            return f"{SHARPS[key.tonic]}\t{key.mode}" if key else ""
        spans = [(s.start, s.end, s.key, s.confidence) for s in estimate.segments]
        if not self.segments:
            spans = [(0.0, estimate.duration, key, estimate.confidence)]
        named = [span for span in spans if span[2] is not None]
        if self.format == Format.LAB:
            lines = [(start, end, self._named(of, None)) for start, end, of, _ in named]
            return "\n".join(f"{start:.2f}\t{end:.2f}\t{of}" for start, end, of in lines)
        data = [
            {
                "time": round(start, 2),
                "duration": round(end - start, 2),
                "value": f"{format_key(of, Notation.NAME).split()[0]}:{of.mode}",
                "confidence": round(confidence, 4),
            }
            for start, end, of, confidence in named
            if of is not None
        ]
        annotation = {"namespace": "key_mode", "data": data, "annotation_metadata": {}, "sandbox": {}}
        metadata = {"duration": round(estimate.duration, 3)}
        return _json({"annotations": [annotation], "file_metadata": metadata, "sandbox": {}})

    def header(self) -> str:
        """What comes before the first entry."""
        columns = _SEGMENT_COLUMNS if self.segments else _COLUMNS
        return {Format.CSV: _csv([columns]) + "\n", Format.JSON: "[\n"}.get(self.format, "")

    def entries(self, text: str) -> list[tuple[str, str]]:
        """Each file's name as written and its entry, up to a break; ``ResumeError`` for another layout."""
        whole = text[: text.rfind("\n") + 1]
        if not whole.startswith(self.header()):
            raise ResumeError("these results have another format; continue with the options they began with")
        reader = {Format.TEXT: _text_entries, Format.CSV: _csv_entries}.get(self.format, _json_entries)
        try:
            return list(reader(whole.removeprefix(self.header())))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ResumeError(f"these are no results of `skey detect` in this format ({error})") from error

    def written(self, path: str) -> str:
        """The name of a file as :meth:`entries` gives it back."""
        if self.format == Format.CSV:
            return _as_cell(path)
        return _on_one_line(path) if self.format == Format.TEXT else path

    def _record(self, path: str, estimate: KeyEstimate) -> dict[str, Any]:
        """Everything about one file, by name."""
        record = {
            "path": path,
            "key": self._named(estimate.key, estimate.signature),
            "confidence": round(estimate.confidence, 4),
            "runner_up": self._named(estimate.runner_up, None),
            "runner_up_confidence": round(estimate.runner_up_confidence, 4),
            "tuning_cents": None if estimate.tuning_cents is None else round(estimate.tuning_cents, 1),
            "duration": round(estimate.duration, 3),
            "reason": estimate.reason,
        }
        return record | ({"segments": self._segments(estimate)} if self.segments else {})

    def _segments(self, estimate: KeyEstimate) -> list[dict[str, Any]]:
        return [
            {
                "start": round(segment.start, 2),
                "end": round(segment.end, 2),
                "key": self._named(segment.key, segment.signature),
                "confidence": round(segment.confidence, 4),
            }
            for segment in estimate.segments
        ]

    def _probabilities(self, estimate: KeyEstimate) -> dict[str, float]:
        keys: list[Key | None] = list(KEYS) if len(estimate.probabilities) == len(KEYS) else [None] * 12
        names = [str(self._named(key, signature)) for signature, key in enumerate(keys)]
        return {name: round(p, 6) for name, p in zip(names, estimate.probabilities, strict=True)}

    def _named(self, key: Key | None, signature: int | None) -> str | None:
        """A key, or the two keys of a signature where the mode is not known."""
        if key is not None:
            return format_key(key, self.notation)
        if signature is None:
            return None
        major = KEYS[signature]
        return f"{format_key(major, self.notation)} / {format_key(major.relative, self.notation)}"


class Report:
    """Writes results to a stream, each entry at once; ``continued`` is whether there are entries already."""

    def __init__(self, stream: TextIO, layout: Layout, *, continued: bool = False) -> None:
        self._stream = stream
        self._layout = layout
        self._is_first = not continued
        stream.write("" if continued else layout.header())

    def add(self, path: str, estimate: KeyEstimate) -> None:
        """Write about one file and hand it to the system, so that a break loses nothing."""
        is_array = self._layout.format == Format.JSON
        before = ",\n" if is_array and not self._is_first else ""
        after = "" if is_array else "\n"
        self._stream.write(before + self._layout.entry(path, estimate) + after)
        self._stream.flush()
        self._is_first = False

    def end(self) -> None:
        """Write what comes after the last entry."""
        if self._layout.format == Format.JSON:
            self._stream.write("]\n" if self._is_first else "\n]\n")
        self._stream.flush()


def kept_entries(text: str, layout: Layout, valid: Collection[str]) -> tuple[str, list[str]]:
    """What stays of results that break off: a text that ends after a whole entry, and the names in it.

    ``valid`` are the names whose results may stay, as :meth:`Layout.written` gives them. Raises
    ``ResumeError`` for results in another layout.
    """
    if layout.header().startswith(text):
        return "", []
    entries = layout.entries(text)
    if layout.segments and layout.format in (Format.TEXT, Format.CSV):
        # Several lines a file: nothing tells whether the last file has all of its own, so it is heard again.
        entries = [entry for entry in entries if entry[0] != entries[-1][0]]
    entries = [entry for entry in entries if entry[0] in valid]
    if not entries:
        return "", []
    separator, end = (",\n", "") if layout.format == Format.JSON else ("\n", "\n")
    kept = layout.header() + separator.join(entry for _, entry in entries) + end
    return kept, [name for name, _ in entries]


def _csv(rows: list[Any]) -> str:
    """Rows as CSV without the last line feed; both characters that could end a line are quoted."""
    buffer = io.StringIO()
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(row)
        buffer.write(line.getvalue().removesuffix("\r\n") + "\n")
    return buffer.getvalue().removesuffix("\n")


def _json(record: dict[str, Any]) -> str:
    """A record as JSON; bytes of a name that are no text are escaped as Python reads them back."""
    return _escaped(json.dumps(record, ensure_ascii=False))


def _escaped(text: str) -> str:
    """A text that UTF-8 can hold: what stands for other bytes is written as an escape sequence."""
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


def _as_cell(path: str) -> str:
    """A name for a spreadsheet, which would compute ``=1+1.wav``; it stands for the same file."""
    return _escaped(f"./{path}" if path.startswith(("=", "+", "-", "@")) else path)


def _on_one_line(path: str) -> str:
    if not {"\n", "\r"} & set(path):
        return path
    return path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _text_entries(text: str) -> Iterator[tuple[str, str]]:
    """Name and entry of each file in text."""
    lines = text.split("\n")[:-1]
    starts = [i for i, line in enumerate(lines) if not line.startswith(_INDENT)]
    for start, end in pairwise([*starts, len(lines)]):
        yield lines[start].split("\t", 2)[2], "\n".join(lines[start:end])


def _csv_entries(text: str) -> Iterator[tuple[str, str]]:
    """Name and row of each row in CSV."""
    for row in csv.reader(io.StringIO(text, newline="")):
        yield row[0], _csv([row])


def _json_entries(text: str) -> Iterator[tuple[str, str]]:
    """Name and record of each line in JSON; the array may lack its end."""
    for line in text.removesuffix("\n").split("\n"):
        if line not in ("]", ""):
            entry = line.removesuffix(",")
            yield json.loads(entry)["path"], entry
