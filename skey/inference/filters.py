"""The constants and kernels of the log-VQT, for :mod:`skey.inference.spectrum` and :mod:`skey.vqt`.

One octave of kernels serves all nine, because halving the sample rate halves every frequency.
"""

from functools import lru_cache

import numpy as np

from skey.audio import SAMPLE_RATE
from skey.shapes import Float32, Float64, Int

BINS = 99
"""Semitones of the whole log-VQT."""
CROPPED_BINS = 84
"""Semitones that the network sees: seven octaves."""
BINS_PER_OCTAVE = 12
OCTAVES = -(-BINS // BINS_PER_OCTAVE)
"""Octaves that are computed; the lowest is not whole."""
HOP = 512
"""Samples between two frames."""
LOWEST_FREQUENCY = 27.5
"""Frequency of bin 0 in hertz: A0."""
SEGMENT_SECONDS = 15
"""How long the segments of both papers are."""
SEGMENT_SAMPLES = SEGMENT_SECONDS * SAMPLE_RATE
MIN_VQT_SAMPLES = 65 * 256
"""Fewest samples (0.75 s) whose lowest octave can be mirrored at its ends."""
LOWPASS_TAPS = 256
"""Taps of the half-band filter."""
OUTPUTS_PER_STEP = 64
"""Samples that one step of the half-band filter computes."""
DYNAMIC_RANGE = 80.0
"""Decibels under the maximum at which the log-VQT ends."""
SMALLEST_MAGNITUDE = 1e-10
"""Magnitudes below it count as it: silence has no logarithm."""

_QUALITY = 1 / (2 ** (1 / BINS_PER_OCTAVE) - 1)
FREQUENCIES = LOWEST_FREQUENCY * 2 ** (np.arange(BINS) / BINS_PER_OCTAVE)
"""Of the bins, in hertz."""


def frames_of(seconds: int) -> int:
    """Frames of so many seconds of sound."""
    return seconds * SAMPLE_RATE // HOP + 1


@lru_cache(maxsize=1)
def normalisation() -> Float32[np.ndarray, "99 1"]:
    """librosa's: the square root of each bin's length in samples."""
    return np.sqrt(np.ceil(_QUALITY * SAMPLE_RATE / FREQUENCIES)).astype(np.float32)[:, None]


def kernel_lengths() -> Int[np.ndarray, "12"]:
    """Samples of each kernel of the top octave."""
    return np.ceil(_QUALITY * SAMPLE_RATE / FREQUENCIES[-BINS_PER_OCTAVE:]).astype(int)


@lru_cache
def octave_kernels(cents: float | int = 0) -> Float32[np.ndarray, "24 taps"]:
    """The top octave, tuned so many cents higher: twelve real parts, then twelve negated imaginary ones."""
    lengths = kernel_lengths()
    taps = 2 ** int(np.ceil(np.log2(lengths.max())))
    kernels = np.zeros((BINS_PER_OCTAVE, taps), np.complex64)
    frequencies = FREQUENCIES[-BINS_PER_OCTAVE:] * 2 ** (cents / 1200)
    for row, frequency, length in zip(kernels, frequencies, lengths, strict=True):
        start = (taps - length) // 2
        row[start : start + length] = _atom(float(frequency), int(length))
    return np.concatenate([kernels.real, -kernels.imag])


def _atom(frequency: float, length: int) -> np.ndarray:
    """One complex exponential under a Hann window, absolute sum 1."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    times = np.arange(length) - (length + 1) // 2
    atom = window * np.exp(2j * np.pi * frequency / SAMPLE_RATE * times)
    return np.asarray(atom / np.abs(atom).sum())


def _lowpass() -> Float64[np.ndarray, "256"]:
    """The half-band filter: frequency sampling under a Hamming window, as ``scipy.signal.firwin2``."""
    grid = np.linspace(0, 1, LOWPASS_TAPS + 1)
    gains = np.interp(grid, [0, 0.5 / 1.001, 0.5 * 1.001, 1], [1, 1, 0, 0])
    delay = np.exp(-0.5j * np.pi * (LOWPASS_TAPS - 1) * grid)
    return np.asarray(np.fft.irfft(gains * delay)[:LOWPASS_TAPS] * np.hamming(LOWPASS_TAPS))


@lru_cache(maxsize=1)
def stepped_lowpass() -> Float32[np.ndarray, "outputs taps"]:
    """The half-band filter once for each output sample of a step, two input samples further each time."""
    rows = np.zeros((OUTPUTS_PER_STEP, LOWPASS_TAPS + 2 * (OUTPUTS_PER_STEP - 1)), np.float32)
    for output, row in enumerate(rows):
        row[2 * output : 2 * output + LOWPASS_TAPS] = _lowpass()
    return rows
