"""Songs that nobody wrote: loops of chords as popular music has them, with a key that is known.

Unlike chorales and tunes, popular music often has a flat seventh in major (mixolydian, blues), a major fourth
in minor (dorian), a vamp of two chords, a riff without thirds. Each song draws a loop, a way to play it and a
melody, and keeps the tonic and the third of its key throughout.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skey.corpus.accompaniment import Row, as_notes, near
from skey.corpus.arrangement import (
    BASS,
    CHORDS,
    CLOSED_HAT,
    KICK,
    MELODY,
    OPEN_HAT,
    RIDE,
    SNARE,
    Arrangement,
    Track,
    draw_cents,
    drawn,
    drum_kit,
    generator,
    sound_tracks,
)
from skey.corpus.degradation import Level
from skey.keys import KEYS, Key, Mode
from skey.shapes import Float64

Chord = tuple[int, ...]
"""The members of a chord in semitones above the tonic, root first."""
Bars = Sequence[Sequence[Chord]]
"""Both chords of each bar."""

QUALITIES: Mapping[str, Chord] = {"": (0, 4, 7), "m": (0, 3, 7), "o": (0, 3, 6), "d": (0, 4, 7, 10)}

SCALES: Mapping[str, tuple[int, ...]] = {
    "ionian": (0, 2, 4, 5, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 4, 5, 7, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "minor pentatonic": (0, 3, 5, 7, 10),
}
"""Semitones above the tonic."""


@dataclass(frozen=True, slots=True)
class Style:
    """A family of loops with its mode, how often it is drawn, and the scales of its melodies.

    A loop is written as degrees of the chromatic scale with a quality: ``0 10 5 0`` is I bVII IV I, and
    ``0m 5`` is i IV; ``m`` is minor, ``d`` a dominant seventh, ``o`` diminished. A comma ends each.
    """

    mode: Mode
    weight: float
    scales: str
    loops: str


STYLES: tuple[Style, ...] = (
    Style(
        "major",
        0.42,
        "ionian, ionian, major pentatonic",
        "0 7 9m 5, 0 9m 5 7, 0 5 7 0, 0 5 9m 7, 0 7 5 5, 0 4m 5 7, 0 2m 5 7, 0 5 0 7, 0 9m 2m 7, 0 5, "
        "0 0 5 7, 0 7 2m 5, 0 4m 9m 5, 0 2m 7 0, 9m 5 0 0, 5 7 0 0",
    ),
    Style(
        "major",
        0.28,
        "mixolydian, mixolydian, major pentatonic, blues",
        "0 10 5 0, 0 10, 0 5 10 5, 0 7m 10 5, 0 10 5 5, 0 0 10 5, 0d, 0d 5d, 0 5 10 0",
    ),
    Style(
        "major",
        0.16,
        "blues, blues, mixolydian, major pentatonic",
        "0d 0d 0d 0d 5d 5d 0d 0d 7d 5d 0d 7d, 0d 5d 0d 0d 5d 5d 0d 0d 7d 7d 0d 0d, 0d 5d, 0d 5d 7d 5d, "
        "0d 0d 5d 7d",
    ),
    Style(
        "major",
        0.14,
        "ionian, major pentatonic",
        "0 8 10 0, 0 5m 0 7, 0 3 5 0, 0 5 5m 0, 0 4 5 5m, 0 10 8 7, 0 2d 5 0, 0 4d 9m 5",
    ),
    Style(
        "minor",
        0.42,
        "aeolian, aeolian, minor pentatonic",
        "0m 8 3 10, 0m 10 8 10, 0m 5m 8 7m, 0m 8 10 0m, 0m 5m 0m 7m, 0m 3 10 8, 0m 10, 0m 8, 0m 5m, 0m 7m, "
        "0m 3 8 10, 0m 0m 8 10, 8 10 0m 0m, 0m 7m 8 5m, 0m",
    ),
    Style(
        "minor",
        0.26,
        "dorian, dorian, minor pentatonic",
        "0m 5, 0m 5 0m 10, 0m 10 5 0m, 0m 5d, 0m 2m, 0m 3 5 10, 0m 5 5 0m, 0m 10 5 5",
    ),
    Style(
        "minor",
        0.20,
        "harmonic, aeolian",
        "0m 5m 7 0m, 0m 8 5m 7, 0m 7 0m 7, 0m 10 8 7, 0m 5m 7d 0m, 0m 2o 7d 0m, 0m 3 8 7",
    ),
    Style(
        "minor",
        0.12,
        "minor pentatonic, blues",
        "0m 0m 0m 0m 5m 5m 0m 0m 8d 7d 0m 0m, 0m 5m, 0m, 0m 0m 5m 7d",
    ),
)

STEPS = 8
"""Eighths in a bar."""

LEADS = tuple(preset for preset in MELODY if preset not in (105, 107, 110, 15))
GUITARS = (26, 27, 29, 29, 29)
"""Presets, the last three alike because distortion is usual."""


def song_key(seed_text: str) -> Key:
    """The key of a song, uniform over the 24."""
    return KEYS[int(generator(seed_text, "key").integers(24))]


def parse_loop(text: str) -> tuple[Chord, ...]:
    """The chords of a loop of :class:`Style`."""
    return tuple(
        tuple((int(chord.rstrip("mdo")) + up) % 12 for up in QUALITIES[chord.lstrip("0123456789")])
        for chord in text.split()
    )


def compose(seed_text: str, level: Level, seconds: float) -> Arrangement:
    """A stretch of the song whose key is :func:`song_key`, from anywhere in it."""
    rng, key = generator(seed_text, "song"), song_key(seed_text)
    styles = [style for style in STYLES if style.mode == key.mode]
    weights = np.array([style.weight for style in styles])
    style = styles[int(rng.choice(len(styles), p=weights / sum(weights)))]
    loops, scales = style.loops.split(", "), style.scales.split(", ")
    loop = parse_loop(loops[int(rng.integers(len(loops)))])
    tempo = float(rng.uniform(70, 175))
    bars = int(np.ceil((seconds + 1) * tempo / 60 / 4)) + 1
    chords = _timeline(loop, bars, rng)
    scale = SCALES[scales[int(rng.integers(len(scales)))]]
    tracks = [*_accompaniment(chords, key, rng), *_lead(chords, key, scale, rng), *_drums(bars, rng)]
    return sound_tracks(tracks, tempo, 0, draw_cents(level, seed_text), seed_text)


def _timeline(loop: Sequence[Chord], bars: int, rng: np.random.Generator) -> Bars:
    """The chord of each half bar; the clip may begin anywhere in the loop, and sevenths may come in."""
    halves = int(rng.choice([1, 2, 4], p=[0.15, 0.6, 0.25]))
    start = int(rng.integers(len(loop))) if rng.random() < 0.5 else 0
    coloured = [_coloured(chord, rng.random() < 0.5) for chord in loop] if rng.random() < 0.35 else list(loop)
    at = [coloured[(start + half // halves) % len(loop)] for half in range(2 * bars)]
    return [at[2 * bar : 2 * bar + 2] for bar in range(bars)]


def _coloured(chord: Chord, seventh: bool) -> Chord:
    """A triad with a minor seventh (major and minor ones alike where the scale has it) or a ninth."""
    if len(chord) > 3 or not seventh:
        return chord
    return (*chord, (chord[0] + (10 if (chord[1] - chord[0]) % 12 == 3 else 2)) % 12)


def _accompaniment(chords: Bars, key: Key, rng: np.random.Generator) -> list[Track]:
    tracks = []
    if rng.random() < 0.92:
        loud = int(rng.integers(75, 120))
        tracks.append(Track(as_notes(_bass(chords, key, rng)), drawn(BASS, rng), loud))
    for _ in range(int(rng.choice([1, 2, 3], p=[0.35, 0.45, 0.2]))):
        figure = (_strummed, _pads, _arpeggio, _power)[int(rng.choice(4, p=[0.4, 0.25, 0.15, 0.2]))]
        program = drawn(GUITARS if figure is _power else CHORDS, rng)
        rows = figure(chords, key, int(rng.integers(50, 68)), rng)
        tracks.append(Track(as_notes(rows), program, int(rng.integers(50, 105))))
    return tracks


def _voiced(chord: Chord, key: Key, centre: int) -> list[int]:
    return sorted(near(centre, key.tonic, chord))


def _rhythm(rng: np.random.Generator, density: float) -> Float64[np.ndarray, " hits"]:
    """Eighths of a bar on which something sounds, at least the first."""
    hits = np.flatnonzero(rng.random(STEPS) < density)
    return np.unique(np.append(hits, 0)) / 2


def _struck(chords: Bars, hits: Float64[np.ndarray, " hits"]) -> Iterator[tuple[float, float, Chord]]:
    """Onset of each hit of each bar, the time to the next one, and the chord."""
    for bar, pair in enumerate(chords):
        for onset, after in zip(hits, np.append(hits[1:], 4.0), strict=True):
            yield 4 * bar + float(onset), float(after - onset), pair[int(onset >= 2)]


def _bass(chords: Bars, key: Key, rng: np.random.Generator) -> list[Row]:
    """Roots in one rhythm, with fifths, octaves and approaches; now and then a pedal or an inversion."""
    hits, short = _rhythm(rng, float(rng.uniform(0.1, 0.9))), rng.uniform(0.4, 1.0)
    pedal, wander = rng.random() < 0.08, rng.choice([0.0, 0.15, 0.4])
    rows = []
    for onset, time, chord in _struck(chords, hits):
        degree = 0 if pedal else chord[0]
        if rng.random() < wander:
            degree = int(rng.choice([*chord, (chord[0] + 7) % 12]))
        pitch = 36 + (key.tonic + degree - 36 + 4) % 12 - 4 + 12 * int(rng.random() < wander / 3)
        rows.append((onset, time * short, pitch))
    return rows


def _strummed(chords: Bars, key: Key, centre: int, rng: np.random.Generator) -> list[Row]:
    hits, short = _rhythm(rng, float(rng.uniform(0.15, 0.8))), rng.uniform(0.3, 1.0)
    return [
        (onset, time * short, pitch)
        for onset, time, chord in _struck(chords, hits)
        for pitch in _voiced(chord, key, centre)
    ]


def _pads(chords: Bars, key: Key, centre: int, rng: np.random.Generator) -> list[Row]:
    return [
        (4.0 * bar + 2 * half, 2.0, pitch)
        for bar, pair in enumerate(chords)
        for half, chord in enumerate(pair)
        for pitch in _voiced(chord, key, centre)
    ]


def _arpeggio(chords: Bars, key: Key, centre: int, rng: np.random.Generator) -> list[Row]:
    order = rng.permutation(STEPS)
    rows = []
    for bar, pair in enumerate(chords):
        for step in range(STEPS):
            pitches = _voiced(pair[step // 4], key, centre)
            rows.append((4 * bar + step / 2, 0.6, pitches[int(order[step]) % len(pitches)]))
    return rows


def _power(chords: Bars, key: Key, centre: int, rng: np.random.Generator) -> list[Row]:
    """Root, fifth and octave, as a distorted guitar plays them: no third."""
    hits, short = _rhythm(rng, float(rng.uniform(0.2, 0.95))), rng.uniform(0.4, 1.0)
    return [
        (onset, time * short, 40 + (key.tonic + chord[0] - 40) % 12 + up)
        for onset, time, chord in _struck(chords, hits)
        for up in (0, 7, 12)
    ]


def _lead(chords: Bars, key: Key, scale: tuple[int, ...], rng: np.random.Generator) -> list[Track]:
    """A melody in the scale that walks, rests, and leans on the notes of the chords and on the tonic."""
    if rng.random() < 0.2:
        return []
    steps = np.array([60 + octave * 12 + degree for octave in (-1, 0, 1) for degree in scale]) + key.tonic
    steps = np.unique(np.where(steps > 84, steps - 12, steps))
    density, rest = float(rng.uniform(0.25, 0.75)), float(rng.uniform(0.1, 0.45))
    phrase = _rhythm(rng, density)
    place, rows = len(steps) // 2, []
    for bar, pair in enumerate(chords):
        if rng.random() < rest:
            continue
        hits = phrase if rng.random() < 0.6 else _rhythm(rng, density)
        for onset, time, chord in _struck([pair], hits):
            place = int(np.clip(place + rng.choice([-2, -1, -1, 0, 1, 1, 2]), 0, len(steps) - 1))
            members = {(member + key.tonic) % 12 for member in chord}
            if onset in (0.0, 2.0) and rng.random() < 0.7:
                close = [at for at in range(len(steps)) if int(steps[at]) % 12 in members]
                place = min(close, key=lambda at: abs(at - place)) if close else place
            rows.append((4 * bar + onset, 0.95 * time, int(steps[place])))
    if not rows:
        return []
    program, loud = drawn(LEADS, rng), int(rng.integers(65, 118))
    tracks = [Track(as_notes(rows), program, loud)]
    if rng.random() < 0.2:
        tracks.append(Track(as_notes(rows), drawn(LEADS, rng), loud - 15, -1))
    return tracks


def _drums(bars: int, rng: np.random.Generator) -> list[Track]:
    """A kit in front of four songs in five: kick, snare on the second and fourth beats, a cymbal."""
    if rng.random() < 0.2:
        return []
    kicks, cymbal = _rhythm(rng, 0.25), int(rng.choice([CLOSED_HAT, OPEN_HAT, RIDE]))
    fine = 0.5 if rng.random() < 0.7 else 0.25
    rows: list[Row] = []
    for bar in range(bars):
        rows += [(4 * bar + float(onset), 0.5, KICK) for onset in kicks]
        rows += [(4 * bar + onset, 0.5, SNARE) for onset in (1.0, 3.0)]
        rows += [(4 * bar + float(onset), 0.2, cymbal) for onset in np.arange(0, 4, fine)]
    return [Track(as_notes(rows), drum_kit(rng), int(rng.integers(70, 127)))]
