"""Running the notebooks with papermill: checked parameters, stable bytes, failures that name their cell."""

import ast
import math
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from companion.kernels import KERNEL, KeptKernel, kept_kernels
from companion.parameters import refuse_others
from companion.record import read_json, write_if_changed, write_json
from skey.errors import SkeyError
from skey.files.folders import commit_of

Value = str | int | float | bool

FOLDER = "notebooks"  # where the notebooks lie, below the top of the checkout
EXECUTED = Path("book") / "notebooks"  # where the book finds them with their outputs
WORK = Path("build") / "notebooks"  # where papermill writes, complete or not
RUNS = WORK / "runs.json"  # when each notebook ran, on which parameters, for how long
IOPUB_SECONDS = 120  # how long a cell may keep us waiting; nbclient's own 4 s are too few on a busy machine

MUTED = ["--IPKernelApp.log_level=50"]
"""Keeps the kernel from warning that it speaks TCP and from reporting its own shutdown."""


class NotebookError(SkeyError):
    """A notebook that raised; the message names the notebook, the cell and the error."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a notebook: its parameters (those that were set), when, how long, of which commit."""

    notebook: str
    parameters: Mapping[str, Value]
    finished: str
    seconds: float
    commit: str


def notebook_names(checkout: Path) -> tuple[str, ...]:
    """Names of all notebooks without their ending, in alphabetical order."""
    return tuple(sorted(path.stem for path in (checkout / FOLDER).glob("*.ipynb")))


def read_notebook(path: Path) -> NotebookNode:
    """A notebook in the format's version 4."""
    return NotebookNode(nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]


def default_parameters(path: Path) -> dict[str, Value]:
    """Names and literals of the notebook's one cell that is tagged ``parameters``.

    Raises ``NotebookError`` where there is not exactly one, or where it holds anything but literals.
    """
    cells = [cell for cell in read_notebook(path).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise NotebookError(f"{path.name} has {len(cells)} cells tagged 'parameters', expected one")
    lines: Any = ast.parse(cells[0].source).body
    try:
        return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
    except (AttributeError, ValueError) as error:
        raise NotebookError(f"{path.name}: the parameters cell may hold only NAME = LITERAL") from error


def run_notebooks(
    checkout: Path, parameters: Mapping[str, Mapping[str, Value]], publish: bool = True
) -> list[Run]:
    """Execute several notebooks, as many at a time as there are cores, each computing on its share of them.

    Notebooks that run one after the other share a kernel, whose names are forgotten in between: importing
    takes longer than what most of them compute. Those that took longest last time begin, so that none is
    waited for alone. ``parameters``: name of the notebook → what is set. Returns their runs in that order.

    Papermill writes below ``build/``; to ``publish``, a notebook that ran to its end replaces that in the
    book. Raises ``ParameterError`` for an unknown parameter, ``NotebookError`` for a cell that raised, for
    the first notebook that failed, after all ended.
    """
    cores = os.cpu_count() or 1
    workers = max(1, min(cores, len(parameters)))
    os.environ.setdefault("OMP_NUM_THREADS", str(cores // workers))
    runs = read_runs(checkout)
    took = {name: run.seconds for name, run in runs.items()}
    order = sorted(parameters, key=lambda name: took.get(name, math.inf), reverse=True)
    with kept_kernels() as kernel, ThreadPoolExecutor(workers) as pool:
        pending = {
            name: pool.submit(_run, checkout, name, parameters[name], publish, kernel) for name in order
        }
    if publish:
        runs |= {name: each.result() for name, each in pending.items() if not each.exception()}
        write_json(checkout / RUNS, {name: asdict(run) for name, run in sorted(runs.items())})
    return [pending[name].result() for name in parameters]


def _run(
    checkout: Path,
    name: str,
    parameters: Mapping[str, Value],
    publish: bool,
    kernel: Callable[[], KeptKernel],
) -> Run:
    source, began = checkout / FOLDER / f"{name}.ipynb", time.monotonic()
    refuse_others(parameters, default_parameters(source), source.name)
    executed = stable(execute(source, checkout / WORK, parameters, kernel()))
    if publish:
        write_if_changed(checkout / EXECUTED / source.name, notebook_text(executed))
    finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Run(name, dict(parameters), finished, round(time.monotonic() - began, 1), commit_of(checkout))


def execute(source: Path, folder: Path, parameters: Mapping[str, Value], kernel: KeptKernel) -> NotebookNode:
    """Let papermill run a notebook in its checkout and write it, complete or not, into a folder."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    output = folder / source.name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        executed: NotebookNode = papermill.execute_notebook(
            str(source),
            str(output),
            parameters=dict(parameters),
            cwd=str(source.parents[1]),
            kernel_name=KERNEL,
            progress_bar=False,
            extra_arguments=MUTED,
            iopub_timeout=IOPUB_SECONDS,
            km=kernel,
        )
    except DeadKernelError as error:
        raise NotebookError(
            f"{source.name}: its process ended in the middle of a cell, perhaps for want of memory. "
            f"The notebook as far as it came: {output}"
        ) from error
    except PapermillExecutionError as error:
        first = error.source.splitlines()[0] if error.source else ""
        raise NotebookError(
            f"{source.name}, cell {error.cell_index} (In [{error.exec_count}], {first!r}):\n"
            f"{error.ename}: {error.evalue}\nThe notebook as far as it came: {output}"
        ) from error
    return executed


def stable(notebook: NotebookNode) -> NotebookNode:
    """Drop what differs from run to run: times, absolute paths, random cell ids; hide the injected cell."""
    notebook.metadata.pop("papermill", None)
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place}"
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("remove-input")
    return notebook


def notebook_text(notebook: NotebookNode) -> str:
    """The notebook as a file holds it."""
    return str(nbformat.writes(notebook)) + "\n"  # type: ignore[no-untyped-call]


def read_runs(checkout: Path) -> dict[str, Run]:
    """The latest execution of each notebook in this checkout, by name; those that are gone do not count."""
    path = checkout / RUNS
    runs = read_json(path) if path.is_file() else {}
    return {name: Run(**runs[name]) for name in notebook_names(checkout) if name in runs}
