"""The pieces of the open corpus: which there are, their keys and splits, and their notes through music21."""

import csv
import hashlib
import re
import warnings
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from skey.errors import SkeyError
from skey.keys import Key, parse_key
from skey.shapes import Float64, Shaped

Source = Literal["chorales", "tunes", "polyphony", "songs"]
"""Bach's chorales (experts' keys), folk tunes (the books' keys), polyphony (no key), songs (our own)."""
Split = Literal["test", "train", "unlabelled"]
"""What a piece serves for."""
INDEX = Path(__file__).with_name("index.csv")
"""The committed list of pieces."""

SCHOOLS: dict[str, tuple[str, ...]] = {
    "classical": (
        *("beach", "beethoven", "corelli", "cpebach", "handel", "haydn", "mozart", "schubert"),
        *("schumann_clara", "schumann_robert", "weber"),
    ),
    "madrigals": ("monteverdi",),
    "renaissance": ("josquin", "palestrina"),
    "trecento": ("ciconia", "luca", "trecento"),
}
"""Folders of music21 with long polyphony whose key nobody states, by what their harmony has in common."""

NOTE: np.dtype[Any] = np.dtype([("onset", "f8"), ("duration", "f8"), ("pitch", "i2"), ("part", "i2")])
"""One note of a score: onset and duration in quarter lengths, MIDI pitch as it sounds, part from the top."""
TIME_GRID = 10080
"""Onsets are multiples of 1/10080 of a quarter: exact for 2, 3, 5, 7, 9 and 32nds of a beat."""


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


