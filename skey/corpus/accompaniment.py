"""Bass lines, chord figures and second voices for a melody and its chords."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Shaped

from skey.corpus.harmony import Chord, harmonise
from skey.corpus.scores import NOTE
from skey.corpus.sources import Piece
from skey.keys import Key

Row = tuple[float, float, int]
"""Onset and duration in quarter lengths, MIDI pitch."""

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10)


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of one harmony: start and end in quarter lengths, MIDI pitches of its chord, lowest first."""

    start: float
    end: float
    pitches: tuple[int, ...]


def pulse_of(piece: Piece) -> float:
    """The beat in quarter lengths: 1.5 in compound time, else 1 (half a bar where bars are shorter)."""
    usual = piece.beats_per_bar
    if usual in (1.5, 3.0, 4.5, 6.0):
        bar = np.searchsorted(piece.bars, piece.notes["onset"] + 1e-6) - 1
        position = np.round(piece.notes["onset"] - piece.bars[np.maximum(bar, 0)], 3)
        if usual in (1.5, 4.5) or np.sum(position == 1.5) > np.sum(position == 2.0):
            return 1.5
    return 1.0 if usual >= 2.0 else usual / 2


def as_notes(rows: Sequence[Row], part: int = 0) -> Shaped[np.ndarray, " notes"]:
    """Rows as a ``NOTE`` array of one part."""
    return np.array([(*row, part) for row in rows], dtype=NOTE)


def chord_edges(piece: Piece, per_bar: int) -> Float64[np.ndarray, " edges"]:
    """Where the chords of a tune begin and end: its bars cut into ``per_bar``; a pickup gets no chord."""
    bars = piece.bars
    has_pickup = len(bars) > 1 and bars[1] - bars[0] < piece.beats_per_bar - 1e-6
    bars = np.append(bars[1:] if has_pickup else bars, piece.quarters)
    bars = bars[np.append(True, np.diff(bars) > 1e-6)]
    inner = [np.linspace(a, b, per_bar, endpoint=False) for a, b in pairwise(bars)]
    return np.append(np.concatenate(inner), bars[-1])


def chord_slices(piece: Piece, key: Key, rng: np.random.Generator) -> tuple[list[Slice], list[Slice]]:
    """Chords for a tune, and the bass note below each of them, as slices."""
    per_bar = int(rng.choice([1, 2], p=[0.55, 0.45])) if piece.beats_per_bar >= 2.0 else 1
    edges = chord_edges(piece, per_bar)
    chords = harmonise(piece.notes, edges, key.tonic, key.mode, rng, phrase=4 * per_bar)
    centre = int(rng.integers(56, 64))
    spans = list(pairwise(edges))
    voiced = [
        Slice(a, b, close_voicing(c, key.tonic, centre)) for (a, b), c in zip(spans, chords, strict=True)
    ]
    bass = bass_line(chords, key.tonic, rng)
    return voiced, [Slice(a, b, (pitch,)) for (a, b), pitch in zip(spans, bass, strict=True)]


def close_voicing(chord: Chord, tonic: int, centre: int) -> tuple[int, ...]:
    """The members of a chord in the octave around ``centre``: neighbouring chords move by small steps."""
    return tuple(sorted(centre - 6 + (tonic + i - centre + 6) % 12 for i in chord.intervals))


def bass_line(chords: Sequence[Chord], tonic: int, rng: np.random.Generator, centre: int = 42) -> list[int]:
    """One bass pitch a chord: roots and inversions, whichever leads on smoothly; it ends on the root."""
    smoothness = rng.uniform(0.1, 0.6)
    prices = np.array([0.0, rng.uniform(0.8, 2.5), rng.uniform(2.5, 5.0), 4.0])
    line = [centre - 6 + (tonic + chords[0].root - centre + 6) % 12]
    for chord in chords[1:]:
        options = np.array([centre - 6 + (tonic + i - centre + 6) % 12 for i in chord.intervals])
        cost = (
            prices[: len(options)]
            + smoothness * np.abs(options - line[-1])
            + rng.exponential(0.4, len(options))
        )
        line.append(int(options[np.argmin(cost)]))
    line[-1] = centre - 6 + (tonic + chords[-1].root - centre + 6) % 12
    return line


def beats_of(part: Slice, step: float) -> Float64[np.ndarray, " beats"]:
    """Onsets every ``step`` quarters within a slice."""
    return np.arange(part.start, part.end - 1e-6, step)


