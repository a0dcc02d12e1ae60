"""`skey train` as a reader types it: one process and two, whose run is the same."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from test_training import small

import skey.cli.train
import skey.training.data
from skey.cli import main
from skey.errors import SkeyError
from skey.experiments import Experiment, at_scale, find_experiment
from skey.vqt import SEGMENT_FRAMES
from skey.weights import read_header

COMMAND = """
import sys
sys.path.insert(0, {tests!r})
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
import test_training
import skey.training.data
import skey.cli.train as command
import skey.training.scoring as scoring
from skey.cli import main
from skey.corpus.soundfont import installed_soundfont
from skey.errors import SkeyError
from skey.experiments import Experiment
from skey.keys import KEYS

def experiment(named, options):
    small = test_training.small(named.name, epochs=options["epochs"])
    return replace(small, architecture=replace(small.architecture, stochastic_depth=0.0))

store = Path({folder!r}) / f"store{{__import__('os').environ.get('LOCAL_RANK', 0)}}"
skey.training.data.load_data = lambda *_, **__: test_training.synthetic_data(store)
command._scaled = experiment
scoring.build = lambda *_, **__: test_training.synthetic_store(store / "test")
scoring.plan_clips = lambda _: [SimpleNamespace(id=f"clip{{n}}", key=key) for n, key in enumerate(KEYS[:14])]
if __name__ == "__main__":
    main()
