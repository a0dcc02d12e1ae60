"""What accompanies a melody: its chords, bass lines, figures and second voices.

The harmony must carry the key signature and not just repeat the tonic, or a network learns to name the tonic:
the tonic chord has its price, progressions follow the circle of fifths, phrases end on several cadences.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from skey.corpus.pieces import NOTE, Piece
from skey.keys import Key, Mode
from skey.shapes import Float, Float64, Int, Shaped

Row = tuple[float, float, int]
"""Onset and duration in quarter lengths, MIDI pitch."""

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10)

Function = Literal["tonic", "subdominant", "dominant"]
"""What a chord does in Riemann's sense."""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord: intervals above the tonic (root first), function, price, and the root it must resolve to."""

    name: str
    intervals: tuple[int, ...]
    function: Function
    price: float
    resolves_to: int | None = None

    @property
    def root(self) -> int:
        """Semitones from the tonic up to the root."""
        return self.intervals[0]


CHORDS: dict[Mode, tuple[Chord, ...]] = {
    "major": (
        Chord("I", (0, 4, 7), "tonic", 0.15),
        Chord("ii", (2, 5, 9), "subdominant", 0.0),
        Chord("iii", (4, 7, 11), "tonic", 0.2),
        Chord("IV", (5, 9, 0), "subdominant", 0.0),
        Chord("V", (7, 11, 2), "dominant", 0.0),
        Chord("V7", (7, 11, 2, 5), "dominant", 0.15),
        Chord("vi", (9, 0, 4), "tonic", 0.0),
        Chord("vii°", (11, 2, 5), "dominant", 0.3),
        Chord("ii7", (2, 5, 9, 0), "subdominant", 0.2),
        Chord("V7/V", (2, 6, 9, 0), "subdominant", 0.3, 7),
        Chord("V7/vi", (4, 8, 11, 2), "dominant", 0.4, 9),
        Chord("V7/IV", (0, 4, 7, 10), "tonic", 0.45, 5),
    ),
    "minor": (
        Chord("i", (0, 3, 7), "tonic", 0.05),
        Chord("ii°", (2, 5, 8), "subdominant", 0.15),
        Chord("III", (3, 7, 10), "tonic", 0.15),
        Chord("iv", (5, 8, 0), "subdominant", 0.0),
        Chord("v", (7, 10, 2), "dominant", 0.25),
        Chord("V", (7, 11, 2), "dominant", 0.0),
        Chord("V7", (7, 11, 2, 5), "dominant", 0.15),
        Chord("VI", (8, 0, 3), "subdominant", 0.0),
        Chord("VII", (10, 2, 5), "dominant", 0.15),
        Chord("VII7", (10, 2, 5, 8), "dominant", 0.25, 3),
        Chord("IV", (5, 9, 0), "subdominant", 0.35),
        Chord("V7/iv", (0, 4, 7, 10), "tonic", 0.45, 5),
    ),
}
"""The chords of each mode. In minor the dominant is major; the natural seventh belongs to III and VII, which
cost something, or the relative major would take over."""

MELODY_WEIGHT = 1.5
"""What a chord earns that has all notes of the melody, against progressions that earn some tenths."""

_FUNCTION_STEP = {
    ("subdominant", "dominant"): 0.2,
    ("dominant", "tonic"): 0.15,
    ("tonic", "subdominant"): 0.1,
    ("dominant", "subdominant"): -0.35,
    ("subdominant", "tonic"): -0.05,
}


def harmonise(
    melody: Shaped[np.ndarray, " notes"],
    edges: Float[np.ndarray, " edges"],
    tonic: int,
    mode: Mode,
    rng: np.random.Generator,
    phrase: int = 4,
) -> list[Chord]:
    """The best chords for a melody (``NOTE``), one between each pair of edges (Viterbi's algorithm).

    ``edges`` are in quarter lengths; every ``phrase`` chords close a phrase. ``rng`` moves the prices a bit,
    so that each arrangement hears the tune in its own way.
    """
    chords = CHORDS[mode]
    fit = _chord_fit(melody, edges, tonic, chords)
    fit += rng.normal(0.0, 0.06, size=len(chords)) + rng.normal(0.0, 0.05, size=fit.shape)
    fit += _cadences(len(fit), phrase, chords)
    steps = np.array([[_step(before, after) for after in chords] for before in chords])
    return [chords[state] for state in _best_path(fit, steps)]