@cache
def read_index(path: Path = INDEX) -> tuple[IndexRow, ...]:
    """The rows of the index, in its order; raises ``SkeyError`` for a source or split that there is not."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_row(fields) for fields in csv.DictReader(file))


def _row(fields: dict[str, Any]) -> IndexRow:
    source, split, key = fields["source"], fields["split"], fields["key"]
    if source not in get_args(Source) or split not in get_args(Split):
        raise SkeyError(f"the index of the corpus has the source {source!r} or the split {split!r}")
    key = parse_key(key) if key else None
    return IndexRow(fields["id"], source, fields["group"], key, split, fields["notes_sha"])


@cache
def _rows_by_id() -> dict[str, IndexRow]:
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
    """One piece with its notes from the installed music21; raises ``UnknownPiece`` or ``NotesChanged``."""
    row, parsed = index_row(piece_id), parse_piece(piece_id)
    if notes_hash(parsed) != row.notes_sha:
        raise NotesChanged(
            f"music21 {version('music21')} reads other notes in {piece_id} than the index of the corpus has; "
            "install the version in requirements.lock"
        )
    return Piece(row.id, row.source, row.group, row.key, parsed.beats_per_bar, parsed.notes, parsed.bars)


def parse_piece(piece_id: str) -> ParsedScore:
    """Parse one piece by its identifier, reading only its own file or tune; raises ``UnknownPiece``."""
    try:
        score = (
            parse_abc(tune_text(piece_id)) if piece_id.startswith("tunes/") else parse_file(_file(piece_id))
        )
    except KeyError as error:
        raise UnknownPiece(f"music21 {version('music21')} has no piece {piece_id!r}") from error
    bars, usual = score_bars(score)
    return ParsedScore(score_notes(score), bars, usual, _signature(score))


def notes_hash(parsed: ParsedScore) -> str:
    """Twelve hexadecimal digits of the notes, bars and metre of a piece, the same on every machine."""
    notes = parsed.notes
    columns = [np.round(notes[name] * TIME_GRID) for name in ("onset", "duration")]
    columns += [notes["pitch"], notes["part"]]
    columns += [np.round(parsed.bars * TIME_GRID), np.array([parsed.beats_per_bar * TIME_GRID])]
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.round(column).astype("<i8").tobytes() + b"|")
    return digest.hexdigest()[:12]


@cache
def corpus_root() -> Path:
    """The folder of scores inside the installed music21."""
    spec = find_spec("music21")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "corpus"


def _file(piece_id: str) -> Path:
    """The file of a chorale or of polyphony inside music21; raises ``KeyError`` where there is none."""
    source, _, name = piece_id.partition("/")
    files = chorale_files(name) if source == "chorales" else [corpus_root() / name]
    if source not in ("chorales", "polyphony") or not files or not files[0].is_file():
        raise KeyError(piece_id)
    return files[0]


def chorale_files(name: str) -> list[Path]:
    """The encodings of one chorale, the preferred format first."""
    paths = [corpus_root() / "bach" / f"{name}.{ending}" for ending in ("mxl", "xml", "krn")]
    return [path for path in paths if path.is_file()]


@lru_cache(maxsize=128)
def split_book(book: str, stem: str) -> tuple[str, ...]:
    """The texts of the tunes in one file, cut where a reference number (``X:``) begins."""
    text = (corpus_root() / book / f"{stem}.abc").read_text(encoding="latin-1")
    return tuple(re.split(r"^(?=X:)", text, flags=re.MULTILINE)[1:])


def tune_text(tune_id: str) -> str:
    """The ABC text of one tune; raises ``KeyError`` where there is none of that identifier."""
    _, book, stem, number = tune_id.split("/")
    texts = split_book(book, stem)
    if not number.isdecimal() or not 1 <= int(number) <= len(texts):
        raise KeyError(tune_id)
    return texts[int(number) - 1]


def school_of(piece_id: str) -> str:
    """The school in ``SCHOOLS`` that polyphony belongs to."""
    folder = piece_id.split("/")[1]
    return next(school for school, folders in SCHOOLS.items() if folder in folders)


def parse_file(path: Path) -> Any:  # noqa: ANN401 - music21 is untyped
    """Parse one score with music21, without its cache of pickles, which outlives a change of version."""
    with warnings.catch_warnings(action="ignore"):
        from music21 import converter

        reader: Any = converter.Converter()
        reader.parseFileNoPickle(path, forceSource=True)
        score = reader.stream
        return score.mergeScores() if type(score).__name__ == "Opus" else score


def parse_abc(text: str) -> Any:  # noqa: ANN401 - music21 is untyped
    """Parse one tune in ABC notation with music21."""
    with warnings.catch_warnings(action="ignore"):
        from music21.abcFormat import ABCFile, translate

        return translate.abcToStreamScore(ABCFile().readstr(text))


def score_notes(score: Any) -> Shaped[np.ndarray, " notes"]:  # noqa: ANN401 - music21 is untyped
    """The sounding notes of a score as ``NOTE`` rows: ties joined, no grace notes, no chord symbols."""
    with warnings.catch_warnings(action="ignore"):
        instruments = score.recurse().getElementsByClass("Instrument")
        if any(instrument.transposition is not None for instrument in instruments):
            score = score.toSoundingPitch()
        rows = [(*note, part) for part, stream in enumerate(score.parts) for note in _joined_ties(stream)]
    notes = np.array(rows, dtype=NOTE)
    for field in ("onset", "duration"):
        notes[field] = np.round(notes[field] * TIME_GRID) / TIME_GRID
    return np.sort(notes, order=["onset", "part", "pitch"])


def _joined_ties(part: Any) -> list[tuple[float, float, int]]:  # noqa: ANN401
    """Onset, duration and pitch of each note of a part, tied notes joined."""
    joined: list[tuple[float, float, int]] = []
    open_ties: dict[int, int] = {}
    for element in part.flatten().notes:
        if not hasattr(element, "pitches") or element.duration.isGrace or "Harmony" in element.classes:
            continue
        onset, duration = float(element.offset), float(element.duration.quarterLength)
        for single in element.notes if element.isChord else [element]:
            pitch, tie = int(single.pitch.midi), single.tie and single.tie.type
            at = open_ties.get(pitch)
            if tie in ("stop", "continue") and at is not None and abs(sum(joined[at][:2]) - onset) < 1e-3:
                joined[at] = (joined[at][0], onset + duration - joined[at][0], pitch)
            else:
                joined.append((onset, duration, pitch))
                open_ties[pitch] = len(joined) - 1
            if tie in (None, "stop"):
                open_ties.pop(pitch, None)
    return [note for note in joined if note[1] > 0]


def score_bars(score: Any, default: float = 4.0) -> tuple[Float64[np.ndarray, " bars"], float]:  # noqa: ANN401
    """Onsets of the bars in quarter lengths, and the length of the commonest bar (``default``: no bar lines).

    The two halves of a bar that a repeat sign cuts become one bar again; a pickup stays a short first bar.
    """
    with warnings.catch_warnings(action="ignore"):
        measures = list(score.parts[0].getElementsByClass("Measure"))
        onsets = [float(measure.offset) for measure in measures]
        end = float(score.parts[0].highestTime)
    if len(onsets) < 2:
        return np.arange(0.0, max(end, default), default), default
    lengths = np.round(np.diff([*onsets, end]), 4)
    values, counts = np.unique(lengths[lengths > 0], return_counts=True)
    usual = float(values[np.argmax(counts * values)])
    return _merge_halves(np.array(onsets), lengths, usual), usual


def _merge_halves(
    onsets: Float64[np.ndarray, " bars"], lengths: Float64[np.ndarray, " bars"], usual: float
) -> Float64[np.ndarray, " merged"]:
    """Onsets of whole bars: a short bar joins the short bar before it, if both fit into one."""
    kept, filled = [onsets[0]], usual
    for onset, length in zip(onsets[1:], lengths[1:], strict=True):
        if filled < usual and filled + length <= usual + 1e-6:
            filled += length
            continue
        kept.append(onset)
        filled = length
    return np.unique(np.round(np.array(kept) * TIME_GRID) / TIME_GRID)


def _signature(score: Any) -> int | None:  # noqa: ANN401
    """The pitch class of the major key whose signature the score begins with; None without a signature."""
    signature = next(iter(score.recurse().getElementsByClass("KeySignature")), None)
    return None if signature is None else int(signature.sharps) * 7 % 12
