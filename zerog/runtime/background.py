"""Threads for long computations, at lower priority than everything that somebody waits for: few at once, with a short line."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio

from zerog.primitives.errors import RefusalError

__all__ = ["BackgroundBusyError", "BackgroundThreads"]

T = TypeVar("T")

NICE: Final = 10
"""Of Linux's 19 steps down; a thread so low gets a tenth of a processor that others want, and all of one that nobody wants."""


@dataclass(eq=False)
class BackgroundBusyError(RefusalError):
    """So many computations wait that one more would only wait longer."""

    name: str

    code = "background_busy"
    remedy = "try again later"
    http_status = 503
    grpc_status = "RESOURCE_EXHAUSTED"

    def __str__(self) -> str:
        return f"{self.name}: request pool is full"


class BackgroundThreads:
    """Belongs to one event loop. Whoever is cancelled leaves at once; what runs for him runs on, and keeps its thread until it ends."""

    def __init__(self, name: str, threads: int, *, waiting_max: int) -> None:
        """`name` is for threads and messages."""
        self._name: Final = name
        self._threads: Final = threads
        self._waiting_max: Final = waiting_max
        self._free: Final = anyio.Semaphore(threads, max_value=threads)
        self._executor: Final = ThreadPoolExecutor(threads, thread_name_prefix=f"zerog-{name}", initializer=_step_back)
        self.waiting = 0

    @property
    def running(self) -> int:
        """Computations that have a thread."""
        return self._threads - self._free.value

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns, in its turn. Raises `BackgroundBusyError`, and what it raises."""
        if self.waiting >= self._waiting_max:
            raise BackgroundBusyError(self._name)
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        loop = asyncio.get_running_loop()

        def ended(_future: "Future[T]") -> None:
            with suppress(RuntimeError):  # The loop is closed, and nobody waits.
                loop.call_soon_threadsafe(self._free.release)

        future = self._executor.submit(call)
        future.add_done_callback(ended)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Begin nothing any more. What runs is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _step_back() -> None:
    """On Linux priorities are those of threads, and threads that this one starts have its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
