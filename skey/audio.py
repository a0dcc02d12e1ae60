"""Sound files and arrays to mono waveforms at 22,050 Hz: decoded, mixed down, resampled, peak-normalised.

Files are decoded by :mod:`skey.files.decoding` and resampled by soxr, block by block, in memory that does not
grow with sample rate or length. The stream and the whole file give the same numbers to the last bit.
"""

import math
from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

import numpy as np
import soxr  # type: ignore[import-untyped]

from skey.files.decoding import RATES, Block, EmptyAudio, as_float, block_frames, check_rate, decoded
from skey.files.decoding import AudioError as AudioError
from skey.files.decoding import BinaryFile as BinaryFile
from skey.files.decoding import PathLike as PathLike
from skey.shapes import Float32, Shaped

SAMPLE_RATE = 22_050  # samples per second of every waveform in this package
MIN_SAMPLES = 127 * 512  # the shortest usable recording, 2.95 s: seven halvings of time need its 128 frames
SILENCE_PEAK = 1e-4  # a recording that never exceeds this share of full scale (-80 dB) counts as silent
_LARGEST = 1e12  # power spectra of much larger samples would overflow; those of 32 bits reach 2e9

_NOT_FINITE = "the recording holds NaN or infinite samples, or some over 1e12; export it again, in -1..1"

Wave: TypeAlias = Float32[np.ndarray, "samples"]


class NonFiniteAudio(AudioError):
    """The recording holds NaN or infinite samples, or some as good as infinite."""


class SilentAudio(AudioError):
    """Nothing can be heard in the recording."""


class TooShortAudio(AudioError):
    """The recording is too short to tell a key."""


def read_audio(path: PathLike | BinaryFile) -> Wave:
    """Read one sound file: decoded, mean of channels, 22,050 Hz, peak 1 (front end of STONE and S-KEY).

    ``path`` is any file that libsndfile or FFmpeg decodes, or a binary file object. Raises ``AudioError``
    where it is missing, unreadable, empty, not finite, silent or too short (``MIN_SAMPLES``).
    """
    return normalise(_joined(stream_audio(path)))


def prepare(samples: Shaped[np.ndarray, "..."], sample_rate: int | float) -> Wave:
    """Do to an array what :func:`read_audio` does to a file.

    ``samples`` are (samples,), (samples, channels) or (channels, samples), whichever makes more samples than
    channels; integers are full-scale PCM. A wrong shape or an impossible rate is an ``AudioError``, too.
    """
    return normalise(_joined(stream_array(samples, sample_rate)))


def normalise(wave: Wave, *, min_samples: int = MIN_SAMPLES) -> Wave:
    """Divide a waveform (samples,) at 22,050 Hz by its peak; raises as :func:`check_audible`."""
    peak = float(np.abs(wave).max(initial=0))
    check_audible(wave.size, peak, min_samples=min_samples)
    return wave / np.float32(peak)


def check_audible(samples: int, peak: float, *, min_samples: int = MIN_SAMPLES) -> None:
    """Raise the kind of ``AudioError`` for a recording that is empty, too short, silent or not finite.

    ``samples`` is its length at 22,050 Hz, ``peak`` its largest absolute value, full scale being 1.
    """
    if samples == 0:
        raise EmptyAudio("the recording is empty: it has no samples; export or download it again")
    if samples < min_samples:
        raise TooShortAudio(
            f"the recording is too short: {floored(samples / SAMPLE_RATE):g} s, "
            f"and at least {min_samples / SAMPLE_RATE:.3g} s are needed"
        )
    if not np.isfinite(peak):
        raise NonFiniteAudio(_NOT_FINITE)
    if peak < SILENCE_PEAK:
        raise SilentAudio(
            "the recording is silent: nothing above -80 dB of full scale is left after mixing down "
            "(channels in opposite phase cancel each other)"
        )


def floored(amount: int | float) -> float:
    """Rounded down to hundredths: in a message nothing too small looks like what is asked of it."""
    return math.floor(100 * amount) / 100


def stream_audio(path: PathLike | BinaryFile, seconds: int | float = 15) -> Iterator[Wave]:
    """Read one sound file in blocks of so many seconds: mean of channels, 22,050 Hz, **not** normalised.

    Raises ``AudioError`` where the file is missing, unreadable, empty or not finite, as soon as it is known.
    """
    yield from _split(_resampled(decoded(path)), seconds)


def stream_array(
    samples: Shaped[np.ndarray, "..."], sample_rate: int | float, seconds: int | float = 15
) -> Iterator[Wave]:
    """Do to an array what :func:`stream_audio` does to a file; takes and raises what :func:`prepare` does."""
    if not isinstance(samples, np.ndarray):
        raise AudioError(
            f"expected an array of samples, not {type(samples).__name__}; files go to read_audio"
        )
    if np.ma.is_masked(samples):
        raise AudioError("some samples are masked: fill them, for instance by samples.filled(0)")
    rate = _rate(sample_rate)
    table = samples[:, None] if samples.ndim == 1 else samples
    if table.ndim != 2:
        raise AudioError(f"expected (samples,), (samples, channels) or the reverse, not {samples.shape}")
    if not (np.issubdtype(table.dtype, np.integer) or np.issubdtype(table.dtype, np.floating)):
        raise AudioError(f"expected an array of real numbers, not of {table.dtype}")
    if not table.size:
        raise EmptyAudio("the array is empty: it has no samples; check where they come from")
    table = table.T if table.shape[0] < table.shape[1] else table
    frames = block_frames(rate, table.shape[1])
    blocks = ((rate, as_float(table[i : i + frames])) for i in range(0, len(table), frames))
    yield from _split(_resampled(blocks), seconds)


def _rate(sample_rate: object) -> float:
    """A sample rate as a float, in which no numpy integer overflows; ``AudioError`` where it is none."""
    try:
        if isinstance(sample_rate, str | bytes):
            raise TypeError
        rate = float(sample_rate)  # type: ignore[arg-type]
        check_rate(rate)
    except (TypeError, ValueError, OverflowError, AudioError) as error:
        expected = f"a number from {RATES[0]} to {RATES[1]} per second, such as 44100"
        raise AudioError(f"{sample_rate!r} is no sample rate: expected {expected}") from error
    return rate


def _mixed_down(block: Block) -> Wave:
    """The mean of the channels, if it is finite; much faster than ``block.mean(axis=1)``."""
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of that is refused
        mono: Wave = reduce(np.add, block.T) / np.float32(block.shape[1])
    if not np.abs(mono).max(initial=0) < _LARGEST:  # nor is NaN
        raise NonFiniteAudio(_NOT_FINITE)
    return mono


def _resampled(blocks: Iterable[tuple[int | float, Block]]) -> Iterator[Wave]:
    """The mean of the channels at 22,050 Hz, bit for bit as in one piece; the rate can change."""
    for rate, group in groupby(blocks, key=itemgetter(0)):
        mono = (_mixed_down(block) for _, block in group)
        if rate == SAMPLE_RATE:
            yield from mono
            continue
        resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        yield from map(resampler.resample_chunk, mono)
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _split(blocks: Iterable[Wave], seconds: int | float) -> Iterator[Wave]:
    """The same samples in blocks of one length, the last one shorter."""
    waiting, length = np.zeros(0, np.float32), max(1, round(seconds * SAMPLE_RATE))
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while waiting.size >= length:
            yield waiting[:length]
            waiting = waiting[length:]
    if waiting.size:
        yield waiting


def _joined(blocks: Iterable[Wave]) -> Wave:
    return np.concatenate([np.zeros(0, np.float32), *blocks])
