"""What each system answered, one row a track: the CSV from which every score is recomputed."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, SupportsInt

import pandas

from companion.record import RecordError
from skey.keys import TONIC_NAMES, Key, parse_key

Answer = Key | int | None
"""A key; or a key signature as the pitch class of its major tonic (C = 0); or None for no answer."""

System = Callable[..., Any]
"""Log-VQT of a track, (99, frames), to its answer."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """References and answers of several systems on the same tracks, in the same order.

    ``tags``: column → one value per track (``group``, and whatever the data set knows of its tracks);
    ``answers``: system → one answer per track. Every sequence has the length of ``tracks``.
    """

    tracks: tuple[str, ...]
    tags: Mapping[str, tuple[str, ...]]
    references: tuple[Key, ...]
    answers: Mapping[str, tuple[Answer, ...]]

    def __len__(self) -> int:
        """The number of tracks."""
        return len(self.tracks)

    @property
    def of_keys(self) -> list[str]:
        """The systems that answer keys, not key signatures."""
        return [name for name, answers in self.answers.items() if not is_signature(answers)]

    def frame(self) -> pandas.DataFrame:
        """The same as a table: a row a track, with its tags, its reference and a column a system."""
        columns = {"track": self.tracks, **self.tags, "reference": self.references, **self.answers}
        return pandas.DataFrame({name: list(column) for name, column in columns.items()})

    def select(self, rows: Sequence[int]) -> "Predictions":
        """The same table with only these rows, in this order."""
        return replace(
            self,
            tracks=tuple(self.tracks[row] for row in rows),
            tags={name: tuple(column[row] for row in rows) for name, column in self.tags.items()},
            references=tuple(self.references[row] for row in rows),
            answers={name: tuple(column[row] for row in rows) for name, column in self.answers.items()},
        )


def is_signature(answers: Sequence[Answer]) -> bool:
    """Whether a system answers key signatures (12 classes) and not keys (24)."""
    return any(isinstance(answer, int) for answer in answers)


def as_answer(said: SupportsInt | Key | None) -> Answer:
    """What a system said, as a key, a pitch class or no answer."""
    return said if isinstance(said, Key) or said is None else int(said)


def format_answer(answer: Answer) -> str:
    """``Eb minor`` for a key, the tonic of the major key (``Eb``) for a signature, nothing for no answer."""
    if answer is None:
        return ""
    return TONIC_NAMES[answer] if isinstance(answer, int) else str(answer)


def parse_answer(text: str) -> Answer:
    """The inverse of ``format_answer``; raises ``KeyParseError`` for anything else."""
    if not text:
        return None
    return TONIC_NAMES.index(text) if text in TONIC_NAMES else parse_key(text)


def predictions_to_csv(predictions: Predictions) -> str:
    """The table as CSV: track, the tags, reference, one column a system."""
    columns = {
        "track": predictions.tracks,
        **predictions.tags,
        "reference": tuple(map(str, predictions.references)),
        **{name: tuple(map(format_answer, answers)) for name, answers in predictions.answers.items()},
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def read_predictions(path: Path) -> Predictions:
    """Read the CSV of one experiment.

    Raises ``RecordError`` that names the file, and the line where one cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read ({error}): restore it with git") from error
    if "reference" not in header or header[0] != "track":
        raise RecordError(f"{path}, line 1: expected the columns track, …, reference, …; found {header}")
    _check_lines(path, header, rows)
    return _from_columns(header, list(zip(*rows, strict=True)) or [()] * len(header))


def _check_lines(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Raise RecordError with the number of the first line that is no row of the table."""
    first_key = header.index("reference")
    for number, row in enumerate(rows, start=2):
        try:
            if len(row) != len(header) or not row[first_key]:
                raise ValueError(f"expected {len(header)} fields and a reference")
            for text in row[first_key:]:
                parse_answer(text)
        except ValueError as error:
            raise RecordError(f"{path}, line {number}: {error}") from error


def _from_columns(header: Sequence[str], columns: Sequence[Sequence[str]]) -> Predictions:
    """Sort the columns of the CSV by their meaning."""
    named = dict(zip(header, columns, strict=True))
    reference = header.index("reference")
    return Predictions(
        tracks=tuple(named["track"]),
        tags={name: tuple(named[name]) for name in header[1:reference]},
        references=tuple(map(parse_key, named["reference"])),
        answers={name: tuple(map(parse_answer, named[name])) for name in header[reference + 1 :]},
    )
