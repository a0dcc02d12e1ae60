"""What the tests share: where the reference vectors lie, and how hypothesis runs."""

import os
import random
import sys
from functools import cache
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# The tests themselves run side by side: threads within each would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Timed deadlines fail on a busy machine without saying anything about the code.
settings.register_profile("companion", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("companion")


@pytest.fixture(autouse=True)
def same_chance():
    """What is drawn by chance is the same each time, the item that beartype looks at in a list among it."""
    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty checkout in the place of this one, which is where the test runs."""
    folder = tmp_path / "checkout"
    (folder / "notebooks").mkdir(parents=True)
    monkeypatch.setattr("companion.record._CHECKOUT", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """A data folder where nobody imported any weights, and a package that ships none."""
    monkeypatch.setenv("SKEY_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("skey.weights.SHIPPED", tmp_path / "shipped")
    return tmp_path / "data" / "weights"


@pytest.fixture
def unchecked():
    """Types are not checked, as in the programs of others."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def kernel():
    """One process for the notebooks of all tests: starting one takes longer than most notebooks."""
    from companion.notebooks import kept_kernels

    with kept_kernels() as kept:
        yield kept


@pytest.fixture
def execute(kernel, tmp_path):
    """What papermill makes of a notebook of this repository, given its name and parameters."""
    from companion import notebooks

    def executed(name, **parameters):
        source = ROOT / notebooks.FOLDER / f"{name}.ipynb"
        return notebooks.execute(source, tmp_path, parameters, kernel())

    return executed


@pytest.fixture(scope="session")
def released(shared):
    """The authors' networks by name, each imported and calibrated once a process."""
    from skey.weights.authors import import_checkpoint

    return cache(lambda name: import_checkpoint(shared / "parity" / "released" / f"{name}.pt"))


@pytest.fixture(scope="session")
def shared():
    """The reference vectors beside the checkout, which only its maintainers have."""
    folder = ROOT.parent / "shared"
    if not (folder / "parity" / "index.csv").is_file():
        pytest.skip("the authors' reference vectors (../shared/parity) are not on this machine")
    return folder
