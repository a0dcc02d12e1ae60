"""Notes and bars of a score, through music21's own parsers."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

NOTE: np.dtype[Any] = np.dtype([("onset", "f8"), ("duration", "f8"), ("pitch", "i2"), ("part", "i2")])
"""One note of a score: onset and duration in quarter lengths, MIDI pitch as it sounds, part from the top."""

TIME_GRID = 10080
"""Onsets are multiples of 1/10080 of a quarter: exact for 2, 3, 5, 7, 9 and 32nds of a beat."""


@cache
def corpus_root() -> Path:
    """The folder of scores inside the installed music21."""
    from importlib.util import find_spec

    spec = find_spec("music21")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "corpus"


@contextmanager
def _quiet() -> Iterator[None]:
    """Music21 warns about the oddities of its encodings; they are judged by what was parsed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def parse_file(path: Path) -> Any:  # noqa: ANN401 - music21 is untyped
    """Parse one score with music21, without its cache of pickles, which outlives a change of version."""
    with _quiet():
        from music21 import converter

        reader: Any = converter.Converter()
        reader.parseFileNoPickle(path, forceSource=True)
        score = reader.stream
        return score.mergeScores() if type(score).__name__ == "Opus" else score


def parse_abc(text: str) -> Any:  # noqa: ANN401 - music21 is untyped
    """Parse one tune in ABC notation with music21."""
    with _quiet():
        from music21 import abcFormat

        translate: Any = import_module("music21.abcFormat.translate")
        return translate.abcToStreamScore(abcFormat.ABCFile().readstr(text))


def score_notes(score: Any) -> Shaped[np.ndarray, " notes"]:  # noqa: ANN401 - music21 is untyped
    """The sounding notes of a score as ``NOTE`` rows: ties joined, no grace notes, no chord symbols."""
    with _quiet():
        rows = [
            (onset, duration, pitch, part)
            for part, stream in enumerate(_sounding(score).parts)
            for onset, duration, pitch in _joined_ties(stream)
        ]
    notes = np.array(rows, dtype=NOTE)
    for field in ("onset", "duration"):
        notes[field] = np.round(notes[field] * TIME_GRID) / TIME_GRID
    return np.sort(notes, order=["onset", "part", "pitch"])


def _sounding(score: Any) -> Any:  # noqa: ANN401
    """The score at concert pitch, where an instrument transposes."""
    instruments = score.recurse().getElementsByClass("Instrument")
    return score.toSoundingPitch() if any(i.transposition is not None for i in instruments) else score


def _joined_ties(part: Any) -> list[tuple[float, float, int]]:  # noqa: ANN401
    """Onset, duration and pitch of each note of a part, tied notes joined."""
    joined: list[tuple[float, float, int]] = []
    open_ties: dict[int, int] = {}
    for element in part.flatten().notes:
        if not hasattr(element, "pitches") or element.duration.isGrace or "Harmony" in element.classes:
            continue
        onset, duration = float(element.offset), float(element.duration.quarterLength)
        for single in element.notes if element.isChord else [element]:
            _add_or_extend(joined, open_ties, (onset, duration, int(single.pitch.midi)), single.tie)
    return [note for note in joined if note[1] > 0]


def _add_or_extend(
    joined: list[tuple[float, float, int]],
    open_ties: dict[int, int],
    note: tuple[float, float, int],
    tie: Any,  # noqa: ANN401
) -> None:
    """Append a note, or lengthen the one it is tied to."""
    onset, duration, pitch = note
    at = open_ties.get(pitch)
    continues = tie is not None and tie.type in ("stop", "continue")
    if continues and at is not None and abs(joined[at][0] + joined[at][1] - onset) < 1e-3:
        joined[at] = (joined[at][0], onset + duration - joined[at][0], pitch)
    else:
        joined.append(note)
        open_ties[pitch] = at = len(joined) - 1
    if tie is None or tie.type == "stop":
        open_ties.pop(pitch, None)


def score_bars(score: Any, default: float = 4.0) -> tuple[Float64[np.ndarray, " bars"], float]:  # noqa: ANN401
    """Onsets of the bars in quarter lengths, and the length of the commonest bar.

    The two halves of a bar that a repeat sign cuts become one bar again; a pickup stays a short first bar.
    Scores without bar lines get bars of ``default`` quarters.
    """
    with _quiet():
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
