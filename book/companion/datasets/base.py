"""The one shape of all data sets: what it is, its tracks with key and group, their sound, what is missing."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from skey.audio import read_audio
from skey.errors import SkeyError
from skey.keys import Key
from skey.shapes import Float32
from skey.vqt import log_vqt

AUDIO_SUFFIXES = (".mp3", ".wav", ".flac", ".ogg", ".au")  # of the audio of a collection
_LISTED = 3  # how many missing files a message names


class MissingData(SkeyError):
    """A file of a data set is not there; the message names it and says where to get it."""


class LabelError(SkeyError):
    """Labels cannot be read; the message gives each line number and what was expected there."""


@dataclass(frozen=True)
class Track:
    """One recording of a data set.

    ``group`` is what it shares with other recordings of the same music, which never straddle a split;
    ``audio`` is None where the sound is made on demand; ``tags`` are what else is known (genre, source,
    level); ``unlabelled`` says why there is no key: ``several keys: E minor / G minor``.
    """

    id: str
    key: Key | None
    group: str
    audio: Path | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    unlabelled: str = ""


class Dataset(ABC):
    """Recordings with annotated keys below ``root``, or an even sample of ``limit`` of them."""

    name: ClassVar[str]  # how `companion.datasets.load_dataset` calls it
    title: ClassVar[str]  # its name in a heading
    licence: ClassVar[str]  # of labels and of audio
    citation: ClassVar[str]  # the publication to cite
    url: ClassVar[str]  # where to get it
    layout: ClassVar[str]  # what should lie under the root, in one line

    def __init__(self, root: Path | str | None = None, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"a limit of {limit} tracks: expected at least 1, or none")
        self.root = None if root is None else Path(root)
        self.limit = limit

    @abstractmethod
    def read_tracks(self) -> Sequence[Track]:
        """Read all tracks in a fixed order; raises ``MissingData`` or ``LabelError`` for their labels."""

    @cached_property
    def _tracks(self) -> tuple[Track, ...]:
        return evenly_spread(self.read_tracks(), self.limit)

    def tracks(self) -> Sequence[Track]:
        """The tracks in use, all or an evenly spread sample; raises as :meth:`read_tracks` does."""
        return self._tracks

    def waveform(self, track: Track) -> Float32[np.ndarray, "samples"]:
        """A track's sound, (samples,) at 22,050 Hz, mono, peak 1; ``MissingData`` or ``AudioError``."""
        if track.audio is None or not os.path.isfile(track.audio):
            raise self.absent(f"the audio of track {track.id} is missing: {track.audio}")
        return read_audio(track.audio)

    def log_vqt(self, track: Track) -> Float32[Tensor, "99 frames"]:
        """The log-VQT of the whole track, (99, frames), as one item; raises as :meth:`waveform` does."""
        return log_vqt(torch.from_numpy(self.waveform(track)))

    def absent(self, what: str) -> MissingData:
        """The error to raise where something is not there: it says what, and where to get it."""
        return MissingData(f"{self.title}: {what}. {self.advice()}")

    def advice(self) -> str:
        """What should lie where, and where to get it."""
        return f"Expected under the root: {self.layout}. Get it at {self.url}"

    def require(self) -> None:
        """Raise ``MissingData`` where labels, or the audio of any track in use, are not on this machine."""
        if absent := [track for track in self.tracks() if track.audio and not os.path.isfile(track.audio)]:
            named = ", ".join(str(track.audio) for track in absent[:_LISTED])
            more = " …" if len(absent) > _LISTED else ""
            count = f"{len(absent)} of {len(self.tracks())} tracks"
            raise self.absent(f"the audio of {count} is missing: {named}{more}")

    def data_hash(self) -> str:
        """A short hash of the tracks in use with their keys, groups and tags: the same on every machine."""
        lines = []
        for track in self.tracks():
            tags = [f"{name}={text}" for name, text in sorted(track.tags.items())]
            lines.append("\t".join([track.id, str(track.key), track.group, *tags]))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def folder(self) -> Path:
        """The root; raises ``MissingData`` where none was given, or it is not a folder."""
        if self.root is None:
            raise MissingData(
                f"{self.title} is not part of this package: say in which folder it lies. {self.advice()}"
            )
        if not os.path.isdir(self.root):
            raise self.absent(f"there is no folder {self.root}")
        return self.root

    def label_file(self, name: str) -> Path:
        """A file of labels below the root; raises ``MissingData`` where it is not there."""
        file = self.folder() / name
        if not file.is_file():
            raise self.absent(f"{file} is missing")
        return file


def labelled_tracks(dataset: Dataset) -> list[Track]:
    """The tracks of a data set that have a key; raises ``LabelError`` where there is none."""
    tracks = [track for track in dataset.tracks() if track.key is not None]
    if not tracks:
        raise LabelError(f"{dataset.title} has no track with a key: nothing can be scored")
    return tracks


def evenly_spread(tracks: Sequence[Track], limit: int | None) -> tuple[Track, ...]:
    """A sample of ``limit`` tracks (None: all), in their order, spread evenly over tags, then keys."""
    if limit is None or limit >= len(tracks):
        return tuple(tracks)

    def stratum(place: int) -> tuple[list[tuple[str, str]], int, str]:
        track = tracks[place]
        return sorted(track.tags.items()), track.key.index if track.key else -1, track.id

    ranked = sorted(range(len(tracks)), key=stratum)
    chosen = sorted(ranked[(2 * step + 1) * len(tracks) // (2 * limit)] for step in range(limit))
    return tuple(tracks[place] for place in chosen)
