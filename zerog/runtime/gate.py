"""A gate for whatever writes: it can be closed, and whoever closes it knows when the last one has gone through."""

from types import TracebackType
from typing import Final

import anyio

__all__ = ["Gate"]


class Gate:
    """Open at first. Belongs to one event loop."""

    def __init__(self) -> None:
        self._opened: anyio.Event | None = None
        self._emptied: anyio.Event | None = None
        self._inside = 0

    def passing(self) -> "Passage":
        """Do something that a closed gate keeps waiting: a context to enter."""
        return Passage(self)

    async def enter(self) -> None:
        """Go through, once it is open. Whoever has entered must `leave`."""
        while self._opened is not None:
            await self._opened.wait()
        self._inside += 1

    def leave(self) -> None:
        """Have finished."""
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


class Passage:
    """One way through a gate. A class, since a generator as a context costs several times as much, and there is one a request."""

    __slots__ = ("_gate",)

    def __init__(self, gate: Gate) -> None:
        self._gate: Final = gate

    async def __aenter__(self) -> None:
        await self._gate.enter()

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._gate.leave()
