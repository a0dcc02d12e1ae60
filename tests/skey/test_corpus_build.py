"""The corpus is built once, whatever kills the builders, and damage is found and mended."""

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skey.corpus import build as build_module
from skey.corpus.build import build_clips, data_directory, plan_digest, plan_shards, recipe_digest
from skey.corpus.plan import Clip
from skey.corpus.shards import CLIP_SHAPE, StoreError, is_sound
from skey.errors import SkeyError
from skey.inference.threads import one_thread
from skey.keys import Key

HERE = Path(__file__).parent
CLIPS = 30
LOG = "SKEY_TEST_LOG"

BUILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); from test_corpus_build import *\n"
    "print(build_clips(planned(), Path(sys.argv[2]), slow_noise).digest())"
)


def planned(clips: int = CLIPS) -> list[Clip]:
    """Clips that no piece stands behind: their sound is made up."""
    return [
        Clip(f"c{n}", f"p{n}", "tunes", f"g{n}", "test", "full", Key(n % 12, "major"), f"p{n}|0|0", (0.0,))
        for n in range(clips)
    ]


def noise(clip: Clip) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(clip.id.encode())).integers(0, 256, CLIP_SHAPE, np.uint8)


def slow_noise(clip: Clip) -> np.ndarray:
    time.sleep(0.03)
    if LOG in os.environ:
        with Path(os.environ[LOG]).open("a") as log:
            log.write(f"{clip.id}\n")
    return noise(clip)


def refused(clip: Clip) -> np.ndarray:
    raise SkeyError(f"cannot play {clip.id}")


def start_building(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", BUILD, HERE, folder], stdout=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)


def test_a_built_store_holds_every_clip_in_order(tmp_path: Path) -> None:
    store = build_clips(planned(), tmp_path, noise)
    assert store.clip_ids == tuple(clip.id for clip in planned())
    np.testing.assert_array_equal(store["c17"], noise(planned()[17]))
    assert sorted(len(shard.clip_ids) for shard in store.shards) == [6, 12, 12]


def test_a_killed_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = build_clips(planned(), tmp_path / "whole", noise).digest()
    folder, builder = tmp_path / "killed", start_building(tmp_path / "killed")
    wait_until(lambda: any(folder.glob("*.json")))
    time.sleep(0.1)
    builder.send_signal(signal.SIGKILL)
    assert builder.communicate()[0] == "" and builder.returncode == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert 1 <= len(finished) < 3
    assert build_clips(planned(), folder, noise).digest() == whole
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_two_builds_at_once_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv(LOG, str(log))
    other = start_building(tmp_path / "both")
    wait_until(log.exists)
    digest = build_clips(planned(), tmp_path / "both", slow_noise).digest()
    assert other.communicate(timeout=60)[0].strip() == digest
    assert sorted(log.read_text().split()) == sorted(clip.id for clip in planned())


def test_several_processes_make_the_same_bytes_as_one(tmp_path: Path) -> None:
    one = build_clips(planned(), tmp_path / "one", noise, jobs=1)
    two = build_clips(planned(), tmp_path / "two", noise, jobs=2)
    assert one.digest() == two.digest()


def test_a_changed_byte_is_mended_and_nothing_else_is_touched(tmp_path: Path) -> None:
    store = build_clips(planned(), tmp_path, noise)
    digest, victim = store.digest(), store.shards[1]
    times = {shard: shard.array_path.stat().st_mtime_ns for shard in store.shards}
    content = bytearray(victim.array_path.read_bytes())
    content[70_000] ^= 64
    victim.array_path.write_bytes(content)
    assert not is_sound(victim) and store.damaged() == (victim,)
    assert build_clips(planned(), tmp_path, noise).digest() == digest
    kept = [shard for shard in store.shards if shard != victim]
    assert all(shard.array_path.stat().st_mtime_ns == times[shard] for shard in kept)


def test_a_finished_build_computes_nothing_and_needs_no_writing(tmp_path: Path) -> None:
    digest = build_clips(planned(), tmp_path, noise).digest()
    assert build_clips(planned(), tmp_path, refused).digest() == digest


def test_a_larger_plan_takes_over_the_shards_of_a_smaller_one(tmp_path: Path) -> None:
    small = build_clips(planned(24), tmp_path, noise)
    large = build_clips(planned(36), tmp_path, noise)
    assert large.shards[:2] == small.shards and len(list(tmp_path.glob("*.npy"))) == 3


def test_an_error_while_rendering_leaves_no_shard(tmp_path: Path) -> None:
    with pytest.raises(SkeyError, match="cannot play c0"):
        build_clips(planned(), tmp_path, refused)
    assert not list(tmp_path.glob("*.npy")) and not list(tmp_path.glob("*.json"))


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="SKEY_DATA"):
        build_clips(planned(), tmp_path / "file" / "below", noise)


def test_the_progress_bar_counts_clips_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_clips(planned(), tmp_path, noise, progress=True)
    captured = capsys.readouterr()
    assert f"{CLIPS}/{CLIPS}" in captured.err and captured.out == ""


def test_a_shard_is_named_by_everything_planned_about_its_clips(tmp_path: Path) -> None:
    clips = planned()
    moved = [replace(clips[0], key=Key(1, "minor")), *clips[1:]]
    assert plan_digest(clips) == plan_digest(planned()) != plan_digest(moved)
    names = [[shard.name for shard in plan_shards(plan, tmp_path)] for plan in (clips, moved)]
    assert names[0][0] != names[1][0] and names[0][1:] == names[1][1:]


def test_comments_do_not_outdate_features_but_code_does(tmp_path: Path) -> None:
    texts = [
        '"""One."""\n\n\ndef gain(x: float) -> float:\n    return x * 2\n',
        'def gain(x: float) -> float:\n    """Louder."""\n    # twice\n    return x * 2\n',
        "def gain(x: float) -> float:\n    return x * 3\n",
    ]
    codes = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.py").write_text(text, encoding="utf-8")
        codes.append(build_module._bare_code(tmp_path / f"{number}.py"))
    assert codes[0] == codes[1] != codes[2]
    assert len(recipe_digest()) == 12


def test_the_data_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKEY_DATA", "/somewhere/else")
    assert data_directory() == Path("/somewhere/else")
    monkeypatch.delenv("SKEY_DATA")
    assert "skey-companion" in str(data_directory())


def test_the_number_of_threads_is_given_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
