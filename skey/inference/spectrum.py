"""The log-VQT of one recording in numpy: what :mod:`skey.vqt` computes, without importing torch."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skey.audio import TooShortAudio, Wave
from skey.inference import filters
from skey.shapes import Float32

Kernels = Float32[np.ndarray, "kernels taps"]

_ROWS = 512  # windows that are copied out of a waveform at a time: they stay in the processor's cache


def log_vqt(wave: Wave, cents: float | int = 0) -> Float32[np.ndarray, "99 frames"]:
    """The log-VQT (99, samples // 512 + 1) of one waveform (peak 1, 22,050 Hz), floored 80 dB under its peak.

    Decibels / 80 + 1, where decibels are 10 log10 of the magnitude; the music is tuned ``cents`` above 440 Hz
    (not in the papers). Raises ``TooShortAudio`` under 0.75 s.
    """
    decibels = 10 * np.log10(np.maximum(magnitude(wave, cents), np.float32(filters.SMALLEST_MAGNITUDE)))
    floored = np.maximum(decibels, decibels.max() - filters.DYNAMIC_RANGE)
    return np.asarray(floored / filters.DYNAMIC_RANGE + 1)


def magnitude(wave: Wave, cents: float | int = 0) -> Float32[np.ndarray, "99 frames"]:
    """The magnitude of the VQT in librosa's normalisation, before decibels; see :func:`log_vqt`."""
    if len(wave) < filters.MIN_VQT_SAMPLES:
        raise TooShortAudio(f"{len(wave)} samples: the log-VQT needs at least {filters.MIN_VQT_SAMPLES}")
    octaves: list[np.ndarray] = []
    for octave in range(filters.OCTAVES):
        wave = _halved(wave) if octave else wave
        octaves.insert(0, _octave(wave, filters.HOP >> octave, filters.octave_kernels(cents)))
    return np.asarray(np.concatenate(octaves)[-filters.BINS :] * filters.normalisation())


def _octave(wave: Wave, hop: int, kernels: Kernels) -> Float32[np.ndarray, "12 frames"]:
    half = kernels.shape[1] // 2
    mirrored = np.concatenate([wave[half:0:-1], wave, wave[-2 : -2 - half : -1]])
    real, imaginary = np.split(_correlated(mirrored, kernels, hop), 2, axis=1)
    return np.asarray(np.sqrt(real**2 + imaginary**2).T)


def _halved(wave: Wave) -> Float32[np.ndarray, "half"]:
    step = 2 * filters.OUTPUTS_PER_STEP
    before = filters.LOWPASS_TAPS // 2 - 1
    padded = np.zeros(len(wave) + filters.LOWPASS_TAPS - 1 + step, np.float32)
    padded[before : before + len(wave)] = wave
    return np.asarray(_correlated(padded, filters.stepped_lowpass(), step).ravel()[: len(wave) // 2])


def _correlated(wave: Wave, kernels: Kernels, hop: int) -> Float32[np.ndarray, "steps kernels"]:
    """The products of each kernel with the windows of a waveform, one window every `hop` samples."""
    windows = sliding_window_view(wave, kernels.shape[1])[::hop]
    parts = (np.ascontiguousarray(windows[row : row + _ROWS]) for row in range(0, len(windows), _ROWS))
    return np.concatenate([part @ kernels.T for part in parts])
