"""Kernels that outlive a notebook: the next begins with an empty namespace and the modules imported."""

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop

KERNEL = "python3"  # the kernel of the Python that asks; ipykernel provides it under this name

EMPTY_NAMESPACE = "get_ipython().reset(new_session=True)"

PATIENCE = 60.0  # seconds that an idle kernel has for emptying its namespace


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
        if self.has_kernel:
            await self.shutdown_kernel(now=True)
        else:
            await self.cleanup_resources()


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
