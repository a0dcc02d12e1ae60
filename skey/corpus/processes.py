"""Work in several processes that never outlive the one that started them."""

import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import TypeVar

from skey.errors import SkeyError

Task = TypeVar("Task")
Result = TypeVar("Result")

_LOST = (
    "the system ended a worker process, often for lack of memory. "
    "Run the command again with fewer --jobs: it goes on where it stopped."
)
_NEVER_BEGUN = (
    "no worker process could start. Each of them imports the script that asked for it: "
    'in a script of your own, put what it does below  if __name__ == "__main__":  or use one job.'
)


@contextlib.contextmanager
def rare_collection() -> Iterator[None]:
    """Collect garbage rarely: parsing a quartet then takes up to a third less time, and 10 MB more."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 1000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def default_jobs() -> int:
    """As many processes as this process may use cores, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8)


def in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Apply a function to each task in ``jobs`` fresh processes; yields the results as they finish.

    The first error, ctrl-C or the death of this process ends the work. Raises ``SkeyError`` where the system
    ends a worker, or where none begins.
    """
    context = get_context("spawn")  # a fork would copy the locks that torch's threads hold
    watched, lifeline = context.Pipe(duplex=False)
    begun = context.Event()
    with lifeline, ProcessPoolExecutor(jobs, context, _begin, (watched, begun)) as pool:
        try:
            for future in as_completed([pool.submit(function, task) for task in tasks]):
                yield future.result()
        except BrokenExecutor as error:
            lifeline.close()
            raise SkeyError(_LOST if begun.is_set() else _NEVER_BEGUN) from error
        except BaseException:
            lifeline.close()
            pool.shutdown(cancel_futures=True)
            raise


def _begin(watched: Connection, begun: Event) -> None:
    """Leave ctrl-C to the parent, and end when its end of the pipe closes, on purpose or by its death."""

    def leave() -> None:
        watched.poll(None)
        os._exit(1)

    begun.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=leave, daemon=True).start()
