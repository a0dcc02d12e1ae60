"""Features are built once, whatever kills the builders; they are whole or absent, and damage is found."""

import errno
import os
import signal
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from test_processes import wait_until

from skey.corpus.build import (
    FeatureStore,
    MissingFeatures,
    Shard,
    bare_code,
    build_clips,
    data_directory,
    plan_digest,
    plan_shards,
    write_shard,
)
from skey.corpus.plan import Clip
from skey.errors import SkeyError
from skey.keys import Key

HERE = Path(__file__).parent
CLIPS = 30
LOG = "SKEY_TEST_LOG"

BUILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); from test_corpus_build import *\n"
    "print(build_clips(planned(), Path(sys.argv[2]), stuck).digest())"
)


def planned(clips: int = CLIPS) -> list[Clip]:
    """Clips that no piece stands behind: their sound is made up."""
    return [
        Clip(f"c{n}", f"p{n}", "tunes", f"g{n}", "test", "full", Key(n % 12, "major"), f"p{n}|0|0", (0.0,))
        for n in range(clips)
    ]


def noise(clip: Clip) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(clip.id.encode())).integers(0, 256, (99, 1292), np.uint8)


def slow_noise(clip: Clip) -> np.ndarray:
    time.sleep(0.03)
    if LOG in os.environ:
        with Path(os.environ[LOG]).open("a") as log:
            log.write(f"{clip.id}\n")
    return noise(clip)


def stuck(clip: Clip) -> np.ndarray:
    """Such noise, but never that of a clip in the middle of the second shard."""
    return noise(clip) if clip.id != "c17" else time.sleep(600)


def refused(clip: Clip) -> np.ndarray:
    raise SkeyError(f"cannot play {clip.id}")


def change(shard: Shard, position: int) -> None:
    content = bytearray(shard.array_path.read_bytes())
    content[position] ^= 64
    shard.array_path.write_bytes(content)


def test_a_built_store_holds_every_clip_in_order_whatever_the_processes(tmp_path):
    store = build_clips(planned(), tmp_path / "one", noise)
    assert store.clip_ids == tuple(clip.id for clip in planned())
    np.testing.assert_array_equal(store["c17"], noise(planned()[17]))
    assert sorted(len(shard.clip_ids) for shard in store.shards) == [6, 12, 12]
    assert build_clips(planned(), tmp_path / "two", noise, jobs=2).digest() == store.digest()


def test_a_killed_build_goes_on_where_it_stopped(tmp_path):
    whole = build_clips(planned(), tmp_path / "whole", noise).digest()
    folder = tmp_path / "killed"
    builder = subprocess.Popen([sys.executable, "-c", BUILD, HERE, folder], stdout=subprocess.PIPE, text=True)
    assert wait_until(lambda: any(folder.glob("*.json")))
    builder.send_signal(signal.SIGKILL)
    assert builder.communicate()[0] == "" and builder.returncode == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert 1 <= len(finished) < 3
    assert build_clips(planned(), folder, noise).digest() == whole
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_two_builds_at_once_share_the_work(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv(LOG, str(log))
    with ThreadPoolExecutor(2) as pool:
        stores = list(pool.map(build_clips, [planned()] * 2, [tmp_path / "both"] * 2, [slow_noise] * 2))
    assert stores[0].digest() == stores[1].digest()
    assert sorted(log.read_text().split()) == sorted(clip.id for clip in planned())


def test_a_changed_byte_is_mended_and_nothing_else_is_touched(tmp_path):
    store = build_clips(planned(), tmp_path, noise)
    digest, victim = store.digest(), store.shards[1]
    times = {shard: shard.array_path.stat().st_mtime_ns for shard in store.shards}
    change(victim, 70_000)
    assert [shard for shard in store.shards if not shard.is_sound()] == [victim]
    assert build_clips(planned(), tmp_path, noise).digest() == digest
    kept = [shard for shard in store.shards if shard != victim]
    assert all(shard.array_path.stat().st_mtime_ns == times[shard] for shard in kept)


def test_a_finished_build_computes_nothing_and_a_larger_plan_takes_over_its_shards(tmp_path):
    small = build_clips(planned(24), tmp_path, noise)
    assert build_clips(planned(24), tmp_path, refused).digest() == small.digest()
    large = build_clips(planned(36), tmp_path, noise)
    assert large.shards[:2] == small.shards and len(list(tmp_path.glob("*.npy"))) == 3


def test_an_error_while_rendering_leaves_no_shard(tmp_path):
    with pytest.raises(SkeyError, match="cannot play c0"):
        build_clips(planned(), tmp_path, refused)
    assert not list(tmp_path.glob("*.npy")) and not list(tmp_path.glob("*.json"))


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SkeyError, match="SKEY_DATA"):
        build_clips(planned(), tmp_path / "file" / "below", noise)


