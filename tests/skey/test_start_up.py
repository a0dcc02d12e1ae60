"""A first estimate starts quickly: on the CPU nothing of it imports torch, or another heavy package."""

import ast
import os
import re
import subprocess
import sys
import time
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from sounds import cadence
from threadpoolctl import threadpool_info, threadpool_limits

from skey import weights as library
from skey.audio import SAMPLE_RATE
from skey.cli import EXTRAS, main
from skey.errors import WeightsError
from skey.estimator import KeyEstimator
from skey.inference.architecture import Calibration
from skey.inference.threads import _lock, one_blas_thread, one_thread
from skey.keys import KEYS
from skey.listeners import Network, Template, TorchNetwork
from skey.model import Architecture, ChromaNet
from skey.weights import Header
from skey.weights.file import checksum, sealed
from skey.weights.store import save_weights

HEAVY = ("torch", "scipy", "pandas", "music21", "matplotlib", "nnAudio", "jaxtyping")


def save_random(path: Path, outputs: int = 24, **settings: object) -> Path:
    architecture = Architecture(outputs=outputs, **settings)
    header = Header("skey", "S-KEY", architecture, Calibration(outputs, 0, 9), "MIT", "here", "")
    save_weights(path, ChromaNet(architecture), header)
    return path


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "cadence.wav"
    soundfile.write(path, cadence(KEYS[0]), SAMPLE_RATE)
    return path


def imports_nothing_heavy(code: str, *more: str) -> bool:
    heavy = {*HEAVY, "tqdm", "concurrent.futures", *more}  # two are for many files
    run = f"import sys; {code}; heavy = {heavy} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    ran = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return True


@pytest.mark.parametrize(
    ("settings", "whole_track"), [({"frames_per_step": 4}, False), ({"outputs": 12}, True)]
)
def test_a_network_hears_without_torch(tmp_path, recording, settings, whole_track):
    weights = str(save_random(tmp_path / "random.safetensors", **settings))
    asked = f"KeyEstimator({weights!r}, whole_track={whole_track}).estimate({str(recording)!r})"
    code = f"from skey.estimator import KeyEstimator; e = {asked}; assert e.signature is not None, e"
    assert imports_nothing_heavy(code)


def test_the_command_detects_and_shows_weights_without_torch(recording):
    for words in (["detect", str(recording), "--weights", "krumhansl"], ["weights", "show", "skey"]):
        assert imports_nothing_heavy(f"import skey.cli; skey.cli.main({words!r}, standalone_mode=False)")


def test_help_imports_not_even_numpy():
    code = "import skey.cli; skey.cli.main(['detect', '--help'], standalone_mode=False)"
    assert imports_nothing_heavy(code, "numpy", "soundfile", "mutagen", "lightning")


def test_another_device_runs_in_torch(tmp_path):
    weights = save_random(tmp_path / "random.safetensors")
    assert isinstance(KeyEstimator(weights, device="cpu").listener, Network)
    assert isinstance(KeyEstimator(weights, device="meta").listener, TorchNetwork)


def test_the_weights_that_ship_estimate_or_the_template_whatever_the_user_has_trained(no_weights, tmp_path):
    save_random(no_weights / f"{library.DEFAULT}.safetensors")
    assert isinstance(KeyEstimator().listener, Template)
    assert isinstance(KeyEstimator(library.DEFAULT).listener, Network)
    save_random(tmp_path / "shipped" / f"{library.DEFAULT}.safetensors", frames_per_step=4)
    listener = KeyEstimator().listener
    assert isinstance(listener, Network) and listener.identity.startswith("skey ")
    assert isinstance(KeyEstimator("krumhansl").listener, Template)


