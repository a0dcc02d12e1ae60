"""Sound files and arrays to mono waveforms at 22,050 Hz: decoded, mixed down, resampled, peak-normalised.

Files are decoded by libsndfile (through soundfile) and resampled by the SoX resampler (through soxr), block
by block, so that memory does not grow with the sample rate or with the length that a damaged header claims.
The stream and the whole file give the same numbers to the last bit. What can be wrong is an AudioError.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import TypeAlias

import numpy as np
import soundfile
import soxr  # type: ignore[import-untyped]
from jaxtyping import Float32, Shaped

from skey.errors import SkeyError

SAMPLE_RATE = 22_050
"""Samples per second of every waveform in this package."""

MIN_SAMPLES = 127 * 512
"""The shortest usable recording, 2.95 s: seven halvings of time need its 128 frames."""

SILENCE_PEAK = 1e-4
"""A recording that never exceeds this share of full scale (-80 dB) counts as silent."""

_SAMPLE_RATES = range(1_000, 1_000_001)
_BLOCK_VALUES = 2**20
_BLOCK_SECONDS = 10
_NOT_FINITE = "the recording holds NaN or infinite samples; export it again"

Wave: TypeAlias = Float32[np.ndarray, "samples"]
PathLike: TypeAlias = str | os.PathLike[str]


class AudioError(SkeyError):
    """A recording that cannot be used; the message says why and what to do."""


class MissingAudio(AudioError):
    """There is no such file."""


class UnreadableAudio(AudioError):
    """The file is there, but it cannot be decoded."""


class EmptyAudio(AudioError):
    """The recording has no samples at all."""


class NonFiniteAudio(AudioError):
    """The recording holds NaN or infinite samples."""


class SilentAudio(AudioError):
    """Nothing can be heard in the recording."""


class TooShortAudio(AudioError):
    """The recording is too short to tell a key."""


def read_audio(path: PathLike, *, min_samples: int = MIN_SAMPLES) -> Wave:
    """Read one sound file: decoded, mean of channels, 22,050 Hz, peak 1 (front end of STONE and S-KEY).

    Args:
        path: any file that libsndfile decodes (wav, flac, ogg, opus, mp3, aiff, …).
        min_samples: fewest samples at 22,050 Hz that are accepted.

    Returns:
        (samples,) float32 whose largest absolute value is 1.

    Raises:
        AudioError: the file is missing, unreadable, empty, not finite, silent or too short.
    """
    return normalise(_joined(stream_audio(path)), min_samples=min_samples)


def prepare(
    samples: Shaped[np.ndarray, "..."], sample_rate: int | float, *, min_samples: int = MIN_SAMPLES
) -> Wave:
    """Do to an array what :func:`read_audio` does to a file.

    Args:
        samples: (samples,) or (samples, channels); integers are taken as full-scale PCM.
        sample_rate: samples per second.
        min_samples: fewest samples at 22,050 Hz that are accepted.

    Returns:
        (samples,) float32 at 22,050 Hz whose largest absolute value is 1.

    Raises:
        AudioError: as :func:`read_audio`, and for a wrong shape or an impossible rate.
    """
    return normalise(_joined(stream_array(samples, sample_rate)), min_samples=min_samples)


def normalise(wave: Wave, *, min_samples: int = MIN_SAMPLES) -> Wave:
    """Divide a waveform by its peak.

    Args:
        wave: (samples,) at 22,050 Hz.
        min_samples: fewest samples that are accepted.

    Returns:
        (samples,) whose largest absolute value is 1.

    Raises:
        AudioError: as :func:`check_audible`.
    """
    peak = float(np.abs(wave).max(initial=0))
    check_audible(wave.size, peak, min_samples=min_samples)
    return wave / np.float32(peak)


def check_audible(samples: int, peak: float, *, min_samples: int = MIN_SAMPLES) -> None:
    """Refuse a recording that is empty, too short, silent or not finite.

    Args:
        samples: its length at 22,050 Hz.
        peak: its largest absolute value, full scale being 1.
        min_samples: the fewest samples that are accepted.

    Raises:
        EmptyAudio, TooShortAudio, SilentAudio, NonFiniteAudio: accordingly.
    """
    if samples == 0:
        raise EmptyAudio("the recording is empty: it has no samples; export or download it again")
    if samples < min_samples:
        raise TooShortAudio(
            f"the recording is too short: {samples / SAMPLE_RATE:.3g} s, "
            f"and at least {min_samples / SAMPLE_RATE:.3g} s are needed"
        )
    if not np.isfinite(peak):
        raise NonFiniteAudio(_NOT_FINITE)
    if peak < SILENCE_PEAK:
        raise SilentAudio(
            "the recording is silent: nothing above -80 dB of full scale is left after mixing down "
            "(channels in opposite phase cancel each other)"
        )


def stream_audio(path: PathLike, seconds: int | float = 15) -> Iterator[Wave]:
    """Read one sound file block by block, in memory that does not grow with its length.

    Args:
        path: as in :func:`read_audio`.
        seconds: length of each block but the last.

    Yields:
        (samples,) float32 at 22,050 Hz, mean of channels, **not** normalised.

    Raises:
        MissingAudio, UnreadableAudio, NonFiniteAudio: as soon as it is known.
    """
    with _opened(Path(path)) as file:
        blocks = map(_mixed_down, _decoded(file))
        yield from _split(_resampled(blocks, file.samplerate), _length(seconds))


def stream_array(
    samples: Shaped[np.ndarray, "..."], sample_rate: int | float, seconds: int | float = 15
) -> Iterator[Wave]:
    """Do to an array what :func:`stream_audio` does to a file.

    Args:
        samples, sample_rate: as in :func:`prepare`.
        seconds: length of each block but the last.

    Yields:
        (samples,) float32 at 22,050 Hz, mean of channels, **not** normalised.

    Raises:
        AudioError: for a wrong shape, an impossible rate, samples that are not finite.
    """
    table = samples[:, None] if samples.ndim == 1 else samples
    if table.ndim != 2 or table.shape[1] > max(table.shape[0], 1):
        raise AudioError(f"expected (samples,) or (samples, channels), got {samples.shape}; transpose it?")
    _check_rate(sample_rate)
    frames = _block_frames(sample_rate, table.shape[1])
    blocks = (_as_float(table[i : i + frames]) for i in range(0, len(table), frames))
    yield from _split(_resampled(map(_mixed_down, blocks), sample_rate), _length(seconds))


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """An open sound file; whatever libsndfile says against it becomes an UnreadableAudio."""
    _check_file(path)
    try:
        with _decoder(path) as file:
            _check_rate(file.samplerate)
            yield file
    except soundfile.SoundFileError as error:
        raise UnreadableAudio(f"{path}: {_advice(path, error)}") from error


def _decoder(path: Path) -> soundfile.SoundFile:
    """libsndfile on this file; a format without a header, whose settings it would ask for, is unreadable."""
    try:
        return soundfile.SoundFile(os.fsencode(path) if os.name == "posix" else str(path))
    except TypeError as error:
        raise soundfile.SoundFileRuntimeError(str(error)) from error


def _decoded(file: soundfile.SoundFile) -> Iterator[Float32[np.ndarray, "samples channels"]]:
    """What can be decoded; soundfile's own `blocks` fills up a truncated mp3 with uninitialised memory."""
    frames = _block_frames(file.samplerate, file.channels)
    while len(block := file.read(frames, dtype="float32", always_2d=True)):
        yield block


