"""Sound files through FFmpeg (PyAV), which is imported with the first file that needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from skey.shapes import Shaped

if TYPE_CHECKING:
    import av

Samples: TypeAlias = Shaped[np.ndarray, "samples channels"]

_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,iff,matroska,mov,mp3,mpc,mpc8,ogg,rm,shn,tak,tta,"
    "w64,wav,wv"
)
"""What FFmpeg may take a file for: no playlists, no pictures, nothing that opens other files."""


@runtime_checkable
class BinaryFile(Protocol):
    """A file object of bytes, such as an open file or a BytesIO."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or all."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place and say which."""

    def seekable(self) -> bool:
        """Whether it can be read twice."""


def packet_seconds(file: BinaryFile) -> float:
    """Seconds of a file's best audio stream, counted without decoding; 0 where FFmpeg refuses it."""
    with _packets(file) as packets:
        return sum(float((packet.duration or 0) * packet.time_base) for packet in packets)


def frames(file: BinaryFile) -> Iterator[tuple[int, Samples]]:
    """Decode the best audio stream of a file, damaged packets left out; nothing where FFmpeg refuses it.

    Yields samples per second and (samples, channels) of about a second, as the file has them: integers are
    PCM.
    """
    waiting: list[Samples] = []
    rate = channels = 0
    with _packets(file) as packets:
        for frame in _unpacked(packets):
            block = _samples(frame)
            changed = (frame.sample_rate, block.shape[1]) != (rate, channels)
            if waiting and (changed or sum(map(len, waiting)) > rate):
                yield rate, np.concatenate(waiting)
                waiting = []
            rate, channels = frame.sample_rate, block.shape[1]
            waiting.append(block)
    if waiting:
        yield rate, np.concatenate(waiting)


@contextmanager
def _packets(file: BinaryFile) -> Iterator[Iterator[Any]]:
    """The packets of the best audio stream up to where the file breaks off; none where FFmpeg refuses it."""
    import av

    file.seek(0)
    try:
        container = av.open(file, "r", metadata_errors="ignore", options={"format_whitelist": _CONTAINERS})
    except (av.FFmpegError, ValueError):
        yield iter(())
        return
    with container:
        stream = container.streams.best("audio")
        yield iter(()) if stream is None else _until_error(container.demux(stream))


def _until_error(packets: Iterator[Any]) -> Iterator[Any]:
    import av

    while True:
        try:
            yield next(packets)
        except (StopIteration, av.FFmpegError):
            return


def _unpacked(packets: Iterator[Any]) -> Iterator["av.AudioFrame"]:
    """The frames in the packets; a damaged packet is left out."""
    import av

    for packet in packets:
        try:
            yield from packet.decode()
        except (av.FFmpegError, ValueError, AttributeError):
            continue


def _samples(frame: "av.AudioFrame") -> Samples:
    """The samples of a frame, whose channels lie one after the other or are interleaved."""
    values = frame.to_ndarray()
    return np.asarray(values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels))
