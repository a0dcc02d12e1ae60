"""Weights files rebuild their model; checkpoints of others are read without running anything in them."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import platformdirs
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import save_file

from skey.calibration import Calibration
from skey.cli import main
from skey.cli.weights import weights
from skey.errors import SkeyError, WeightsError
from skey.listeners import listener
from skey.model import Architecture, ChromaNet
from skey.weights import (
    DEFAULT,
    SHIPPED,
    Header,
    available_weights,
    find_weights,
    load_weights,
    read_header,
    user_folder,
)
from skey.weights.authors import import_checkpoint, read_checkpoint
from skey.weights.file import FRONT_END, METADATA_KEY, SEAL_KEY, checksum
from skey.weights.store import save_weights


def header(**changes: object) -> Header:
    plain = Header("test", "A test", Architecture(), Calibration(24, 9, 11), "MIT", "here", "")
    return replace(plain, **{"training": {"steps": 3}, **changes})


@pytest.fixture
def weights_file(tmp_path):
    path = tmp_path / "test.safetensors"
    torch.manual_seed(1)
    save_weights(path, ChromaNet(), header())
    return path


def test_a_weights_file_rebuilds_the_model_without_any_other_file(weights_file):
    torch.manual_seed(1)
    network = ChromaNet().eval()
    loaded = load_weights(weights_file)
    x = torch.rand(2, 99, 300)
    assert torch.equal(loaded.raw_profile(x), network(x[:, :84]))
    assert loaded.header.training == {"steps": 3}
    assert loaded.header.calibration == Calibration(24, 9, 11)


def test_a_sound_too_short_for_the_network_is_repeated(tmp_path):
    path = tmp_path / "slow.safetensors"
    save_weights(path, ChromaNet(Architecture(frames_per_step=4)), header())
    loaded = load_weights(path)
    x = torch.rand(1, 99, 300)
    assert loaded.header.architecture.minimum_frames == 512
    assert torch.allclose(loaded.profile(x), loaded.profile(x.repeat(1, 1, 2)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "damaged"),
        (lambda content: content[:5000], "cannot be read"),
    ],
)
def test_a_changed_byte_and_half_a_file_are_noticed(weights_file, change, reason):
    weights_file.write_bytes(change(weights_file.read_bytes()))
    with pytest.raises(WeightsError, match=reason):
        load_weights(weights_file)


def test_a_changed_header_is_noticed_wherever_it_is_read(weights_file):
    weights_file.write_bytes(weights_file.read_bytes().replace(b"A test", b"A best"))
    for read in (read_header, load_weights):
        with pytest.raises(WeightsError, match="header was changed"):
            read(weights_file)


def test_all_shipped_headers_are_sealed():
    files = list(SHIPPED.glob("*.safetensors"))
    assert files
    for file in files:
        with safe_open(file, framework="np") as content:
            assert content.metadata()[SEAL_KEY]


def test_a_foreign_file_and_weights_that_do_not_fit_their_header_are_refused(tmp_path):
    tensors = {"x": torch.zeros(1)}
    text = header(checksum=checksum(tensors)).to_json()
    for metadata, reason in ((None, "no header"), ({METADATA_KEY: text}, "does not fit")):
        save_file(tensors, tmp_path / "x.safetensors", metadata)
        with pytest.raises(WeightsError, match=reason):
            load_weights(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("change", "reason"), [({"format": 99}, "format is 99"), ({"front_end": FRONT_END | {"hop": 256}}, "hop")]
)
def test_a_newer_format_and_another_front_end_are_named(change, reason):
    with pytest.raises(WeightsError, match=reason):
        Header.from_json(json.dumps(json.loads(header().to_json()) | change))


def test_an_unknown_name_lists_the_known_ones(monkeypatch, tmp_path):
    monkeypatch.setenv("SKEY_DATA", str(tmp_path))
    save_weights(tmp_path / "weights" / "mine.safetensors", ChromaNet(), header())
    assert load_weights("mine").outputs == 24
    with pytest.raises(WeightsError, match="mine"):
        load_weights("yours")


def test_a_name_means_the_network_of_that_name_whatever_lies_in_the_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("skey", "mine"):
        Path(name).touch()
    assert find_weights("skey") == SHIPPED / "skey.safetensors"
    assert [find_weights(name) for name in ("./skey", Path("skey"))] == [Path("skey")] * 2
    assert find_weights("mine") == Path("mine")


@pytest.mark.parametrize(("fitted", "used"), [(0.5, 1.0), (1.0, 1.0), (2.0, 2.0)])
def test_a_temperature_makes_no_network_bolder_than_its_softmax(fitted, used):
    assert header(training={"temperature": fitted}).temperature == used


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_folder_is_not_waited_for(tmp_path):
    (tmp_path / "folder.safetensors").mkdir()
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in tmp_path.iterdir():
        with pytest.raises(WeightsError, match="not a file of weights"):
            read_header(path)
        with pytest.raises(WeightsError, match="not a checkpoint"):
            read_checkpoint(path)


def test_a_pytorch_checkpoint_in_place_of_weights_names_the_command(tmp_path):
    torch.save({}, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match="skey weights import"):
        load_weights(tmp_path / "x.pt")


class Malicious:
    """Unpickling this the ordinary way creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def checkpoint(path: Path, pickled: bytes) -> Path:
    """A checkpoint with another pickle."""
    torch.save({}, path)
    return with_members(path, lambda name, content: pickled if name.endswith("data.pkl") else content)


