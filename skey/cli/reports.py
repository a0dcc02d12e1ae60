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
    from skey.estimator import KeyEstimate, Segment

NO_KEY = "-"  # what stands in the place of a key in text

_COLUMNS = (
    *("path", "key", "confidence", "runner_up", "runner_up_confidence"),
    *("tuning_cents", "duration", "reason"),
)
_SEGMENT_COLUMNS = ("path", "start", "end", "key", "confidence")


class Format(StrEnum):
    """How results are written."""

    TEXT = "text"  # ``Eb minor<TAB>0.87<TAB>path``; segments follow as indented lines
    CSV = "csv"  # one row for each file or, with segments, for each segment
    JSON = "json"  # an array, one record in a line
    JSONL = "jsonl"  # one record in a line
    KEY = "key"  # the key alone, an empty line where there is none or the file failed: a line for each file
    MIREX = "mirex"  # ``C#<TAB>minor``, as MIREX has it; a line for each file, too
    LAB = "lab"  # ``start<TAB>end<TAB>key`` of the file or, with segments, of each segment that has one
    JAMS = "jams"  # one JAMS document a line, in the namespace ``key_mode``; the path is an identifier

    @property
    def is_by_place(self) -> bool:
        """Whether results hold no names, so that each file needs its line, in their order."""
        return self in (Format.KEY, Format.MIREX)


_BREAKS_AND_TURNS = (*range(0x2028, 0x202F), *range(0x2066, 0x206A))  # of lines; from right to left
_ESCAPED = (*range(32), *range(127, 160), *_BREAKS_AND_TURNS, *([ord("\\")] if os.sep == "/" else []))
_ESCAPES = {code: repr(chr(code))[1:-1] for code in _ESCAPED}

SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")  # tonics as MIREX spells them


@dataclass(frozen=True, slots=True)
class Layout:
    """What results look like; ``segments`` is whether to list those of each file."""

    format: Format = Format.TEXT
    notation: Notation = Notation.NAME
    segments: bool = False

    def entry(self, path: str, estimate: "KeyEstimate") -> str:
        """What is written about one file: whole lines without the last line feed."""
        match self.format:
            case Format.KEY:
                return self._named(estimate.key, estimate.signature) or ""
            case Format.MIREX:
                return f"{SHARPS[estimate.key.tonic]}\t{estimate.key.mode}" if estimate.key else ""
            case Format.LAB:
                spans = ((s, self._named(s.key, None)) for s in self._spans(estimate))
                return "\n".join(f"{s.start:.2f}\t{s.end:.2f}\t{name}" for s, name in spans if name)
            case Format.JAMS:
                return _json(self._jams(path, estimate))
        record = self._record(estimate)
        rows = record.get("segments", [])
        if self.format in (Format.JSON, Format.JSONL):
            return _json({"path": path, **record, "probabilities": self._probabilities(estimate)})
        if self.format == Format.CSV:
            rows = rows if self.segments else [record]
            # A spreadsheet would compute `=1+1.wav`; what is written stands for the same file.
            cell = escaped(f"./{path}" if path.startswith(("=", "+", "-", "@")) else path)
            return "\n".join(_csv([cell, *row.values()]) for row in rows)
        lines = [f"{record['key'] or NO_KEY}\t{record['confidence']:.2f}\t{printable(path)}"]
        lines += [f"  {r['start']}-{r['end']}\t{r['key'] or NO_KEY}\t{r['confidence']:.2f}" for r in rows]
        return "\n".join(lines)

    def _spans(self, estimate: "KeyEstimate") -> "tuple[Segment, ...]":
        """The segments, or the whole file as one."""
        from skey.estimator import Segment

        whole = Segment(0.0, estimate.duration, estimate.key, estimate.signature, estimate.confidence)
        return estimate.segments if self.segments else (whole,)

    def _jams(self, path: str, estimate: "KeyEstimate") -> dict[str, Any]:
        data = [
            {
                "time": round(span.start, 2),
                "duration": round(span.end - span.start, 2),
                "value": format_key(span.key, Notation.NAME).replace(" ", ":"),
                "confidence": round(span.confidence, 4),
            }
            for span in self._spans(estimate)
            if span.key is not None
        ]
        annotation = {"namespace": "key_mode", "data": data, "annotation_metadata": {}, "sandbox": {}}
        metadata = {"duration": round(estimate.duration, 3), "identifiers": {"path": path}}
        return {"annotations": [annotation], "file_metadata": metadata, "sandbox": {}}

    def header(self) -> str:
        """What comes before the first entry."""
        columns = _SEGMENT_COLUMNS if self.segments else _COLUMNS
        return {Format.CSV: _csv(columns) + "\n", Format.JSON: "[\n"}.get(self.format, "")

    def joined(self, entries: Iterable[str]) -> str:
        """Header and entries as :class:`Report` writes them, without what comes after the last entry."""
        lines = (self.lines(entry, is_first=not place) for place, entry in enumerate(entries))
        return self.header() + "".join(lines)

    def lines(self, entry: str, *, is_first: bool) -> str:
        """An entry and what parts it from others; an empty one is a line only where its place counts."""
        if self.format == Format.JSON:
            return entry if is_first else f",\n{entry}"
        return f"{entry}\n" if entry or self.format.is_by_place else ""

    def _record(self, estimate: "KeyEstimate") -> dict[str, Any]:
        """Everything about one file, by the names of `_COLUMNS`."""
        record: dict[str, Any] = {
            "key": self._named(estimate.key, estimate.signature),
            "confidence": round(estimate.confidence, 4),
            "runner_up": self._named(estimate.runner_up, None),
            "runner_up_confidence": round(estimate.runner_up_confidence, 4),
            "tuning_cents": None if estimate.tuning_cents is None else round(estimate.tuning_cents, 1),
            "duration": round(estimate.duration, 3),
            "reason": estimate.reason,
        }
        if self.segments:
            record["segments"] = [
                {
                    "start": round(segment.start, 2),
                    "end": round(segment.end, 2),
                    "key": self._named(segment.key, segment.signature),
                    "confidence": round(segment.confidence, 4),
                }
                for segment in estimate.segments
            ]
        return record

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

    def add(self, path: str, estimate: "KeyEstimate | None") -> str | None:
        """Write the entry of one file and hand it to the system: a break loses nothing. Returns the entry.

        A file that failed has an empty line in the formats that say no names, and no entry in others.
        """
        if estimate is None and not self._layout.format.is_by_place:
            return None
        entry = "" if estimate is None else self._layout.entry(path, estimate)
        self._stream.write(self._layout.lines(entry, is_first=self._is_first))
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


def printable(text: str) -> str:
    """A text on one line, which does nothing to a terminal: control characters as escape sequences."""
    return text.translate(_ESCAPES)
