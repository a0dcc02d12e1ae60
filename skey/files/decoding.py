"""Sound files to blocks of samples: libsndfile where it hears all that a file holds, FFmpeg everywhere else.

libsndfile (through soundfile) believes what an mp3 says of its length or guesses it from the first frame,
refuses some sound files, and knows neither AAC nor WavPack. FFmpeg (through PyAV) is imported only for those.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import soundfile

from skey.errors import SkeyError
from skey.shapes import Float32, Shaped

if TYPE_CHECKING:
    import av

PathLike: TypeAlias = str | os.PathLike[str]
Block: TypeAlias = Float32[np.ndarray, "samples channels"]
Samples: TypeAlias = Shaped[np.ndarray, "samples channels"]

_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,iff,matroska,mov,mp3,mpc,mpc8,ogg,rm,shn,tak,tta,"
    "voc,w64,wav,wv"
)
"""What FFmpeg may take a file for: no playlists, no pictures, nothing that opens other files."""

_BLOCK_VALUES = 2**20
_BLOCK_SECONDS = 10
RATES = 1_000, 1_000_000  # of samples per second, least and most
_LEAST_LOSS_SECONDS = 0.5
_KINDS = {
    stat.S_IFDIR: "a folder, not a sound file (`skey detect -r` walks folders)",
    stat.S_IFIFO: "a named pipe (FIFO), not a sound file; pass its content to `skey detect -`",
    stat.S_IFCHR: "a device, not a sound file",
    stat.S_IFBLK: "a device, not a sound file",
    stat.S_IFSOCK: "a socket, not a sound file",
}


@runtime_checkable
class BinaryFile(Protocol):
    """A file object of bytes, such as an open file or a BytesIO."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or all."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place and say which."""

    def seekable(self) -> bool:
        """Whether it can be read twice."""


class AudioError(SkeyError):
    """A recording that cannot be used; the message says why and what to do."""


class MissingAudio(AudioError):
    """There is no such file."""


class UnreadableAudio(AudioError):
    """The file is there, but it cannot be decoded."""


class EmptyAudio(AudioError):
    """The recording has no samples at all."""


class _Source:
    """A file as decoders want it: it ends where reading fails, for they lose or print what is raised in them.

    FFmpeg is told where it must not seek, as a damaged header may make it do.
    """

    def __init__(self, file: BinaryFile) -> None:
        name = getattr(file, "name", "")  # A pipe's is a number, and so is that of a temporary file.
        self.title = name if name and not isinstance(name, int) else "the sound"
        self.seekable = file.seekable
        self._file = file
        self._error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        try:
            return b"" if self._error else self._file.read(size)
        except BaseException as error:  # Ctrl-C, too
            self._error = error
            return b""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL
        except BaseException as error:  # A compressed file is read on to the place.
            self._error = error
            return -errno.EINVAL

    def tell(self) -> int:
        return self.seek(0, io.SEEK_CUR)

    def check(self) -> None:
        """Raise what made reading fail, ``UnreadableAudio`` for all but Ctrl-C and its kind."""
        error, self._error = self._error, None  # which leads back here: no circle is to keep the sound
        if isinstance(error, Exception):
            raise UnreadableAudio(f"{self.title} cannot be read to its end: {error!r}") from error
        if error:
            raise error


def decoded(sound: PathLike | BinaryFile) -> Iterator[tuple[int, Block]]:
    """Decode a sound file, or a binary file object read from its start, block by block.

    Yields samples per second, which can change where files were joined, and (samples, channels) float32, full
    scale being -1..1. Raises ``MissingAudio``, ``UnreadableAudio`` or ``EmptyAudio`` as soon as it is known.
    """
    if isinstance(sound, str | os.PathLike):
        path = Path(sound)
        _check_file(path)
        with path.open("rb") as file:
            yield from _checked(_Source(file), path)
    else:
        _check_opened(sound)
        yield from _checked(_Source(sound))


def _checked(source: _Source, path: Path | None = None) -> Iterator[tuple[int, Block]]:
    """What is decoded; then, or in the place of a decoder's error, the error that ended the reading."""
    try:
        with ExitStack() as stack:
            file = source
            if not file.seekable():  # It has to be read twice.
                import shutil
                import tempfile

                copy = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(file, copy)
                file = _Source(copy)
            if not file.seek(0, io.SEEK_END):
                raise EmptyAudio("the sound is empty: it has 0 bytes")
            yield from _decoded(path or file, file)
    except AudioError:
        source.check()
        raise
    source.check()


