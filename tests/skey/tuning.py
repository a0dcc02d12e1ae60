"""Hears whether a preset sounds at the written pitch: a wrong-pitch synthesizer would destroy labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from scipy.fft import rfft

from skey.audio import SAMPLE_RATE
from skey.corpus.soundfont import EVENT, Program, SoundFont

HARMONICS = 12
HARMONIC_DECAY = 0.8
SEARCH_CENTS = 1800
TRANSFORM = 1 << 18
INAUDIBLE = 1e-4
TOLERANCE_CENTS = 20
LISTEN_SECONDS = (0.1, 1.5)


@dataclass(frozen=True, slots=True)
class Intonation:
    """What was heard when a pitch was played: octaves away from it, and cents off that octave."""

    cents: float
    octaves: int

    @property
    def in_tune(self) -> bool:
        """Whether the pitch class is right to within 20 cents, less than half a bin of the log-VQT."""
        return abs(self.cents) <= TOLERANCE_CENTS


def frequency(pitch: float | int) -> float:
    """Hz of a MIDI pitch at A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def intonation(wave: Float32[np.ndarray, " samples"], pitch: int) -> Intonation:
    """What `wave` (22,050 Hz) sounds where a MIDI `pitch` was meant, up to an octave and a half away."""
    cents = np.arange(-SEARCH_CENTS, SEARCH_CENTS + 1, 2.0)
    heard = cents[np.argmax(comb_scores(wave, frequency(pitch) * 2.0 ** (cents / 1200)))]
    octaves = round(heard / 1200)
    return Intonation(float(heard - 1200 * octaves), octaves)


def comb_scores(
    wave: Float32[np.ndarray, " samples"], frequencies: Float64[np.ndarray, " candidates"]
) -> Float64[np.ndarray, " candidates"]:
    """How well the harmonics of each candidate fundamental (Hz) gather the spectrum of `wave` (22,050 Hz).

    Harmonic h weighs 0.8^(h-1), so that a fundamental is preferred to its own subharmonics; magnitudes count
    by their square root, so that neither one strong partial nor broad noise decides alone.
    """
    magnitude = np.sqrt(np.abs(rfft(wave * np.hanning(len(wave)), TRANSFORM)))
    harmonics = np.arange(1, HARMONICS + 1)
    bins = np.rint(np.outer(harmonics, frequencies) * TRANSFORM / SAMPLE_RATE).astype(int)
    heard = np.where(bins < len(magnitude), magnitude[np.minimum(bins, len(magnitude) - 1)], 0.0)
    return np.asarray(HARMONIC_DECAY ** (harmonics - 1) @ heard)


def preset_intonation(font: SoundFont, program: Program, pitch: int) -> Intonation | None:
    """What a preset sounds between 0.1 and 1.5 s of a held MIDI `pitch`; None where it is silent."""
    start, stop = (round(seconds * SAMPLE_RATE) for seconds in LISTEN_SECONDS)
    note = np.array([(0.0, LISTEN_SECONDS[1], pitch, 100, 0)], EVENT)
    wave = font.render(note, [program], LISTEN_SECONDS[1])[start:stop]
    return intonation(wave, pitch) if np.abs(wave).max() > INAUDIBLE else None


def out_of_tune(font: SoundFont, program: Program, pitches: Iterable[int]) -> Mapping[int, Intonation | None]:
    """Those of the MIDI `pitches` that a preset does not sound at their pitch class, and what it sounds."""
    heard = {pitch: preset_intonation(font, program, pitch) for pitch in pitches}
    return {pitch: what for pitch, what in heard.items() if what is None or not what.in_tune}
