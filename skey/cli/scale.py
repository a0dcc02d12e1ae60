"""Work on many tracks by Dask's distributed scheduler, on this machine or on many.

A manifest is cut into parts, each of which makes one file, once: any run may be stopped and started anew.
"""

import errno
import functools
import hashlib
import io
import json
import logging
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import dask
import fsspec
from distributed import Client, as_completed
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from tqdm import tqdm

from skey import __version__
from skey.cli.reports import Format, Layout, escaped
from skey.corpus.processes import default_jobs
from skey.errors import SkeyError
from skey.estimator import KeyEstimator
from skey.files.folders import SUFFIXES, Report, sound_files
from skey.training.recordings import FOLDER, NO_FILE, segments, without_name
from skey.training.shards import Seal, read_file, read_seal, write_file, write_index, write_shard

KEPT_MEMORY = {"MALLOC_TRIM_THRESHOLD_": 2**26, "MALLOC_MMAP_THRESHOLD_": 2**25}
"""Bytes that glibc keeps in a worker. Dask leaves it 64 KB, and to fetch the rest anew is half the work."""

HASHED_AT_ONCE = 64  # files that one task reads to know their contents

Part = TypeVar("Part")
Result = TypeVar("Result")


class EngineError(SkeyError):
    """The engine cannot be reached, or gave up some part; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Track:
    """A content: its SHA-256 and the files that hold it; or a file that cannot be read, and why."""

    digest: str
    files: tuple[str, ...]
    reason: str = ""

    def said(self, error: Exception, path: Path) -> str:
        """What an error says of this track, which was read from a path that may be a copy's."""
        return without_name(error, path).replace(str(path), self.files[0])


Tracks = tuple[str, Sequence[Track]]  # the address of what is made of them, without its ending
Row = dict[str, Any]  # an estimate, by column


class Extracted(NamedTuple):
    """What `extract` wrote, and the files that were left out with the reason of each."""

    tracks: int
    segments: int
    shards: int
    skipped: list[tuple[str, str]]


@contextmanager
def engine(name: str, workers: int | None = None) -> Iterator[Client]:
    """A client of a scheduler by its address, or of new ``local`` processes; ``EngineError`` without one."""
    local = {"n_workers": workers or default_jobs(), "threads_per_worker": 1}
    local["silence_logs"] = logging.CRITICAL  # `spread` says what a worker raises
    # Without an address here, `local` would be the scheduler that DASK_SCHEDULER_ADDRESS names.
    with dask.config.set({"distributed.nanny.pre-spawn-environ": KEPT_MEMORY, "scheduler-address": None}):
        try:
            client = Client(dashboard_address=":0", **local) if name == "local" else Client(name, timeout=20)
        except (OSError, ValueError) as error:
            raise EngineError(f"no scheduler at {name} ({error}): start one with `dask scheduler`") from error
        with client:
            yield client


def spread(client: Client, work: Callable[[Part], Result], parts: Sequence[Part], title: str) -> list[Result]:
    """What ``work`` makes of each part, in order; ``EngineError`` where some failed, after all others."""
    futures = client.map(work, parts, pure=False)
    for _ in tqdm(as_completed(futures), title, len(futures), unit="part"):
        pass
    failed = [future for future in futures if future.status != "finished"]
    if failed:
        raise EngineError(
            f"{title}: {len(failed)} of {len(futures)} parts failed, one with: {failed[0].exception()}; "
            "run the same command again: what is finished stays"
        )
    return list(client.gather(futures))


def read_manifest(manifest: Path, report: Report = lambda path, reason: None) -> list[str]:
    """A sound file, those of a folder and below it, or those that a text file names; each name once.

    A line is a name, or empty, or a comment that begins with ``#``. Names may be addresses that fsspec knows;
    others are relative to the manifest. ``report`` is told of a folder that cannot be entered, and why.
    Raises ``EngineError`` where there are none.
    """
    if manifest.is_dir() or manifest.suffix.lower() in SUFFIXES:
        found = sound_files([manifest], recursive=True, report=report)
        names = [str(path.absolute()) for path in found]
    else:
        lines = map(str.strip, manifest.read_text("utf-8-sig", "surrogateescape").splitlines())
        here = manifest.absolute().parent
        wanted = (line for line in lines if line and not line.startswith("#"))
        names = [line if "://" in line else str(here / line) for line in wanted]
    if not names:
        raise EngineError(f"{manifest}: no sound files there")
    return list(dict.fromkeys(names))


