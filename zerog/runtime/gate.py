"""A gate for whatever writes: it can be closed, and whoever closes it knows when the last one has gone through."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

__all__ = ["Gate"]


class Gate:
    """Open at first. Belongs to one event loop."""

    def __init__(self) -> None:
        self._opened: anyio.Event | None = None
        self._emptied: anyio.Event | None = None
        self._inside = 0

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Do something that a closed gate keeps waiting."""
        while self._opened is not None:
            await self._opened.wait()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside and self._emptied is not None:
                self._emptied.set()

    async def close(self) -> None:
        """Let nobody begin, and return once all have finished that had begun."""
        if self._opened is None:
            self._opened = anyio.Event()
        while self._inside:
            self._emptied = self._emptied or anyio.Event()
            await self._emptied.wait()
            self._emptied = None

    def open(self) -> None:
        """Let those go on who wait."""
        if self._opened is not None:
            self._opened.set()
            self._opened = None