def test_the_command_says_when_the_template_answers_for_want_of_weights(no_weights, tmp_path, recording):
    note = "no --weights given: the Krumhansl template answers"
    assert note in CliRunner().invoke(main, ["detect", str(recording)]).stderr
    asked = CliRunner().invoke(main, ["detect", str(recording), "--weights", "krumhansl"])
    assert note not in asked.stderr
    assert asked.stdout.startswith("C major\t")
    save_random(tmp_path / "shipped" / f"{library.DEFAULT}.safetensors")
    ran = CliRunner().invoke(main, ["detect", str(recording)])
    assert ran.exit_code == 0
    assert note not in ran.stderr


def test_weights_that_do_not_fit_are_refused_before_any_sound(tmp_path):
    path = tmp_path / "wrong.safetensors"
    tensors = ChromaNet(Architecture()).state_dict()
    twelve, calibration = Architecture(outputs=12), Calibration(12, 0, 9)
    save_file(tensors, path, sealed(Header("x", "X", twelve, calibration, "MIT", "here", checksum(tensors))))
    with pytest.raises(WeightsError, match="do not fit"):
        KeyEstimator(path)


def test_profiles_of_one_thread_and_of_many_are_the_same(tmp_path, recording):
    estimator = KeyEstimator(save_random(tmp_path / "random.safetensors"))
    alone = estimator.estimate(recording)
    for outcome in estimator.estimate_many([recording] * 3, jobs=3):
        assert outcome.estimate is not None
        np.testing.assert_allclose(outcome.estimate.probabilities, alone.probabilities, atol=1e-6)


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_numpy_computes_on_one_thread_until_the_last_one_has_left():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread:
            with one_blas_thread:
                assert set(blas_threads()) == {1}
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_torch_has_its_threads_again_when_several_have_computed_on_one():
    entered, second_entered, left = Event(), Event(), Event()
    seen = []

    def first():
        with one_thread():
            entered.set()
            second_entered.wait(5)
        left.set()

    def second():
        entered.wait(5)
        with one_thread(), one_thread():
            second_entered.set()
            left.wait(5)
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for group in ([first, second], [lambda: seen.append(torch.get_num_threads())]):
            threads = [Thread(target=target) for target in group]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 2, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of this system are not forked")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_waits_for_no_thread_of_its_parent():
    entered = Event()

    def enter():
        with _lock:
            entered.set()
            time.sleep(0.2)

    (thread := Thread(target=enter)).start()
    entered.wait()
    if not (child := os.fork()):
        os._exit(not _lock.acquire(timeout=5))
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def plain_dependencies() -> set[str]:
    """The packages that the project needs without any extra."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    return {re.split(r"[<>=]", name)[0].lower() for name in project["dependencies"]}


def test_a_plain_installation_brings_what_an_estimate_needs_and_no_torch():
    core = plain_dependencies()
    assert not core & {name.lower() for name in HEAVY}
    code = "import sys, skey.cli.detect, skey.cli.journal, skey.cli.reports, skey.files.tags"
    code += "; from skey.estimator import KeyEstimator; KeyEstimator()"
    code += "; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    brought = packages_distributions()
    used = {name.lower() for module in done.stdout.split() for name in brought.get(module, ())}
    theirs = {"cffi", "pycparser", "setuptools", "typing-extensions", "typing_extensions"}
    assert used - core <= theirs | {"skey-companion"}


def test_every_package_that_a_plain_installation_lacks_has_an_extra_that_the_command_names():
    files = Path(library.__file__).parents[1].rglob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    imported = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"skey", "jaxtyping"}
    assert imported - plain_dependencies() == EXTRAS.keys() - {"onnxscript"}  # which torch imports


def test_a_type_checker_sees_arrays_without_the_packages_of_the_tests(tmp_path):
    code = "from skey.shapes import Float32; wave: Float32[int, 'samples'] = ''"
    options = ["--no-site-packages", "--config-file=", f"--cache-dir={tmp_path}", "-c", code]
    folder = Path(library.__file__).parents[2]
    run = subprocess.run([sys.executable, "-m", "mypy", *options], cwd=folder, capture_output=True, text=True)
    assert "Incompatible types in assignment" in run.stdout
