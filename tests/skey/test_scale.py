"""Many tracks on several workers: none is lost or comes twice, and training reads what it always read."""

import errno
import hashlib
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import dask
import fsspec
import numpy as np
import polars
import psutil
import pytest
import torch
from click.testing import CliRunner
from distributed import Client, LocalCluster
from test_recordings import write_music
from test_training import small
from webdataset.tariterators import group_by_keys, tar_file_expander

from skey.cli import main, scale
from skey.cli.scale import KEPT_MEMORY, EngineError, _keep_only, engine, estimate, extract, read_manifest
from skey.corpus.build import npy_bytes
from skey.training.data import load_data
from skey.training.loop import Machine, Run
from skey.training.recordings import MOST_SEGMENTS, NO_FILE, Recordings, segments
from skey.training.shards import ShardError, open_audio, open_shards, read_file, write_file

CLIPS = 24
SHARD = 4

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Tracks of two segments, one of them under a second name too, and a broken one."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(CLIPS):
        write_music(folder / f"{number:02d}.flac", 30, number)
    (folder / "again.flac").write_bytes((folder / "07.flac").read_bytes())
    (folder / "broken.mp3").write_bytes(b"no music at all")
    return folder


@pytest.fixture(scope="module")
def client():
    """The engine inside this process."""
    with (
        LocalCluster(
            1, threads_per_worker=1, processes=False, dashboard_address=":0", silence_logs=logging.ERROR
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def shards(music, client, tmp_path_factory):
    """The shards of an undisturbed run."""
    out = tmp_path_factory.mktemp("shards")
    extract(client, read_manifest(music), str(out), MOST_SEGMENTS, SHARD)
    return out


TRAIN = """
import os, pickle, signal, sys
from pathlib import Path
from skey.training.data import load_data
from skey.training.loop import Machine, Run

def die_in_the_second_epoch(self, number, batch, step=Run._step):
    if (self.state.epoch, number, self.fabric.global_rank) == (1, 3, 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, batch)

Run._step = die_in_the_second_epoch
if __name__ == "__main__":
    experiment, shards, out = pickle.loads(Path(sys.argv[1]).read_bytes())
    Run(experiment, 0, load_data(experiment, audio=[shards]), out, Machine("cpu", 2, False)).train()
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_a_worker_that_is_killed_loses_no_track_and_no_track_comes_twice(music, shards, tmp_path):
    killed = []

    def kill_one(pids: dict[str, int]) -> None:
        while not list(tmp_path.glob("*.json")):
            time.sleep(0.01)
        psutil.Process(next(iter(pids.values()))).kill()
        killed.append(len(list(tmp_path.glob("*.json"))))

    with engine("local", 2) as both:
        murder = threading.Thread(target=kill_one, args=(both.run(os.getpid),))
        murder.start()
        done = extract(both, read_manifest(music), str(tmp_path), MOST_SEGMENTS, SHARD)
        murder.join()
    assert killed[0] < done.shards
    assert (done.tracks, done.segments) == (CLIPS, 2 * CLIPS)
    assert contents(tmp_path) == contents(shards)


def test_one_local_worker_is_one_that_keeps_freed_memory_whatever_scheduler_dask_knows():
    with dask.config.set({"scheduler-address": "tcp://127.0.0.1:1"}), engine("local", 1) as alone:
        kept = alone.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_")
    assert list(kept.values()) == [str(KEPT_MEMORY["MALLOC_TRIM_THRESHOLD_"])]


def test_each_content_is_in_the_shards_once_and_what_is_unreadable_is_listed(music, shards):
    tracks, skipped = open_shards(shards)
    files = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(music.glob("[0-9]*.flac"))]
    assert sorted(track.digest for track in tracks) == sorted(files)
    assert [each.path.name for each in skipped] == ["broken.mp3"]
    assert skipped[0].reason.startswith("not a readable sound file")


def test_webdataset_streams_the_shards_and_finds_the_bytes_that_training_caches(music, shards):
    samples = []
    for archive in sorted(shards.glob("*.tar")):
        with archive.open("rb") as stream:
            samples += group_by_keys(tar_file_expander([{"url": str(archive), "stream": stream}]))
    assert len(samples) == CLIPS
    assert samples[0]["npy"] == npy_bytes(segments(music / "00.flac"))
    assert json.loads(samples[0]["json"]) == {"segments": 2}


def test_training_from_shards_reads_what_it_reads_from_the_files_and_has_its_losses(
    music, shards, tmp_path, monkeypatch
):
    monkeypatch.setenv("SKEY_DATA", str(tmp_path / "data"))
    experiment = replace(small("stone", epochs=1), clips=0, unlabelled=0)
    files, sealed = (load_data(experiment, jobs=1, audio=[place]) for place in (music, shards))
    assert (files.digest, files.clips, files.tracks) == (sealed.digest, sealed.clips, sealed.tracks)
    for pools in ((files.training, sealed.training), (files.validation, sealed.validation)):
        assert torch.equal(*(pool.segments(range(len(pool)), 1) for pool in pools))
    machine, logs = Machine("cpu", half_precision=False), []
    for name, data in (("files", files), ("shards", sealed)):
        state = Run(experiment, 0, data, tmp_path / name, machine).train()
        logs.append([{key: row[key] for key in row if "second" not in key} for row in state.log])
    assert logs[0] == logs[1]


@pytest.mark.skipif(
    sys.platform == "win32" or not torch.distributed.is_gloo_available(),
    reason="processes cannot be joined, or killed, here",
)
def test_a_training_of_which_one_of_two_processes_was_killed_goes_on_in_one_as_if_undisturbed(
    shards, tmp_path
):
    experiment = replace(small("stone"), clips=0, unlabelled=0, steps=6)
    experiment = replace(experiment, architecture=replace(experiment.architecture, stochastic_depth=0.0))
    script, given, out = tmp_path / "train.py", tmp_path / "given", tmp_path / "killed"
    script.write_text(TRAIN)
    given.write_bytes(pickle.dumps((experiment, shards, out)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    torchrun = [*command, str(script), str(given)]
    done = subprocess.run(torchrun, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode and "Signal 9 (SIGKILL)" in done.stderr
    logs = []
    for folder in (out, tmp_path / "undisturbed"):
        run = Run(experiment, 0, load_data(experiment, audio=[shards]), folder, Machine("cpu", 1, False))
        run.resume()
        assert run.state.epoch == (folder == out)
        logs.append([(row["signature"], row["validation_loss"]) for row in run.train().log])
    assert len(logs[0]) == 2
    np.testing.assert_allclose(*logs, rtol=1e-4)


def test_torchrun_on_two_machines_gives_each_process_its_place(monkeypatch):
    for rank in range(4):
        places = {"WORLD_SIZE": 4, "LOCAL_WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank % 2}
        for name, value in {**places, "GROUP_RANK": rank // 2, "TORCHELASTIC_RUN_ID": "x"}.items():
            monkeypatch.setenv(name, str(value))
        fabric = Machine("cpu", 4).fabric()
        assert (fabric.world_size, fabric.global_rank, fabric.local_rank) == (4, rank, rank % 2)


def test_a_second_run_makes_only_what_is_missing_or_damaged(music, shards, client):
    before = contents(shards)
    first, second, *others = sorted(shards.glob("*.tar"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    times = [file.stat().st_mtime_ns for file in others]
    with pytest.raises(ShardError, match="missing or damaged"):
        open_shards(shards)
    extract(client, read_manifest(music), str(shards), MOST_SEGMENTS, SHARD)
    assert contents(shards) == before
    assert [file.stat().st_mtime_ns for file in others] == times


def test_shards_in_object_storage_are_copied_once_and_read_as_local_ones(
    music, client, tmp_path, monkeypatch
):
    monkeypatch.setenv("SKEY_DATA", str(tmp_path / "data"))
    storage = fsspec.filesystem("memory")
    for number in range(3):
        storage.pipe(f"/music/{number}.flac", (music / f"{number:02d}.flac").read_bytes())
    names = [f"memory://music/{number}.flac" for number in range(3)] + ["memory://music/absent.flac"]
    done = extract(client, names, "memory://shards", 2, SHARD)
    assert done.skipped == [(names[3], "No such file or directory")]
    there = Recordings(open_audio(["memory://shards"])[0])
    (tmp_path / "few").mkdir()
    for number in range(3):
        (tmp_path / "few" / f"{number}.flac").symlink_to(music / f"{number:02d}.flac")
    here = Recordings(open_audio([tmp_path / "few"], jobs=1)[0])
    assert there.digest() == here.digest()
    assert all(np.array_equal(there[place], here[place]) for place in range(len(here)))
    storage.rm("/shards", recursive=True)


@pytest.mark.parametrize(
    ("address", "reason"), [("s3://bucket/x", "Install s3fs"), ("foo://x", "Protocol not known: foo")]
)
def test_an_address_that_cannot_be_read_says_why(tmp_path, monkeypatch, address, reason):
    monkeypatch.setenv("SKEY_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ShardError, match=f"{address}/index.json cannot be read: {reason}"):
        open_audio([address])


@pytest.mark.parametrize(
    "index", ["[]", "{", "7", '{"pages": []}', '{"shards": ["../x"]}', '{"shards": [7]}']
)
def test_an_index_that_is_none_of_shards_and_a_list_that_is_gone_are_named(shards, tmp_path, index):
    folder = shutil.copytree(shards, tmp_path / "copy")
    (folder / "tracks.csv").unlink()
    with pytest.raises(ShardError, match=r"tracks\.csv cannot be read"):
        open_shards(folder)
    (folder / "index.json").write_text(index)
    with pytest.raises(ShardError, match=r"index\.json is damaged"):
        open_shards(folder)


def test_estimates_in_parquet_are_those_of_detect_and_resume(music, client, tmp_path):
    names = [str(music / name) for name in ("00.flac", "07.flac", "again.flac", "broken.mp3")]
    names.append(str(music / "absent.wav"))
    failed = estimate(client, names, str(tmp_path), None, SHARD)
    assert {Path(row["path"]).name for row in failed} == {"broken.mp3", "absent.wav"}
    table = polars.read_parquet(tmp_path / "*.parquet")
    assert sorted(table["path"]) == sorted(names)
    shown = CliRunner().invoke(main, ["detect", "--format", "jsonl", "--quiet", *names[:3]])
    for record in map(json.loads, shown.stdout.splitlines()):
        row = table.row(by_predicate=polars.col("path") == record["path"], named=True)
        assert {name: row[name] for name in record if name in row} == {
            name: value for name, value in record.items() if name in row
        }
    times = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.parquet")}
    assert estimate(client, names, str(tmp_path), None, SHARD) == failed
    assert {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.parquet")} == times


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_read_from_for_ever(client, tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    [row] = estimate(client, [str(tmp_path / "pipe.wav")], str(tmp_path / "keys"), "krumhansl", SHARD)
    assert row["error"] == NO_FILE


@pytest.mark.parametrize("storage", ["", "memory://keys"])
def test_estimates_are_those_of_the_files_that_are_there_now(music, client, tmp_path, storage):
    out = storage or str(tmp_path / "keys")
    first = "A.flac" if sys.platform == "win32" else "Artist :: A.flac"
    files = [tmp_path / name for name in (first, "new.flac", "copy.flac", "z.flac")]
    for file, track in zip(files, ("00", "01", "01", "02"), strict=True):
        shutil.copy(music / f"{track}.flac", file)
    a, new, copy, z = map(str, files)
    for names in ([a, z], [a, new], [a, new, copy], [copy, a], [z, a, new]):
        assert not estimate(client, names, out, "krumhansl", 2)
        parts = fsspec.open_files(f"{out}/*.parquet")
        rows = [row for part in parts for row in polars.read_parquet(read_file(part.full_name))["path"]]
        assert sorted(rows) == sorted(names)


def test_a_part_that_another_run_took_away_is_noticed(tmp_path):
    with pytest.raises(EngineError, match="1 files are gone: does another run write there"):
        _keep_only([f"{tmp_path}/000000-{'0' * 16}.parquet"], str(tmp_path))


def test_a_manifest_is_a_folder_or_a_list_of_names_each_once(music, tmp_path):
    lines = ("\ufeff#EXTM3U", f"{music}/00.flac", "", "# x", "near.wav", "s3://bucket/far.wav", "near.wav")
    (tmp_path / "list.txt").write_text("\n".join(lines), "utf-8")
    assert read_manifest(tmp_path / "list.txt") == [
        f"{music}/00.flac",
        str(tmp_path / "near.wav"),
        "s3://bucket/far.wav",
    ]
    assert len(read_manifest(music)) == CLIPS + 2
    assert read_manifest(music / "00.flac") == [str(music / "00.flac")]
    (tmp_path / "list.txt").write_text("# nothing\n")
    with pytest.raises(EngineError, match=r"list\.txt: no sound files there"):
        read_manifest(tmp_path / "list.txt")


def test_the_command_says_what_it_wrote_and_what_it_left_out(music, tmp_path, client, monkeypatch):
    (tmp_path / "list.txt").write_text(f"{music}/00.flac\n{music}/broken.mp3\n")
    out = str(tmp_path / "out")
    at = ["--engine", client.scheduler.address]
    shown = CliRunner().invoke(main, ["features", "extract", str(tmp_path / "list.txt"), "--out", out, *at])
    assert shown.stdout == f"{out}: 2 segments of 1 tracks in 1 shards\n"
    assert f"left out: {music}/broken.mp3: not a readable sound file" in shown.stderr
    shown = CliRunner().invoke(main, ["features", "estimate", str(tmp_path / "list.txt"), "--out", out, *at])
    assert shown.stdout == f"{out}: estimates of 1 of 2 files\n" and shown.exit_code == 1
    assert f"{music}/broken.mp3: not a readable sound file" in shown.stderr
    shown = CliRunner().invoke(main, ["features", "estimate", f"{music}/00.flac", "--out", out, *at])
    assert shown.stdout == f"{out}: estimates of 1 of 1 files\n" and shown.exit_code == 0


def test_a_folder_that_cannot_be_entered_is_named(music, tmp_path, client, monkeypatch):
    (closed := tmp_path / "songs" / "closed").mkdir(parents=True)
    shutil.copy(music / "00.flac", tmp_path / "songs")
    scandir = os.scandir

    def denied(path):
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    at = ["--out", tmp_path / "out", "--engine", client.scheduler.address]
    for command, heard in (
        (["features", "extract", *at], "2 segments of 1 tracks"),
        (["features", "estimate", *at], "1 of 1 files"),
        (["detect", "-r"], "00.flac"),
    ):
        shown = CliRunner().invoke(main, [*map(str, command), str(tmp_path / "songs")])
        assert f"{closed}: cannot be entered: Permission denied" in shown.stderr
        assert heard in shown.stdout


def test_a_list_that_cannot_be_written_is_one_clear_line(music, shards, client, tmp_path):
    out = shutil.copytree(shards, tmp_path / "shards")
    (out / "tracks.csv").unlink()
    (out / "tracks.csv").mkdir()
    with pytest.raises(EngineError, match=r"shards cannot be written to: .*tracks\.csv"):
        extract(client, read_manifest(music), str(out), MOST_SEGMENTS, SHARD)


def test_a_part_that_fails_is_one_line_without_a_worker_s_traceback(music, tmp_path, capfd):
    (tmp_path / "contents").touch()
    command = ["features", "extract", music / "00.flac", "--out", tmp_path, "--workers", "1"]
    shown = CliRunner().invoke(main, list(map(str, command)))
    assert shown.exit_code == 1 and "\nError: contents: 1 of 1 parts failed" in shown.stderr
    assert "Traceback" not in shown.stderr + capfd.readouterr().err


@pytest.mark.parametrize("command", ["extract", "estimate"])
def test_a_folder_that_cannot_be_written_is_named_before_any_worker_starts(tmp_path, monkeypatch, command):
    denied = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "out"))
    monkeypatch.setattr(scale, "engine", None)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", Mock(side_effect=denied))
        shown = CliRunner().invoke(main, ["features", command, str(tmp_path), "--out", str(tmp_path / "out")])
        assert shown.exit_code == 1 and shown.stderr == f"Error: {denied}\n"
        with pytest.raises(PermissionError):
            write_file(str(tmp_path / "out/contents/a"), b"")
    monkeypatch.setattr(os, "access", lambda path, mode: not (mode & os.W_OK))
    shown = CliRunner().invoke(main, ["features", command, str(tmp_path), "--out", str(tmp_path / "out")])
    assert shown.exit_code == 1 and shown.stderr == f"Error: {denied}\n"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("foo://x", "cannot be written to: Protocol not known: foo"),
        ("s3://bucket/x", "cannot be written to: Install s3fs"),
        ("zip://x", "cannot be written to: "),
        ("memory://x", "is gone when its process ends"),
    ],
)
@pytest.mark.parametrize("command", ["extract", "estimate"])
def test_an_address_that_keeps_nothing_is_named_before_any_worker_starts(
    tmp_path, monkeypatch, command, address, reason
):
    monkeypatch.setattr(scale, "engine", None)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    shown = CliRunner().invoke(main, ["features", command, str(tmp_path), "--out", f"{address}/"])
    assert shown.exit_code == 1 and shown.stderr.startswith(f"Error: {address} {reason}")
    assert shown.stderr.removeprefix(f"Error: {address} {reason}").strip() or not reason.endswith(" ")


def test_an_address_that_can_be_written_is_left_as_it_was(tmp_path):
    scale.try_to_write(tmp_path.as_uri())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_would_be_taken_for_two_addresses_is_refused(tmp_path):
    shown = CliRunner().invoke(main, ["features", "estimate", str(tmp_path), "--out", "a :: b"])
    assert shown.exit_code == 2 and "may not have ::" in shown.stderr


def test_an_engine_that_is_not_there_is_named():
    with pytest.raises(EngineError, match=r"no scheduler at nonsense"), engine("nonsense://x"):
        pass