def _chord_fit(
    melody: Shaped[np.ndarray, " notes"],
    edges: Float[np.ndarray, " edges"],
    tonic: int,
    chords: tuple[Chord, ...],
) -> Float[np.ndarray, "segments chords"]:
    """How much of the melody between two edges belongs to each chord (0 to 1.5), less the chord's price."""
    members = np.array([[degree in chord.intervals for chord in chords] for degree in range(12)], dtype=float)
    weights = _degree_weights(melody, edges, tonic)
    share = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(MELODY_WEIGHT * share @ members - np.array([chord.price for chord in chords]))


def _degree_weights(
    melody: Shaped[np.ndarray, " notes"], edges: Float[np.ndarray, " edges"], tonic: int
) -> Float[np.ndarray, "segments 12"]:
    """Sounding time of each degree of the scale between the edges; a note on an edge counts double."""
    starts, ends = melody["onset"][:, None], (melody["onset"] + melody["duration"])[:, None]
    overlap = np.clip(np.minimum(ends, edges[1:]) - np.maximum(starts, edges[:-1]), 0.0, None)
    overlap = overlap * np.where(np.abs(starts - edges[:-1]) < 1e-6, 2.0, 1.0)
    degrees = (melody["pitch"].astype(int) - tonic) % 12
    return np.stack([overlap[degrees == degree].sum(axis=0) for degree in range(12)], axis=1)


def _cadences(segments: int, phrase: int, chords: tuple[Chord, ...]) -> Float[np.ndarray, "segments chords"]:
    """Rewards for the chords that close phrases: half, deceptive and full cadences, the last one full."""
    closing = np.array([0.25 * (chord.root in (7, 8, 9) and chord.resolves_to is None) for chord in chords])
    full = np.array([0.35 * (chord.root == 0) for chord in chords])
    dominant = np.array([0.25 * (chord.root == 7) for chord in chords])
    rewards = np.zeros((segments, len(chords)))
    rewards[phrase - 1 :: 2 * phrase] += closing
    rewards[2 * phrase - 1 :: 2 * phrase] += full
    rewards[2 * phrase - 2 :: 2 * phrase] += dominant
    rewards[-1, 0] += 2.0
    return rewards


def _step(before: Chord, after: Chord) -> float:
    """Reward for one step: functions in order, roots falling by fifths, applied dominants that resolve."""
    if before.resolves_to is not None:
        return 0.35 if after.root == before.resolves_to else -1.0
    if before == after:
        return -0.15
    falls_by_fifth = (before.root - after.root) % 12 == 7
    return _FUNCTION_STEP.get((before.function, after.function), 0.0) + 0.1 * falls_by_fifth


def _best_path(
    fit: Float[np.ndarray, "segments chords"], steps: Float[np.ndarray, "chords chords"]
) -> Int[np.ndarray, " segments"]:
    score, origins = fit[0], []
    for row in fit[1:]:
        through = score[:, None] + steps
        origins.append(np.argmax(through, axis=0))
        score = through.max(axis=0) + row
    path = [int(np.argmax(score))]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return np.array(path[::-1])


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
    pitches = [tuple(sorted(near(centre, key.tonic, chord.intervals))) for chord in chords]
    voiced = [Slice(a, b, each) for (a, b), each in zip(spans, pitches, strict=True)]
    bass = _bass_line(chords, key.tonic, rng)
    return voiced, [Slice(a, b, (pitch,)) for (a, b), pitch in zip(spans, bass, strict=True)]


def near(centre: int, tonic: int, intervals: Sequence[int]) -> list[int]:
    """Intervals above a tonic as MIDI pitches in the octave around ``centre``: chords move by small steps."""
    return [centre - 6 + (tonic + interval - centre + 6) % 12 for interval in intervals]