def _place(name: str) -> tuple[AbstractFileSystem, str]:
    """Where an address or a path leads; to fsspec a path such as ``Artist :: Title.wav`` is two addresses."""
    return fsspec.url_to_fs(name) if "://" in name else (LocalFileSystem(), name)


def try_to_write(address: str) -> None:
    """Write a file at an address and remove it; ``EngineError`` where nothing can be kept there."""
    trial = f"{address}/{uuid4()}"  # a name that nothing else has
    try:
        write_file(trial, b"")
        system, path = _place(trial)
    except Exception as error:  # storage and its package raise whatever they like
        reason = str(error) or type(error).__name__
        raise EngineError(f"{address} cannot be written to: {reason}") from error
    with suppress(OSError):  # some storage lets nobody remove
        system.rm_file(path)
    if isinstance(system, MemoryFileSystem):
        raise EngineError(f"{address} is gone when its process ends: choose a folder or storage")


@contextmanager
def local_copy(name: str) -> Iterator[Path]:
    """A file on this machine: itself, or a copy that is removed afterwards; raises ``OSError``."""
    system, path = _place(name)
    if isinstance(system, LocalFileSystem):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, PurePosixPath(path).name)
        system.get_file(path, str(copy))
        yield copy


def read_tracks(client: Client, names: Sequence[str], out: str) -> list[Track]:
    """The contents of all files, each once, in the order in which they come first; then what is unreadable.

    What was read is kept below ``out``: a file whose size and time are the same is not read again.
    """
    starts = range(0, len(names), HASHED_AT_ONCE)
    groups = [names[start : start + HASHED_AT_ONCE] for start in starts]
    parts = [(f"{out}/contents/{number:06d}.json", group) for number, group in enumerate(groups)]
    contents = chain.from_iterable(spread(client, _read_contents, parts, "contents"))
    files = defaultdict(list)
    unreadable = []
    for name, (digest, reason) in zip(names, contents, strict=True):
        if reason:
            unreadable.append(Track("", (name,), reason))
        else:
            files[digest].append(name)
    return [Track(digest, tuple(names)) for digest, names in files.items()] + unreadable


def _read_contents(part: tuple[str, Sequence[str]]) -> list[tuple[str, str]]:
    """The SHA-256 of each file, or why it cannot be read."""
    url, names = part
    known: dict[str, list[str]] = {}
    with suppress(OSError, ValueError):
        known = json.loads(read_file(url))
    found: dict[str, list[str]] = {}
    contents = []
    for name in names:
        try:
            system, path = _place(name)
            state = system.ukey(path)
            if known.get(name, [""])[0] != state:
                if system.info(path)["type"] != "file":
                    raise OSError(NO_FILE)
                with system.open(path, "rb") as file:
                    known[name] = [state, hashlib.file_digest(file, "sha256").hexdigest()]
            found[name] = known[name]
            contents.append((found[name][1], ""))
        except FileNotFoundError:  # of which storage says the name alone
            contents.append(("", os.strerror(errno.ENOENT)))
        except (OSError, ValueError, ImportError) as error:  # an address without its package, too
            contents.append(("", getattr(error, "strerror", None) or str(error)))
    write_file(url, json.dumps(found).encode())
    return contents


def _parts(tracks: Sequence[Track], out: str, size: int, settings: str, named: bool = False) -> list[Tracks]:
    """Several tracks with the name of their file: a digest of contents, settings and names, if `named`."""
    parts = []
    for start in range(0, len(tracks), size):
        part = tracks[start : start + size]
        lines = [line for track in part for line in (track.digest, *(track.files if named else ()))]
        said = "\n".join([settings, *lines])
        name = hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()[:16]
        parts.append((f"{out}/{start // size:06d}-{name}", part))
    return parts