"""


def train(folder: Path, processes: int) -> Path:
    """Run the command on made-up data; returns the folder of the run."""
    folder.mkdir()
    script = folder / "train.py"
    script.write_text(COMMAND.format(tests=str(Path(__file__).parent), folder=str(folder)))
    command = ["train", "skey", "--epochs", "2", "--device", "cpu", "--full-precision"]
    done = subprocess.run(
        [sys.executable, str(script), *command, "--processes", str(processes), "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1", "SKEY_DATA": str(folder / "data")},
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"skey-s0: MIREX [\d.]+ \[.+\] % on the test set", done.stderr)
    assert done.stdout.splitlines() == [str(folder / "skey-s0" / "skey-s0.safetensors")]
    return folder / "skey-s0"


def column(run: Path, name: str) -> list[float]:
    with (run / "log.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this PyTorch cannot join processes")
def test_two_processes_from_the_command_line_train_as_one_does(tmp_path):
    one, two = (train(tmp_path / str(processes), processes) for processes in (1, 2))
    for term in ("signature", "mode", "average"):
        assert column(two, term) == pytest.approx(column(one, term), rel=1e-4)
    # The norm of the modes takes offsets before it away, so their gradient is rounding alone, and AdamW makes
    # whole steps of that; in evaluation the norm's running mean lags behind them.
    assert column(two, "validation_loss") == pytest.approx(column(one, "validation_loss"), rel=1e-2)
    headers = [read_header(run / "skey-s0.safetensors") for run in (one, two)]
    assert [header.training["processes"] for header in headers] == [1, 2]


@pytest.mark.parametrize(
    ("options", "environment", "reason"),
    [
        ((), {}, "holds a run: go on with it by --resume"),
        (("--seed", "1", "--device", "cuda"), {}, "--device cuda cannot be used here"),
        (("--seed", "1"), {"WORLD_SIZE": "2"}, "torchrun started 2 processes"),
        (("--seed", "1", "--device", "foo"), {}, "--device foo cannot be used here"),
        (("--seed", "1", "--from", "nope"), {}, "There are no weights 'nope'"),
        (("--seed", "1", "--from", "supervised"), {}, "another network"),
        (("--seed", "2"), {}, "cannot write the run to"),
        (("--seed", "1" * 300), {}, "cannot write the run to"),
        (("--seed", "1", "--device", "tpu"), {}, "--device tpu cannot be used here"),
        (("--seed", "1", "--soundfont", __file__), {}, f"--soundfont {__file__} cannot be played: not a"),
    ],
)
def test_what_would_overwrite_a_run_or_cannot_begin_is_refused(
    tmp_path, monkeypatch, options, environment, reason
):
    if "cuda" in options and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    (tmp_path / "skey-s0").mkdir()
    (tmp_path / "skey-s0" / "checkpoint.pt").touch()
    (tmp_path / "skey-s2").touch()
    monkeypatch.setattr(skey.training.data, "load_data", lambda *_, **__: pytest.fail("features are made"))
    monkeypatch.setattr(skey.cli.train, "_scaled", lambda named, *_: small(named.name, epochs=1))
    ran = CliRunner(env=environment).invoke(main, ["train", "skey", *options, "--out", str(tmp_path)])
    assert ran.exit_code == 1
    assert reason in ran.stderr


@pytest.mark.parametrize("option", ["--rate", "--recorded"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e300"])
def test_what_is_no_number_is_refused(option, value):
    ran = CliRunner().invoke(main, ["train", "skey", option, value])
    assert ran.exit_code == 2 and f"Invalid value for '{option}'" in ran.stderr


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("suptone", ("--audio", "."), "suptone learns from labels alone"),
        ("semitone", ("--audio", ".", "--no-corpus"), "semitone learns from labels, and there are none"),
        ("stone", ("--soundfont", __file__), "stone has no songs to play here"),
    ],
)
def test_what_the_second_system_cannot_use_is_refused_before_the_first_is_trained(
    tmp_path, monkeypatch, name, options, reason
):
    monkeypatch.setattr(skey.training.data, "load_data", lambda *_, **__: pytest.fail("features are made"))
    monkeypatch.setattr("skey.corpus.soundfont.soundfont", lambda font: None)
    ran = CliRunner().invoke(main, ["train", "skey-open", name, *options, "--out", str(tmp_path)])
    assert ran.exit_code == 1 and reason in ran.stderr


def test_a_folder_that_cannot_be_has_no_recordings():
    ran = CliRunner().invoke(main, ["train", "skey", "--audio", "x" * 300])
    assert ran.exit_code == 2 and f"there is no {'x' * 300}" in ran.stderr


@pytest.mark.parametrize(("name", "most"), [("skey", 5), ("supervised", 80)])
def test_so_many_frames_are_averaged_as_leave_enough_for_the_network(tmp_path, monkeypatch, name, most):
    monkeypatch.setattr(skey.training.data, "load_data", lambda experiment, **_: pytest.fail("features"))
    options = ["train", name, "--out", str(tmp_path), "--frames-per-step", str(most + 1)]
    ran = CliRunner().invoke(main, options)
    assert f"Error: {name} averages at most {most} frames per step, not {most + 1}" in ran.stderr
    network = at_scale(find_experiment(name), frames_per_step=most).network().eval()
    assert network(torch.rand(1, 84, SEGMENT_FRAMES)).sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ((), {"songs": 2600, "recolour": True, "clips": 2000}),
        (("--no-songs",), {"songs": 0, "recolour": True, "clips": 2000}),
        (("--no-recolour",), {"songs": 2600, "recolour": False}),
        (("--no-corpus", "--audio", "."), {"songs": 0, "clips": 0, "unlabelled": 0}),
        (("--recorded", "0.2", "--clips", "7"), {"recorded": 0.2, "clips": 7, "unlabelled": 7}),
    ],
)
def test_options_change_what_a_system_is_trained_on(tmp_path, monkeypatch, options, changed):
    asked: list[Experiment] = []

    def load(experiment: Experiment, jobs: int, **_: object) -> None:
        asked.append(experiment)
        raise SkeyError(f"seen by {jobs}")

    monkeypatch.setattr(skey.training.data, "load_data", load)
    ran = CliRunner().invoke(main, ["train", "skey-open", *options, "--jobs", "3", "--out", str(tmp_path)])
    assert "seen by 3" in ran.stderr
    assert {name: getattr(asked[0], name) for name in changed} == changed
