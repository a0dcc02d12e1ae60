"""Features of many tracks in a few large files that stream: tar archives as WebDataset reads them.

A sample is a track: ``<sha256>.npy`` as `skey train --audio` caches it, and ``<sha256>.json``. Beside each
archive a JSON file, written last, seals it. ``index.json`` names them.
"""

import csv
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from filelock import FileLock

from skey.corpus.build import npy_bytes, storage_errors
from skey.errors import SkeyError
from skey.files.folders import data_directory
from skey.training.recordings import NPY_HEADER, Opened, Recording, Segments, Skipped, open_recordings

INDEX = "index.json"  # names the archives of a folder, in order
TABLE = "tracks.csv"  # a row for each file of the manifest: name, SHA-256 and why it is left out
Seal = Mapping[str, Any]  # of an archive: ``sha256``, ``tracks`` (digest, segments, first byte), ``skipped``


class ShardError(SkeyError):
    """Shards are absent or damaged; the message says which."""


def write_shard(url: str, features: Mapping[str, Segments], skipped: Mapping[str, str]) -> Seal:
    """Write ``url.tar``, of features by the SHA-256 of a track, then its seal ``url.json``.

    The archive depends on the features alone: no times, no owners.
    """
    buffer, tracks = io.BytesIO(), []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for digest, array in features.items():
            tracks.append([digest, len(array), archive.offset + tarfile.BLOCKSIZE + NPY_HEADER])
            described = json.dumps({"segments": len(array)}).encode()
            for ending, content in (("npy", npy_bytes(array)), ("json", described)):
                member = tarfile.TarInfo(f"{digest}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    whole = buffer.getvalue()
    seal = {"sha256": hashlib.sha256(whole).hexdigest(), "tracks": tracks, "skipped": dict(skipped)}
    write_file(f"{url}.tar", whole)
    write_file(f"{url}.json", json.dumps(seal).encode())
    return seal


def write_index(url: str, names: Sequence[str], rows: Iterable[tuple[str, str, str]]) -> None:
    """Write the names of archives, and path, digest and reason of each file."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([("path", "sha256", "reason"), *rows])
    write_file(f"{url}/{TABLE}", buffer.getvalue().encode())
    write_file(f"{url}/{INDEX}", json.dumps({"shards": list(names)}, indent=1).encode())


def read_seal(url: str) -> Seal | None:
    """What is sealed about ``url.tar``; None where any byte of it is missing or has changed."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        seal: Seal = json.loads(read_file(f"{url}.json"))
        with fsspec.open(f"{url}.tar", "rb") as archive:
            if hashlib.file_digest(archive, "sha256").hexdigest() == seal["sha256"]:
                return seal
    return None


def read_file(url: str) -> bytes:
    """The content of a file anywhere; raises ``OSError``."""
    with fsspec.open(url, "rb") as file:
        return bytes(file.read())


def write_file(url: str, content: bytes) -> None:
    """Write a file anywhere, with the folders above it; raises ``OSError``."""
    if "://" not in url:  # where fsspec may make no folder, it says that there is none
        Path(url).parent.mkdir(parents=True, exist_ok=True)
    with fsspec.open(url, "wb", auto_mkdir=True) as file:
        file.write(content)


def open_audio(places: Sequence[str | Path], jobs: int | None = None, progress: bool = False) -> Opened:
    """All recordings in folders of sound or of shards, by digest, and what is left out; or ``SkeyError``."""
    folders = [fetch_shards(str(place)) if "://" in str(place) else Path(place) for place in places]
    sharded = [folder for folder in folders if all((folder / name).is_file() for name in (INDEX, TABLE))]
    others = [folder for folder in folders if folder not in sharded]
    opened = [open_shards(folder) for folder in sharded]
    opened += [open_recordings(others, jobs, progress)] if others else []
    tracks = {track.digest: track for found, _ in opened for track in found}
    skipped = tuple(each for _, left_out in opened for each in left_out)
    return tuple(tracks[digest] for digest in sorted(tracks)), skipped


def open_shards(folder: Path) -> Opened:
    """The tracks of a folder of shards, and the files that were left out; may raise ``ShardError``."""
    tracks: list[Recording] = []
    for name in _names(str(folder)):
        seal = read_seal(str(folder / name))
        if seal is None:
            raise ShardError(f"{folder / name}.tar is missing or damaged: run `skey features extract` again")
        tracks += [Recording(digest, folder / f"{name}.tar", *place) for digest, *place in seal["tracks"]]
    rows = csv.DictReader(io.StringIO(_fetched(str(folder / TABLE)).decode(errors="replace"), newline=""))
    skipped = tuple(Skipped(Path(row["path"]), row["reason"]) for row in rows if row["reason"])
    return tuple(tracks), skipped


def fetch_shards(url: str) -> Path:
    """A local folder with the shards of an address, copied once, however many processes train on them."""
    folder = data_directory() / "shards" / hashlib.sha256(url.encode()).hexdigest()[:16]
    with storage_errors(folder):
        lock = FileLock(folder / "lock").acquire()
    with lock, storage_errors(folder):
        for name in _names(url):
            (folder / f"{name}.json").write_bytes(_fetched(f"{url}/{name}.json"))
            if read_seal(str(folder / name)) is None:
                (folder / f"{name}.tar").write_bytes(_fetched(f"{url}/{name}.tar"))
        for name in (TABLE, INDEX):
            (folder / name).write_bytes(_fetched(f"{url}/{name}"))
    return folder


def _names(url: str) -> Sequence[str]:
    """The names of the archives: no paths, which could lead out of the folder that they are copied to."""
    try:
        names: list[str] = json.loads(_fetched(f"{url}/{INDEX}"))["shards"]
        if not all(re.fullmatch(r"[\w-]+", name) for name in names):
            raise ValueError("a path")
        return names
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(f"{url}/{INDEX} is damaged: run `skey features extract` again") from error


def _fetched(url: str) -> bytes:
    """The content of a file that must be there."""
    try:
        return read_file(url)
    except (OSError, ValueError, ImportError) as error:  # an address without its package, too
        raise ShardError(f"{url} cannot be read: {error}") from error