def _check_opened(sound: BinaryFile) -> None:
    """Raise ``UnreadableAudio`` for what is no file object, closed, only written to, or gives no bytes."""
    if not isinstance(sound, BinaryFile):
        raise UnreadableAudio(f"expected a path or a file opened with 'rb', not {type(sound).__name__}")
    try:
        nothing: object = sound.read(0)
    except (OSError, ValueError) as error:
        raise UnreadableAudio("the sound is closed or open for writing only; open it with 'rb'") from error
    if not isinstance(nothing, bytes):
        raise UnreadableAudio(f"the sound is read as {type(nothing).__name__}, not bytes; open it with 'rb'")


def check_rate(sample_rate: int | float) -> None:
    """Raise ``UnreadableAudio`` for rates outside 1 kHz to 1 MHz, whose resampling could take any memory."""
    if not RATES[0] <= sample_rate <= RATES[1]:
        outside = f"{sample_rate:g} Hz is no sample rate of music (1 kHz to 1 MHz)"
        raise UnreadableAudio(f"{outside}; export it again")


def block_frames(sample_rate: int | float, channels: int) -> int:
    """How many frames to decode at once, one at least: few enough for memory before and after resampling."""
    return max(1, min(_BLOCK_VALUES // max(channels, 1), int(sample_rate * _BLOCK_SECONDS)))


def as_float(block: Samples) -> Block:
    """Samples of any type as float32 of full scale -1..1; integers are PCM, unsigned ones centred.

    Numbers beyond the range of float32 become infinite, and are refused later. Raises ``UnreadableAudio`` for
    integers of 64 bits: numpy makes them of any, whatever their full scale is.
    """
    if np.issubdtype(block.dtype, np.integer):
        if block.itemsize > 4:
            raise UnreadableAudio(f"{block.dtype} tells no full scale; make samples int16, int32 or float")
        half = np.float32(2 ** (8 * block.itemsize - 1))
        centred = block - half if np.issubdtype(block.dtype, np.unsignedinteger) else block
        block = centred / half
    with np.errstate(over="ignore"):
        return np.asarray(block, dtype=np.float32)


def _decoded(source: Path | _Source, file: _Source) -> Iterator[tuple[int, Block]]:
    """A file, or the streams of an Ogg one by one: FFmpeg takes the later ones to be as the first."""
    found = False
    for start, end in pairwise(_bounds(file)):
        file.seek(start)
        stream = _Source(io.BytesIO(file.read(end - start)))
        with suppress(UnreadableAudio):  # It broke off.
            for rate, block in _decoded_alone(stream, stream):
                found = True
                yield rate, block
    if not found:
        yield from _decoded_alone(source, file)


def _decoded_alone(source: Path | _Source, file: _Source) -> Iterator[tuple[int, Block]]:
    """What libsndfile decodes; FFmpeg from where libsndfile refuses or stops short."""
    heard, missing, reason = 0.0, True, "no samples"
    try:
        with _soundfile(source) as sound:
            check_rate(sound.samplerate)
            if not _holds_more(sound, file):
                for block in _blocks(sound):
                    heard += len(block) / sound.samplerate
                    yield sound.samplerate, block
                missing = heard < max(sound.frames / sound.samplerate - _LEAST_LOSS_SECONDS, 1e-9)
                reason = ""
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        if "does not exist" in reason:  # What libsndfile says of an mp3 without frames.
            reason = "no frames of sound"
    if missing:
        found = False
        for rate, block in _after(heard, _frames(file)):
            check_rate(rate)
            found = True
            yield rate, as_float(block)
        if not found and reason:
            raise UnreadableAudio(
                f"{file.title}: not a readable sound file ({reason}); "
                "is it damaged, protected, or no sound at all?"
            )


def _soundfile(source: Path | _Source) -> soundfile.SoundFile:
    """libsndfile on a file; a format without a header, whose settings it would ask for, is unreadable."""
    if isinstance(source, Path):
        opened: Any = os.fsencode(source) if os.name == "posix" else str(source)
    else:
        source.seek(0)
        opened = source
    try:
        return soundfile.SoundFile(opened)
    except TypeError as error:
        raise soundfile.SoundFileRuntimeError(str(error)) from error


def _blocks(file: soundfile.SoundFile) -> Iterator[Block]:
    """What can be decoded; soundfile's own `blocks` fills up a truncated mp3 with uninitialised memory."""
    frames = block_frames(file.samplerate, file.channels)
    # Plain samples of 16 bits: libsndfile converts them at a third of numpy's speed.
    dtype = "int16" if file.subtype == "PCM_16" and file.format != "FLAC" else "float32"
    while len(block := file.read(frames, dtype=dtype, always_2d=True)):
        yield as_float(block)


def _holds_more(sound: soundfile.SoundFile, file: _Source) -> bool:
    """Whether there are more frames in an mp3 than its header, or a guess from its first frame, promises."""
    if not sound.subtype.startswith("MPEG"):
        return False
    place = file.seek(0, io.SEEK_CUR)  # where libsndfile goes on if this is what it reads
    seconds = sum(float((packet.duration or 0) * packet.time_base) for packet in _packets(file))
    file.seek(place)
    return bool(seconds > sound.frames / sound.samplerate + _LEAST_LOSS_SECONDS)


def _bounds(file: _Source) -> list[int]:
    """Where streams of an Ogg begin and end that follow each other, as web radio is recorded; else none."""
    bounds, place, began = [0], 0, False
    file.seek(0)
    while len(head := file.read(27)) == 27 and head.startswith(b"OggS"):
        begins = bool(head[5] & 2)
        if began and begins:
            bounds.append(place)
        began = not begins  # What sounds together begins together.
        place = file.seek(sum(file.read(head[26])), io.SEEK_CUR)
    return [*bounds, file.seek(0, io.SEEK_END)] if len(bounds) > 1 else []


def _after(seconds: float, blocks: Iterator[tuple[int, Samples]]) -> Iterator[tuple[int, Samples]]:
    for rate, block in blocks:
        skipped = min(round(seconds * rate), len(block))
        seconds -= skipped / rate
        if skipped < len(block):
            yield rate, block[skipped:]


def _check_file(path: Path) -> None:
    """Refuse what is no readable regular file (a pipe or a device could block for ever)."""
    try:
        status = path.stat()
        if kind := _KINDS.get(stat.S_IFMT(status.st_mode)):
            raise UnreadableAudio(f"{path} is {kind}")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise MissingAudio(f"{path}: there is no such file; check the name") from error
    except (OSError, ValueError) as error:
        raise UnreadableAudio(f"{path} cannot be opened: {error}; check its name and permissions") from error
    if status.st_size == 0:
        raise EmptyAudio(f"{path} is empty: it has 0 bytes; export or download it again")


def _frames(file: _Source) -> Iterator[tuple[int, Samples]]:
    """Decode the best audio stream of a file; nothing where FFmpeg refuses it.

    Yields samples per second and (samples, channels) of about a second, as the file has them: integers are
    PCM.
    """
    waiting: list[Samples] = []
    rate = channels = 0
    for frame in _unpacked(_packets(file)):
        block = _samples(frame)
        changed = (frame.sample_rate, block.shape[1]) != (rate, channels)
        if waiting and (changed or sum(map(len, waiting)) > rate):
            yield rate, np.concatenate(waiting)
            waiting = []
        rate, channels = frame.sample_rate, block.shape[1]
        waiting.append(block)
    if waiting:
        yield rate, np.concatenate(waiting)


def _packets(file: _Source) -> Iterator[Any]:
    """The packets of the best audio stream up to where the file breaks off; none where FFmpeg refuses it."""
    import av

    file.seek(0)
    options = {"format_whitelist": _CONTAINERS}
    try:
        container = av.open(file, "r", metadata_errors="ignore", options=options)
    except (av.FFmpegError, ValueError):
        return
    with container, suppress(av.FFmpegError):
        if stream := container.streams.best("audio"):
            yield from container.demux(stream)


def _unpacked(packets: Iterator[Any]) -> Iterator["av.AudioFrame"]:
    """The frames in the packets; a damaged packet is left out."""
    import av

    for packet in packets:
        with suppress(av.FFmpegError, ValueError, AttributeError):
            yield from packet.decode()


def _samples(frame: "av.AudioFrame") -> Samples:
    """The samples of a frame, whose channels lie one after the other or are interleaved."""
    from av.audio.frame import format_dtypes
    from av.audio.plane import AudioPlane

    dtype, channels = format_dtypes.get(frame.format.name), frame.layout.nb_channels
    if dtype is None:
        rare = f"samples of a rare kind ({frame.format.name})"
        raise UnreadableAudio(f"{rare}; export it with 16 or 24 bits")
    # PyAV's `frame.planes` takes whatever lies in memory behind eight channels or more for another one.
    planes: list[Any] = [AudioPlane(frame, i) for i in range(channels if frame.format.is_planar else 1)]
    count = frame.samples * channels // len(planes)
    values = [np.frombuffer(plane, dtype, count) for plane in planes]
    return np.stack(values, axis=-1).reshape(-1, channels)
