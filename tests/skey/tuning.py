"""Hears whether a preset sounds at the written pitch: a wrong-pitch synthesizer would destroy labels."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.fft import rfft

from skey.audio import SAMPLE_RATE
from skey.corpus.soundfont import EVENT, Program, SoundFont

SEARCH = np.arange(-1800, 1801, 2.0)
"""Cents around the written pitch."""
TRANSFORM = 1 << 18
START, END = 0.1, 1.5
"""Seconds of a held note that are listened to."""


class Intonation(NamedTuple):
    """What was heard when a pitch was played: octaves away from it, and cents off that octave."""

    cents: float
    octaves: int


def frequency(pitch: float | int) -> float:
    """Hz of a MIDI pitch at A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def intonation(wave: np.ndarray, pitch: int) -> Intonation:
    """What `wave` (22,050 Hz) sounds where a MIDI `pitch` was meant, up to an octave and a half away."""
    heard = SEARCH[np.argmax(comb_scores(wave, frequency(pitch) * 2.0 ** (SEARCH / 1200)))]
    octaves = round(heard / 1200)
    return Intonation(float(heard - 1200 * octaves), octaves)


def comb_scores(wave: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """How well the harmonics of each candidate fundamental (Hz) gather the spectrum of `wave` (22,050 Hz).

    Harmonic h weighs 0.8^(h-1), so that a fundamental is preferred to its own subharmonics; magnitudes count
    by their square root, so that neither one strong partial nor broad noise decides alone.
    """
    magnitude = np.sqrt(np.abs(rfft(wave * np.hanning(len(wave)), TRANSFORM)))
    harmonics = np.arange(1, 13)
    bins = np.rint(np.outer(harmonics, frequencies) * TRANSFORM / SAMPLE_RATE).astype(int)
    heard = np.where(bins < len(magnitude), magnitude[np.minimum(bins, len(magnitude) - 1)], 0.0)
    return np.asarray(0.8 ** (harmonics - 1) @ heard)


def out_of_tune(font: SoundFont, program: Program, pitches: Iterable[int]) -> list[int]:
    """Those of the MIDI `pitches` that a preset leaves silent or misses by over 20 cents, octaves aside.

    That is less than half a bin of the log-VQT.
    """
    missed = []
    for pitch in pitches:
        wave = font.render(np.array([(0.0, END, pitch, 100, 0)], EVENT), [program], END)
        held = wave[round(START * SAMPLE_RATE) :]
        if np.abs(held).max() <= 1e-4 or abs(intonation(held, pitch).cents) > 20:
            missed.append(pitch)
    return missed
