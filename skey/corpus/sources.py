"""The pieces of the open corpus: which there are, their keys and splits, and their notes."""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float64, Shaped

from skey.corpus import chorales, polyphony, tunes
from skey.corpus.scores import TIME_GRID, parse_abc, parse_file, score_bars, score_notes
from skey.errors import SkeyError
from skey.keys import Key, parse_key

Source = Literal["chorales", "tunes", "polyphony", "songs"]
"""Bach's chorales (experts' keys), folk tunes (the books' keys), polyphony (no key), songs (our own)."""

Split = Literal["test", "train", "unlabelled"]
"""What a piece serves for."""

INDEX = Path(__file__).with_name("index.csv")
"""The committed list of pieces."""

COLUMNS = ("id", "source", "group", "key", "split", "notes_sha")
"""The columns of the index."""


class UnknownPiece(SkeyError, KeyError):
    """There is no piece of that identifier in the index."""

    def __str__(self) -> str:
        """The message as it is, without the quotes of ``KeyError``."""
        return str(self.args[0])


class NotesChanged(SkeyError):
    """The installed music21 reads other notes than those the index was made from."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One piece in the index; a ``group`` holds all versions of one melody."""

    id: str
    source: Source
    group: str
    key: Key | None
    split: Split
    notes_sha: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece as notated: notes (``NOTE``), onsets of the bars, length of a usual bar, in quarter lengths."""

    id: str
    source: Source
    group: str
    key: Key | None
    beats_per_bar: float
    notes: Shaped[np.ndarray, " notes"]
    bars: Float64[np.ndarray, " bars"]

    @property
    def quarters(self) -> float:
        """Length of the piece in quarter lengths, to the end of its last note."""
        return float(np.max(self.notes["onset"] + self.notes["duration"]))


@dataclass(frozen=True, slots=True)
class ParsedScore:
    """What the parsers read of a piece: notes, bars, usual bar, signature (pitch class of its major key)."""

    notes: Shaped[np.ndarray, " notes"]
    bars: Float64[np.ndarray, " bars"]
    beats_per_bar: float
    signature: int | None


def parse_piece(piece_id: str) -> ParsedScore:
    """Parse one piece by its identifier, reading only its own file or tune; raises ``UnknownPiece``."""
    try:
        score = _parse(piece_id)
    except KeyError as error:
        raise UnknownPiece(f"music21 {version('music21')} has no piece {piece_id!r}") from error
    bars, usual = score_bars(score)
    return ParsedScore(score_notes(score), bars, usual, tunes.signature_of(score))


def _parse(piece_id: str) -> Any:  # noqa: ANN401 - music21 is untyped
    """The music21 score of a piece."""
    match piece_id.partition("/")[0]:
        case "tunes":
            return parse_abc(tunes.tune_text(piece_id))
        case "chorales":
            return parse_file(chorales.chorale_path(piece_id))
        case "polyphony":
            return parse_file(polyphony.polyphony_path(piece_id))
    raise KeyError(piece_id)


def notes_hash(parsed: ParsedScore) -> str:
    """Twelve hexadecimal digits of the notes, bars and metre of a piece, the same on every machine."""
    notes = parsed.notes
    columns = [np.round(notes[name] * TIME_GRID) for name in ("onset", "duration")]
    columns += [
        notes["pitch"],
        notes["part"],
        np.round(parsed.bars * TIME_GRID),
        np.array([parsed.beats_per_bar * TIME_GRID]),
    ]
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.round(column).astype("<i8").tobytes() + b"|")
    return digest.hexdigest()[:12]


@cache
def read_index(path: Path = INDEX) -> tuple[IndexRow, ...]:
    """The rows of the index, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_row(fields) for fields in csv.DictReader(file))


def _row(fields: dict[str, str]) -> IndexRow:
    """One row of the CSV with its types."""
    source: Source = _one_of(fields["source"], get_args(Source))
    split: Split = _one_of(fields["split"], get_args(Split))
    key = parse_key(fields["key"]) if fields["key"] else None
    return IndexRow(fields["id"], source, fields["group"], key, split, fields["notes_sha"])


def _one_of(value: str, allowed: Sequence[str]) -> Any:  # noqa: ANN401 - narrows to the caller's Literal
    """The value itself, if it is one of the allowed ones."""
    if value not in allowed:
        raise SkeyError(f"the index of the corpus has {value!r} where {', '.join(allowed)} are possible")
    return value


@cache
def _rows_by_id() -> dict[str, IndexRow]:
    """The index by identifier."""
    return {row.id: row for row in read_index()}


def index_row(piece_id: str) -> IndexRow:
    """The row of one piece; raises ``UnknownPiece``."""
    row = _rows_by_id().get(piece_id)
    if row is None:
        raise UnknownPiece(
            f"no piece {piece_id!r} in the index of the corpus; `skey corpus describe` says what it holds"
        )
    return row


def load_piece(piece_id: str) -> Piece:
    """One piece with its notes, read from the installed music21.

    Raises ``UnknownPiece``, and ``NotesChanged`` where the notes are not those of the index.
    """
    row, parsed = index_row(piece_id), parse_piece(piece_id)
    if notes_hash(parsed) != row.notes_sha:
        raise NotesChanged(
            f"music21 {version('music21')} reads other notes in {piece_id} than the index of the corpus has; "
            "install the version in requirements.lock"
        )
    return Piece(row.id, row.source, row.group, row.key, parsed.beats_per_bar, parsed.notes, parsed.bars)