def extract(client: Client, names: Sequence[str], out: str, most: int, size: int) -> Extracted:
    """Write the features of all files, ``most`` segments of a track, into shards of ``size`` tracks.

    The workers of the engine must be able to read the files and write to ``out``; both may be addresses.
    Raises ``EngineError`` where some shard could not be written.
    """
    tracks = read_tracks(client, names, out)
    parts = _parts([track for track in tracks if track.digest], out, size, f"{FOLDER} {most}")
    seals = spread(client, functools.partial(_extract, most=most), parts, "shards")
    reasons = {digest: reason for seal in seals for digest, reason in seal["skipped"].items()}
    rows = [
        (escaped(name), track.digest, track.reason or reasons.get(track.digest, ""))
        for track in tracks
        for name in track.files
    ]
    try:
        write_index(out, [url.rpartition("/")[2] for url, _ in parts], rows)
    except OSError as error:
        raise EngineError(f"{out} cannot be written to: {error}; what is finished stays") from error
    kept = [count for seal in seals for _, count, _ in seal["tracks"]]
    skipped = [(name, reason) for name, _, reason in rows if reason]
    return Extracted(len(kept), sum(kept), len(parts), skipped)


def _extract(part: Tracks, most: int) -> Seal:
    """One shard, unless it is there."""
    url, tracks = part
    if seal := read_seal(url):
        return seal
    features, skipped = {}, {}
    for track in tracks:
        with local_copy(track.files[0]) as path:
            try:
                features[track.digest] = segments(path, most)
            except OSError:  # the disk or the network, not the track: another try may do better
                raise
            except Exception as error:  # no million tracks are lost over a fault in one
                skipped[track.digest] = track.said(error, path)
    return write_shard(url, features, skipped)


def estimate(client: Client, names: Sequence[str], out: str, weights: str | None, size: int) -> list[Row]:
    """Write the keys of all files to Parquet, a row a file: the columns of ``skey detect`` and an ``error``.

    Other estimates in ``out`` are removed; ``weights``, as for `KeyEstimator`, must be at the same place on
    all machines. Returns ``path`` and ``error`` of each file without a key; raises as `extract` does.
    """
    identity = _estimator(weights).listener.identity
    parts = _parts(read_tracks(client, names, out), out, size, f"{__version__} {identity}", named=True)
    failed = spread(client, functools.partial(_estimate, weights=weights), parts, "estimates")
    _keep_only([f"{url}.parquet" for url, _ in parts], out)
    return list(chain.from_iterable(failed))


def _estimate(part: Tracks, weights: str | None) -> list[Row]:
    """One file of estimates, unless it is there; returns the rows with an error."""
    import polars

    url, tracks = f"{part[0]}.parquet", part[1]
    try:
        table = polars.read_parquet(read_file(url))
    except (OSError, polars.exceptions.PolarsError):  # absent, or a part of it
        table = polars.DataFrame([row for track in tracks for row in _rows(track, weights)], _SCHEMA)
        buffer = io.BytesIO()
        table.write_parquet(buffer)
        write_file(url, buffer.getvalue())
    failed: list[Row] = table.filter(polars.col("error") != "").select("path", "error").to_dicts()
    return failed


_SCHEMA: dict[str, Any] = {  # columns of an estimate
    **{"path": str, "sha256": str, "key": str, "confidence": float},
    **{"runner_up": str, "runner_up_confidence": float, "tuning_cents": float, "duration": float},
    **{"reason": str, "error": str},
}


def _rows(track: Track, weights: str | None) -> Iterator[Row]:
    """The row of each file of a track, which is heard once."""
    row: Row = dict.fromkeys(_SCHEMA) | {"sha256": track.digest, "error": track.reason}
    if track.digest:
        with local_copy(track.files[0]) as path:
            [outcome] = _estimator(weights).estimate_many([path])
        if outcome.error:
            row["error"] = track.said(outcome.error, path)
        elif outcome.estimate:
            record = json.loads(Layout(Format.JSONL).entry("", outcome.estimate))
            row |= {name: record[name] for name in _SCHEMA if name in record}
    yield from (row | {"path": escaped(name)} for name in track.files)


_estimator = functools.cache(KeyEstimator)  # one a process


def _keep_only(urls: Sequence[str], out: str) -> None:
    """Remove the estimates of earlier runs; ``EngineError`` where another run removed some of these."""
    system, folder = _place(out)
    system.invalidate_cache()
    found = {PurePosixPath(path).name: path for path in system.ls(folder, detail=False)}
    kept = {PurePosixPath(url).name for url in urls}
    if missing := kept - found.keys():
        raise EngineError(f"{out}: {len(missing)} files are gone: does another run write there?")
    for name in found.keys() - kept:
        if re.fullmatch(r"[0-9]{6,}-[0-9a-f]{16}\.parquet", name):
            with suppress(FileNotFoundError):
                system.rm_file(found[name])