def _bass_line(chords: Sequence[Chord], tonic: int, rng: np.random.Generator, centre: int = 42) -> list[int]:
    """One bass pitch a chord: roots and inversions, whichever leads on smoothly; it ends on the root."""
    smoothness = rng.uniform(0.1, 0.6)
    prices = np.array([0.0, rng.uniform(0.8, 2.5), rng.uniform(2.5, 5.0), 4.0])
    options = [near(centre, tonic, chord.intervals) for chord in chords]
    line = [options[0][0]]
    for pitches in options[1:]:
        leaps = smoothness * np.abs(np.array(pitches) - line[-1])
        line.append(pitches[np.argmin(prices[: len(pitches)] + leaps + rng.exponential(0.4, len(pitches)))])
    return [*line[:-1], options[-1][0]]


def _beats(part: Slice, step: float) -> Float64[np.ndarray, " beats"]:
    return np.arange(part.start, part.end - 1e-6, step)


def held(part: Slice, pulse: float) -> list[Row]:
    """The chord once, held."""
    return [(part.start, part.end - part.start, pitch) for pitch in part.pitches]


def pulses(part: Slice, pulse: float) -> list[Row]:
    """The chord on every beat."""
    return [(beat, 0.85 * pulse, pitch) for beat in _beats(part, pulse) for pitch in part.pitches]


def offbeats(part: Slice, pulse: float) -> list[Row]:
    """The chord between the beats; in compound time on the last third of the beat."""
    late = pulse * (2 / 3 if pulse == 1.5 else 1 / 2)
    onsets = [beat + late for beat in _beats(part, pulse) if beat + late < part.end]
    return [(onset, 0.8 * (pulse - late), pitch) for onset in onsets for pitch in part.pitches]


def broken(part: Slice, pulse: float) -> list[Row]:
    """The chord broken upwards, two notes a beat, three in compound time."""
    return _cycle(part, pulse, tuple(range(len(part.pitches))))


def alberti(part: Slice, pulse: float) -> list[Row]:
    """The chord broken low, high, middle, high."""
    top = len(part.pitches) - 1
    return _cycle(part, pulse, (0, top, min(1, top), top))


def _cycle(part: Slice, pulse: float, order: tuple[int, ...]) -> list[Row]:
    step = pulse / (3 if pulse == 1.5 else 2)
    onsets = enumerate(_beats(part, step))
    return [(onset, 1.3 * step, part.pitches[order[n % len(order)]]) for n, onset in onsets]


CHORD_FIGURES: tuple[Callable[[Slice, float], list[Row]], ...] = (held, pulses, offbeats, broken, alberti)
"""The ways an accompanist plays a chord."""


def octaves(part: Slice, pulse: float) -> list[Row]:
    """The bass and its upper octave in turn, on the beats."""
    low = part.pitches[0]
    return [(beat, 0.9 * pulse, low + 12 * (n % 2)) for n, beat in enumerate(_beats(part, pulse))]


BASS_FIGURES: tuple[Callable[[Slice, float], list[Row]], ...] = (held, pulses, octaves)
"""The ways a bass plays one note."""


def walking(bass: Sequence[Slice], pulse: float, key: Key) -> list[Row]:
    """A bass that walks from each note to the next on the beats, along the scale."""
    rows: list[Row] = []
    targets = [*(part.pitches[0] for part in bass[1:]), bass[-1].pitches[0]]
    for part, target in zip(bass, targets, strict=True):
        beats = _beats(part, pulse)
        way = np.linspace(part.pitches[0], target, len(beats), endpoint=False)
        line = [part.pitches[0], *(_nearest_in_scale(pitch, key) for pitch in way[1:])]
        rows += [(float(beat), 0.95 * pulse, pitch) for beat, pitch in zip(beats, line, strict=True)]
    return rows


def _nearest_in_scale(pitch: float, key: Key) -> int:
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
            below = min((pitch - member - 3) % 12 + 3 for member in part.pitches)
            rows.append((onset, duration, pitch - below))
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
