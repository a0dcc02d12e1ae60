"""What each stage of an estimate, and of training on many tracks, takes of one core."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from skey.audio import normalise, stream_array
from skey.cli.measure import FORMATS, write_recording
from skey.estimator import KeyEstimator
from skey.experiments import at_scale, find_experiment
from skey.files.decoding import decoded
from skey.inference.spectrum import log_vqt
from skey.inference.threads import one_blas_thread, one_thread
from skey.inference.tonality import measure_tonality
from skey.training.data import Pool
from skey.training.loop import Machine
from skey.training.recordings import Recordings, segments
from skey.training.shards import open_shards, write_index, write_shard
from skey.training.speed import ways_to_step

TRACKS = 8  # tracks in the shard that is written and read
BATCH = 16  # pairs of segments in a step of training, and in a batch that is read


@dataclass(frozen=True, slots=True)
class Stage:
    """Work that is timed: ``units`` times a ``minute`` of sound, a ``track`` or a ``pair`` of segments.

    ``bytes`` of one of these are read or written.
    """

    name: str
    of: str
    units: int | float
    run: Callable[[], object]
    bytes: int = 0


def measure_stages(minutes: float, runs: int) -> list[dict[str, Any]]:
    """All stages, for a made-up mp3 of so many minutes and the training of S-KEY; see `_measured`."""
    with tempfile.TemporaryDirectory() as folder, one_thread(), one_blas_thread:
        track = Path(folder) / "track.mp3"
        write_recording(track, 60 * minutes, FORMATS["mp3"])
        estimates, features = _of_estimates(track, minutes), _of_features(track, Path(folder) / "shards")
        return _measured([*estimates, *features, *_of_training("skey")], runs)


def measure_training(experiment: str, runs: int) -> list[dict[str, Any]]:
    """A training step of a system in three ways; see `_measured`. Raises ``SkeyError`` for no ChromaNet."""
    with one_thread(), one_blas_thread:
        return _measured(_of_training(experiment), runs)


def _measured(stages: Sequence[Stage], runs: int) -> list[dict[str, Any]]:
    """A row a stage, which take turns; of one ``bytes`` and ``cpu_seconds``, the median of ``runs`` turns."""
    turns = [[_cpu_seconds(stage) for stage in stages] for _ in range(runs)]
    return [
        {"stage": stage.name, "of": stage.of, "cpu_seconds": median(seconds), "bytes": stage.bytes}
        for stage, *seconds in zip(stages, *turns, strict=True)
    ]


def _of_estimates(track: Path, minutes: float) -> list[Stage]:
    """The stages of an estimate, and a whole one."""
    estimator, blocks = KeyEstimator(), list(decoded(track))
    rate, samples = blocks[0][0], np.concatenate([block for _, block in blocks])
    windows = list(stream_array(samples, rate, estimator.listener.window_seconds))
    features = [log_vqt(normalise(window)) for window in windows]
    return [
        Stage("decode", "minute", minutes, lambda: list(decoded(track))),
        Stage("mix and resample", "minute", minutes, lambda: list(stream_array(samples, rate))),
        Stage("tonality and tuning", "minute", minutes, lambda: [measure_tonality(each) for each in windows]),
        Stage("log-VQT", "minute", minutes, lambda: [log_vqt(normalise(each)) for each in windows]),
        Stage("network", "minute", minutes, lambda: [estimator.listener.profile(each) for each in features]),
        Stage("estimate", "track", 1, lambda: estimator.estimate(track)),
    ]


def _of_features(track: Path, out: Path) -> list[Stage]:
    """The stages from a track to a batch of training."""
    features = segments(track)
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(TRACKS)]

    def write() -> None:
        shutil.rmtree(out, ignore_errors=True)
        write_shard(str(out / "0"), dict.fromkeys(digests, features), {})
        write_index(str(out), ["0"], [])

    def read() -> None:
        for batch in batches:
            pool.segments(batch, 1)

    write()
    pool = Pool.of(Recordings(open_shards(out)[0]))
    batches = [range(start, start + BATCH) for start in range(0, len(pool) - BATCH + 1, BATCH)]
    return [
        Stage("checksum", "track", 1, lambda: hashlib.sha256(track.read_bytes()), track.stat().st_size),
        Stage("features", "track", 1, lambda: segments(track)),
        Stage("write shards", "track", TRACKS, write, features.nbytes),
        Stage("check shards", "track", TRACKS, lambda: open_shards(out), features.nbytes),
        Stage("read shards", "pair", BATCH * len(batches), read, 2 * features[0].nbytes),
    ]


def _of_training(experiment: str) -> list[Stage]:
    """A step in three ways, in the precision that `skey train` would choose here."""
    ours = at_scale(find_experiment(experiment), batch=BATCH)
    ways = ways_to_step(ours, Machine().uses_half_precision())
    return [Stage(f"step, {way}", "pair", BATCH, step) for way, step in ways.items()]


def _cpu_seconds(stage: Stage) -> float:
    """Of this process, for one unit."""
    began = time.process_time()
    stage.run()
    return (time.process_time() - began) / stage.units
