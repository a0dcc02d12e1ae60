"""Arrange a piece for an ensemble: who plays what, when, how fast, how high, and how far out of tune."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Shaped

from skey.corpus import accompaniment as acc
from skey.corpus.events import DRUM_BANK, EVENT, Level
from skey.corpus.instruments import (
    BASS,
    CHORDS,
    MELODY,
    PRESETS_IN_USE,
    Program,
    balanced,
    drum_kit,
    drum_rows,
    ensemble,
    in_range,
    pitched,
)
from skey.corpus.sources import Piece
from skey.keys import Key

__all__ = ["PRESETS_IN_USE", "Arrangement", "Level", "arrange", "draw_transposition", "generator"]

CLIP_SECONDS = 30.0
SPARE_SECONDS = 1.0
"""Notes are laid out a little beyond the end, so that the cut falls into sounding music."""

DETUNING = {"full": 8.0, "hard": 40.0}
"""The furthest that an arrangement is out of tune, in cents either way, by level."""


@dataclass(frozen=True, slots=True)
class Track:
    """One player's notes (``NOTE``, as notated), program, loudness (MIDI velocity) and octave shift."""

    notes: Shaped[np.ndarray, " notes"]
    program: Program
    velocity: int
    octave: int = 0


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What the sampler plays: ``EVENT`` rows, a program for each track; how it was moved from the score.

    ``transposition`` is in semitones, ``tempo`` in quarters a minute, ``tuning_cents`` above A4 = 440 Hz.
    """

    notes: Shaped[np.ndarray, " events"]
    programs: tuple[Program, ...]
    transposition: int
    tempo: float
    tuning_cents: float


def generator(seed_text: str, purpose: str) -> np.random.Generator:
    """The random numbers for one purpose of one arrangement, seeded by ``crc32(seed_text|purpose)``."""
    return np.random.default_rng(zlib.crc32(f"{seed_text}|{purpose}".encode()))


def draw_transposition(seed_text: str) -> int:
    """Semitones by which an arrangement is moved, -5 to 6."""
    return int(generator(seed_text, "transposition").integers(-5, 7))


def arrange(
    piece: Piece, level: Level, seed_text: str, place: float = 0.0, seconds: float = CLIP_SECONDS
) -> Arrangement:
    """Arrange ``seconds`` of a piece, a pure function of its arguments.

    ``place`` chooses the bar to begin with: 0 is the first, 1 the last from which the piece fills the time.
    A piece that is shorter is repeated. ``seed_text`` decides everything else.
    """
    tempo = draw_tempo(piece, seed_text)
    tracks = _tune_tracks(piece, seed_text) if piece.source == "tunes" else _score_tracks(piece, seed_text)
    tracks = [track for track in [*tracks, *_drum_tracks(piece, seed_text)] if len(track.notes)]
    window = (seconds + SPARE_SECONDS) * tempo / 60
    start = start_of(piece, window, place)
    shift = draw_transposition(seed_text)
    heard = [replace(track, notes=_window(track.notes, piece, start, window)) for track in tracks]
    return sound_tracks(heard, tempo, shift, draw_cents(level, seed_text), seed_text)


def sound_tracks(
    tracks: Sequence[Track], tempo: float, shift: int, cents: float, seed_text: str
) -> Arrangement:
    """What the sampler plays of these players' notes, ``shift`` semitones higher."""
    events = [_events(track, number, tempo, shift, seed_text) for number, track in enumerate(tracks)]
    notes = np.sort(np.concatenate(events), order=["onset", "track", "pitch"])
    return Arrangement(notes, tuple(track.program for track in tracks), shift, tempo, cents)


def draw_cents(level: Level, seed_text: str) -> float:
    """How far an arrangement is out of tune, in cents."""
    return float(generator(seed_text, "tuning").uniform(-1.0, 1.0)) * DETUNING[level]


def draw_tempo(piece: Piece, seed_text: str) -> float:
    """Quarters a minute: tunes by the length of their bars, scores by how often something new sounds."""
    rng = generator(seed_text, "tempo")
    if piece.source == "tunes":
        return float(np.clip(60 * piece.beats_per_bar / rng.uniform(1.3, 2.3), 50, 220))
    onsets = np.unique(piece.notes["onset"])
    return float(np.clip(60 * rng.uniform(1.8, 3.8) * piece.quarters / len(onsets), 50, 260))


def start_of(piece: Piece, window: float, place: float) -> float:
    """The onset of the bar at a place from 0 (the first) to 1 (the last that leaves ``window`` quarters)."""
    feasible = piece.bars[piece.bars + window <= piece.quarters + piece.beats_per_bar]
    return float(feasible[round(place * (len(feasible) - 1))]) if len(feasible) else 0.0


def _tune_tracks(piece: Piece, seed_text: str) -> list[Track]:
    """A tune on one instrument, its chords, its bass, and sometimes a second voice."""
    assert piece.key is not None
    rng = generator(seed_text, "accompaniment")
    pulse = acc.pulse_of(piece)
    chords, bass = acc.chord_slices(piece, piece.key, rng)
    lead = Track(piece.notes, pitched(int(rng.choice(MELODY))), int(rng.integers(85, 115)), _lead_octave(rng))
    tracks = [lead, _chord_track(chords, pulse, rng), _bass_track(bass, pulse, piece.key, rng)]
    if rng.random() < 0.4:
        second = acc.as_notes(acc.second_voice(piece.notes, chords))
        tracks.append(Track(second, pitched(int(rng.choice(MELODY))), lead.velocity - 15, lead.octave))
    return tracks


