"""A first server for what needs no Python: it answers on connections itself, and hands those over that ask for anything else.

A connection that was handed over is served as if it had been accepted here: with the bytes that were read of it, for good.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, TypeAlias

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from uvicorn.server import Server

from zerog.runtime.http.config import ServerConfig
from zerog.runtime.http.guard import Guard
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.protocol import Begun, new_connection

__all__ = ["Front", "FrontDoor", "OpenFront", "plain_hosts"]

log = structlog.get_logger(__name__)

WAKE_BYTES: Final = 4_096


class Front(Protocol):
    """What answers first."""

    def take(self) -> list[tuple[int, bytes, bytes, bool]]:
        """Connections that are no longer its own: descriptor, bytes still to be sent, bytes not answered, whether it has answered some."""

    def stop(self) -> None:
        """Accept nobody more. What was handed over can still be taken."""


OpenFront: TypeAlias = Callable[[socket.socket, socket.socket, HttpLimits], Front]
"""From a socket that listens, one that is to get a byte when connections can be taken, and the server's limits."""


def plain_hosts(guard: Guard, port: int) -> list[bytes]:
    """What local programs write as `Host`, as far as the guard lets them in: a front compares, and decides nothing."""
    names = [b"127.0.0.1", b"localhost", b"[::1]"]
    hosts = [each for name in names for each in (b"%s:%d" % (name, port), name)]
    return [host for host in hosts if guard.verdict([(b"host", host)]).refusal is None]


class FrontDoor:
    """Takes over what the front of a server hands over."""

    def __init__(self, server: Server, config: ServerConfig, listener: socket.socket, open_front: OpenFront) -> None:
        self._server: Final = server
        self._config: Final = config
        self._listener: Final = listener
        self._open: Final = open_front

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Adopt connections until cancelled; then the front has stopped and all that it handed over is adopted."""
        theirs, ours = socket.socketpair()
        with theirs, ours:
            theirs.setblocking(False)
            ours.setblocking(False)
            front = self._open(self._listener, theirs, self._config.limits)
            task_status.started()
            try:
                while True:
                    await anyio.wait_readable(ours)
                    ours.recv(WAKE_BYTES)
                    await self._adopt_all(front)
            finally:
                front.stop()
                await self._adopt_all(front)

    async def _adopt_all(self, front: Front) -> None:
        with anyio.CancelScope(shield=True):  # It waits for nothing but the loop, and what was taken would be lost.
            for descriptor, unsent, unread, served in front.take():
                await self._adopt(socket.socket(fileno=descriptor), unsent, unread, served=served)

    async def _adopt(self, connection: socket.socket, unsent: bytes, unread: bytes, *, served: bool) -> None:
        """Go on with a connection; one that has been reset meanwhile is gone."""
        server = self._server
        begun = Begun(unsent=unsent, unread=unread, served=served)
        protocol = partial(new_connection, self._config, server.server_state, server.lifespan.state, begun=begun)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
        except OSError as error:
            connection.close()
            log.debug("connection_lost_at_the_door", error=str(error))