def held(part: Slice, pulse: float) -> list[Row]:
    """The chord once, held."""
    return [(part.start, part.end - part.start, pitch) for pitch in part.pitches]


def pulses(part: Slice, pulse: float) -> list[Row]:
    """The chord on every beat."""
    return [(beat, 0.85 * pulse, pitch) for beat in beats_of(part, pulse) for pitch in part.pitches]


def offbeats(part: Slice, pulse: float) -> list[Row]:
    """The chord between the beats; in compound time on the last third of the beat."""
    late = pulse * (2 / 3 if pulse == 1.5 else 1 / 2)
    onsets = [beat + late for beat in beats_of(part, pulse) if beat + late < part.end]
    return [(onset, 0.8 * (pulse - late), pitch) for onset in onsets for pitch in part.pitches]


def broken(part: Slice, pulse: float) -> list[Row]:
    """The chord broken upwards, two notes a beat, three in compound time."""
    return _cycle(part, pulse, tuple(range(len(part.pitches))))


def alberti(part: Slice, pulse: float) -> list[Row]:
    """The chord broken low, high, middle, high."""
    top = len(part.pitches) - 1
    return _cycle(part, pulse, (0, top, min(1, top), top))


def _cycle(part: Slice, pulse: float, order: tuple[int, ...]) -> list[Row]:
    """The members of the chord in a repeated order."""
    step = pulse / (3 if pulse == 1.5 else 2)
    return [
        (onset, 1.3 * step, part.pitches[order[n % len(order)]])
        for n, onset in enumerate(beats_of(part, step))
    ]


CHORD_FIGURES: tuple[Callable[[Slice, float], list[Row]], ...] = (held, pulses, offbeats, broken, alberti)
"""The ways an accompanist plays a chord."""


def octaves(part: Slice, pulse: float) -> list[Row]:
    """The bass and its upper octave in turn, on the beats."""
    return [
        (beat, 0.9 * pulse, part.pitches[0] + 12 * (n % 2)) for n, beat in enumerate(beats_of(part, pulse))
    ]


BASS_FIGURES: tuple[Callable[[Slice, float], list[Row]], ...] = (held, pulses, octaves)
"""The ways a bass plays one note."""


def walking(bass: Sequence[Slice], pulse: float, key: Key) -> list[Row]:
    """A bass that walks from each note to the next on the beats, along the scale."""
    rows: list[Row] = []
    targets = [*(part.pitches[0] for part in bass[1:]), bass[-1].pitches[0]]
    for part, target in zip(bass, targets, strict=True):
        beats = beats_of(part, pulse)
        way = np.linspace(part.pitches[0], target, len(beats), endpoint=False)
        line = [part.pitches[0], *(nearest_in_scale(pitch, key) for pitch in way[1:])]
        rows += [(float(beat), 0.95 * pulse, pitch) for beat, pitch in zip(beats, line, strict=True)]
    return rows


def nearest_in_scale(pitch: float, key: Key) -> int:
    """The pitch of the key's (natural) scale nearest to a MIDI pitch."""
    scale = MAJOR_SCALE if key.mode == "major" else MINOR_SCALE
    around = range(int(pitch) - 2, int(pitch) + 4)
    return min((p for p in around if (p - key.tonic) % 12 in scale), key=lambda p: abs(p - pitch))


def second_voice(melody: Shaped[np.ndarray, " notes"], chords: Sequence[Slice]) -> list[Row]:
    """A voice below the melody: with each note the next member of the chord at least a third lower."""
    ends = np.array([part.end for part in chords])
    rows = []
    for onset, duration, pitch, _ in melody.tolist():
        part = chords[min(int(np.searchsorted(ends, onset + 1e-6)), len(chords) - 1)]
        if onset >= part.start:
            rows.append(
                (onset, duration, pitch - min((pitch - member - 3) % 12 + 3 for member in part.pitches))
            )
    return rows


def score_slices(piece: Piece, step: float) -> list[Slice]:
    """The chord that a polyphonic score holds on each beat, around middle C, for a figuring keyboard."""
    onset, end = piece.notes["onset"], piece.notes["onset"] + piece.notes["duration"]
    slices = []
    for start in np.arange(0.0, piece.quarters - 1e-6, step):
        sounding = piece.notes["pitch"][(onset <= start + 1e-6) & (end > start + 1e-6)]
        pitches = tuple(sorted({54 + (int(pitch) - 54) % 12 for pitch in sounding}))
        if pitches:
            slices.append(Slice(float(start), float(start) + step, pitches))
    return slices
