"""Memory for data on its way, shared by all clients: who finds none left waits, and is served in turn."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

__all__ = ["ByteBudget"]


class ByteBudget:
    """So many bytes and no more."""

    def __init__(self, size_bytes: int) -> None:
        self._size: Final = size_bytes
        self._free = size_bytes
        self._waiting: Final[deque[tuple[int, anyio.Event]]] = deque()

    @property
    def used_bytes(self) -> int:
        return self._size - self._free

    @asynccontextmanager
    async def holding(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold so many bytes; more than there are means all of them."""
        wanted = min(size_bytes, self._size)
        await self._take(wanted)
        try:
            yield
        finally:
            self.give_back(wanted)

    def try_take(self, size_bytes: int) -> bool:
        """Take bytes if they are free and nobody waits; they are to be given back."""
        if self._waiting or size_bytes > self._free:
            return False
        self._free -= size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """Give back what was taken."""
        self._free += size_bytes
        while self._waiting and self._waiting[0][0] <= self._free:
            wanted, granted = self._waiting.popleft()
            self._free -= wanted
            granted.set()

    async def _take(self, wanted: int) -> None:
        if self.try_take(wanted):
            return
        entry = (wanted, anyio.Event())
        self._waiting.append(entry)
        try:
            await entry[1].wait()
        except BaseException:
            if entry[1].is_set():
                self.give_back(wanted)  # Granted and cancelled at once.
            else:
                self._waiting.remove(entry)
                self.give_back(0)  # Those behind it may fit.
            raise