def test_a_shard_is_named_by_everything_planned_about_its_clips(tmp_path):
    clips = planned()
    moved = [replace(clips[0], key=Key(1, "minor")), *clips[1:]]
    assert plan_digest(clips) == plan_digest(planned()) != plan_digest(moved)
    names = [[shard.name for shard in plan_shards(plan, tmp_path)] for plan in (clips, moved)]
    assert names[0][0] != names[1][0] and names[0][1:] == names[1][1:]


def test_comments_do_not_outdate_features_but_code_does():
    code = "def gain(x: float) -> float:\n    return x * 2"
    assert bare_code(f'"""One."""\n\n\n{code}\n') == code
    assert bare_code(code.replace("  return", '  """Louder."""\n    # twice\n    return')) == code
    assert bare_code(code.replace("2", "3")) != code


def test_the_data_directory_follows_the_environment(monkeypatch):
    monkeypatch.setenv("SKEY_DATA", "/somewhere/else")
    assert data_directory() == Path("/somewhere/else")
    monkeypatch.delenv("SKEY_DATA")
    assert "skey-companion" in str(data_directory())


def made_up(clips: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (clips, 99, 1292), np.uint8)


@pytest.fixture
def two_shards(tmp_path):
    first = Shard(tmp_path, "first", ("a", "b", "c"))
    second = Shard(tmp_path, "second", ("d",))
    write_shard(first, made_up(3), {})
    write_shard(second, made_up(1, seed=1), {})
    return first, second


def test_a_store_gives_back_the_bytes_of_each_clip_by_memory_map(two_shards):
    store = FeatureStore(two_shards)
    assert store.clip_ids == ("a", "b", "c", "d") and len(store) == 4
    np.testing.assert_array_equal(store["c"], made_up(3)[2])
    np.testing.assert_array_equal(store[3], made_up(1, seed=1)[0])
    assert isinstance(store["a"], np.memmap) and not store["a"].flags.writeable
    with pytest.raises(KeyError, match="nowhere"):
        store["nowhere"]


@pytest.mark.parametrize(
    "damage",
    [
        *(partial(change, position=position) for position in (0, 127, 128, -1)),
        lambda shard: shard.array_path.write_bytes(shard.array_path.read_bytes()[:-1]),
        lambda shard: shard.array_path.unlink(),
        lambda shard: shard.manifest_path.unlink(),
    ],
    ids=["byte 0", "byte 127", "byte 128", "last byte", "shortened", "gone", "no manifest"],
)
def test_a_damaged_shard_does_not_count(two_shards, damage):
    damage(two_shards[0])
    assert [shard.is_sound() for shard in two_shards] == [False, True]
    with pytest.raises(MissingFeatures, match="3 of 4 clips"):
        FeatureStore(two_shards)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"clips": ["a"]}', '{"clips": 3, "plan": "first"}'])
def test_a_broken_manifest_counts_as_none(two_shards, text):
    two_shards[0].manifest_path.write_text(text, encoding="utf-8")
    assert two_shards[0].recorded_checksum() is None
    assert replace(two_shards[1], clip_ids=("a",)).recorded_checksum() is None, "of other clips"


def test_the_digest_follows_the_bytes(two_shards):
    before = FeatureStore(two_shards).digest()
    write_shard(two_shards[1], made_up(1, seed=1), {})
    assert FeatureStore(two_shards).digest() == before
    write_shard(two_shards[1], made_up(1, seed=2), {})
    assert FeatureStore(two_shards).digest() != before


def test_a_builder_killed_while_writing_leaves_nothing_that_counts(tmp_path, monkeypatch):
    shard = Shard(tmp_path, "torn", ("a",))
    monkeypatch.setattr("os.fsync", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_shard(shard, made_up(1), {})
    assert not shard.array_path.exists() and not shard.is_sound()
    monkeypatch.undo()
    write_shard(shard, made_up(1), {})
    assert shard.is_sound() and not list(tmp_path.glob("*.partial"))


def test_a_full_disk_says_what_to_do(tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("os.fsync", Mock(side_effect=full))
    with pytest.raises(SkeyError, match=r"No space left on device.*SKEY_DATA"):
        write_shard(Shard(tmp_path, "big", ("a",)), made_up(1), {})
