"""What a recording does to music: saturation, a room, equalisation, a narrow band, noise.

Each effect can be called alone with an amount; `Degradation` holds the amounts of all of them. Detuning is
not here: it is the `tuning_cents` of the sampler.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.signal import butter, lfilter, oaconvolve, sosfilt

from skey.audio import SAMPLE_RATE
from skey.errors import SkeyError
from skey.shapes import Float32

Level = Literal["full", "hard"]
"""How far a clip is from the clean score: a decent recording, or a detuned, saturated, echoing one."""

Colour = Literal["white", "pink"]
Wave = Float32[np.ndarray, " samples"]

PREDELAY_SECONDS = 0.01
BASS_HZ = 200.0
TREBLE_HZ = 2500.0
# White noise into noise that falls by 3 dB an octave (J. O. Smith, Spectral Audio Signal Processing, 2011).
PINK_ZEROS = (0.049922035, -0.095993537, 0.050612699, -0.004408786)
PINK_POLES = (1.0, -2.494956002, 2.017265875, -0.522189400)


class DegradationError(SkeyError):
    """An amount that no effect can have; the message says which."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """The amounts of every effect; None leaves the effect out.

    `reverb_seconds`: time of 60 dB of decay; `wet_db`: level of the room against the direct sound;
    `drive_db`: RMS over the level of soft clipping; `bass_db`, `treble_db`: shelves at 200 and 2,500 Hz;
    `bandwidth_hz`: upper end of the band; `snr_db`: level of the music over the noise of a `colour`;
    `seed`: of the room and the noise.
    """

    reverb_seconds: float | int | None = None
    wet_db: float | int = -10.0
    drive_db: float | int | None = None
    bass_db: float | int = 0.0
    treble_db: float | int = 0.0
    bandwidth_hz: float | int | None = None
    snr_db: float | int | None = None
    colour: Colour = "pink"
    seed: int = 0


# "What makes key estimation hard is detuning, saturation and reverb": these differ most between the levels.
RANGES: Mapping[Level, Mapping[str, tuple[float, float]]] = {
    "full": {
        "reverb_seconds": (0.3, 1.0),
        "wet_db": (-20.0, -10.0),
        "drive_db": (-24.0, -12.0),
        "bass_db": (-3.0, 3.0),
        "treble_db": (-3.0, 3.0),
        "bandwidth_hz": (8000.0, 10500.0),
        "snr_db": (35.0, 60.0),
    },
    "hard": {
        "reverb_seconds": (2.0, 5.0),
        "wet_db": (0.0, 12.0),
        "drive_db": (6.0, 24.0),
        "bass_db": (-6.0, 6.0),
        "treble_db": (-6.0, 6.0),
        "bandwidth_hz": (3500.0, 8000.0),
        "snr_db": (10.0, 25.0),
    },
}


def draw_degradation(level: Level, rng: np.random.Generator) -> Degradation:
    """Amounts for a clip of a `level`, each uniform in its range of `RANGES`."""
    amounts = {name: float(rng.uniform(*limits)) for name, limits in RANGES[level].items()}
    colour = get_args(Colour)[int(rng.integers(2))]
    return Degradation(**amounts, colour=colour, seed=int(rng.integers(2**32)))


def degrade(wave: Wave, level: Level, rng: np.random.Generator) -> Wave:
    """`wave` (mono, 22,050 Hz) as a recording of a `level`, amounts drawn from `rng`; peak 1, same length."""
    return apply_degradation(wave, draw_degradation(level, rng))


def apply_degradation(wave: Wave, amounts: Degradation) -> Wave:
    """The effects in the order in which music meets them: amplifier, room, console, band, noise; peak 1.

    After the room, clipping would bring the direct sound back to the fore. The same `wave` and `amounts` give
    the same bytes. Raises `DegradationError` for samples not finite.
    """
    if not np.isfinite(wave).all():
        raise DegradationError("the wave holds samples that are not finite")
    rooms, noises = np.random.default_rng(amounts.seed).spawn(2)
    if amounts.drive_db is not None:
        wave = saturate(wave, amounts.drive_db)
    if amounts.reverb_seconds is not None:
        wave = reverb(wave, amounts.reverb_seconds, amounts.wet_db, rooms)
    wave = equalise(wave, amounts.bass_db, amounts.treble_db)
    if amounts.bandwidth_hz is not None:
        wave = limit_band(wave, amounts.bandwidth_hz)
    if amounts.snr_db is not None:
        wave = add_noise(wave, amounts.snr_db, noises, amounts.colour)
    return normalise_peak(wave)


def reverb(wave: Wave, seconds: float | int, wet_db: float | int, rng: np.random.Generator) -> Wave:
    """A room that takes `seconds` to fall by 60 dB, 10 ms behind the direct sound and `wet_db` over it."""
    if seconds <= 0:
        raise DegradationError(f"a reverberation of {seconds} seconds")
    room = oaconvolve(wave, impulse_response(seconds, rng))[: len(wave)]
    return np.asarray(wave + room * np.float32(10 ** (wet_db / 20)), np.float32)


def impulse_response(seconds: float | int, rng: np.random.Generator) -> Wave:
    """Exponentially decaying noise of unit energy, 60 dB down after `seconds`, which is its length."""
    delay, length = round(PREDELAY_SECONDS * SAMPLE_RATE), max(1, round(seconds * SAMPLE_RATE))
    decay = np.exp(np.arange(length, dtype=np.float32) * np.float32(-np.log(1000) / length))
    tail = rng.standard_normal(length, np.float32) * decay
    return np.asarray(np.pad(tail / np.linalg.norm(tail), (delay, 0)), np.float32)


def saturate(wave: Wave, drive_db: float | int) -> Wave:
    """Soft clipping (odd: x / √(1 + x²)) of a wave whose RMS is `drive_db` over the level where it sets in.

    Its mean between neighbouring samples is taken, in closed form, so that harmonics above the band hardly
    fold back onto other pitches (Parker, Zavalishin, Le Bivic, DAFx 2016, first order).
    """
    level = root_mean_square(wave)
    if level == 0:
        return wave
    driven = wave * np.float32(10 ** (drive_db / 20) / level)
    before = np.concatenate([driven[:1], driven[:-1]])
    return np.asarray((driven + before) / (np.sqrt(1 + driven**2) + np.sqrt(1 + before**2)), np.float32)


def equalise(wave: Wave, bass_db: float | int, treble_db: float | int) -> Wave:
    """Low shelf at 200 Hz and high shelf at 2,500 Hz by so many decibels, each of first order and causal."""
    sections = [_shelf(BASS_HZ, bass_db, low=True), _shelf(TREBLE_HZ, treble_db, low=False)]
    return np.asarray(sosfilt(np.array(sections, np.float32), wave), np.float32)


def _shelf(hertz: float | int, decibels: float | int, low: bool) -> list[float]:
    """First-order shelf by the bilinear transform, as a second-order section: unit gain on its other side."""
    warped = np.tan(np.pi * hertz / SAMPLE_RATE)
    # The corner moves with the square root of the gain, so that a cut mirrors a boost.
    root = 10 ** (decibels / 40)
    pole, zero = (warped / root, warped * root) if low else (warped * root, warped / root)
    numerator = np.array([1 + zero, zero - 1]) * (1 if low else root**2)
    return [*numerator / (1 + pole), 0.0, 1.0, (pole - 1) / (1 + pole), 0.0]


def limit_band(wave: Wave, hertz: float | int) -> Wave:
    """Butterworth low-pass of fourth order at `hertz`, as of a small loudspeaker or a poor encoding."""
    if not 0 < hertz < SAMPLE_RATE / 2:
        raise DegradationError(f"a band up to {hertz} Hz: it must end below {SAMPLE_RATE / 2:g} Hz")
    sections = butter(4, hertz, fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(sections.astype(np.float32), wave), np.float32)


def add_noise(wave: Wave, snr_db: float | int, rng: np.random.Generator, colour: Colour = "pink") -> Wave:
    """`wave` with white or pink noise whose energy lies `snr_db` below its own, exactly."""
    noise = rng.standard_normal(len(wave), np.float32)
    if colour == "pink":
        noise = lfilter(np.array(PINK_ZEROS, np.float32), np.array(PINK_POLES, np.float32), noise)
    gain = root_mean_square(wave) / root_mean_square(noise) * 10 ** (-snr_db / 20)
    return np.asarray(wave + noise * np.float32(gain), np.float32)


def normalise_peak(wave: Wave) -> Wave:
    """`wave` scaled to a largest absolute value of 1; silence stays silence."""
    peak = float(np.abs(wave).max(initial=0.0))
    return wave / np.float32(peak) if peak > 0 else wave


def root_mean_square(wave: Wave) -> float:
    """Effective value of a wave, 0 for an empty one."""
    return float(np.sqrt(np.mean(np.square(wave), dtype=np.float64))) if len(wave) else 0.0
