"""HTTP/1.1 to one storage node, for many requests at once: kept connections, a deadline on every exchange, a bound on every answer.

The client's own connection blocks a thread for each request; a router has hundreds under way, and gives some up before they are answered.
Bodies are received where they stay: with a copy less, and without the pieces that a stream would leave all over the memory.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import anyio
import httptools

from zerog.runtime.http.asgi import AsgiApplication
from zerog.storage.client.calls import Call, encode, read_answer
from zerog.storage.client.errors import PeerAnswerError, PeerUnreachableError

__all__ = ["BULK_BYTES_MAX", "CONNECTIONS_MAX", "JSON_BYTES_MAX", "Answer", "NearUpstream", "Upstream"]

T = TypeVar("T")

JSON_BYTES_MAX: Final = 16 << 20
"""Of a JSON answer."""
BULK_BYTES_MAX: Final = 8 << 20
"""Of an answer with segments: data of at most 4 MiB, and the proofs."""
CONNECTIONS_MAX: Final = 32
"""To one node at once; more requests wait."""
HEAD_BYTES_MAX: Final = 1 << 16
RECEIVE_BYTES: Final = 1 << 16
"""At a time, of heads and of bodies whose length is not known."""
CONNECT_S: Final = 3.0
ANSWER_S: Final = 30.0
HEAD_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a server."""

    method: str
    target: str
    body: Sequence[bytes | memoryview] = ()
    """In parts."""
    content_type: str = ""
    is_urgent: bool = False
    """Waits for no other request, and does not count among them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    content_type: bytes
    body: memoryview


class Upstream:
    """Requests to one server."""

    def __init__(self, url: str) -> None:
        """`url` is that of an HTTP server; nothing is connected before the first request."""
        parts = urlsplit(url)
        self.url: Final = url
        self._host: Final = parts.hostname or ""
        self._port: Final = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls: Final = ssl.create_default_context() if parts.scheme == "https" else None
        self._path: Final = parts.path.rstrip("/")
        self._host_header: Final = parts.netloc.rpartition("@")[2]
        self._idle: Final[deque[_Connection]] = deque()
        self._places: Final = anyio.CapacityLimiter(CONNECTIONS_MAX)
        self._is_closed = False
        self.answered_s = float("-inf")
        """When the last answer was complete, on the event loop's clock."""

    async def call(self, call: Call[T], *, limit_s: float = ANSWER_S, is_urgent: bool = False) -> T:
        """The result of a JSON-RPC call. An urgent one waits for no other. Raises `PeerUnreachableError`, `PeerAnswerError` and
        `PeerRefusedError`."""
        request = Request("POST", "/", [encode(call)], "application/json", is_urgent)
        answer = await self._within(limit_s, self._ask(request, JSON_BYTES_MAX))
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
        return await self._within(limit_s, self._ask(Request("POST", target, body, content_type), answer_bytes_max))

    async def get(self, target: str, *, limit_s: float = ANSWER_S, answer_bytes_max: int = BULK_BYTES_MAX) -> Answer:
        """Raises `PeerUnreachableError` and `PeerAnswerError`."""
        return await self._within(limit_s, self._ask(Request("GET", target), answer_bytes_max))

    def close(self) -> None:
        """Let go of the connections that nobody uses; the others follow when their exchange ends."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().cut()

    async def _within(self, limit_s: float, answer: Awaitable[Answer]) -> Answer:
        """Everything that can go wrong as an error of ours."""
        try:
            with anyio.fail_after(limit_s):
                whole = await answer
        except TimeoutError:
            raise PeerUnreachableError(self.url, f"it takes longer than {limit_s:g} s") from None
        except OSError as error:
            raise PeerUnreachableError(self.url, str(error) or type(error).__name__) from error
        except (httptools.HttpParserError, _AnswerError) as error:
            raise PeerAnswerError(self.url, f"no HTTP that we take: {error}") from error
        self.answered_s = anyio.current_time()
        return whole

    async def _ask(self, request: Request, answer_bytes_max: int) -> Answer:
        """A kept connection may have been closed by the server meanwhile, without a word; then one that is new is taken."""
        parts = [self._head(request), *request.body]
        async with self._place_for(request):
            while self._idle:
                with suppress(ConnectionError):
                    return await self._ask_on(self._idle.pop(), parts, answer_bytes_max)
            return await self._ask_on(await self._connect(), parts, answer_bytes_max)

    def _place_for(self, request: Request) -> AbstractAsyncContextManager[object]:
        return nullcontext() if request.is_urgent else self._places

    def _head(self, request: Request) -> bytes:
        lines = [f"{request.method} {self._path}{request.target} HTTP/1.1", f"Host: {self._host_header}", "Accept-Encoding: identity"]
        if request.method == "POST":
            lines += [f"Content-Type: {request.content_type}", f"Content-Length: {sum(map(len, request.body))}"]
        return "\r\n".join([*lines, "", ""]).encode()

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        with anyio.move_on_after(CONNECT_S):
            _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._tls)
            return connection
        raise ConnectionRefusedError(f"no connection within {CONNECT_S:g} s")

    async def _ask_on(self, connection: "_Connection", parts: Sequence[bytes | memoryview], answer_bytes_max: int) -> Answer:
        reusable = False
        try:
            answer = await connection.ask(parts, answer_bytes_max)
            reusable = connection.keeps_alive and not self._is_closed
        finally:
            if reusable:
                self._idle.append(connection)
            else:
                connection.cut()
        return answer


class NearUpstream(Upstream):
    """Requests to a server in this very process: to its application, past all sockets."""

    def __init__(self, url: str, app: AsgiApplication) -> None:
        """`url` is that under which others reach it."""
        super().__init__(url)
        self._app: Final = app

    async def _ask(self, request: Request, answer_bytes_max: int) -> Answer:
        status, content_type = 0, b""
        parts: list[bytes | memoryview] = []
        is_read = False

        async def receive() -> MutableMapping[str, Any]:
            nonlocal is_read
            if is_read:
                await anyio.sleep_forever()  # As of a client that stays and says nothing more.
            is_read = True
            body = request.body[0] if len(request.body) == 1 else b"".join(request.body)
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status, content_type
            if message["type"] == "http.response.start":
                status = message["status"]
                content_type = dict(message["headers"]).get(b"content-type", b"")
            else:
                parts.append(message.get("body", b""))
                if sum(map(len, parts)) > answer_bytes_max:
                    raise _AnswerError(f"it sends more than {answer_bytes_max} bytes")

        async with self._place_for(request):
            await self._app(self._scope(request), receive, send)
        return Answer(status, content_type, memoryview(parts[0] if len(parts) == 1 else b"".join(parts)))

    def _scope(self, request: Request) -> MutableMapping[str, Any]:
        path, _, query = request.target.partition("?")
        headers = [(b"host", self._host_header.encode())]
        if request.method == "POST":
            headers += [(b"content-type", request.content_type.encode()), (b"content-length", b"%d" % sum(map(len, request.body)))]
        return {
            "type": "http",
            "method": request.method,
            "path": f"{self._path}{path}",
            "query_string": query.encode(),
            "headers": headers,
        }


class _AnswerError(Exception):
    """An answer that is HTTP, and more than we take."""


class _Connection(asyncio.BufferedProtocol):
    """One connection, with one request under way at most."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._scratch: Final = bytearray(RECEIVE_BYTES)
        self._reader: _AnswerReader | None = None
        self._changed = anyio.Event()
        self._lost: Exception | None = None
        self.keeps_alive = False
        """After an answer: whether the next request may be made here."""

    async def ask(self, request: Sequence[bytes | memoryview], answer_bytes_max: int) -> Answer:
        """Raises `ConnectionError`, also where the answer is not complete, and what a bad answer raises."""
        if self._lost is not None or self._transport is None:
            raise ConnectionResetError("the server closed the connection")
        self._changed = anyio.Event()
        reader = self._reader = _AnswerReader(answer_bytes_max)
        self._transport.writelines(request)
        await self._changed.wait()
        self._reader = None
        self.keeps_alive = reader.keeps_alive and self._lost is None
        return reader.answer(self._lost)

    def cut(self) -> None:
        """End it at once: nobody waits for the other side's good-bye."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _size_hint: int) -> memoryview:
        room = self._reader.room() if self._reader is not None else None
        return memoryview(self._scratch) if room is None else room

    def buffer_updated(self, count: int) -> None:
        reader = self._reader
        if reader is None:
            self._lost = ConnectionResetError("the server speaks without being asked")
            self.cut()
        elif reader.took(self._scratch, count):
            self._changed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = error or ConnectionResetError("the server closed the connection")
        self._changed.set()


class _AnswerReader:
    """Takes an answer apart; the names of some of its methods are the parser's.

    A body whose length is announced goes straight to where it stays; any other goes through the parser.
    """

    def __init__(self, bytes_max: int) -> None:
        self._parser: Final = httptools.HttpResponseParser(self)
        self._bytes_max: Final = bytes_max
        self._head = bytearray()
        self._length: int | None = None
        self._body = bytearray()
        self._filled = 0
        self._is_direct = False
        self._is_chunked = False
        self._is_complete = False
        self._error: Exception | None = None
        self._status = 0
        self._content_type = b""
        self.keeps_alive = False

    def room(self) -> memoryview | None:
        """Where the next bytes of the body belong; `None` while that is not known."""
        return memoryview(self._body)[self._filled :] if self._is_direct else None

    def took(self, scratch: bytearray, count: int) -> bool:
        """So many bytes came, into `room` or `scratch`; whether the answer has an end now, good or bad."""
        if self._is_complete:
            self._error = _AnswerError("it sends more than it announced")
            return True
        if self._is_direct:
            self._filled += count
            self._is_complete = self._filled == len(self._body)
            self._is_direct = not self._is_complete
            return self._is_complete
        try:
            self._feed(bytes(memoryview(scratch)[:count]))
        except (httptools.HttpParserError, _AnswerError) as error:
            self._error = error
        return self._has_ended()

    def _has_ended(self) -> bool:
        return self._is_complete or self._error is not None

    def answer(self, lost: Exception | None) -> Answer:
        """The answer, or what came instead of one."""
        if self._error is not None:
            self.keeps_alive = False
            raise self._error
        if not self._is_complete:
            self.keeps_alive = False
            raise ConnectionResetError("the answer ends in the middle") from lost
        body, self._body = self._body, bytearray()  # The parser and this hold each other until they are collected, but not the data.
        return Answer(self._status, self._content_type, memoryview(body))

    def _feed(self, data: bytes) -> None:
        if self._status:
            self._parser.feed_data(data)
            return
        self._head += data
        end = self._head.find(HEAD_END)
        if end < 0:
            if len(self._head) > HEAD_BYTES_MAX:
                raise _AnswerError("its headers do not end")
            return
        rest = bytes(memoryview(self._head)[end + len(HEAD_END) :])
        self._parser.feed_data(bytes(memoryview(self._head)[: end + len(HEAD_END)]))
        if self._length is None or self._is_chunked:
            self._parser.feed_data(rest)
        else:
            self._begin_directly(self._length, rest)

    def _begin_directly(self, length: int, rest: bytes) -> None:
        if length > self._bytes_max:
            raise _AnswerError(f"it wants to send {length} bytes, and {self._bytes_max} are allowed")
        if len(rest) > length:
            raise _AnswerError("it sends more than it announced")
        self._body = bytearray(length)
        self._body[: len(rest)] = rest
        self._filled = len(rest)
        self._is_complete = self._filled == length
        self._is_direct = not self._is_complete

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-type":
                self._content_type = value
            case b"content-length" if value.isdigit():
                self._length = int(value)
            case b"transfer-encoding":
                self._is_chunked = True

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self.keeps_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > self._bytes_max:
            self._error = _AnswerError(f"it sends more than {self._bytes_max} bytes")
        else:
            self._body += body

    def on_message_complete(self) -> None:
        self._is_complete = True