def with_members(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The same archive with its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))
    return path


def test_a_malicious_checkpoint_is_refused_and_nothing_of_it_runs(tmp_path):
    target = tmp_path / "owned"
    path = tmp_path / "evil.pt"
    torch.save({"stone": {}, "extra": Malicious(target)}, path)
    with pytest.raises(WeightsError, match="mkdir"):
        import_checkpoint(path)
    assert not target.exists()
    pickle.loads(pickle.dumps(Malicious(target)))
    assert target.exists()


@pytest.mark.parametrize(
    "name", ["builtins\neval", "torch\nload", "os\nsystem", "numpy\nload", "builtins\nbytearray"]
)
def test_no_other_name_can_be_called(tmp_path, name):
    path = checkpoint(tmp_path / "evil.pt", b"\x80\x02c" + name.encode() + b"\n(X\3\0\0\x001+1tR.")
    with pytest.raises(WeightsError, match=name.split("\n")[1]):
        read_checkpoint(path)


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"w": torch.arange(6.0).as_strided((3,), (2,))}, path)
    assert read_checkpoint(path)["w"].tolist() == [0, 2, 4]
    short = with_members(path, lambda name, content: content[:8] if name.endswith("data/0") else content)
    with pytest.raises(WeightsError, match="no PyTorch checkpoint"):
        read_checkpoint(short)


def test_a_tensor_that_repeats_itself_without_end_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"stone": {"chromanet.fc.weight": torch.zeros(1).expand(10**12)}}, path)
    with pytest.raises(WeightsError, match="larger tensors than it holds"):
        import_checkpoint(path)


def authors_checkpoint(path: Path, state: dict[object, torch.Tensor] | None = None, **more: object) -> Path:
    """A network as the authors save it; ``state`` in the place of some of its tensors."""
    whole = {f"chromanet.{name}": value for name, value in ChromaNet().state_dict().items()}
    for name in (name for name in whole if name.endswith("pairs.weight")):
        whole[name] = whole[name].unflatten(1, (2, -1)).transpose(1, 2)[:, :, None]
    torch.save({"stone": {**whole, **(state or {})}, **more}, path)
    return path


@pytest.mark.parametrize(
    ("state", "more"),
    [
        ({1: torch.zeros(1)}, {}),
        ({"chromanet.blocks.x.scale": torch.zeros(1)}, {}),
        ({"chromanet.scale": torch.zeros(1)}, {}),
        ({"chromanet.classifier.weight": torch.tensor(1.0)}, {}),
        ({"chromanet.blocks.0.pairs.weight": torch.zeros(1)}, {}),
        ({"chromanet.blocks.1.depthwise.weight": torch.zeros(10**9, 0)}, {}),
        ({}, {"gin_info": 5}),
    ],
    ids=str,
)
def test_a_checkpoint_whose_parts_make_no_network_is_one_clear_line(tmp_path, state, more):
    path = authors_checkpoint(tmp_path / "x.pt", state, **more)
    done = CliRunner().invoke(main, ["weights", "import", str(path), "-o", f"{tmp_path}/x.safetensors"])
    assert done.exit_code == 1 and done.stderr.startswith(f"Error: {path} ")
    assert len(done.stderr.splitlines()) == 1


def test_a_checkpoint_without_a_readable_history_is_imported_and_no_name_makes_it_a_release(tmp_path):
    path = authors_checkpoint(tmp_path / "skey.pt", gin_info=None, epoch=torch.tensor(3))
    loaded = import_checkpoint(path)
    assert (loaded.header.title, loaded.header.licence) == ("Imported ChromaNet", "unknown")
    save_weights(tmp_path / "x.safetensors", loaded.network, loaded.header)
    assert read_header(tmp_path / "x.safetensors").training == {"epoch": None, "settings": []}


