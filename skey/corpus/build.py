"""Build the features of the open corpus: resumable, checksummed, in several processes."""

import ast
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import platformdirs
import torch
from filelock import FileLock
from jaxtyping import UInt8
from tqdm import tqdm

from skey import vqt
from skey.corpus.plan import Clip, Split, plan_clips, plan_songs, render_clip
from skey.corpus.processes import default_jobs, in_processes, rare_collection
from skey.corpus.shards import FeatureStore, Shard, is_sound, storage_errors, write_shard
from skey.inference import filters
from skey.inference.threads import one_thread

SHARD_CLIPS = 12
"""Clips in a shard: 1.5 MB, a few seconds of work to lose, and 48 or 240 clips fill two cores evenly."""

ClipFeatures = Callable[[Clip], UInt8[np.ndarray, "99 1292"]]
"""What turns a planned clip into its row of the store."""

PACKAGES = ("music21", "pretty_midi", "numpy", "scipy", "torch")
"""The packages that the notes, the sound and the features come from."""

_SOUNDLESS = frozenset(
    f"{name}.py"
    for name in (
        *("__init__", "build", "description", "fingerprint", "listening", "processes", "shards"),
        *("groups", "indexing", "packages", "tuning"),
    )
)
"""Modules of this folder that change no sample."""


def data_directory() -> Path:
    """Where built features lie: ``$SKEY_DATA``, or the user's cache folder for ``skey-companion``."""
    chosen = os.environ.get("SKEY_DATA")
    return Path(chosen or platformdirs.user_cache_dir("skey-companion")).expanduser()


def clip_features(clip: Clip) -> UInt8[np.ndarray, "99 1292"]:
    """Render one clip and return its log-VQT as bytes, uint8 (99, 1292), 255 = 1.25.

    One clip at a time and on one thread, so that neither the company of other clips nor the number of cores
    changes a byte.
    """
    wave = torch.from_numpy(render_clip(clip))
    with torch.inference_mode():
        features: np.ndarray = np.asarray(vqt.to_bytes(vqt.log_vqt(wave)))
    return features


@functools.cache
def recipe_digest() -> str:
    """Twelve hexadecimal digits that change when the code that makes the sound or the features changes.

    Comments and docstrings do not count; the versions of music21 (notes) and pretty_midi (SoundFont) do.
    Features made by older code lie in another folder and are never read by mistake.
    """
    here = Path(__file__).parent
    sources = [path for path in sorted(here.glob("*.py")) if path.name not in _SOUNDLESS]
    sources += [Path(str(module.__file__)) for module in (filters, vqt)]
    parts = [_bare_code(path) for path in sources]
    parts += [f"{package} {version(package)}" for package in PACKAGES[:2]]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def corpus_folder(split: Split, directory: Path | None = None) -> Path:
    """Where the shards of a split lie below the data directory (default: ``data_directory()``)."""
    return (directory or data_directory()) / "open-corpus" / recipe_digest() / split


def plan_shards(clips: Sequence[Clip], folder: Path) -> dict[Shard, tuple[Clip, ...]]:
    """Cut a plan into shards of ``SHARD_CLIPS`` clips, in order; each shard with its clips."""
    parts = [tuple(clips[start : start + SHARD_CLIPS]) for start in range(0, len(clips), SHARD_CLIPS)]
    return {Shard(folder, plan_digest(part)[:16], tuple(clip.id for clip in part)): part for part in parts}


def plan_digest(clips: Sequence[Clip]) -> str:
    """Sha256 (hexadecimal) of everything that is planned about these clips, in order."""
    planned = json.dumps([asdict(clip) for clip in clips], sort_keys=True, default=str)
    return hashlib.sha256(planned.encode()).hexdigest()


def open_store(
    split: Split, clips: int | None = None, seed: int = 0, directory: Path | None = None, verify: bool = True
) -> FeatureStore:
    """The built features of a split (``plan_clips`` says what ``clips`` and ``seed`` choose).

    Raises ``MissingFeatures`` where something was not built or is damaged.
    """
    shards = plan_shards(plan_clips(split, clips, seed), corpus_folder(split, directory))
    return FeatureStore(tuple(shards), verify)


def build(
    split: Split = "test",
    clips: int | None = None,
    jobs: int | None = None,
    seed: int = 0,
    directory: Path | None = None,
    progress: bool = False,
) -> FeatureStore:
    """Build what is missing or damaged of a split, and open it.

    ``clips`` limits the plan, ``jobs`` counts processes (default: the cores), ``directory`` replaces the data
    directory, ``progress`` shows a bar on standard error. It may be killed at any moment and started again,
    and may run several times at once. Raises ``StoreError`` where the disk is full or closed, ``WorkerLost``
    where the system ended a worker.
    """
    plan = plan_clips(split, clips, seed)
    folder = corpus_folder(split, directory)
    return build_clips(plan, folder, clip_features, jobs or default_jobs(), progress)


def build_songs(
    clips: int, jobs: int | None = None, directory: Path | None = None, progress: bool = False
) -> FeatureStore:
    """Build what is missing of the songs for training (``plan_songs``), and open it; see ``build``."""
    folder = corpus_folder("train", directory).with_name("songs")
    return build_clips(plan_songs(clips), folder, clip_features, jobs or default_jobs(), progress)


def build_clips(
    plan: Sequence[Clip],
    folder: Path,
    features: ClipFeatures,
    jobs: int = 1,
    progress: bool = False,
) -> FeatureStore:
    """Build the features of any planned clips below ``folder``; raises as ``build`` does.

    ``features`` makes the row of one clip; with ``jobs`` above 1 it must be importable by other processes.
    """
    shards = plan_shards(plan, folder)
    todo = [(shard, part, features) for shard, part in shards.items() if not is_sound(shard)]
    done = len(plan) - sum(len(part) for _, part, _ in todo)
    with tqdm(total=len(plan), initial=done, unit="clip", disable=not progress) as bar:
        for clips_built in _run(todo, min(jobs, len(todo))):
            bar.update(clips_built)
    return FeatureStore(tuple(shards))


Task = tuple[Shard, tuple[Clip, ...], ClipFeatures]


def _run(todo: Sequence[Task], jobs: int) -> Iterator[int]:
    """Build the shards here or in processes; yields the number of clips of each finished one."""
    return in_processes(_build_shard, todo, jobs) if jobs > 1 else map(_build_shard, todo)


def _build_shard(task: Task) -> int:
    """Build one shard under its lock, unless another builder has done so; returns its number of clips."""
    shard, clips, features = task
    with storage_errors(shard.folder):
        shard.lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(shard.lock_path).acquire()
    with lock, one_thread(), rare_collection():
        if not is_sound(shard):
            write_shard(shard, np.stack([features(clip) for clip in clips]), package_versions())
    return len(clips)


def package_versions() -> dict[str, str]:
    """The installed version of each package that the features depend on."""
    return {package: version(package) for package in PACKAGES}


def _bare_code(path: Path) -> str:
    """The source of a module without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [statement for statement in body if not _is_text(statement)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is nothing but a string, as docstrings are."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
