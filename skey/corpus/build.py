"""The features of the open corpus on disk: built in processes, resumable, checksummed."""

import ast
import contextlib
import functools
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from skey import vqt
from skey.corpus.pieces import Split
from skey.corpus.plan import Clip, plan_clips, plan_songs, render_clip
from skey.corpus.processes import default_jobs, in_processes, rare_collection
from skey.errors import SkeyError
from skey.files.folders import data_directory, write_whole
from skey.inference import filters
from skey.inference.threads import one_thread
from skey.shapes import UInt8

SHARD_CLIPS = 12  # in a shard: 1.5 MB, a few seconds of work to lose
Features = UInt8[np.ndarray, "clips 99 1292"]  # 255 = 1.25 (``skey.vqt.to_bytes``)
ClipFeatures = Callable[[Clip], UInt8[np.ndarray, "99 1292"]]  # makes the row of a clip
PACKAGES = ("music21", "pretty_midi", "numpy", "scipy", "torch")  # what features depend on
_SOUNDLESS = ("__init__", "build", "listening", "packages", "processes")  # change no sample


class MissingFeatures(SkeyError):
    """Some shard was never built or is damaged; the message says how many clips are affected."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Consecutive clips of a plan, ``clip_ids``; ``name`` is their digest, ``folder`` that of the code."""

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

    def recorded_checksum(self) -> str | None:
        """The sha256 that the manifest gives; None where it is absent, unreadable or of other clips."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            manifest = json.loads(self.manifest_path.read_text(encoding="utf-8"))
            if tuple(manifest["clips"]) == self.clip_ids and manifest["plan"] == self.name:
                return str(manifest["sha256"])
        return None

    def is_sound(self) -> bool:
        """Whether the shard is there, sealed, and every byte of its array is the one that was written."""
        with contextlib.suppress(OSError), self.array_path.open("rb") as file:
            return self.recorded_checksum() == hashlib.file_digest(file, "sha256").hexdigest()
        return False


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Make a folder, and raise ``SkeyError`` for what the system says there about a full or closed disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise SkeyError(
            f"cannot keep the corpus in {folder}: {error.strerror or error}. "
            "Free some space there (a clip takes 128 kB), or set the environment variable SKEY_DATA "
            "to a folder you may write to."
        ) from error


def npy_bytes(features: UInt8[np.ndarray, "..."]) -> bytes:
    """The file that ``np.save`` would write."""
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    return buffer.getvalue()


def write_shard(shard: Shard, features: Features, versions: Mapping[str, str]) -> None:
    """Write uint8 features, a row a clip, then the manifest that seals them; raises ``SkeyError``."""
    content = npy_bytes(features)
    checksum = hashlib.sha256(content).hexdigest()
    manifest = {"clips": shard.clip_ids, "sha256": checksum, "plan": shard.name, "versions": dict(versions)}
    with storage_errors(shard.folder):
        write_whole(shard.array_path, content)
        write_whole(shard.manifest_path, json.dumps(manifest, indent=1, sort_keys=True).encode())


class FeatureStore:
    """The features of clips in order, read by memory map from shards, sound or ``MissingFeatures``."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)
        self.clip_ids = tuple(clip for shard in self.shards for clip in shard.clip_ids)
        if bad := [shard for shard in self.shards if not shard.is_sound()]:
            clips = sum(len(shard.clip_ids) for shard in bad)
            raise MissingFeatures(f"the features of {clips} of {len(self)} clips are missing or damaged")
        self._rows = [row for shard in self.shards for row in np.load(shard.array_path, mmap_mode="r")]
        self._places = {clip: place for place, clip in enumerate(self.clip_ids)}

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, clip: str | int) -> UInt8[np.ndarray, "99 1292"]:
        """The log-VQT bytes of one clip, by id or by place; raises ``KeyError`` or ``IndexError``."""
        features: np.ndarray = self._rows[self._places[clip] if isinstance(clip, str) else clip]
        return features

    def digest(self) -> str:
        """One sha256 (hexadecimal) over the checksums of all shards: same bytes, same digest."""
        sums = "".join(shard.recorded_checksum() or "missing" for shard in self.shards)
        return hashlib.sha256(sums.encode()).hexdigest()