@pytest.mark.parametrize("content", [b"", b"no zip", pickle.dumps({"a": 1})])
def test_what_is_no_checkpoint_is_called_so(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="no PyTorch checkpoint"):
        read_checkpoint(path)


def test_import_show_and_list_work_from_the_command_line(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("SKEY_DATA", str(tmp_path))
    runner, source = CliRunner(), str(shared / "parity" / "released" / "skey.pt")
    target = tmp_path / "weights" / "released-skey.safetensors"
    assert runner.invoke(weights, ["import", source], catch_exceptions=False).exit_code == 0
    assert read_header(target).licence == "MIT"
    assert read_header(target).whole_track
    listed = runner.invoke(weights, ["list"], catch_exceptions=False).stdout
    assert "S-KEY as released" in listed
    (default,) = [line for line in listed.splitlines() if line.endswith("[default]")]
    header = read_header(find_weights(DEFAULT))
    assert default.startswith(DEFAULT) and f"{header.examples:,} examples" in default
    shown = json.loads(runner.invoke(weights, ["show", "released-skey"], catch_exceptions=False).stdout)
    assert shown["output_keys"][0] == "A major"
    assert shown["output_keys"][12] == "B minor"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["weights", "import", "x.pt", "-o"], "x.pt"),
        (["weights", "import", "x.pt", "-o"], "new"),
        (["weights", "import", "x.pt", "-o"], "song.mp3"),
        (["export", "skey", "--onnx"], "song.mp3"),
        (["export", "skey", "--onnx"], "new.safetensors"),
    ],
)
def test_what_is_named_as_something_else_is_neither_written_nor_overwritten(
    tmp_path, monkeypatch, command, name
):
    monkeypatch.chdir(tmp_path)
    for file in ("x.pt", "song.mp3"):
        Path(file).write_bytes(b"precious")
    done = CliRunner().invoke(main, [*command, name])
    assert done.exit_code == 2 and f"{name} does not end in ." in done.stderr
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == dict.fromkeys(
        ("x.pt", "song.mp3"), b"precious"
    )


def test_what_does_not_fit_on_the_disk_leaves_the_old_file_and_nothing_besides(weights_file, monkeypatch):
    old, loaded = weights_file.read_bytes(), load_weights(weights_file)
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    with pytest.raises(WeightsError, match="No space left on device"):
        save_weights(weights_file, loaded.network, header(title="another"))
    assert weights_file.read_bytes() == old and [*weights_file.parent.iterdir()] == [weights_file]


def rewritten(path: Path, change: dict[str, object], without: str = "", **arrays: torch.Tensor) -> Path:
    """The same file with another header, or other weights, and no seal."""
    with safe_open(path, framework="pt") as file:
        raw = json.loads(file.metadata()[METADATA_KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()} | arrays  # noqa: SIM118
    raw = raw | {"checksum": checksum(tensors)} | change
    raw.pop(without, None)
    save_file(tensors, path, metadata={METADATA_KEY: json.dumps(raw)})
    return path


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_at_load(weights_file, bad):
    name = "classifier.weight"
    tensor = load_weights(weights_file).network.state_dict()[name].clone()
    tensor.flatten()[0] = bad
    for load in (load_weights, listener):
        with pytest.raises(WeightsError, match="NaN or infinite"):
            load(rewritten(weights_file, {}, **{name: tensor}))


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": {"frames_per_step": 10**9}},
        {"architecture": {"frames_per_step": 2.5}},
        {"architecture": {"channels": [10**6] * 7}},
        {"architecture": {"channels": [2] * 60, "kernels": [3] * 60}},
        {"architecture": {"channels": 7}},
        {"architecture": {"outputs": 13}},
        {"architecture": {"expansion": None}},
        {"architecture": {"layer_scale": float("nan")}},
        {"architecture": None},
        {"calibration": {"outputs": 12, "major": 0, "minor": 0}},
        {"calibration": {"outputs": 24, "major": 99, "minor": 0}},
        {"calibration": {"outputs": 24, "major": 0, "minor": None}},
        {"calibration": []},
        {"title": None},
        {"front_end": None},
        {"training": None},
        {"window_seconds": 10**9},
        {"window_seconds": 0},
        {"window_seconds": "30"},
        {"range_db": 0},
        {"range_db": 81},
        {"training": {"temperature": 0}},
        {"training": {"temperature": float("nan")}},
        {"training": {"temperature": "hot"}},
        {"training": {"experiment": []}},
        {"training": {"started_from": 7}},
        {"training": {"steps": 3, "processes": "two", "experiment": {"batch": 3}}},
        {"training": {"steps": "many", "experiment": {"batch": 3}}},
        {"training": {"steps": 1, "experiment": {"batch": 3}, "processes": 0}},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_header_that_lies_is_refused_at_load(weights_file, change):
    with pytest.raises(WeightsError, match=r"test\.safetensors: The header"):
        load_weights(rewritten(weights_file, change))


@pytest.mark.parametrize(
    ("clips", "processes", "batch"), [(100, 1, 5), (3, 1, 3), (100, 2, 4), (3, 2, 2), (1, 2, 2)]
)
def test_the_examples_are_those_of_whole_parts_of_a_batch_for_each_process(clips, processes, batch):
    training = {"steps": 7, "experiment": {"batch": 5}, "clips": clips, "processes": processes}
    assert header(training=training).examples == 7 * batch


@pytest.mark.parametrize("text", ["[" * 100_000, "null", "[]", "7", '{"format": 1}', "{"])
def test_a_header_that_is_none_is_refused(text):
    with pytest.raises(WeightsError, match="cannot be read"):
        Header.from_json(text)


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02}r\xff\xff\xff\x1f.",
        b"\x80\x02}p536870911\n.",
        b"\x80\x02]" + b"]" * 10**5 + b".",
        b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
    ],
    ids=["4 GB", "4 GB as text", "deep", "through an allowed name"],
)
def test_a_pickle_bomb_does_no_harm(tmp_path, pickled):
    with pytest.raises(WeightsError) as refused:
        import_checkpoint(checkpoint(tmp_path / "bomb.pt", pickled))
    assert "weights_only" not in str(refused.value), "PyTorch's advice would run what the file asks for"


