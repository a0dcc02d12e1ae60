"""Results of ``skey detect``: text, CSV, JSON, JSON lines, and what other programs read, file by file."""

import csv
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from skey.keys import KEYS, Key, Notation, format_key

if TYPE_CHECKING:
    from skey.estimator import KeyEstimate

NO_KEY = "-"
"""What stands in the place of a key in text."""

_COLUMNS = (
    *("path", "key", "confidence", "runner_up", "runner_up_confidence"),
    *("tuning_cents", "duration", "reason"),
)
_SEGMENT_COLUMNS = ("path", "start", "end", "key", "confidence")


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
    """The key alone, an empty line where there is none or the file failed: a line for each file."""
    MIREX = "mirex"
    """``C#<TAB>minor``, as MIREX has it; a line for each file, too."""
    LAB = "lab"
    """``start<TAB>end<TAB>key`` of the file or, with segments, of each segment that has one."""
    JAMS = "jams"
    """One JAMS document in a line, in the namespace ``key_mode``; the path is among the identifiers."""


_ESCAPED = (*range(32), *range(127, 160), *([ord("\\")] if os.sep == "/" else []))
_ESCAPES = {code: repr(chr(code))[1:-1] for code in _ESCAPED}

SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
"""Tonics as MIREX spells them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What results look like; ``segments`` is whether to list those of each file."""

    format: Format = Format.TEXT
    notation: Notation = Notation.NAME
    segments: bool = False

    def entry(self, path: str, estimate: "KeyEstimate") -> str:
        """What is written about one file: whole lines without the last line feed."""
        if self.format in (Format.KEY, Format.MIREX, Format.LAB, Format.JAMS):
            return self._exchanged(path, estimate)
        record = self._record(path, estimate)
        if self.format in (Format.JSON, Format.JSONL):
            return _json(record | {"probabilities": self._probabilities(estimate)})
        rows = record.get("segments", [])
        if self.format == Format.CSV:
            name = _as_cell(path)
            if self.segments:
                return "\n".join(_csv([name, *row.values()]) for row in rows)
            return _csv([name, *(record[column] for column in _COLUMNS[1:])])
        lines = [f"{record['key'] or NO_KEY}\t{record['confidence']:.2f}\t{printable(path)}"]
        lines += [f"  {r['start']}-{r['end']}\t{r['key'] or NO_KEY}\t{r['confidence']:.2f}" for r in rows]
        return "\n".join(lines)

    def _exchanged(self, path: str, estimate: "KeyEstimate") -> str:
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
        metadata = {"duration": round(estimate.duration, 3), "identifiers": {"path": path}}
        return _json({"annotations": [annotation], "file_metadata": metadata, "sandbox": {}})

    def header(self) -> str:
        """What comes before the first entry."""
        columns = _SEGMENT_COLUMNS if self.segments else _COLUMNS
        return {Format.CSV: _csv(columns) + "\n", Format.JSON: "[\n"}.get(self.format, "")

    def joined(self, entries: Iterable[str]) -> str:
        """Header and entries as :class:`Report` writes them, without what comes after the last entry."""
        if self.format == Format.JSON:
            return self.header() + ",\n".join(entries)
        return self.header() + "".join(f"{entry}\n" for entry in entries)

    def _record(self, path: str, estimate: "KeyEstimate") -> dict[str, Any]:
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

    def _segments(self, estimate: "KeyEstimate") -> list[dict[str, Any]]:
        return [
            {
                "start": round(segment.start, 2),
                "end": round(segment.end, 2),
                "key": self._named(segment.key, segment.signature),
                "confidence": round(segment.confidence, 4),
            }
            for segment in estimate.segments
        ]

    def _probabilities(self, estimate: "KeyEstimate") -> dict[str, float]:
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

    def add(self, path: str, estimate: "KeyEstimate") -> str:
        """Write the entry of one file and hand it to the system: a break loses nothing. Returns the entry."""
        return self._write(self._layout.entry(path, estimate))

    def add_failed(self) -> str | None:
        """Write the entry of a file that failed, an empty line in the formats that say no names, or None."""
        return self._write("") if self._layout.format in (Format.KEY, Format.MIREX) else None

    def _write(self, entry: str) -> str:
        is_array = self._layout.format == Format.JSON
        before = ",\n" if is_array and not self._is_first else ""
        self._stream.write(before + entry + ("" if is_array else "\n"))
        self._stream.flush()
        self._is_first = False
        return entry

    def end(self) -> None:
        """Write what comes after the last entry."""
        if self._layout.format == Format.JSON:
            self._stream.write("]\n" if self._is_first else "\n]\n")
        self._stream.flush()


def _csv(row: Iterable[object]) -> str:
    """A row as CSV without its end; both characters that could end a line are quoted."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(row)
    return line.getvalue().removesuffix("\r\n")


def _json(record: dict[str, Any]) -> str:
    """A record as JSON; bytes of a name that are no text are escaped as Python reads them back."""
    return escaped(json.dumps(record, ensure_ascii=False))


def escaped(text: str) -> str:
    """A text that UTF-8 can hold: what stands for other bytes is written as an escape sequence."""
    return text.encode(errors="backslashreplace").decode()


def _as_cell(path: str) -> str:
    """A name for a spreadsheet, which would compute ``=1+1.wav``; it stands for the same file."""
    return escaped(f"./{path}" if path.startswith(("=", "+", "-", "@")) else path)


def printable(text: str) -> str:
    """A text on one line, which does nothing to a terminal: control characters as escape sequences."""
    return text.translate(_ESCAPES)
