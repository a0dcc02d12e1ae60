"""What each stage of an estimate, and of training S-KEY on many tracks, takes of one core."""

import hashlib
import tempfile
from pathlib import Path

import click
import numpy as np

from skey.audio import normalise, stream_array
from skey.cli.measure import FORMATS, MINUTES, RUNS, show, write_recording
from skey.cli.step import BATCH, Stage, in_turn, ways_to_step
from skey.estimator import KeyEstimator
from skey.experiments import find_experiment
from skey.files.decoding import decoded
from skey.inference.spectrum import log_vqt
from skey.inference.tonality import measure_tonality
from skey.training.data import Pool
from skey.training.recordings import Recordings, segments
from skey.training.shards import open_shards, write_index, write_shard

TRACKS = 8  # tracks in the shard that is written and read


@click.command(params=[MINUTES(default=3.0), RUNS(default=3)])
def stages(minutes: float, runs: int) -> None:
    """CPU seconds of each stage of an estimate, and of training S-KEY on many tracks, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        track = Path(folder) / "track.mp3"
        write_recording(track, 60 * minutes, FORMATS["mp3"])
        estimates, features = _of_estimates(track, minutes), _of_features(track, Path(folder) / "shards")
        show(in_turn([*estimates, *features, *ways_to_step(find_experiment("skey"))], runs), as_json=True)


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
        write_shard(str(out / "0"), dict.fromkeys(digests, features), {})
        write_index(str(out), ["0"], [])

    write()
    pool = Pool.of(Recordings(open_shards(out)[0]))
    batches = [range(start, start + BATCH) for start in range(0, len(pool) - BATCH + 1, BATCH)]
    pairs, pair_bytes = BATCH * len(batches), 2 * features[0].nbytes
    return [
        Stage("checksum", "track", 1, lambda: hashlib.sha256(track.read_bytes()), track.stat().st_size),
        Stage("features", "track", 1, lambda: segments(track)),
        Stage("write shards", "track", TRACKS, write, features.nbytes),
        Stage("check shards", "track", TRACKS, lambda: open_shards(out), features.nbytes),
        Stage("read shards", "pair", pairs, lambda: [pool.segments(each, 1) for each in batches], pair_bytes),
    ]
