"""The one shape of all data sets: what it is, its tracks with key and group, their sound, what is missing."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from skey.audio import read_audio
from skey.datasets.errors import LabelError, MissingData
from skey.keys import Key
from skey.vqt import log_vqt

AUDIO_SUFFIXES = (".mp3", ".wav", ".flac", ".ogg", ".au")
"""Endings under which the audio of a collection may lie, the original one of each collection among them."""

_LISTED = 3
"""How many missing files a message names."""


@dataclass(frozen=True)
class Track:
    """One recording of a data set.

    Args:
        id: its name, unique within the data set.
        key: the annotated key, or None where nobody knows it.
        group: what it shares with other recordings of the same music; a group never straddles a split.
        audio: where its sound lies or should lie, or None where the sound is made on demand.
        tags: what else the data set knows (genre, source, level), for rows of a table.
        unlabelled: why there is no key, such as ``several keys: E minor / G minor``.
    """

    id: str
    key: Key | None
    group: str
    audio: Path | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    unlabelled: str = ""


class Dataset(ABC):
    """A collection of recordings with annotated keys.

    Args:
        root: the folder where the collection lies on this machine, if it is not made on demand.
        limit: use only so many tracks, spread evenly over tags and keys, always the same ones.
    """

    name: ClassVar[str]
    """How :func:`skey.datasets.load_dataset` calls it."""
    title: ClassVar[str]
    """Its name in a heading."""
    licence: ClassVar[str]
    """The licences of labels and audio."""
    citation: ClassVar[str]
    """The publication to cite."""
    url: ClassVar[str]
    """Where to get it."""
    layout: ClassVar[str]
    """What should lie under the root, in one line."""
    checksums: ClassVar[Mapping[str, str]] = {}
    """MD5 of published files, by path under the root."""

    def __init__(self, root: Path | str | None = None, limit: int | None = None) -> None:
        """Remember where the data lie; nothing is read yet."""
        if limit is not None and limit < 1:
            raise ValueError(f"a limit of {limit} tracks: expected at least 1, or none")
        self.root = None if root is None else Path(root)
        self.limit = limit

    @abstractmethod
    def read_tracks(self) -> Sequence[Track]:
        """Read all tracks, in a fixed order.

        Raises:
            MissingData: the labels are not where they should be.
            LabelError: labels cannot be read.
        """

    @cached_property
    def _tracks(self) -> tuple[Track, ...]:
        """The tracks in use, read once."""
        return evenly_spread(self.read_tracks(), self.limit)

    def tracks(self) -> Sequence[Track]:
        """The tracks in use: all of them, or an evenly spread sample of ``limit``.

        Raises:
            MissingData: the labels are not where they should be.
            LabelError: labels cannot be read.
        """
        return self._tracks

    def waveform(self, track: Track) -> Float32[np.ndarray, "samples"]:
        """The sound of one track.

        Args:
            track: one of :meth:`tracks`.

        Returns:
            (samples,) at 22,050 Hz, mean of channels, peak 1.

        Raises:
            MissingData: its file is not where it should be.
            AudioError: its file cannot be used.
        """
        if track.audio is None or not track.audio.is_file():
            raise MissingData(
                f"{self.title}: the audio of track {track.id} is missing: {track.audio}. {self.advice()}"
            )
        return read_audio(track.audio)

    def log_vqt(self, track: Track) -> Float32[Tensor, "99 frames"]:
        """The log-VQT of the whole track, as one item.

        Args:
            track: one of :meth:`tracks`.

        Returns:
            (99, frames).

        Raises:
            MissingData: its file is not where it should be.
            AudioError: its file cannot be used.
        """
        return log_vqt(torch.from_numpy(self.waveform(track)))

    def advice(self) -> str:
        """What should lie where, and where to get it."""
        return f"Expected under the root: {self.layout}. Get it at {self.url}"

    def missing(self) -> str | None:
        """What is missing on this machine and where to get it, or None where all tracks in use are there."""
        try:
            absent = [track for track in self.tracks() if track.audio and not track.audio.is_file()]
        except MissingData as error:
            return str(error)
        if not absent:
            return None
        count, named = (
            f"{len(absent)} of {len(self.tracks())} tracks",
            ", ".join(str(track.audio) for track in absent[:_LISTED])
            + (" …" if len(absent) > _LISTED else ""),
        )
        return f"{self.title}: the audio of {count} is missing: {named}. {self.advice()}"

    def require(self) -> None:
        """Make sure that labels and audio of all tracks in use are there.

        Raises:
            MissingData: with the message of :meth:`missing`.
        """
        message = self.missing()
        if message:
            raise MissingData(message)

    def published_checksums(self) -> Mapping[str, str]:
        """MD5 of published files by path under the root."""
        return self.checksums

    def changed_files(self) -> tuple[str, ...]:
        """Files under the root whose checksum is not the published one; absent files are left out.

        Raises:
            MissingData: there is no root.
        """
        published = {self.folder() / name: digest for name, digest in self.published_checksums().items()}
        present = [file for file in published if file.is_file()]
        changed = [file for file in present if hashlib.md5(file.read_bytes()).hexdigest() != published[file]]
        return tuple(file.relative_to(self.folder()).as_posix() for file in changed)

    def data_hash(self) -> str:
        """A short hash of the tracks in use with their keys, groups and tags: the same on every machine."""
        lines = (
            "\t".join(
                [track.id, str(track.key), track.group, *(f"{k}={v}" for k, v in sorted(track.tags.items()))]
            )
            for track in self.tracks()
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def folder(self) -> Path:
        """The root.

        Raises:
            MissingData: none was given, or it is not a folder.
        """
        if self.root is None:
            raise MissingData(
                f"{self.title} is not part of this package: say in which folder it lies. {self.advice()}"
            )
        if not self.root.is_dir():
            raise MissingData(f"{self.title}: there is no folder {self.root}. {self.advice()}")
        return self.root


def labelled_tracks(dataset: Dataset) -> list[Track]:
    """The tracks of a data set that have a key; raises ``LabelError`` where there is none."""
    tracks = [track for track in dataset.tracks() if track.key is not None]
    if not tracks:
        raise LabelError(f"{dataset.title} has no track with a key: nothing can be scored")
    return tracks


def evenly_spread(tracks: Sequence[Track], limit: int | None) -> tuple[Track, ...]:
    """A sample that is spread evenly over tags and keys, always the same.

    Args:
        tracks: all tracks.
        limit: how many to take, or None for all.

    Returns:
        The sample, in the order of the tracks.
    """
    if limit is None or limit >= len(tracks):
        return tuple(tracks)
    ranked = sorted(range(len(tracks)), key=lambda place: _stratum(tracks[place]))
    chosen = sorted(ranked[(2 * step + 1) * len(tracks) // (2 * limit)] for step in range(limit))
    return tuple(tracks[place] for place in chosen)


def _stratum(track: Track) -> tuple[list[tuple[str, str]], int, str]:
    """By what a sample is spread: tags first, then the key."""
    return sorted(track.tags.items()), track.key.index if track.key else -1, track.id
