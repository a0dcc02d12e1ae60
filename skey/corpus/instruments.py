"""Who plays: the presets that are in tune in the SoundFont, by role, and the drummer's patterns."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from skey.corpus.events import DRUM_BANK

RANGES: dict[int, tuple[int, int]] = {
    0: (28, 96),
    1: (28, 96),
    2: (28, 96),
    4: (28, 88),
    5: (28, 88),
    6: (36, 88),
    7: (36, 84),
    11: (48, 88),
    12: (45, 90),
    15: (48, 84),
    16: (36, 84),
    17: (36, 84),
    19: (36, 84),
    24: (40, 84),
    25: (40, 84),
    26: (40, 84),
    27: (40, 84),
    29: (40, 76),
    32: (28, 60),
    33: (28, 60),
    34: (28, 60),
    35: (28, 60),
    38: (28, 60),
    39: (28, 60),
    40: (55, 93),
    41: (48, 84),
    42: (36, 72),
    43: (28, 55),
    45: (36, 88),
    46: (36, 92),
    48: (36, 88),
    49: (36, 88),
    50: (36, 88),
    53: (43, 84),
    56: (52, 84),
    57: (36, 76),
    58: (28, 60),
    61: (36, 84),
    62: (36, 84),
    66: (44, 76),
    68: (58, 88),
    69: (52, 81),
    70: (34, 72),
    71: (50, 88),
    73: (66, 96),
    74: (60, 90),
    75: (60, 90),
    79: (60, 90),
    80: (48, 84),
    81: (48, 84),
    85: (55, 84),
    88: (36, 72),
    89: (36, 72),
    91: (36, 84),
    95: (36, 74),
    105: (48, 86),
    107: (48, 84),
    110: (55, 93),
}
"""The pitched presets (bank 0), each with the lowest and highest MIDI pitch where it is in tune."""

PRESETS_IN_USE: tuple[int, ...] = tuple(RANGES)
"""Every pitched preset that an arrangement can use."""

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

ENSEMBLES: tuple[tuple[int, ...], ...] = (
    (0,),
    (6,),
    (19,),
    (16,),
    (40, 40, 41, 42),
    (48,),
    (49,),
    (53,),
    (61,),
    (56, 56, 57, 58),
    (68, 71, 69, 70),
    (73, 68, 71, 70),
    (74, 71, 41, 42),
    (66, 66, 57, 70),
    (24, 25, 24, 32),
    (46, 45, 45, 43),
    (4, 4, 26, 33),
    (81, 50, 50, 38),
    (91, 89, 89, 35),
    (12, 5, 11, 43),
)
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

Program = tuple[int, int]
"""Bank and preset; bank 128 holds the drums."""


def pitched(preset: int) -> Program:
    """A pitched preset as bank and preset."""
    return 0, preset


def balanced(velocity: int, program: Program) -> int:
    """A velocity that makes loud and quiet presets about equally loud (the sampler's gain is its square)."""
    factor = 0.75 if program[1] in LOUD else 1.3 if program[1] in QUIET else 1.0
    return velocity if program[0] == DRUM_BANK else min(round(velocity * factor), 120)


def in_range(pitches: Int[np.ndarray, " notes"], program: Program) -> Int[np.ndarray, " notes"]:
    """Pitches as an instrument can play them: first the whole line, then single notes move by octaves."""
    if program[0] == DRUM_BANK or not len(pitches):
        return pitches
    low, high = RANGES[program[1]]
    middle = float(np.median(pitches))
    line: Int[np.ndarray, " notes"] = pitches + 12 * int(
        np.ceil(max(low - middle, 0) / 12) - np.ceil(max(middle - high, 0) / 12)
    )
    up = np.ceil(np.maximum(low - line, 0) / 12).astype(int)
    down = np.ceil(np.maximum(line - high, 0) / 12).astype(int)
    folded: Int[np.ndarray, " notes"] = line + 12 * (up - down)
    return folded


def drum_kit(rng: np.random.Generator) -> Program:
    """One of the percussion kits."""
    return DRUM_BANK, int(rng.choice(DRUM_KITS))


def ensemble(parts: int, rng: np.random.Generator) -> list[Program]:
    """Programs for the parts of a score, from the top part to the bass."""
    presets = ENSEMBLES[int(rng.integers(len(ENSEMBLES)))]
    places = np.round(np.linspace(0, len(presets) - 1, parts)).astype(int)
    return [pitched(presets[place]) for place in places]


def drum_rows(
    beats: list[tuple[float, bool]], pulse: float, rng: np.random.Generator
) -> list[tuple[float, float, int]]:
    """Drum notes (onset, duration, sound) for beats given as (onset, strong), in one groove."""
    groove = GROOVES[int(rng.integers(len(GROOVES)))]
    steps = 3 if pulse == 1.5 else 2
    rows = []
    for onset, strong in beats:
        rows.append((onset, pulse / 2, groove.strong if strong else groove.weak))
        rows += [(onset + n * pulse / steps, pulse / steps, groove.subdivision) for n in range(steps)]
    return rows
