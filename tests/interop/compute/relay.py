"""A relay before a provider: what it passes on it notes, so that a test sees what clients really ask."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from anyio import (
    TASK_STATUS_IGNORED,
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
)
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.from_thread import BlockingPortal

__all__ = ["Relay", "running_relay"]

REQUEST: Final = re.compile(rb"\b([A-Z]+) (/\S*) HTTP/1\.1\r\n")


@dataclass(slots=True)
class Relay:
    """Takes connections at an address of its own, also while nobody listens behind it."""

    url: str = ""
    target_port: int = 0
    """Where the provider listens on this machine."""
    heard: list[bytearray] = field(default_factory=list)
    """What clients sent, by connection."""

    def requests(self) -> list[tuple[str, str]]:
        """Method and target of each request so far."""
        return [(found[1].decode(), found[2].decode()) for connection in list(self.heard) for found in REQUEST.finditer(bytes(connection))]

    async def run(self, *, task_status: TaskStatus[int] = TASK_STATUS_IGNORED) -> None:
        """Relay until cancelled. Reports its port."""
        async with await create_tcp_listener(local_host="127.0.0.1") as listener:
            task_status.started(listener.extra(SocketAttribute.local_port))  # noqa: S610 - it is no query of a database.
            await listener.serve(self._carry)

    async def _carry(self, client: SocketStream) -> None:
        heard = bytearray()
        self.heard.append(heard)
        async with client:
            try:
                provider = await connect_tcp("127.0.0.1", self.target_port)
            except OSError:
                return  # It is away: the client sees its connection closed, as it would without a relay.
            async with provider, create_task_group() as ways:
                ways.start_soon(_pass_on, client, provider, heard, ways.cancel_scope, name="relay.asked")
                ways.start_soon(_pass_on, provider, client, bytearray(), ways.cancel_scope, name="relay.answered")


async def _pass_on(source: SocketStream, sink: SocketStream, noted: bytearray, both: CancelScope) -> None:
    try:
        while True:
            piece = await source.receive()
            noted += piece
            await sink.send(piece)
    except EndOfStream:
        await _end(sink, both)
    except (BrokenResourceError, ClosedResourceError):
        both.cancel()  # One side has gone, and so has the connection.


async def _end(sink: SocketStream, both: CancelScope) -> None:
    try:
        await sink.send_eof()
    except (BrokenResourceError, ClosedResourceError, OSError):
        both.cancel()


@contextmanager
def running_relay(portal: BlockingPortal) -> Iterator[Relay]:
    """A relay in the event loop of the providers."""
    relay = Relay()
    future, port = portal.start_task(relay.run)
    relay.url = f"http://127.0.0.1:{port}"
    try:
        yield relay
    finally:
        future.cancel()
        portal.call(_ended)


async def _ended() -> None:
    """Anything that is asked of the loop after a cancellation comes after it."""