def _check_file(path: Path) -> None:
    """Refuse what is no readable regular file (a pipe or a device could block for ever)."""
    try:
        if path.is_dir():
            raise UnreadableAudio(f"{path} is a folder, not a sound file (`skey detect -r` walks folders)")
        if not path.is_file():
            raise MissingAudio(f"{path}: there is no such file; check the name")
        path.open("rb").close()
    except (OSError, ValueError) as error:
        raise UnreadableAudio(f"{path} cannot be opened: {error}; check its permissions") from error


def _check_rate(sample_rate: int | float) -> None:
    """Refuse sample rates that no recording has: resampling them could take any amount of memory."""
    if not _SAMPLE_RATES.start <= sample_rate < _SAMPLE_RATES.stop:
        raise UnreadableAudio(
            f"{sample_rate:g} Hz is no sample rate of music (1 kHz to 1 MHz); export it again"
        )


def _advice(path: Path, error: Exception) -> str:
    """What libsndfile says, and what to do about it."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[4:8] == b"ftyp" or path.suffix.lower() in {".m4a", ".aac", ".wma", ".mp4", ".m4b", ".alac"}:
        return f"this format is not decoded; install ffmpeg and convert it: ffmpeg -i {path.name!r} out.flac"
    reason = str(getattr(error, "error_string", error)).rstrip(".")
    return f"not a readable sound file ({reason}); is it damaged, or no wav, flac, ogg, opus, mp3 or aiff?"


def _block_frames(sample_rate: int | float, channels: int) -> int:
    """How many frames to decode at once: few enough for memory before and after resampling."""
    return max(1, min(_BLOCK_VALUES // max(channels, 1), int(sample_rate * _BLOCK_SECONDS)))


def _as_float(block: Shaped[np.ndarray, "samples channels"]) -> Float32[np.ndarray, "samples channels"]:
    """PCM integers to -1 … 1, unsigned ones around their middle; floats as they are."""
    if not np.issubdtype(block.dtype, np.integer):
        return np.asarray(block, dtype=np.float32)
    info = np.iinfo(block.dtype)
    half = (float(info.max) - float(info.min) + 1) / 2
    return ((block.astype(np.float64) - (float(info.min) + half)) / half).astype(np.float32)


def _mixed_down(block: Float32[np.ndarray, "samples channels"]) -> Wave:
    """The mean of the channels, if it is finite; much faster than ``block.mean(axis=1)``."""
    mono: Wave = reduce(np.add, block.T) / np.float32(block.shape[1])
    if not np.isfinite(mono).all():
        raise NonFiniteAudio(_NOT_FINITE)
    return mono


def _resampled(blocks: Iterable[Wave], sample_rate: int | float) -> Iterator[Wave]:
    """The same sound at 22,050 Hz; bit for bit what resampling it in one piece gives."""
    if sample_rate == SAMPLE_RATE:
        yield from blocks
        return
    resampler = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _split(blocks: Iterable[Wave], length: int) -> Iterator[Wave]:
    """The same samples in blocks of one length, the last one shorter."""
    waiting = np.zeros(0, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while waiting.size >= length:
            yield waiting[:length]
            waiting = waiting[length:]
    if waiting.size:
        yield waiting


def _length(seconds: int | float) -> int:
    """Samples at 22,050 Hz, one at least."""
    return max(1, round(seconds * SAMPLE_RATE))


def _joined(blocks: Iterable[Wave]) -> Wave:
    """All blocks in one array."""
    return np.concatenate([np.zeros(0, np.float32), *blocks])
