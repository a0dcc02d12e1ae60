"""Recordings without labels: 15-s segments from different places of each track, as in the papers."""

import contextlib
import hashlib
import math
import os
import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from skey.audio import AudioError, normalise, stream_audio
from skey.corpus.build import npy_bytes, storage_errors
from skey.corpus.processes import default_jobs, in_processes
from skey.errors import SkeyError
from skey.files.folders import data_directory, sound_files, write_whole
from skey.inference.filters import SEGMENT_SAMPLES
from skey.inference.threads import one_thread
from skey.shapes import UInt8
from skey.vqt import SEGMENT_FRAMES, log_vqt, to_bytes

MOST_SEGMENTS = 16  # segments that are kept of a track at most, evenly spread over it
FOLDER = "recordings-1"  # below the data directory; the number changes with what features are
NO_FILE = "a folder, a pipe or a device, not a sound file"  # whose content may never end

SEGMENT_SHAPE = (99, SEGMENT_FRAMES)
SEGMENT_BYTES = math.prod(SEGMENT_SHAPE)
NPY_HEADER = len(npy_bytes(np.zeros((0, *SEGMENT_SHAPE), np.uint8)))  # bytes before the array
Segments = UInt8[np.ndarray, "segments 99 646"]


def is_held_out(name: str) -> bool:
    """Whether a group of pieces, or a track by its digest, is for validation as one in ten is."""
    return zlib.crc32(f"{name}|validation".encode()) % 10 == 0


@dataclass(frozen=True, slots=True)
class Recording:
    """The SHA-256 of a track, and where its features lie: in which file, how many segments, first byte."""

    digest: str
    path: Path
    segments: int
    start: int = NPY_HEADER


class Recordings:
    """Segments of tracks in pairs, uint8 (99, 1292): each one, then that half of the track further on."""

    def __init__(self, tracks: Sequence[Recording]) -> None:
        self.tracks = tuple(tracks)
        paths = {track.path for track in self.tracks}
        files = {path: np.memmap(path, np.uint8, "r").view(np.ndarray) for path in paths}
        self._arrays = [
            files[track.path][track.start :][: track.segments * SEGMENT_BYTES].reshape(-1, *SEGMENT_SHAPE)
            for track in self.tracks
        ]
        self._places = [(n, row) for n, array in enumerate(self._arrays) for row in range(len(array))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: int) -> UInt8[np.ndarray, "99 1292"]:
        track, row = self._places[place]
        array = self._arrays[track]
        return np.concatenate([array[row], array[(row + len(array) // 2) % len(array)]], axis=1)

    def digest(self) -> str:
        """SHA-256 over the contents of all files, in no order."""
        return hashlib.sha256("".join(sorted(track.digest for track in self.tracks)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not trained on, and why."""

    path: Path
    reason: str


Opened = tuple[tuple[Recording, ...], tuple[Skipped, ...]]  # those that are trained on, and not


def open_recordings(folders: Sequence[Path], jobs: int | None = None, progress: bool = False) -> Opened:
    """The features of every usable sound file in folders, made where missing; ``SkeyError`` for none."""
    skipped: list[Skipped] = []
    found = sound_files(folders, recursive=True, report=lambda path, why: skipped.append(Skipped(path, why)))
    files = list(found)
    wanted = min(jobs or default_jobs(), len(files))
    heard = in_processes(prepare, files, wanted) if wanted > 1 else map(prepare, files)
    results = list(tqdm(heard, "recordings", total=len(files), unit="track", disable=not progress))
    tracks = {each.digest: each for each in results if isinstance(each, Recording)}
    skipped += (each for each in results if isinstance(each, Skipped))
    if not tracks:
        reasons = "; ".join(f"{each.path}: {each.reason}" for each in skipped[:3]) or "no sound files there"
        raise SkeyError(f"nothing to train on in {', '.join(map(str, folders))} ({reasons})")
    return tuple(tracks.values()), tuple(sorted(skipped, key=lambda each: each.path))


def prepare(file: Path) -> Recording | Skipped:
    """The features of one file, cached by its content; or why it has none."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return Skipped(file, NO_FILE)
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        path = data_directory() / FOLDER / f"{digest}.npy"
        if not path.is_file() or path.stat().st_size % SEGMENT_BYTES != NPY_HEADER:  # absent, or a part of it
            features = npy_bytes(segments(file))
            with storage_errors(path.parent):
                write_whole(path, features, ending=f".{os.getpid()}.partial")
        return Recording(digest, path, (path.stat().st_size - NPY_HEADER) // SEGMENT_BYTES)
    except OSError as error:
        return Skipped(file, error.strerror or str(error))
    except AudioError as error:
        return Skipped(file, without_name(error, file))


def without_name(error: Exception, file: Path) -> str:
    """What an error says of a file, without the name at its beginning: who lists files names them."""
    return str(error).removeprefix(str(file)).lstrip(": ")


def segments(file: Path, most: int = MOST_SEGMENTS) -> Segments:
    """The log-VQT of some segments of a track, evenly spread; ``AudioError`` where fewer than two sound."""
    kept = []
    with one_thread(), torch.inference_mode():
        for wave in stream_audio(file):
            with contextlib.suppress(AudioError):  # a rest at the end, or silence
                peak_one = torch.from_numpy(normalise(wave, min_samples=SEGMENT_SAMPLES))
                kept.append(np.asarray(to_bytes(log_vqt(peak_one)))[:, :SEGMENT_FRAMES])
    if len(kept) < 2:
        raise AudioError("fewer than two segments of 15 s in which something sounds")
    chosen = np.linspace(0, len(kept) - 1, min(len(kept), most)).round().astype(int)
    return np.stack([kept[place] for place in chosen])
