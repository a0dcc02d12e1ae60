"""What the tests share: where the reference vectors lie, and how hypothesis runs."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from companion.kernels import KeptKernel
    from skey.weights.store import LoadedModel

ROOT = Path(__file__).resolve().parents[1]

# The tests themselves run side by side: threads within each would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Timed deadlines fail on a busy machine without saying anything about the code.
settings.register_profile("companion", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("companion")


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, which is where the test runs."""
    folder = tmp_path / "checkout"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "_toc.yml").touch()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def kernel() -> "Iterator[Callable[[], KeptKernel]]":
    """One process for the notebooks of all tests: starting one takes longer than most notebooks."""
    from companion.kernels import kept_kernels

    with kept_kernels() as kept:
        yield kept


@pytest.fixture
def execute(kernel: "Callable[[], KeptKernel]", tmp_path: Path) -> "Callable[..., NotebookNode]":
    """What papermill makes of a notebook of this repository, given its name and parameters."""
    from companion import notebooks

    def executed(name: str, **parameters: str | int) -> "NotebookNode":
        source = ROOT / notebooks.FOLDER / f"{name}.ipynb"
        return notebooks.execute(source, tmp_path, parameters, kernel())

    return executed


@pytest.fixture(scope="session")
def released(shared: Path) -> "Callable[[str], LoadedModel]":
    """The authors' networks by name, each imported and calibrated once a process."""
    from skey.weights.authors import import_checkpoint

    return cache(lambda name: import_checkpoint(shared / "parity" / "released" / f"{name}.pt"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference vectors beside the checkout, which only its maintainers have."""
    folder = ROOT.parent / "shared"
    if not (folder / "parity" / "index.csv").is_file():
        pytest.skip("the authors' reference vectors (../shared/parity) are not on this machine")
    return folder