def clip_features(clip: Clip, font: Path | None = None) -> UInt8[np.ndarray, "99 1292"]:
    """Render one clip, alone and on one thread; its log-VQT as bytes, uint8 (99, 1292), 255 = 1.25."""
    with torch.inference_mode():
        return np.asarray(vqt.to_bytes(vqt.log_vqt(torch.from_numpy(render_clip(clip, font)))))


@functools.cache
def recipe_digest() -> str:
    """Twelve hexadecimal digits of the code (no comments or docstrings) and packages that make the sound."""
    sources = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem not in _SOUNDLESS]
    sources += [Path(str(module.__file__)) for module in (filters, vqt)]
    parts = [bare_code(path.read_text(encoding="utf-8")) for path in sources]
    parts += [f"{package} {version(package)}" for package in PACKAGES[:2]]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def bare_code(source: str) -> str:
    """A module without docstrings, comment lines and empty lines: a text, which every Python reads alike."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(ast.Constant(str()), lineno=first, end_lineno=int(last)):
                lines[first - 1 : last] = [""] * (last - first + 1)
    return "\n".join(line for line in lines if line.strip() and not line.strip().startswith("#"))


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


def open_store(split: Split, clips: int | None = None, *, directory: Path | None = None) -> FeatureStore:
    """The built features of a split (see ``plan_clips``); raises ``MissingFeatures``."""
    return FeatureStore(tuple(plan_shards(plan_clips(split, clips), corpus_folder(split, directory))))


def build(
    split: Split = "test",
    clips: int | None = None,
    jobs: int | None = None,
    seed: int = 0,
    directory: Path | None = None,
    progress: bool = False,
) -> FeatureStore:
    """Build what is missing or damaged of a split (the first ``clips``), and open it; else ``SkeyError``.

    It may be killed at any moment and started again, and may run several times at once.
    """
    plan = plan_clips(split, clips, seed)
    return build_clips(plan, corpus_folder(split, directory), clip_features, jobs, progress)


def build_songs(clips: int, jobs: int | None, progress: bool, seed: int, font: Path | None) -> FeatureStore:
    """Build what is missing of ``plan_songs``, and open it; another SoundFont has a folder of its own."""
    name = f"songs-{font_digest(font)}" if font else "songs"
    folder = corpus_folder("train").with_name(name)
    features = functools.partial(clip_features, font=font) if font else clip_features
    return build_clips(plan_songs(clips, seed), folder, features, jobs, progress)


@functools.cache
def font_digest(font: Path) -> str:
    """Twelve hexadecimal digits of the content of a SoundFont; raises ``OSError``."""
    with font.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def build_clips(
    plan: Sequence[Clip], folder: Path, features: ClipFeatures, jobs: int | None = 1, progress: bool = False
) -> FeatureStore:
    """Build clips' features below ``folder`` in ``jobs`` processes (None: one for each core)."""
    shards = plan_shards(plan, folder)
    todo = [(shard, part, features) for shard, part in shards.items() if not shard.is_sound()]
    done, jobs = len(plan) - sum(len(part) for _, part, _ in todo), min(jobs or default_jobs(), len(todo))
    with tqdm(total=len(plan), initial=done, unit="clip", disable=not progress) as bar:
        for built in in_processes(_build_shard, todo, jobs) if jobs > 1 else map(_build_shard, todo):
            bar.update(built)
    return FeatureStore(tuple(shards))


def _build_shard(task: tuple[Shard, tuple[Clip, ...], ClipFeatures]) -> int:
    """Build one shard under its lock, unless another builder has done so; returns its number of clips."""
    shard, clips, features = task
    locks = shard.folder / "locks"
    with storage_errors(locks):
        lock = FileLock(locks / f"{shard.name}.lock").acquire()
    with lock, one_thread(), rare_collection():
        if not shard.is_sound():
            versions = {package: version(package) for package in PACKAGES}
            write_shard(shard, np.stack([features(clip) for clip in clips]), versions)
    return len(clips)
