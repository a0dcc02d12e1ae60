"""Is there a tonality at all, and how is it tuned? Both are read off the spectral lines of a recording.

Noise of any colour and clicks have a smooth mean spectrum; music that dwells on pitches has narrow lines. How
far lines stand out over **both** of their sides is compared with what noise of the same length shows by
chance: neither a steep filter nor a short recording passes for tonal. Speech, engines, sirens and hums have
lines, too; what they lack is several pitches that each stay a while, that lie on one scale of semitones, and
that change. A logistic regression weighs how much there is of each.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skey.audio import SAMPLE_RATE
from skey.shapes import Bool, Float, Float32, Int

Power = Float32[np.ndarray, "frames bins"]
Places = Int[np.ndarray, "peaks"]
Values = Float[np.ndarray, "peaks"]
Marks = Bool[np.ndarray, "peaks"]

FRAME = 4096  # samples of an analysis frame (186 ms): bins of 5.4 Hz
STEP = FRAME // 2  # samples between two frames
TONAL_PROMINENCE = 0.12  # log power of lines, at least; white noise stays under 0.05, music is above 0.18
MIN_ACTIVE_SECONDS = 1.5  # the least sound that counts as more than a click
LEAST_CHANGE = 0.01  # of the pitch classes of music; a sustained chord or tone stays under 0.008

_WINDOW = np.hanning(FRAME).astype(np.float32)
_FRAMES_AT_ONCE = 32  # so many are transformed together: they stay in the processor's cache
_ACTIVE_RANGE = 1e-5
_ROUNDING = 2e-5  # share of the peak under which a resampled constant or ramp, no sound, stays
_SILENT_RANGE = 1e-4
_NOISE_PROMINENCE = 0.65
_NEIGHBOURS = 12
_LINE_BINS = slice(_NEIGHBOURS, int(4_000 * FRAME / SAMPLE_RATE))  # from 65 Hz: as many neighbours lie below
_TUNING_BINS = slice(int(100 * FRAME / SAMPLE_RATE), int(2_500 * FRAME / SAMPLE_RATE))
_TUNING_RANGE = np.log(1e-4)
_CONCERT_A = 440.0
_STEADY, _STEADY_BINS = 0.01, 0.35  # how far a steady peak may move a frame: share of its frequency, bins
_WEIGHTS = (2.5, 5.0, 4.75, 1.67, -8.5)
"""Of the log prominence, the agreement, the log number of pitch classes, the log change, and the offset.

Fitted to half of 176 sounds that are no music, half of the open test set, and half of 225 stretches of free
game music, of which it loses one in a hundred; see the book's page *Inputs that break key estimators*."""


@dataclass(frozen=True, slots=True)
class Tonality:
    """What the spectral lines of a stretch of sound say.

    ``active_seconds`` is how long it sounds within 50 dB of its loudest moment, ``prominence`` the log power
    by which lines stand out, less what noise would show. ``tuning`` sums magnitude times exp(2πi d) over
    spectral peaks, d the distance in semitones from equal temperament at A4 = 440 Hz.

    ``agreement``, 0..1, is how well the steady peaks lie on one scale of semitones, ``pitch_classes``, 1..12,
    over how many they spread (the exponential of the entropy), ``change`` how much these differ from frame to
    frame (Jensen-Shannon divergence in nats).
    """

    active_seconds: float
    prominence: float
    tuning: complex
    agreement: float = 0.0
    pitch_classes: float = 1.0
    change: float = 0.0

    @property
    def tonal(self) -> bool:
        """Whether lines stand out more than those of noise."""
        return self.prominence > TONAL_PROMINENCE

    @property
    def evidence(self) -> float:
        """For music and against speech, machines and signals: the log odds, less the threshold."""
        measured = np.log(self.prominence + 0.05), self.agreement, np.log(self.pitch_classes)
        return float(np.dot(_WEIGHTS, (*measured, np.log(self.change + 0.02), 1.0)))

    @property
    def musical(self) -> bool:
        """Whether it is tonal and sounds like music."""
        return self.tonal and self.change > LEAST_CHANGE and self.evidence > 0