@pytest.mark.parametrize("bomb", ["data/0", "data.pkl"])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, bomb):
    monkeypatch.setattr("skey.weights.authors.MOST_BYTES", 5 << 20)
    path = tmp_path / "bomb.pt"
    torch.save({"w": torch.zeros(4)}, path)
    with_members(path, lambda name, content: content + bytes(6 << 20) * name.endswith(bomb))
    with pytest.raises(WeightsError, match=r"unpacks to more|too long"):
        read_checkpoint(path)


@pytest.mark.parametrize("command", [["weights", "list"], ["train", "--list"]])
def test_lists_are_utf_8_wherever_they_are_written(command):
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    ran = subprocess.run([sys.executable, "-m", "skey", *command], capture_output=True, env=environment)
    assert ran.returncode == 0 and ran.stdout.decode()


def test_a_folder_of_ones_own_that_may_not_be_entered_hides_no_shipped_weights(monkeypatch, tmp_path):
    def closed(path: str | Path, *arguments: object, **options: object) -> os.stat_result:
        if str(path).startswith(str(tmp_path)):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    stat = os.stat
    monkeypatch.setenv("SKEY_DATA", str(tmp_path))
    monkeypatch.setattr(os, "stat", closed)
    assert set(available_weights()) == {file.stem for file in SHIPPED.glob("*.safetensors")}
    with pytest.raises(WeightsError, match="There are no weights"):
        find_weights(tmp_path / "mine.safetensors")


def test_a_user_without_a_home_hears_with_the_shipped_weights_and_is_told_where_data_go(monkeypatch):
    monkeypatch.delenv("SKEY_DATA", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", Mock(side_effect=RuntimeError("no home")))
    assert set(available_weights()) == {file.stem for file in SHIPPED.glob("*.safetensors")}
    assert listener().identity.startswith(DEFAULT)
    with pytest.raises(SkeyError, match="set SKEY_DATA"):
        user_folder()


def test_the_list_names_trained_and_imported_weights_and_one_bad_file_does_not_end_it(
    monkeypatch, tmp_path, weights_file
):
    monkeypatch.setenv("SKEY_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "broken.safetensors").write_bytes(b"no weights")
    (tmp_path / "runs" / "skey-s0").mkdir(parents=True)
    shutil.copy(weights_file, tmp_path / "runs" / "skey-s0" / "skey-s0.safetensors")
    weights_file.rename(tmp_path / "weights" / "mine.safetensors")
    ran = CliRunner().invoke(weights, ["list"], catch_exceptions=False)
    assert ran.exit_code == 0
    assert "broken" in ran.stderr and "cannot be used" in ran.stderr
    assert "mine" in ran.stdout and "skey-s0" in ran.stdout
    shutil.copy(tmp_path / "weights" / "mine.safetensors", tmp_path / "weights" / f"{DEFAULT}.safetensors")
    ran = CliRunner().invoke(weights, ["list"], catch_exceptions=False)
    assert "[default]" not in ran.stdout  # what estimates by default is the shipped file
