"""Is there a tonality at all, and how is it tuned? Both are read off the spectral lines of a recording.

Noise of any colour has a smooth spectrum once enough frames are averaged, and so has a click; music that
dwells on pitches has narrow lines. How far lines stand out over **both** of their sides is compared with what
noise of the same length shows by chance: neither a steep filter nor a short recording passes for tonal.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32
from numpy.lib.stride_tricks import sliding_window_view

from skey.audio import SAMPLE_RATE

FRAME = 4096
"""Samples of an analysis frame (186 ms): bins of 5.4 Hz."""
STEP = FRAME // 2
"""Samples between two frames."""
TONAL_PROMINENCE = 0.12
"""Log power by which spectral lines stand out at least; white noise stays under 0.05, music is above 0.18."""
MIN_ACTIVE_SECONDS = 1.5
"""The least sound that counts as more than a click."""

_ACTIVE_RANGE = 1e-5
_ROUNDING = 2e-5
"""Share of the largest value; a resampled constant or ramp, which is no sound, stays under it."""
_SILENT_RANGE = 1e-4
_NOISE_PROMINENCE = 0.65
_NEIGHBOURS = 12
_LINE_BINS = slice(int(60 * FRAME / SAMPLE_RATE), int(4_000 * FRAME / SAMPLE_RATE))
_TUNING_BINS = slice(int(100 * FRAME / SAMPLE_RATE), int(2_500 * FRAME / SAMPLE_RATE))
_TUNING_RANGE = 1e-4
_CONCERT_A = 440.0


@dataclass(frozen=True, slots=True)
class Tonality:
    """What the spectral lines of a stretch of sound say.

    Args:
        active_seconds: how long it sounds within 50 dB of its loudest moment.
        prominence: log power by which spectral lines stand out, less what noise would show.
        tuning: sum over spectral peaks of magnitude times exp(2πi d), d the distance in semitones from equal
            temperament at A4 = 440 Hz; adding up these numbers averages over stretches.
    """

    active_seconds: float
    prominence: float
    tuning: complex

    @property
    def tonal(self) -> bool:
        """Whether lines stand out more than those of noise."""
        return self.prominence > TONAL_PROMINENCE


def sounding(wave: Float32[np.ndarray, "samples"]) -> Float32[np.ndarray, "sounding"]:
    """Cut out silence: half seconds that stay 80 dB under the peak, which the front end cannot hear.

    Args:
        wave: (samples,) at 22,050 Hz.

    Returns:
        What is left; the same samples where nothing is silent.
    """
    level = np.abs(wave - wave.mean()) if wave.size else wave
    starts = np.arange(0, wave.size, SAMPLE_RATE // 2)
    peaks = np.maximum.reduceat(level, starts) if wave.size else level
    loud = peaks > _SILENT_RANGE * level.max(initial=0)
    if loud.all():
        return wave
    return np.asarray(wave[np.repeat(loud, SAMPLE_RATE // 2)[: wave.size]])


def tuning_cents(tuning: complex) -> float:
    """The tuning offset: the circular mean of the peaks' distances from equal temperament.

    Args:
        tuning: as in :class:`Tonality`.

    Returns:
        Cents above A4 = 440 Hz, in -50..50.
    """
    return float(np.angle(tuning) * 100 / (2 * np.pi))


def measure_tonality(wave: Float32[np.ndarray, "samples"]) -> Tonality:
    """Look for spectral lines and their tuning.

    Args:
        wave: (samples,) at 22,050 Hz, at least 4,096 of them.

    Returns:
        How long it sounds, how far its lines stand out, where its peaks lie.
    """
    floor = 1.5 * (FRAME / 4 * _ROUNDING * float(np.abs(wave).max())) ** 2  # Of a sine in a Hann window.
    power = _active(_power_spectra(wave - wave.mean()), floor)
    if not len(power):
        return Tonality(0.0, 0.0, 0j)
    return Tonality(len(power) * STEP / SAMPLE_RATE, _line_prominence(power), _tuning(power))


@lru_cache(maxsize=1)
def _window() -> Float32[np.ndarray, "samples"]:
    """A Hann window of one frame."""
    return np.hanning(FRAME).astype(np.float32)


def _power_spectra(wave: Float32[np.ndarray, "samples"]) -> Float32[np.ndarray, "frames bins"]:
    """Power of each frame and bin."""
    spectra = np.fft.rfft(sliding_window_view(wave, FRAME)[::STEP] * _window(), axis=1)
    return (spectra.real**2 + spectra.imag**2).astype(np.float32)


def _active(power: Float32[np.ndarray, "frames bins"], floor: float) -> Float32[np.ndarray, "active bins"]:
    """The frames that sound; what lies 120 dB below their mean is rounding noise and filled up."""
    energy = power[:, _LINE_BINS].sum(axis=1)
    sounding = power[energy > max(_ACTIVE_RANGE * energy.max(), floor, np.finfo(np.float32).tiny)]
    return np.asarray(sounding + np.float32(1e-12 * sounding.mean()) if len(sounding) else sounding)


def _line_prominence(power: Float32[np.ndarray, "frames bins"]) -> float:
    """How far the mean log spectrum rises over both sides of each bin, less the share of chance."""
    spectrum = np.log(power).mean(axis=0)
    sides = sliding_window_view(spectrum, _NEIGHBOURS).mean(axis=1)
    bins = np.arange(_LINE_BINS.start, _LINE_BINS.stop)
    rise = spectrum[bins] - np.maximum(sides[bins - _NEIGHBOURS], sides[bins + 1])
    # The log power of noise has variance π²/6 in one frame.
    by_chance = _NOISE_PROMINENCE**2 * np.pi**2 / 6 / len(power)
    return float(np.sqrt(max(np.mean(np.maximum(rise, 0) ** 2) - by_chance, 0)))


def _tuning(power: Float32[np.ndarray, "frames bins"]) -> complex:
    """Magnitude-weighted phases of the spectral peaks' distances from equal temperament."""
    inner = power[:, _TUNING_BINS]
    left, right = power[:, _shifted(-1)], power[:, _shifted(1)]
    peaks = (inner > left) & (inner >= right) & (inner > _TUNING_RANGE * inner.max())
    heights = [np.log(side[peaks].astype(np.float64)) for side in (left, inner, right)]
    positions = np.nonzero(peaks)[1] + _TUNING_BINS.start + _vertex(*heights)
    semitones = 12 * np.log2(positions * SAMPLE_RATE / FRAME / _CONCERT_A)
    return complex(np.sum(np.exp(heights[1] / 2 + 2j * np.pi * semitones)))


def _shifted(bins: int) -> slice:
    """The tuning range, some bins higher."""
    return slice(_TUNING_BINS.start + bins, _TUNING_BINS.stop + bins)


def _vertex(
    left: Float[np.ndarray, "peaks"], middle: Float[np.ndarray, "peaks"], right: Float[np.ndarray, "peaks"]
) -> Float[np.ndarray, "peaks"]:
    """Where a parabola through three neighbouring bins peaks, in bins from the middle one."""
    return np.asarray((left - right) / 2 / (left - 2 * middle + right))
