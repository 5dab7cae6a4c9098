"""HTTP/1.1 to one storage node, for many requests at once: kept connections, a deadline on every exchange, a bound on every answer.

The client's own connection blocks a thread for each request; a router has hundreds under way, and gives some up before they are answered.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLError
from typing import Final, TypeVar
from urllib.parse import urlsplit

import anyio
import httptools
from anyio.abc import ByteStream

from zerog.storage.client.calls import Call, encode, read_answer
from zerog.storage.client.errors import PeerAnswerError, PeerUnreachableError

__all__ = ["BULK_BYTES_MAX", "JSON_BYTES_MAX", "Answer", "Upstream"]

T = TypeVar("T")

JSON_BYTES_MAX: Final = 16 << 20
"""Of a JSON answer."""
BULK_BYTES_MAX: Final = 8 << 20
"""Of an answer with segments: data of at most 4 MiB, and the proofs."""
CONNECTIONS_MAX: Final = 32
"""To one node at once; more requests wait."""
RECEIVE_BYTES: Final = 1 << 18
CONNECT_S: Final = 3.0
ANSWER_S: Final = 30.0
LOST: Final = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    content_type: bytes
    body: bytes


class Upstream:
    """Requests to one server."""

    def __init__(self, url: str) -> None:
        """`url` is that of an HTTP server; nothing is connected before the first request."""
        parts = urlsplit(url)
        self.url: Final = url
        self._tls: Final = parts.scheme == "https"
        self._host: Final = parts.hostname or ""
        self._port: Final = parts.port or (443 if self._tls else 80)
        self._path: Final = parts.path.rstrip("/")
        self._host_header: Final = parts.netloc.rpartition("@")[2]
        self._idle: Final[deque[_Connection]] = deque()
        self._places: Final = anyio.CapacityLimiter(CONNECTIONS_MAX)
        self.is_closed = False

    async def call(self, call: Call[T], *, limit_s: float = ANSWER_S) -> T:
        """The result of a JSON-RPC call. Raises `PeerUnreachableError`, `PeerAnswerError` and `PeerRefusedError`."""
        answer = await self.post("/", [encode(call)], limit_s=limit_s)
        return read_answer(call, answer.body, self.url)

    async def post(
        self,
        target: str,
        body: Sequence[bytes | memoryview],
        *,
        content_type: str = "application/json",
        limit_s: float = ANSWER_S,
        answer_bytes_max: int = JSON_BYTES_MAX,
    ) -> Answer:
        """Send a body, in parts. Raises `PeerUnreachableError` and `PeerAnswerError`."""
        length = sum(map(len, body))
        head = self._head("POST", target, f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n")
        return await self._exchange([head, *body], limit_s, answer_bytes_max)

    async def get(self, target: str, *, limit_s: float = ANSWER_S, answer_bytes_max: int = BULK_BYTES_MAX) -> Answer:
        """Raises `PeerUnreachableError` and `PeerAnswerError`."""
        return await self._exchange([self._head("GET", target, "")], limit_s, answer_bytes_max)

    async def close(self) -> None:
        """Let go of the connections that nobody uses; the others follow when their exchange ends."""
        self.is_closed = True
        while self._idle:
            await self._idle.pop().close()

    def _head(self, method: str, target: str, more: str) -> bytes:
        return f"{method} {self._path}{target} HTTP/1.1\r\nHost: {self._host_header}\r\nAccept-Encoding: identity\r\n{more}\r\n".encode()

    async def _exchange(self, request: list[bytes | memoryview], limit_s: float, answer_bytes_max: int) -> Answer:
        try:
            async with self._places:
                with anyio.fail_after(limit_s):
                    return await self._ask(b"".join(request), answer_bytes_max)
        except TimeoutError:
            raise PeerUnreachableError(self.url, f"it takes longer than {limit_s:g} s") from None
        except (OSError, SSLError, *LOST) as error:
            raise PeerUnreachableError(self.url, str(error) or type(error).__name__) from error
        except httptools.HttpParserError as error:
            raise PeerAnswerError(self.url, f"no HTTP: {error}") from error

    async def _ask(self, request: bytes, answer_bytes_max: int) -> Answer:
        """A kept connection may have been closed by the server meanwhile, without a word; then one that is new is taken."""
        while self._idle:
            with suppress(*LOST):
                return await self._ask_on(self._idle.pop(), request, answer_bytes_max)
        with anyio.fail_after(CONNECT_S):
            stream = await self._connect()
        return await self._ask_on(_Connection(stream), request, answer_bytes_max)

    async def _connect(self) -> ByteStream:
        if self._tls:
            return await anyio.connect_tcp(self._host, self._port, tls=True, tls_standard_compatible=False)
        return await anyio.connect_tcp(self._host, self._port)

    async def _ask_on(self, connection: "_Connection", request: bytes, answer_bytes_max: int) -> Answer:
        reusable = False
        try:
            await connection.stream.send(request)
            reader = await connection.read_answer(answer_bytes_max)
            if reader.is_too_long:
                raise PeerAnswerError(self.url, f"it sends more than {answer_bytes_max} bytes")
            reusable = reader.keeps_alive and not self.is_closed
            return Answer(reader.status, reader.content_type, b"".join(reader.body))
        finally:
            if reusable:
                self._idle.append(connection)
            else:
                await connection.close()


class _Connection:
    """One connection."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream: Final = stream

    async def read_answer(self, bytes_max: int) -> "_AnswerReader":
        """The next answer. Raises `anyio.EndOfStream` when the server closes before it is complete."""
        reader = _AnswerReader(bytes_max)
        while not reader.is_complete and not reader.is_too_long:
            reader.feed(await self.stream.receive(RECEIVE_BYTES))
        return reader

    async def close(self) -> None:
        """Cut it: nobody waits for the other side's good-bye."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(1.0), suppress(OSError, *LOST):
            await anyio.aclose_forcefully(self.stream)


class _AnswerReader:
    """Takes an answer apart; the names of its methods are the parser's."""

    def __init__(self, bytes_max: int) -> None:
        self._parser: Final = httptools.HttpResponseParser(self)
        self._left = bytes_max
        self.content_type = b""
        self.body: Final[list[bytes]] = []
        self.status = 0
        self.keeps_alive = False
        self.is_complete = False
        self.is_too_long = False

    def feed(self, data: bytes) -> None:
        """Raises `httptools.HttpParserError`."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.content_type = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.keeps_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._left -= len(body)
        if self._left < 0:
            self.is_too_long = True
        else:
            self.body.append(body)

    def on_message_complete(self) -> None:
        self.is_complete = True
