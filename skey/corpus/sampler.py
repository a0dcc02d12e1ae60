"""One zone of a SoundFont turned into sound at the corpus's sample rate.

A sample is unrolled along its loop and resampled through its spectrum: bins above the new Nyquist frequency
are dropped and the others inverted at the new length. Nothing can therefore alias into another pitch, however
far a note lies above its root, and the zone's low-pass filter costs one multiplication. Pitch is right to
within a cent: the two lengths, both cheap for the transform, have the wanted ratio to 2 in 10,000 for all
but a few of a thousand notes, and to 5 in 10,000 for those.
"""

from functools import lru_cache
from math import ceil

import numpy as np
from jaxtyping import Complex64, Float32, Int16, Int64
from scipy.fft import irfft, rfft

from skey.audio import SAMPLE_RATE
from skey.corpus.sf2 import Envelope, Zone

RATIO_TOLERANCE = 2e-4
MARGIN = 256
# Within the margin, so that the circular wrap has no step whose ringing would reach the attack.
FADE = 128
SHORTEST_TRANSFORM = 4096
SILENCE_DECIBELS = 70.0
SHORTEST_RELEASE = 0.02
OPEN_FILTER = 0.5 * SAMPLE_RATE


def sound(
    points: Int16[np.ndarray, " points"], zone: Zone, pitch: int, count: int, tuning_cents: float | int = 0.0
) -> Float32[np.ndarray, " samples"]:
    """`zone` playing a MIDI `pitch` for `count` samples at 22,050 Hz, before its envelope, full scale = 1.

    Shorter than `count` where the sample is not looped and ends before.
    """
    step = zone.step(pitch, tuning_cents, SAMPLE_RATE)
    available = count if zone.looped else min(count, int((zone.end - zone.start) / step))
    short, long = transform_lengths(ceil(available * step), step)
    played = unrolled(points, zone, long)
    played[-FADE:] *= np.linspace(1, 0, FADE, dtype=np.float32)
    spectrum = rfft(played)[: short // 2 + 1]
    if zone.cutoff < OPEN_FILTER:
        spectrum *= low_pass(len(spectrum), short, zone.cutoff, zone.resonance)
    kept = np.zeros(short // 2 + 1, np.complex64)
    kept[: len(spectrum)] = spectrum * np.float32(short / long / 32768)
    return np.asarray(irfft(kept, short)[:available])


@lru_cache(maxsize=4096)
def transform_lengths(needed: int, step: float) -> tuple[int, int]:
    """Lengths (output, input), both fast for the Fourier transform, with input / output near `step`.

    The input holds the `needed` points and a margin that keeps the circular wrap away from them. Of the
    lengths up to twice that, the first within `RATIO_TOLERANCE` is taken, else the closest.
    """
    least = max(SHORTEST_TRANSFORM, ceil((needed + MARGIN) / step))
    short = fast_lengths(next_power(2 * least))
    short = short[(short >= least) & (short <= 2 * least)]
    long = fast_lengths(next_power(ceil(2 * least * step)))
    nearest = long[np.searchsorted(long, short * (step * (1 - RATIO_TOLERANCE)))]
    error = np.abs(nearest / (short * step) - 1)
    best = int(np.argmax(error <= RATIO_TOLERANCE) if error.min() <= RATIO_TOLERANCE else np.argmin(error))
    return int(short[best]), int(nearest[best])


def next_power(number: int) -> int:
    """The next power of two: few different tables of lengths are then needed."""
    return 1 << (number - 1).bit_length()


@lru_cache(maxsize=64)
def fast_lengths(most: int) -> Int64[np.ndarray, " lengths"]:
    """Every length up to `most` without a prime factor above 13, in order."""
    lengths = np.ones(1, np.int64)
    for prime in (2, 3, 5, 7, 11, 13):
        powers = prime ** np.arange(int(np.log(most) / np.log(prime)) + 1)
        lengths = np.multiply.outer(lengths, powers).ravel()
        lengths = lengths[lengths <= most]
    return np.sort(lengths)


def unrolled(points: Int16[np.ndarray, " points"], zone: Zone, count: int) -> Float32[np.ndarray, " count"]:
    """`count` points of a sample: its attack, then its loop again and again, or silence after its end."""
    if not zone.looped:
        once = points[zone.start : min(zone.end, zone.start + count)]
        return np.pad(once.astype(np.float32), (0, count - len(once)))
    attack = points[zone.start : min(zone.loop_end, zone.start + count)].astype(np.float32)
    loop = points[zone.loop_start : zone.loop_end].astype(np.float32)
    return np.concatenate([attack, np.resize(loop, count - len(attack))])


def low_pass(bins: int, length: int, cutoff: float, resonance: float) -> Complex64[np.ndarray, " bins"]:
    """Response of the two-pole low-pass of a zone (8.1.2) at the bins of a transform of `length`.

    `cutoff` in Hz; `resonance` in decibels of the peak above the gain at 0 Hz, halved there as 8.1.3 asks.
    """
    frequency = np.arange(bins, dtype=np.float32) * np.float32(SAMPLE_RATE / length / cutoff)
    quality = 10 ** ((resonance - 3.01) / 20)
    response = 10 ** (-resonance / 40) / (1 - frequency**2 + 1j * frequency / np.float32(quality))
    return np.asarray(response, np.complex64)


def held_envelope(envelope: Envelope, pitch: int, count: int) -> Float32[np.ndarray, " count"]:
    """Amplitude while the key is down: delay, linear attack, hold, decay by the decibel to the sustain."""
    hold = envelope.hold * 2 ** (envelope.key_to_hold * (60 - pitch) / 1200)
    decay = envelope.decay * 2 ** (envelope.key_to_decay * (60 - pitch) / 1200)
    time = np.arange(count, dtype=np.float32) / np.float32(SAMPLE_RATE) - np.float32(envelope.delay)
    rise = np.clip(time / np.float32(envelope.attack), 0, 1)
    fall = np.clip((time - np.float32(envelope.attack + hold)) * np.float32(100 / decay), 0, envelope.sustain)
    return np.asarray(rise * decibels_down(fall), np.float32)


def release_envelope(envelope: Envelope) -> Float32[np.ndarray, " samples"]:
    """Amplitude after the key is up, from 1: 100 dB a release time, until it is 70 dB down."""
    release = max(envelope.release, SHORTEST_RELEASE)
    count = int(release * SILENCE_DECIBELS / 100 * SAMPLE_RATE)
    return decibels_down(np.arange(count, dtype=np.float32) * np.float32(100 / release / SAMPLE_RATE))


def decibels_down(decibels: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
    """Amplitude of so many decibels below full scale."""
    return np.exp(decibels * np.float32(-np.log(10) / 20))
