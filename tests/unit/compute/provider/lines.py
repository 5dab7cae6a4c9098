"""The lines between a provider and what it stands on: a test sees each call to the chain and each commit to the database, and can end them.

`on_step` is called right before something arrives and right after it was done, before the provider hears of it. It may end the provider,
wait, or raise `CutError`, which closes the connection.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

HEAD_BYTES_MAX: Final = 1 << 16
SAID_BYTES_MAX: Final = 1 << 18
READ_BYTES_MAX: Final = 1 << 16
ENDS: Final = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError)


class CutError(Exception):
    """The line is cut here."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call of the chain by its method, or a commit, with what was said before it."""

    name: str
    said: bytes
    is_done: bool


OnStep = Callable[[Step], Awaitable[None]]


class _Call(msgspec.Struct):
    method: str


class ChainLine:
    """Passes calls on, one connection to the node for each of the provider's."""

    def __init__(self, node_url: str, on_step: OnStep) -> None:
        parts = urlsplit(node_url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._on_step: Final = on_step

    async def pass_on(self, client: SocketStream) -> None:
        try:
            async with client, await anyio.connect_tcp(self._host, self._port) as node:
                asking, answering = BufferedByteReceiveStream(client), BufferedByteReceiveStream(node)
                while True:
                    head, body = await read_message(asking)
                    name = msgspec.json.decode(body, type=_Call).method
                    await self._on_step(Step(name, body, is_done=False))
                    await node.send(head + body)
                    answer = await read_message(answering)
                    await self._on_step(Step(name, body, is_done=True))
                    await client.send(b"".join(answer))
        except (*ENDS, CutError, OSError):
            return  # One of the two has gone.


async def read_message(stream: BufferedByteReceiveStream) -> tuple[bytes, bytes]:
    """One message of HTTP, whose body has a length."""
    head = await stream.receive_until(b"\r\n\r\n", HEAD_BYTES_MAX)
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + b"\r\n\r\n", await stream.receive_exactly(length)


@asynccontextmanager
async def chain_line(node_url: str, on_step: OnStep) -> AsyncIterator[str]:
    """The URL of a line to a node."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, ChainLine(node_url, on_step).pass_on)
        yield f"http://127.0.0.1:{listener.extra_attributes[SocketAttribute.local_port]()}"
        tasks.cancel_scope.cancel()


class DatabaseLine:
    """Passes the bytes of PostgreSQL's protocol on, and knows a commit when it sees one.

    The streams are asyncio's own: those of anyio for unix sockets report a fault when bytes come while their reader is cancelled.
    """

    def __init__(self, socket: str, on_step: OnStep) -> None:
        self._socket: Final = socket
        self._on_step: Final = on_step

    async def pass_on(self, said: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        committing: list[bytes] = []
        with closing(client):
            try:
                answered, server = await asyncio.open_unix_connection(self._socket)
            except OSError:
                return  # The server is not there.
            with closing(server):
                async with anyio.create_task_group() as ways:
                    ways.start_soon(self._upwards, said, server, committing, ways.cancel_scope)
                    ways.start_soon(self._downwards, answered, client, committing, ways.cancel_scope)

    async def _upwards(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, committing: list[bytes], ways: anyio.CancelScope
    ) -> None:
        said = b""
        with suppress(ConnectionError, CutError):
            while data := await client.read(READ_BYTES_MAX):
                said = (said + data)[-SAID_BYTES_MAX:]
                if b"COMMIT" in data:
                    await self._on_step(Step("COMMIT", said, is_done=False))
                    committing.append(said)
                    said = b""
                server.write(data)
                await server.drain()
        ways.cancel()

    async def _downwards(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, committing: list[bytes], ways: anyio.CancelScope
    ) -> None:
        with suppress(ConnectionError, CutError):
            while data := await server.read(READ_BYTES_MAX):
                if committing:
                    await self._on_step(Step("COMMIT", committing.pop(), is_done=True))
                client.write(data)
                await client.drain()
        ways.cancel()


@asynccontextmanager
async def database_line(url: str, folder: Path, on_step: OnStep) -> AsyncIterator[str]:
    """The URL of a database, whose server's socket is in `folder`, behind a line."""
    with TemporaryDirectory(prefix="zerog-line-") as place:
        async with anyio.create_task_group() as tasks:
            line = DatabaseLine(f"{folder}/.s.PGSQL.5432", on_step)

            def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                tasks.start_soon(line.pass_on, reader, writer)

            with closing(await asyncio.start_unix_server(come, f"{place}/.s.PGSQL.5432")):
                yield url.replace(str(folder), place)
            tasks.cancel_scope.cancel()
