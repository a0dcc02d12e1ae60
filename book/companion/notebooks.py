"""Running the notebooks with papermill: checked parameters, stable bytes, failures that name their cell."""

import ast
import math
import os
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbformat import NotebookNode

from companion.record import read_json, write_if_changed, write_json
from skey.errors import SkeyError
from skey.files.folders import commit_of

Value = str | int | float | bool

FOLDER = "notebooks"  # where the notebooks lie, below the top of the checkout
EXECUTED = Path("book") / "notebooks"  # where the book finds them with their outputs
WORK = Path("build") / "notebooks"  # where papermill writes, complete or not
RUNS = WORK / "runs.json"  # when each notebook ran, on which parameters, for how long
IOPUB_SECONDS = 120  # how long a cell may keep us waiting; nbclient's own 4 s are too few on a busy machine
KERNEL = "python3"  # the kernel of the Python that asks; ipykernel provides it under this name
EMPTY_NAMESPACE = "get_ipython().reset(new_session=True)"
PATIENCE = 60.0  # seconds that an idle kernel has for emptying its namespace

MUTED = ["--IPKernelApp.log_level=50"]  # or the kernel warns that it speaks TCP, and reports its shutdown


class NotebookError(SkeyError):
    """A notebook that raised; the message names the notebook, the cell and the error."""


class KeptKernel(AsyncKernelManager):
    """A kernel that also closes the connections which were opened to it."""

    _connections: tuple[AsyncKernelClient, ...] = ()

    def client(self, **settings: object) -> AsyncKernelClient:  # type: ignore[override]
        """A connection to the kernel."""
        connection: AsyncKernelClient = super().client(**settings)
        self._connections += (connection,)
        return connection

    def hang_up(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.stop_channels()
        self._connections = ()

    async def empty(self) -> bool:
        """Forget every name that the last notebook gave; says whether the kernel is still there to do so."""
        self.hang_up()
        if not await self.is_alive():
            return False
        connection = self.client()
        connection.start_channels()
        await connection.execute(EMPTY_NAMESPACE, store_history=False, reply=True, timeout=PATIENCE)
        self.hang_up()
        return True

    async def stop(self) -> None:
        """End the kernel, if it runs, and give back what is held for it."""
        self.hang_up()
        await self.shutdown_kernel(now=True)


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
    """Names and literals of the one cell tagged ``parameters``; ``NotebookError`` for anything else."""
    cells = [cell for cell in read_notebook(path).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise NotebookError(f"{path.name} has {len(cells)} cells tagged 'parameters', expected one")
    lines: Any = ast.parse(cells[0].source).body
    try:
        return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
    except (AttributeError, ValueError) as error:
        raise NotebookError(f"{path.name}: the parameters cell may hold only NAME = LITERAL") from error


@contextmanager
def kept_kernels() -> Iterator[Callable[[], KeptKernel]]:
    """What gives each thread that asks its kernel as if newly started, until the `with` block ends.

    It is a new one where there is none or the last has died. The threads must have ended before the block.
    """
    of_thread: dict[int, tuple[KeptKernel, AbstractEventLoop]] = {}

    def kernel() -> KeptKernel:
        thread = threading.get_ident()
        if thread in of_thread:
            known, loop = of_thread[thread]
            if loop.run_until_complete(known.empty()):
                return known
            loop.run_until_complete(known.stop())
        new = KeptKernel(kernel_name=KERNEL)
        of_thread[thread] = new, ensure_event_loop()
        return new

    try:
        yield kernel
    finally:
        for known, loop in of_thread.values():
            loop.run_until_complete(known.stop())
            loop.close()


def run_notebooks(
    checkout: Path, parameters: Mapping[str, Mapping[str, Value]], publish: bool = True
) -> list[Run]:
    """Execute several notebooks, as many at a time as there are cores, the longest of last time first.

    Notebooks that run one after the other share a kernel, whose names are forgotten in between: importing
    takes longer than what most of them compute. ``parameters``: name of the notebook → what is set. To
    ``publish``, a notebook that ran to its end replaces that in the book. Raises ``NotebookError``, after all
    ended, for the first that failed.
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
    executed = stable(execute(source, checkout / WORK, parameters, kernel()))
    if publish:
        text: str = nbformat.writes(executed)  # type: ignore[no-untyped-call]
        write_if_changed(checkout / EXECUTED / source.name, f"{text}\n")
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


def read_runs(checkout: Path) -> dict[str, Run]:
    """The latest execution of each notebook in this checkout, by name; those that are gone do not count."""
    path = checkout / RUNS
    runs = read_json(path) if path.is_file() else {}
    return {name: Run(**runs[name]) for name in notebook_names(checkout) if name in runs}
