"""Chords for a melody: functional harmony, fitted bar by bar, with cadences.

The harmony must carry the key signature and not just repeat the tonic, or a network that hears the tunes
learns to name the tonic. So the tonic chord has its price, progressions follow the circle of fifths, and
phrases end on half, deceptive and full cadences.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from skey.keys import Mode

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
    """The best sequence of chords for a melody, one chord between each pair of edges (Viterbi's algorithm).

    ``melody`` is a ``NOTE`` array and ``edges`` are in quarter lengths; ``tonic`` is a pitch class; every
    ``phrase`` chords close a phrase. ``rng`` moves the prices a little, so that each arrangement hears the
    tune in its own way.
    """
    chords = CHORDS[mode]
    fit = chord_fit(melody, edges, tonic, chords)
    fit += rng.normal(0.0, 0.06, size=len(chords)) + rng.normal(0.0, 0.05, size=fit.shape)
    fit += _cadences(len(fit), phrase, chords)
    return [chords[state] for state in _best_path(fit, _transitions(chords))]


def chord_fit(
    melody: Shaped[np.ndarray, " notes"],
    edges: Float[np.ndarray, " edges"],
    tonic: int,
    chords: tuple[Chord, ...],
) -> Float[np.ndarray, "segments chords"]:
    """How much of the melody between two edges belongs to each chord (0 to 1.5), less the chord's price."""
    members = np.array([[degree in chord.intervals for chord in chords] for degree in range(12)], dtype=float)
    weights = degree_weights(melody, edges, tonic)
    share = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    fit: Float[np.ndarray, "segments chords"] = MELODY_WEIGHT * share @ members - np.array(
        [chord.price for chord in chords]
    )
    return fit


def degree_weights(
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


def _transitions(chords: tuple[Chord, ...]) -> Float[np.ndarray, "before after"]:
    """Reward for each pair of neighbouring chords."""
    return np.array([[_step(before, after) for after in chords] for before in chords])


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
    """The sequence of states with the highest sum of fits and steps."""
    score, origins = fit[0], []
    for row in fit[1:]:
        through = score[:, None] + steps
        origins.append(np.argmax(through, axis=0))
        score = through.max(axis=0) + row
    path = [int(np.argmax(score))]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return np.array(path[::-1])