def sounding(wave: Float32[np.ndarray, "samples"]) -> Float32[np.ndarray, "sounding"]:
    """Cut out silence: half seconds that swing 80 dB less than the loudest, too faint for the front end."""
    if not wave.size:
        return wave
    starts = np.arange(0, wave.size, SAMPLE_RATE // 2)
    swing = np.maximum.reduceat(wave, starts) - np.minimum.reduceat(wave, starts)
    loud = swing > _SILENT_RANGE * swing.max()
    if loud.all():
        return wave
    return np.asarray(wave[np.repeat(loud, SAMPLE_RATE // 2)[: wave.size]])


def tuning_cents(tuning: complex) -> float:
    """The circular mean of the peaks' distances from A4 = 440 Hz, in -50..50 cents; see :class:`Tonality`."""
    return float(np.angle(tuning) * 100 / (2 * np.pi))


def measure_tonality(wave: Float32[np.ndarray, "samples"]) -> Tonality:
    """Look for spectral lines and their tuning in (samples,) at 22,050 Hz, at least 4,096 of them."""
    floor = 1.5 * (FRAME / 4 * _ROUNDING * float(np.abs(wave).max())) ** 2  # Of a sine in a Hann window.
    power = _active(_power_spectra(wave - wave.mean()), floor)
    if not len(power):
        return Tonality(0.0, 0.0, 0j)
    frame, semitones, magnitude, weights = _peaks(power)
    tuning = complex(np.sum(magnitude * np.exp(2j * np.pi * semitones)))
    seconds, scale = len(power) * STEP / SAMPLE_RATE, _scale(frame, semitones, weights, len(power))
    return Tonality(seconds, _line_prominence(power), tuning, *scale)


def _power_spectra(wave: Float32[np.ndarray, "samples"]) -> Power:
    frames = sliding_window_view(wave, FRAME)[::STEP]
    power = np.empty((len(frames), FRAME // 2 + 1), np.float32)
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        spectra = np.fft.rfft(frames[start : start + _FRAMES_AT_ONCE] * _WINDOW, axis=1)
        power[start : start + _FRAMES_AT_ONCE] = spectra.real**2 + spectra.imag**2
    return power


def _active(power: Power, floor: float) -> Float32[np.ndarray, "active low_bins"]:
    """The frames that sound, as far as lines are looked for, filled up 120 dB below their mean."""
    energy = power[:, _LINE_BINS].sum(axis=1)
    sounding = power[energy > max(_ACTIVE_RANGE * energy.max(), floor, np.finfo(np.float32).tiny)]
    filling = np.float32(1e-12 * sounding.mean()) if len(sounding) else np.float32(0)
    return np.asarray(sounding[:, : _LINE_BINS.stop + _NEIGHBOURS] + filling)


def _line_prominence(power: Power) -> float:
    """How far the mean log spectrum rises over both sides of each bin, less the share of chance."""
    spectrum = np.log(power).mean(axis=0)
    sides = sliding_window_view(spectrum, _NEIGHBOURS).mean(axis=1)
    bins = np.arange(_LINE_BINS.start, _LINE_BINS.stop)
    rise = spectrum[bins] - np.maximum(sides[bins - _NEIGHBOURS], sides[bins + 1])
    # The log power of noise has variance π²/6 in one frame.
    by_chance = _NOISE_PROMINENCE**2 * np.pi**2 / 6 / len(power)
    return float(np.sqrt(max(np.mean(np.maximum(rise, 0) ** 2) - by_chance, 0)))


def _peaks(power: Power) -> tuple[Places, Values, Values, Values]:
    """Spectral peaks within 40 dB of the highest: frame, semitones from A4, magnitude, weight.

    They are the tops of parabolas through the logarithms. A steady peak weighs its log power over the mean of
    the bins around, any other nothing.
    """
    first, last = _TUNING_BINS.start, _TUNING_BINS.stop
    reach = _NEIGHBOURS
    log_power = np.log(power[:, first - reach : last + reach].astype(np.float64))
    left, inner, right = (log_power[:, reach + step : reach + step + last - first] for step in (-1, 0, 1))
    is_high = inner > inner.max(initial=-np.inf) + _TUNING_RANGE
    frame, place = np.nonzero((inner > left) & (inner >= right) & is_high)
    before, height, after = left[frame, place], inner[frame, place], right[frame, place]
    sums = np.pad(np.cumsum(log_power, axis=1), ((0, 0), (1, 0)))
    around = (sums[frame, place + 2 * reach + 1] - sums[frame, place]) / (2 * reach + 1)
    position = place + first + (before - after) / 2 / (before - 2 * height + after)
    semitones = 12 * np.log2(position * SAMPLE_RATE / FRAME / _CONCERT_A)
    steady = _steady(frame, place, position, inner.shape)
    return frame, semitones, np.exp(height / 2), np.maximum(height - around, 0) * steady


def _steady(frame: Places, place: Places, position: Values, shape: tuple[int, ...]) -> Marks:
    """Whether there is a peak at the same position in the frame before and in the frame after."""
    grid = np.full((shape[0] + 2, shape[1] + 2), np.inf)
    grid[frame + 1, place + 1] = position
    reach = np.minimum(_STEADY * position, _STEADY_BINS)
    before, after = (
        [np.abs(grid[frame + 1 + step, place + 1 + shift] - position) < reach for shift in (-1, 0, 1)]
        for step in (-1, 1)
    )
    return np.asarray(np.any(before, axis=0) & np.any(after, axis=0))


def _scale(frame: Places, semitones: Values, weights: Values, frames: int) -> tuple[float, float, float]:
    """Agreement, pitch classes and change of weighted peaks."""
    total = weights.sum()
    if not total:
        return 0.0, 1.0, 0.0
    tuning = np.sum(weights * np.exp(2j * np.pi * semitones))
    classes = np.round(semitones - np.angle(tuning) / (2 * np.pi)).astype(int) % 12
    chroma = np.bincount(12 * frame + classes, weights, 12 * frames).reshape(frames, 12) / total
    by_frame = chroma.sum(axis=1, keepdims=True)
    spread = _entropy(chroma.sum(axis=0))
    # The weighted mean of the frames' entropies is that of the chroma less that of the frames' weights.
    change = spread - (_entropy(chroma) - _entropy(by_frame))
    return float(np.abs(tuning) / total), float(np.exp(spread)), float(max(change, 0.0))


def _entropy(shares: Float[np.ndarray, "*shape"]) -> float:
    """Of shares that sum to one, in nats."""
    return float(-np.sum(shares * np.log(np.maximum(shares, 1e-30))))
