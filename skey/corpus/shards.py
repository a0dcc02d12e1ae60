"""Features on disk: checksummed files of log-VQT bytes, written whole or not at all, read by memory map."""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from skey.errors import SkeyError

CLIP_SHAPE = (99, 1292)
"""Bins and frames of the log-VQT of one 30-s clip."""

Features = UInt8[np.ndarray, "clips 99 1292"]
"""Log-VQT of several clips as unsigned bytes, 255 = 1.25 (``skey.vqt.to_bytes``)."""


class StoreError(SkeyError):
    """The disk refuses to keep the features; the message names the folder and the reason."""


class MissingFeatures(SkeyError):
    """Some shard was never built or is damaged; the message says how many clips are affected."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Where the features of a few consecutive clips of a plan lie.

    ``name`` is a digest of the clips and of the code that renders them, so a file under that name holds the
    right features or is damaged; there is no third case. ``clip_ids`` are the rows in order.
    """

    folder: Path
    name: str
    clip_ids: tuple[str, ...]

    @property
    def array_path(self) -> Path:
        """The ``.npy`` file, uint8 of shape (clips, 99, 1292)."""
        return self.folder / f"{self.name}.npy"

    @property
    def manifest_path(self) -> Path:
        """The ``.json`` file with clip ids, checksum and versions; written last, so it seals the shard."""
        return self.folder / f"{self.name}.json"

    @property
    def lock_path(self) -> Path:
        """The lock that a builder holds; empty, and meaningless once nobody builds."""
        return self.folder / "locks" / f"{self.name}.lock"


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system says about a full or closed disk into one clear error.

    Raises ``StoreError`` in place of ``OSError``; ``folder`` is where the features were to lie.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot keep the corpus in {folder}: {error.strerror or error}. "
            "Free some space there (a clip takes 128 kB), or set the environment variable SKEY_DATA "
            "to a folder you may write to."
        ) from error


def write_whole(path: Path, content: bytes, ending: str = ".partial") -> None:
    """Replace ``path`` by ``content`` so that a reader sees the old file or the new one, never a part.

    The ending of the temporary name is fixed where one process alone writes, such as the holder of a shard's
    lock: what a killed builder left is overwritten instead of piling up. Raises ``OSError``.
    """
    partial = path.with_name(path.name + ending)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_array(path: Path, features: UInt8[np.ndarray, "..."]) -> None:
    """Write one array as a ``.npy`` file, whole whoever else writes it too. Raises ``StoreError``."""
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _npy_bytes(features), ending=f".{os.getpid()}.partial")


def write_shard(shard: Shard, features: Features, versions: Mapping[str, str]) -> str:
    """Write the features, then the manifest that seals them.

    ``features`` are uint8 (clips, 99, 1292), a row for each of ``shard.clip_ids``; ``versions`` are
    kept in the manifest for the curious. Returns the sha256 of the array's file. Raises ``StoreError``.
    """
    content = _npy_bytes(features)
    checksum = hashlib.sha256(content).hexdigest()
    manifest = {"clips": shard.clip_ids, "sha256": checksum, "plan": shard.name, "versions": dict(versions)}
    with storage_errors(shard.folder):
        write_whole(shard.array_path, content)
        write_whole(shard.manifest_path, json.dumps(manifest, indent=1, sort_keys=True).encode())
    return checksum


def recorded_checksum(shard: Shard) -> str | None:
    """The sha256 that the manifest gives; None where it is absent, unreadable or of other clips."""
    try:
        manifest = json.loads(shard.manifest_path.read_text(encoding="utf-8"))
        if tuple(manifest["clips"]) == shard.clip_ids and manifest["plan"] == shard.name:
            return str(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def is_sound(shard: Shard) -> bool:
    """Whether the shard is there, sealed, and every byte of its array is the one that was written."""
    recorded = recorded_checksum(shard)
    return recorded is not None and recorded == _checksum(shard.array_path)


class FeatureStore:
    """The features of a plan's clips, read by memory map from their shards.

    ``len(store)`` clips in the order of the plan; ``store[i]`` or ``store[clip_id]`` is uint8 (99, 1292). The
    constructor reads every byte once to check it (``verify=False`` skips that) and raises ``MissingFeatures``
    where a shard is absent or damaged.
    """

    def __init__(self, shards: Sequence[Shard], verify: bool = True) -> None:
        """Open the shards; see the class."""
        self.shards = tuple(shards)
        self.clip_ids = tuple(clip for shard in self.shards for clip in shard.clip_ids)
        bad = self.damaged() if verify else self.missing()
        if bad:
            clips = sum(len(shard.clip_ids) for shard in bad)
            raise MissingFeatures(f"the features of {clips} of {len(self)} clips are missing or damaged")
        self._arrays = [_mapped(shard) for shard in self.shards]
        self._places = _places(self.shards)
        self._rows = {clip: place for clip, place in zip(self.clip_ids, self._places, strict=True)}

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clip_ids)

    def __getitem__(self, clip: str | int) -> UInt8[np.ndarray, "99 1292"]:
        """The log-VQT bytes of one clip, by id or by place; raises ``KeyError`` or ``IndexError``."""
        shard, row = self._rows[clip] if isinstance(clip, str) else self._places[clip]
        features: np.ndarray = self._arrays[shard][row]
        return features

    def rows(self, places: Sequence[int]) -> Features:
        """A copy of the clips at these places of the plan, uint8 (clips, 99, 1292): a batch."""
        return np.stack([self[int(place)] for place in places])

    def missing(self) -> tuple[Shard, ...]:
        """The shards that were never sealed; reads the small manifests only."""
        return tuple(s for s in self.shards if recorded_checksum(s) is None or not s.array_path.is_file())

    def damaged(self) -> tuple[Shard, ...]:
        """The shards that are missing, or of which any byte has changed; reads everything once."""
        return tuple(shard for shard in self.shards if not is_sound(shard))

    def digest(self) -> str:
        """One sha256 (hexadecimal) over the checksums of all shards: same bytes, same digest."""
        sums = "".join(recorded_checksum(shard) or "missing" for shard in self.shards)
        return hashlib.sha256(sums.encode()).hexdigest()


def _places(shards: Sequence[Shard]) -> list[tuple[int, int]]:
    """Shard and row of every clip, in the order of the plan."""
    return [(number, row) for number, shard in enumerate(shards) for row in range(len(shard.clip_ids))]


def _mapped(shard: Shard) -> Features:
    """The array of a shard, mapped into memory."""
    try:
        array: Features = np.load(shard.array_path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise MissingFeatures(f"the features in {shard.array_path} are missing or damaged") from error
    return array


def _npy_bytes(features: UInt8[np.ndarray, "..."]) -> bytes:
    """The file that ``np.save`` would write."""
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    return buffer.getvalue()


def _checksum(path: Path) -> str | None:
    """Sha256 of a file, None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
