"""How many threads a computation may use (other sums round differently), and the memory that it keeps."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, local

import numpy as np
from threadpoolctl import ThreadpoolController


def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MB that were freed, twice a block once given back: a third of an estimate."""
    np.empty(2**25 - 2**16, np.uint8)


_lock = Lock()  # for the numbers of threads, which belong to the process
if hasattr(os, "register_at_fork"):  # No child is to wait for a thread that it does not have.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)

_here = local()  # ``inside``: whether this thread computes in torch on one thread already
_found: list[int] = []  # the number before, for each thread that does


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in torch on one thread for a while."""
    import torch

    if getattr(_here, "inside", False):
        yield
        return
    with _lock:
        # A thread that meets torch finds the number that was set last, which may be the 1 of another one.
        before = max(torch.get_num_threads(), *_found[:1], 1)
        _found.append(before)
        torch.set_num_threads(1)
    _here.inside = True
    try:
        yield
    finally:
        _here.inside = False
        with _lock:
            torch.set_num_threads(before)
            _found.remove(before)


class SingleBlas:
    """numpy's matrix products on one thread while anybody is inside: the number belongs to the process."""

    def __init__(self) -> None:
        self._inside, self._restored = 0, ExitStack()

    def __enter__(self) -> None:
        with _lock:
            if not self._inside:
                self._restored.enter_context(ThreadpoolController().limit(limits=1, user_api="blas"))
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with _lock:
            self._inside -= 1
            if not self._inside:
                self._restored.close()


one_blas_thread = SingleBlas()  # the one gate to numpy's only setting
