"""How many threads a computation may use (other sums round differently), and the memory that it keeps."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

import numpy as np
from threadpoolctl import ThreadpoolController


def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MB that were freed, twice a block once given back: a third of an estimate."""
    np.empty(2**25 - 2**16, np.uint8)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in torch on one thread for a while."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class SingleBlas:
    """numpy's matrix products on one thread while anybody is inside: the number belongs to the process."""

    def __init__(self) -> None:
        self._lock, self._inside, self._restored = Lock(), 0, ExitStack()
        if hasattr(os, "register_at_fork"):  # No child is to wait for a thread that it does not have.
            free = self._lock.release
            os.register_at_fork(before=self._lock.acquire, after_in_parent=free, after_in_child=free)

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._restored.enter_context(ThreadpoolController().limit(limits=1, user_api="blas"))
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._restored.close()


one_blas_thread = SingleBlas()  # the one gate to numpy's only setting
