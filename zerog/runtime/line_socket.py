"""Lines over a Unix socket: a listener, a connection, and room for folders that lie deeper than a socket address reaches.

It waits with `anyio.wait_readable`, since anyio's own Unix streams on asyncio raise from the loop when a cancellation and data meet.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio

from zerog.primitives.errors import RefusalError

__all__ = ["LineConnection", "LineTooLongError", "SocketPathError", "accept_line", "connect_lines", "listen_lines"]

SOCKET_PATH_BYTES_MAX: Final = 107 if sys.platform == "linux" else 103
"""Longest path of a Unix socket. Source: Linux unix(7), sun_path; macOS sys/un.h."""
CHUNK_BYTES: Final = 1 << 16
BACKLOG: Final = 64
"""Connections that may wait to be accepted."""


@dataclass(eq=False)
class SocketPathError(RefusalError):
    """The system cannot name a socket in so deep a folder."""

    path: Path

    code = "path_too_long"
    remedy = "choose a folder with a shorter path"

    def __str__(self) -> str:
        return f"the path is too long for a socket: {self.path}"


@dataclass(eq=False)
class LineTooLongError(RefusalError):
    """The other side sends a line without end."""

    bytes_max: int

    code = "line_too_long"
    remedy = "send less at once"

    def __str__(self) -> str:
        return f"a line is longer than {self.bytes_max} bytes"


class LineConnection:
    """One side of a conversation in lines."""

    def __init__(self, connection: socket.socket, *, line_bytes_max: int) -> None:
        self._socket = connection
        self._unread = bytearray()
        self._line_bytes_max = line_bytes_max

    async def send(self, line: bytes) -> None:
        """Send `line` and its end. Raises `OSError` when the other side has gone."""
        rest = memoryview(line + b"\n")
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)

    async def receive(self) -> bytes | None:
        """The next line without its end; `None` once the other side has gone. Raises `LineTooLongError`."""
        while (end := self._unread.find(b"\n")) < 0:
            if len(self._unread) > self._line_bytes_max:
                raise LineTooLongError(self._line_bytes_max)
            if not (chunk := await self._receive_chunk()):
                return None
            self._unread += chunk
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return line

    async def _receive_chunk(self) -> bytes:
        while True:
            try:
                return self._socket.recv(CHUNK_BYTES)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            except ConnectionResetError:
                return b""

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def listen_lines(path: Path) -> socket.socket:
    """A listener on `path` for its owner alone. A socket that lies there already is replaced. Raises `SocketPathError`."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        with short_path(path) as address:
            listener.bind(address)
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


async def accept_line(listener: socket.socket, *, line_bytes_max: int) -> LineConnection:
    """The next one who connects."""
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            await anyio.wait_readable(listener)
        else:
            connection.setblocking(False)
            return LineConnection(connection, line_bytes_max=line_bytes_max)


def connect_lines(path: Path, *, line_bytes_max: int) -> LineConnection:
    """A connection to the listener on `path`; on one machine it stands at once. Raises `OSError`, `SocketPathError`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as address:
            connection.connect(address)
        connection.setblocking(False)
    except BaseException:
        connection.close()
        raise
    return LineConnection(connection, line_bytes_max=line_bytes_max)


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for the socket `path` that fits into a socket address, however deep the folder lies."""
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        yield str(path)
        return
    if sys.platform != "linux":
        raise SocketPathError(path)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
