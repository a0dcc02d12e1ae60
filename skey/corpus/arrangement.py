"""Arrange a piece for an ensemble: who plays what, when, how fast, how high, and how far out of tune."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from skey.corpus import accompaniment as acc
from skey.corpus.degradation import Level
from skey.corpus.pieces import Piece
from skey.corpus.soundfont import DRUM_BANK, EVENT, Program
from skey.keys import Key
from skey.shapes import Int, Shaped

CLIP_SECONDS = 30.0
SPARE_SECONDS = 1.0
"""Notes are laid out a little beyond the end, so that the cut falls into sounding music."""
DETUNING = {"full": 8.0, "hard": 40.0}
"""The furthest that an arrangement is out of tune, in cents either way, by level."""

_IN_TUNE: dict[tuple[int, int], tuple[int, ...]] = {
    (28, 55): (43,),
    (28, 60): (32, 33, 34, 35, 38, 39, 58),
    (28, 88): (4, 5),
    (28, 96): (0, 1, 2),
    (34, 72): (70,),
    (36, 72): (42, 88, 89),
    (36, 74): (95,),
    (36, 76): (57,),
    (36, 84): (7, 16, 17, 19, 61, 62, 91),
    (36, 88): (6, 45, 48, 49, 50),
    (36, 92): (46,),
    (40, 76): (29,),
    (40, 84): (24, 25, 26, 27),
    (43, 84): (53,),
    (44, 76): (66,),
    (45, 90): (12,),
    (48, 84): (15, 41, 80, 81, 107),
    (48, 86): (105,),
    (48, 88): (11,),
    (50, 88): (71,),
    (52, 81): (69,),
    (52, 84): (56,),
    (55, 84): (85,),
    (55, 93): (40, 110),
    (58, 88): (68,),
    (60, 90): (74, 75, 79),
    (66, 96): (73,),
}
RANGES = {preset: limits for limits, presets in _IN_TUNE.items() for preset in presets}
"""The pitched presets (bank 0) in use, each with the lowest and highest MIDI pitch where it is in tune."""
LOUD = frozenset({40, 41, 42, 43, 62, 74, 79, 80, 81, 85, 110})
"""Presets some 5 dB above the others at one velocity."""
QUIET = frozenset({0, 1, 6, 12, 25, 27, 48, 49, 50, 61})
"""Presets some 5 dB below."""
MELODY = (0, 4, 11, 12, 15, 24, 25, 40, 56, 66, 68, 71, 73, 74, 75, 79, 80, 81, 85, 105, 107, 110)
"""Presets for a tune."""
CHORDS = (0, 1, 2, 4, 5, 6, 7, 16, 17, 19, 24, 25, 26, 27, 29, 45, 46, 48, 49, 50, 53, 61, 62, 88, 89, 91, 95)
"""Presets for its chords."""
BASS = (32, 33, 34, 35, 38, 39, 43, 58, 70)
"""Presets for the bass."""

_ENSEMBLES = (
    "0, 6, 19, 16, 40 40 41 42, 48, 49, 53, 61, 56 56 57 58, 68 71 69 70, 73 68 71 70, 74 71 41 42, "
    "66 66 57 70, 24 25 24 32, 46 45 45 43, 4 4 26 33, 81 50 50 38, 91 89 89 35, 12 5 11 43"
)
ENSEMBLES = tuple(tuple(map(int, each.split())) for each in _ENSEMBLES.split(", "))
"""Ensembles for polyphony, from the top part to the bass; a single preset plays everything."""
DRUM_KITS = (0, 8, 16, 24, 25, 32, 40)
"""Percussion kits, in bank 128."""

KICK, STICK, SNARE, CLAP, CLOSED_HAT, OPEN_HAT, RIDE, TAMBOURINE, SHAKER = 36, 37, 38, 39, 42, 46, 51, 54, 70


class Groove(NamedTuple):
    """A drum pattern: the sounds of the strong beats, the weak beats, and the subdivisions of the beat."""

    strong: int
    weak: int
    subdivision: int


GROOVES = (
    Groove(KICK, SNARE, CLOSED_HAT),
    Groove(KICK, CLAP, OPEN_HAT),
    Groove(KICK, STICK, RIDE),
    Groove(KICK, TAMBOURINE, SHAKER),
)


def drawn(presets: Sequence[int], rng: np.random.Generator) -> Program:
    """One of the pitched presets, as bank and preset."""
    return 0, int(rng.choice(presets))


def drum_kit(rng: np.random.Generator) -> Program:
    """One of the percussion kits."""
    return DRUM_BANK, int(rng.choice(DRUM_KITS))


def in_range(pitches: Int[np.ndarray, " notes"], program: Program) -> Int[np.ndarray, " notes"]:
    """Pitches as an instrument can play them: first the whole line, then single notes move by octaves."""
    if program[0] == DRUM_BANK or not len(pitches):
        return pitches
    low, high = RANGES[program[1]]
    middle = float(np.median(pitches))
    octaves = np.ceil(max(low - middle, 0) / 12) - np.ceil(max(middle - high, 0) / 12)
    line = pitches + 12 * int(octaves)
    up = np.ceil(np.maximum(low - line, 0) / 12).astype(int)
    down = np.ceil(np.maximum(line - high, 0) / 12).astype(int)
    return np.asarray(line + 12 * (up - down))


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
    """Arrange ``seconds`` of a piece, which is repeated if it is shorter; a pure function of its arguments.

    ``place`` chooses the bar to begin with: 0 is the first, 1 the last from which the piece fills the time.
    """
    tempo = _draw_tempo(piece, seed_text)
    tracks = _tune_tracks(piece, seed_text) if piece.source == "tunes" else _score_tracks(piece, seed_text)
    tracks = [track for track in [*tracks, *_drum_tracks(piece, seed_text)] if len(track.notes)]
    window = (seconds + SPARE_SECONDS) * tempo / 60
    start = _start_of(piece, window, place)
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


def _draw_tempo(piece: Piece, seed_text: str) -> float:
    """Quarters a minute: tunes by the length of their bars, scores by how often something new sounds."""
    rng = generator(seed_text, "tempo")
    if piece.source == "tunes":
        return float(np.clip(60 * piece.beats_per_bar / rng.uniform(1.3, 2.3), 50, 220))
    onsets = np.unique(piece.notes["onset"])
    return float(np.clip(60 * rng.uniform(1.8, 3.8) * piece.quarters / len(onsets), 50, 260))


def _start_of(piece: Piece, window: float, place: float) -> float:
    """The onset of the bar at a place from 0 (the first) to 1 (the last that leaves ``window`` quarters)."""
    feasible = piece.bars[piece.bars + window <= piece.quarters + piece.beats_per_bar]
    return float(feasible[round(place * (len(feasible) - 1))]) if len(feasible) else 0.0


def _tune_tracks(piece: Piece, seed_text: str) -> list[Track]:
    """A tune on one instrument, its chords, its bass, and sometimes a second voice."""
    assert piece.key is not None
    rng = generator(seed_text, "accompaniment")
    pulse = acc.pulse_of(piece)
    chords, bass = acc.chord_slices(piece, piece.key, rng)
    program, velocity = drawn(MELODY, rng), int(rng.integers(85, 115))
    lead = Track(piece.notes, program, velocity, int(rng.choice([-1, 0, 1], p=[0.3, 0.5, 0.2])))
    tracks = [lead, _chord_track(chords, pulse, rng), _bass_track(bass, pulse, piece.key, rng)]
    if rng.random() < 0.4:
        second = acc.as_notes(acc.second_voice(piece.notes, chords))
        tracks.append(Track(second, drawn(MELODY, rng), lead.velocity - 15, lead.octave))
    return tracks


def _chord_track(chords: Sequence[acc.Slice], pulse: float, rng: np.random.Generator) -> Track:
    figure = acc.CHORD_FIGURES[int(rng.integers(len(acc.CHORD_FIGURES)))]
    rows = [row for part in chords for row in figure(part, pulse)]
    return Track(acc.as_notes(rows), drawn(CHORDS, rng), int(rng.integers(55, 90)))


def _bass_track(bass: Sequence[acc.Slice], pulse: float, key: Key, rng: np.random.Generator) -> Track:
    figure = int(rng.integers(len(acc.BASS_FIGURES) + 2))
    if figure < len(acc.BASS_FIGURES):
        rows = [row for part in bass for row in acc.BASS_FIGURES[figure](part, pulse)]
    else:
        rows = acc.walking(bass, pulse, key)
    return Track(acc.as_notes(rows), drawn(BASS, rng), int(rng.integers(70, 105)))


def _score_tracks(piece: Piece, seed_text: str) -> list[Track]:
    """The parts of a score for an ensemble, with doublings and a figuring keyboard now and then."""
    rng = generator(seed_text, "ensemble")
    parts = [piece.notes[piece.notes["part"] == part] for part in np.unique(piece.notes["part"])]
    register = int(rng.choice([-1, 0, 1], p=[0.15, 0.7, 0.15]))
    velocities = rng.integers(75, 105, size=len(parts))
    presets = ENSEMBLES[int(rng.integers(len(ENSEMBLES)))]
    places = np.round(np.linspace(0, len(presets) - 1, len(parts))).astype(int)
    tracks = [
        Track(notes, (0, presets[place]), int(velocity), register)
        for notes, place, velocity in zip(parts, places, velocities, strict=True)
    ]
    if rng.random() < 0.3:
        tracks.append(Track(parts[-1], drawn(BASS, rng), int(rng.integers(60, 95)), register - 1))
    if rng.random() < 0.25:
        tracks.append(Track(parts[0], drawn(MELODY, rng), int(rng.integers(55, 85)), register + 1))
    if rng.random() < 0.35:
        tracks.append(_chord_track(acc.score_slices(piece, acc.pulse_of(piece)), acc.pulse_of(piece), rng))
    return tracks


def _drum_tracks(piece: Piece, seed_text: str) -> list[Track]:
    rng = generator(seed_text, "drums")
    if rng.random() > (0.5 if piece.source == "tunes" else 0.25):
        return []
    pulse = acc.pulse_of(piece)
    groove, steps = GROOVES[int(rng.integers(len(GROOVES)))], 3 if pulse == 1.5 else 2
    rows = []
    for bar, end in zip(piece.bars, np.append(piece.bars[1:], piece.quarters), strict=True):
        for number, onset in enumerate(np.arange(bar, end - 1e-6, pulse).tolist()):
            rows.append((onset, pulse / 2, groove.weak if number % 2 else groove.strong))
            rows += [(onset + n * pulse / steps, pulse / steps, groove.subdivision) for n in range(steps)]
    return [Track(acc.as_notes(rows), drum_kit(rng), int(rng.integers(55, 90)))]


def _window(
    notes: Shaped[np.ndarray, " notes"], piece: Piece, start: float, window: float
) -> Shaped[np.ndarray, " inside"]:
    """The notes from ``start`` to ``start + window``, counted from 0; the piece comes again at its end."""
    period = float(np.ceil(piece.quarters))
    copies = int((start + window) // period) + 1
    every: Shaped[np.ndarray, " notes"] = np.tile(notes, copies)
    every["onset"] += np.repeat(np.arange(copies) * period, len(notes))
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
    events["velocity"] = _balanced(track.velocity, track.program) + rng.integers(-7, 8, size=len(notes))
    moved = notes["pitch"].astype(int) + 12 * track.octave + shift
    events["pitch"] = notes["pitch"] if track.program[0] == DRUM_BANK else in_range(moved, track.program)
    events["track"] = number
    return events


def _balanced(velocity: int, program: Program) -> int:
    """A velocity that makes loud and quiet presets about equally loud (the sampler's gain is its square)."""
    factor = 0.75 if program[1] in LOUD else 1.3 if program[1] in QUIET else 1.0
    return velocity if program[0] == DRUM_BANK else min(round(velocity * factor), 120)
