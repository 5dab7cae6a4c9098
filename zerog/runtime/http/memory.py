"""Memory for requests under way: so many bytes at once, first come, first served. Whoever finds no room waits, and is not refused."""

from collections.abc import Callable
from typing import Final

import anyio

__all__ = ["RequestMemory"]


class RequestMemory:
    """Counts the bytes that the requests of one server hold. A request larger than all of it passes alone."""

    def __init__(self, bytes_max: int | None) -> None:
        """With `None` nothing is counted and nobody waits."""
        self.is_counted: Final = bytes_max is not None
        self._bytes_max: Final = bytes_max or 0
        self._taken_bytes = 0
        self._waiting: Final[dict[object, tuple[int, Callable[[], None]]]] = {}

    @property
    def is_contended(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    @property
    def taken_bytes(self) -> int:
        """What is held at the moment."""
        return self._taken_bytes

    def take(self, size_bytes: int) -> bool:
        """Take `size_bytes`, if there is room for them and nobody was there before."""
        if not self.is_counted or not size_bytes:
            return True
        if self._waiting or not self._has_room(size_bytes):
            return False
        self._taken_bytes += size_bytes
        return True

    def grow(self, held_bytes: int, size_bytes: int) -> bool:
        """Take `size_bytes` more, past those who wait: what is begun comes first. Whoever holds everything that is held always may."""
        if self.is_counted:
            if self._taken_bytes != held_bytes and not self._has_room(size_bytes):
                return False
            self._taken_bytes += size_bytes
        return True

    def hold(self, size_bytes: int) -> None:
        """Count bytes that are there already."""
        if self.is_counted:
            self._taken_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Let those in who were waiting for it."""
        if self.is_counted and size_bytes:
            self._taken_bytes -= size_bytes
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            who, (wanted_bytes, on_room) = next(iter(self._waiting.items()))
            if not self._has_room(wanted_bytes):
                return
            del self._waiting[who]
            self._taken_bytes += wanted_bytes
            on_room()

    def wait(self, who: object, size_bytes: int, on_room: Callable[[], None]) -> None:
        """Stand in the queue. `on_room` is called, without waiting for anything, once `size_bytes` were taken."""
        self._waiting[who] = (size_bytes, on_room)

    def leave(self, who: object) -> None:
        """Out of the queue, if there at all; there may be room for the next."""
        if self._waiting.pop(who, None) is not None:
            self._let_in()

    async def turn(self, size_bytes: int) -> None:
        """Take `size_bytes`, in turn."""
        if self.take(size_bytes):
            return
        room = anyio.Event()
        self.wait(room, size_bytes, room.set)
        try:
            await room.wait()
        except BaseException:
            if room.is_set():
                self.give_back(size_bytes)
            self.leave(room)
            raise

    def _has_room(self, size_bytes: int) -> bool:
        return not self._taken_bytes or self._taken_bytes + size_bytes <= self._bytes_max
