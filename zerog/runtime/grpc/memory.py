"""The memory that large messages of a server may take, all calls together."""

from collections import deque
from types import TracebackType
from typing import Final

import anyio

from zerog.runtime.grpc.errors import ServerBusyError

__all__ = ["MemoryShare", "MessageMemory"]


class MessageMemory:
    """So many bytes; who finds too little left waits in line, so that a large call is not passed by small ones for ever.

    A call takes its share before its message is read. Until then grpcio holds no more of it than the window of its HTTP/2 stream (64 KiB),
    and the rest stays with the client.
    """

    def __init__(self, bytes_max: int, *, waiting_max: int) -> None:
        self.bytes_max: Final = bytes_max
        self.used_bytes = 0
        self._waiting_max: Final = waiting_max
        self._waiting: Final[deque[tuple[int, anyio.Event]]] = deque()

    @property
    def waiting(self) -> int:
        """Calls in line."""
        return len(self._waiting)

    def share(self, size_bytes: int) -> "MemoryShare":
        """Room for so much, as a context. More than there is in all is the same as all. Entering it raises `ServerBusyError`."""
        return MemoryShare(self, min(size_bytes, self.bytes_max))

    async def take(self, size_bytes: int) -> None:
        """Raises `ServerBusyError` where the line is too long."""
        if not self._waiting and self._fits(size_bytes):
            self.used_bytes += size_bytes
            return
        if len(self._waiting) >= self._waiting_max:
            raise ServerBusyError
        turn = anyio.Event()
        self._waiting.append((size_bytes, turn))
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self.give(size_bytes)
            else:
                self._waiting.remove((size_bytes, turn))
                self._let_in()  # Whoever stood behind may fit.
            raise

    def give(self, size_bytes: int) -> None:
        """Give back what was taken."""
        self.used_bytes -= size_bytes
        self._let_in()

    def _fits(self, size_bytes: int) -> bool:
        return self.used_bytes + size_bytes <= self.bytes_max

    def _let_in(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size_bytes, turn = self._waiting.popleft()
            self.used_bytes += size_bytes
            turn.set()


class MemoryShare:
    """What one call holds."""

    __slots__ = ("_memory", "_size_bytes")

    def __init__(self, memory: MessageMemory, size_bytes: int) -> None:
        self._memory: Final = memory
        self._size_bytes: Final = size_bytes

    async def __aenter__(self) -> None:
        await self._memory.take(self._size_bytes)

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._memory.give(self._size_bytes)