def _lead_octave(rng: np.random.Generator) -> int:
    """The register of the melody, in octaves from the notated one."""
    return int(rng.choice([-1, 0, 1], p=[0.3, 0.5, 0.2]))


def _chord_track(chords: Sequence[acc.Slice], pulse: float, rng: np.random.Generator) -> Track:
    """The chords in one figure."""
    figure = acc.CHORD_FIGURES[int(rng.integers(len(acc.CHORD_FIGURES)))]
    rows = [row for part in chords for row in figure(part, pulse)]
    return Track(acc.as_notes(rows), pitched(int(rng.choice(CHORDS))), int(rng.integers(55, 90)))


def _bass_track(bass: Sequence[acc.Slice], pulse: float, key: Key, rng: np.random.Generator) -> Track:
    """The bass, walking or in one figure."""
    figure = int(rng.integers(len(acc.BASS_FIGURES) + 2))
    if figure < len(acc.BASS_FIGURES):
        rows = [row for part in bass for row in acc.BASS_FIGURES[figure](part, pulse)]
    else:
        rows = acc.walking(bass, pulse, key)
    return Track(acc.as_notes(rows), pitched(int(rng.choice(BASS))), int(rng.integers(70, 105)))


def _score_tracks(piece: Piece, seed_text: str) -> list[Track]:
    """The parts of a score for an ensemble, with doublings and a figuring keyboard now and then."""
    rng = generator(seed_text, "ensemble")
    parts = [piece.notes[piece.notes["part"] == part] for part in np.unique(piece.notes["part"])]
    register = int(rng.choice([-1, 0, 1], p=[0.15, 0.7, 0.15]))
    velocities = rng.integers(75, 105, size=len(parts))
    programs = ensemble(len(parts), rng)
    tracks = [
        Track(notes, program, int(velocity), register)
        for notes, program, velocity in zip(parts, programs, velocities, strict=True)
    ]
    if rng.random() < 0.3:
        tracks.append(
            Track(parts[-1], pitched(int(rng.choice(BASS))), int(rng.integers(60, 95)), register - 1)
        )
    if rng.random() < 0.25:
        tracks.append(
            Track(parts[0], pitched(int(rng.choice(MELODY))), int(rng.integers(55, 85)), register + 1)
        )
    if rng.random() < 0.35:
        tracks.append(_chord_track(acc.score_slices(piece, acc.pulse_of(piece)), acc.pulse_of(piece), rng))
    return tracks


def _drum_tracks(piece: Piece, seed_text: str) -> list[Track]:
    """Drums for half of the tunes and some of the scores."""
    rng = generator(seed_text, "drums")
    if rng.random() > (0.5 if piece.source == "tunes" else 0.25):
        return []
    pulse = acc.pulse_of(piece)
    beats = [
        (float(onset), number % 2 == 0)
        for bar, end in zip(piece.bars, np.append(piece.bars[1:], piece.quarters), strict=True)
        for number, onset in enumerate(np.arange(bar, end - 1e-6, pulse))
    ]
    rows = drum_rows(beats, pulse, rng)
    return [Track(acc.as_notes(rows), drum_kit(rng), int(rng.integers(55, 90)))]


def _window(
    notes: Shaped[np.ndarray, " notes"], piece: Piece, start: float, window: float
) -> Shaped[np.ndarray, " inside"]:
    """The notes from ``start`` to ``start + window``, counted from 0; the piece comes again at its end."""
    period = float(np.ceil(piece.quarters))
    copies = [notes]
    for number in range(1, int((start + window) // period) + 1):
        again = notes.copy()
        again["onset"] += number * period
        copies.append(again)
    every: Shaped[np.ndarray, " notes"] = np.concatenate(copies)
    ends = np.minimum(every["onset"] + every["duration"], start + window)
    every["onset"] = np.maximum(every["onset"], start)
    every["duration"] = ends - every["onset"]
    inside = every[every["duration"] > 1e-6]
    inside["onset"] -= start
    return inside


def _events(
    track: Track, number: int, tempo: float, shift: int, seed_text: str
) -> Shaped[np.ndarray, " events"]:
    """The ``EVENT`` rows of one track: in seconds, transposed, in range, with a player's accents."""
    notes, rng = track.notes, generator(seed_text, f"touch {number}")
    events = np.zeros(len(notes), dtype=EVENT)
    events["onset"] = notes["onset"] * 60 / tempo
    events["duration"] = notes["duration"] * 60 / tempo * rng.uniform(0.8, 1.0)
    events["velocity"] = balanced(track.velocity, track.program) + rng.integers(-7, 8, size=len(notes))
    moved = notes["pitch"].astype(int) + 12 * track.octave + shift
    events["pitch"] = notes["pitch"] if track.program[0] == DRUM_BANK else in_range(moved, track.program)
    events["track"] = number
    return events
