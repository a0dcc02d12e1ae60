"""The log-VQT of one recording in numpy: what :mod:`skey.vqt` computes, without importing torch.

Importing torch takes longer than hearing a minute of music, so the estimator listens with this module.
Training, batches and gradients need tensors and use :mod:`skey.vqt`, whose constants and kernels these are;
the tests hold the two together.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Float64
from numpy.lib.stride_tricks import sliding_window_view

from skey.audio import SAMPLE_RATE, TooShortAudio, Wave

BINS = 99
"""Semitones of the whole log-VQT."""
CROPPED_BINS = 84
"""Semitones that the network sees: seven octaves."""
BINS_PER_OCTAVE = 12
"""Bins are semitones."""
HOP = 512
"""Samples between two frames."""
LOWEST_FREQUENCY = 27.5
"""Frequency of bin 0 in hertz: A0."""
SEGMENT_SAMPLES = 15 * SAMPLE_RATE
"""Samples of the 15-s segments of both papers."""
MIN_VQT_SAMPLES = 65 * 256
"""Fewest samples (0.75 s) whose lowest octave can be mirrored at its ends."""

_OCTAVES = -(-BINS // BINS_PER_OCTAVE)
_QUALITY = 1 / (2 ** (1 / BINS_PER_OCTAVE) - 1)
_FREQUENCIES = LOWEST_FREQUENCY * 2 ** (np.arange(BINS) / BINS_PER_OCTAVE)
_LOWPASS_TAPS = 256
_OUTPUTS_PER_STEP = 64
_DYNAMIC_RANGE = 80.0
_SMALLEST_MAGNITUDE = 1e-10
_ROWS = 4096
"""Windows that are copied out of a waveform at a time: memory stays far below that of an hour's windows."""


def log_vqt(wave: Wave) -> Float32[np.ndarray, "99 frames"]:
    """The log-VQT of one waveform, floored 80 dB under its maximum.

    Args:
        wave: (samples,) at 22,050 Hz, peak 1.

    Returns:
        (99, samples // 512 + 1): decibels / 80 + 1, where decibels are 10 log10 of the magnitude.

    Raises:
        TooShortAudio: under 0.75 s.
    """
    decibels = 10 * np.log10(np.maximum(magnitude(wave), np.float32(_SMALLEST_MAGNITUDE)))
    return np.asarray(np.maximum(decibels, decibels.max() - _DYNAMIC_RANGE) / _DYNAMIC_RANGE + 1)


def magnitude(wave: Wave) -> Float32[np.ndarray, "99 frames"]:
    """The magnitude of the VQT in librosa's normalisation, before decibels.

    Args:
        wave: (samples,) at 22,050 Hz.

    Returns:
        (99, samples // 512 + 1), not negative.

    Raises:
        TooShortAudio: under 0.75 s.
    """
    if len(wave) < MIN_VQT_SAMPLES:
        raise TooShortAudio(f"{len(wave)} samples: the log-VQT needs at least {MIN_VQT_SAMPLES}")
    octaves: list[np.ndarray] = []
    for octave in range(_OCTAVES):
        wave = _halved(wave) if octave else wave
        octaves.insert(0, _octave(wave, HOP >> octave))
    return np.asarray(np.concatenate(octaves)[-BINS:] * _scale())


def _octave(wave: Wave, hop: int) -> Float32[np.ndarray, "12 frames"]:
    """Twelve bins: the top octave of what this sample rate can hold."""
    kernels = _octave_kernels()
    mirrored = np.pad(wave, kernels.shape[1] // 2, mode="reflect")
    real, imaginary = np.split(_correlated(mirrored, kernels, hop), 2, axis=1)
    return np.asarray(np.sqrt(real**2 + imaginary**2).T)


def _halved(wave: Wave) -> Float32[np.ndarray, "half"]:
    """The same sound at half the sample rate."""
    step = 2 * _OUTPUTS_PER_STEP
    padded = np.pad(wave, (_LOWPASS_TAPS // 2 - 1, _LOWPASS_TAPS // 2 + step))
    return np.asarray(_correlated(padded, _stepped_lowpass(), step).ravel()[: len(wave) // 2])


def _correlated(
    wave: Wave, kernels: Float32[np.ndarray, "kernels taps"], hop: int
) -> Float32[np.ndarray, "steps kernels"]:
    """The products of each kernel with the windows of a waveform, one window every `hop` samples."""
    windows = sliding_window_view(wave, kernels.shape[1])[::hop]
    parts = (np.ascontiguousarray(windows[row : row + _ROWS]) for row in range(0, len(windows), _ROWS))
    return np.concatenate([part @ kernels.T for part in parts])


@lru_cache(maxsize=1)
def _scale() -> Float32[np.ndarray, "99 1"]:
    """The normalisation: the square root of each bin's length."""
    return np.sqrt(np.ceil(_QUALITY * SAMPLE_RATE / _FREQUENCIES)).astype(np.float32)[:, None]


@lru_cache(maxsize=1)
def _octave_kernels() -> Float32[np.ndarray, "24 taps"]:
    """The top octave: twelve real parts, then twelve negated imaginary ones."""
    lengths = np.ceil(_QUALITY * SAMPLE_RATE / _FREQUENCIES[-BINS_PER_OCTAVE:]).astype(int)
    taps = 2 ** int(np.ceil(np.log2(lengths.max())))
    kernels = np.zeros((BINS_PER_OCTAVE, taps), np.complex64)
    for row, frequency, length in zip(kernels, _FREQUENCIES[-BINS_PER_OCTAVE:], lengths, strict=True):
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
    grid = np.linspace(0, 1, _LOWPASS_TAPS + 1)
    gains = np.interp(grid, [0, 0.5 / 1.001, 0.5 * 1.001, 1], [1, 1, 0, 0])
    delay = np.exp(-0.5j * np.pi * (_LOWPASS_TAPS - 1) * grid)
    return np.asarray(np.fft.irfft(gains * delay)[:_LOWPASS_TAPS] * np.hamming(_LOWPASS_TAPS))


@lru_cache(maxsize=1)
def _stepped_lowpass() -> Float32[np.ndarray, "outputs taps"]:
    """The half-band filter once for each output sample of a step, two input samples further each time."""
    rows = np.zeros((_OUTPUTS_PER_STEP, _LOWPASS_TAPS + 2 * (_OUTPUTS_PER_STEP - 1)), np.float32)
    for output, row in enumerate(rows):
        row[2 * output : 2 * output + _LOWPASS_TAPS] = _lowpass()
    return rows
