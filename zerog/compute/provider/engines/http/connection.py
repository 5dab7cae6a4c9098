"""One connection to a server: a request at a time, its answer read as it comes. Source: RFC 9112.

A timer for each wait would cost more than all the rest, so there is one a connection: it looks when the earliest wait could be over, and
again if that one was not the last.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, cast

import httptools

from zerog.compute.provider.engines.http.errors import BrokenExchangeError, ExchangeError, LateError

__all__ = ["ClientConnection", "HttpRules"]

HEADERS_MAX: Final = 128
HEADERS_BYTES_MAX: Final = 64 << 10
UNREAD_BYTES_MAX: Final = 256 << 10
"""Of an answer that nobody has read yet; more than this waits at the server."""
BODY_IN_ONE_BYTES: Final = 64 << 10
"""A body of at most this goes out in one piece with its head."""
BODILESS: Final = (204, 304)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRules:
    """How long to wait, and for how much."""

    connect_s: float = 5.0
    head_s: float = 300.0
    """From the request to the head of its answer: as long as a model may think."""
    piece_s: float = 120.0
    """From piece to piece of a body."""
    idle_s: float = 3.0
    """A connection without work is closed after this. Common servers close it after 5 s, and a request must not meet that."""
    answer_bytes_max: int = 256 << 20
    connections_max: int = 1_024


class ClientConnection(asyncio.Protocol):
    """Made by the client, which hands it from request to request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rules: HttpRules) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        """Of the answer that is under way, names in lower case."""
        self._loop: Final = loop
        self._rules: Final = rules
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._unread_bytes = 0
        self._body_bytes = 0
        self._headers_bytes = 0
        self._is_busy = False
        self._has_head = False
        self._is_interim = False
        self._is_done = False
        self._stays_open = False
        self._is_paused = False
        self._failure: ExchangeError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_s = 0.0
        self._awaited = ""

    # What the client does.

    @property
    def is_open(self) -> bool:
        """Whether another request can be sent on it."""
        return self._transport is not None and not self._transport.is_closing() and not self._is_busy

    def send(self, head: bytes, body: bytes) -> None:
        """Send a request. `head` ends with its blank line."""
        transport = self._transport
        if transport is None or self._is_busy:
            raise BrokenExchangeError("its connection is not free")
        self.status, self.headers = 0, []
        self._parts, self._unread_bytes, self._body_bytes, self._headers_bytes = [], 0, 0, 0
        self._is_busy, self._has_head, self._is_interim, self._is_done, self._failure = True, False, False, False, None
        if len(body) <= BODY_IN_ONE_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)

    async def head(self) -> None:
        """Wait until `status` and `headers` are there. Raises `LateError` and `BrokenExchangeError`."""
        while not self._has_head:
            if self._failure is not None:
                raise self._failure
            await self._wait(self._rules.head_s, f"did not answer within {self._rules.head_s:g} s")

    async def read(self) -> bytes:
        """What has come of the body since the last call, all of it; empty at its end. Raises `LateError` and `BrokenExchangeError`."""
        while not self._parts:
            if self._failure is not None:
                raise self._failure
            if self._is_done:
                return b""
            await self._wait(self._rules.piece_s, f"broke off and was silent for {self._rules.piece_s:g} s")
        parts, self._parts, self._unread_bytes = self._parts, [], 0
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def rest(self) -> bool:
        """End the exchange; whether the connection can take another one. If not, it is closed."""
        transport = self._transport
        usable = (
            transport is not None
            and self._is_done
            and self._stays_open
            and self._failure is None
            and not self._is_paused
            and not transport.get_write_buffer_size()
            and not transport.is_closing()
        )
        self._is_busy = False
        self._parts = []
        if not usable:
            self.close()
            return False
        self._expect(self._rules.idle_s)
        return True

    def close(self) -> None:
        """Close it at once; what is under way fails."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, seconds: float, failure: str) -> None:
        self._awaited = failure
        self._expect(seconds)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _expect(self, seconds: float) -> None:
        """Something must happen within so many seconds."""
        self._deadline_s = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline_s, self._look)
        elif self._timer.when() > self._deadline_s:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline_s, self._look)

    def _look(self) -> None:
        """The timer: it is over, or something has happened since it was set."""
        self._timer = None
        if self._is_busy and self._waiter is None:
            return  # The next wait sets it.
        if self._loop.time() < self._deadline_s:
            self._timer = self._loop.call_at(self._deadline_s, self._look)
        elif self._is_busy:
            self._fail(LateError(self._awaited))
        else:
            self.close()

    def _fail(self, failure: ExchangeError) -> None:
        if self._failure is None and not self._is_done:
            self._failure = failure
        self._wake()
        self.close()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._is_busy and not self._is_done and self._failure is None:
            if self._has_head and error is None and self._ends_with_connection():
                self._is_done = True
                self._stays_open = False
            else:
                place = "in the middle of its answer" if self._has_head else "without an answer"
                self._failure = BrokenExchangeError(f"closed the connection {place}")
        self._wake()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        if not self._is_busy or self._is_done:
            self._stays_open = False
            self.close()  # It speaks without being asked.
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(BrokenExchangeError("wants to speak another protocol"))
        except httptools.HttpParserError as parsing:
            cause = parsing.__context__
            self._fail(cause if isinstance(cause, ExchangeError) else BrokenExchangeError(f"does not speak HTTP: {parsing}"))
        else:
            if self._unread_bytes > UNREAD_BYTES_MAX:
                self._hold_back()
            self._wake()

    def _hold_back(self) -> None:
        """Let the server wait until somebody reads."""
        if not self._is_paused and not self._is_done and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._is_done:
            self._stays_open = False
            raise BrokenExchangeError("gave more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_bytes += len(name) + len(value)
        if len(self.headers) >= HEADERS_MAX or self._headers_bytes > HEADERS_BYTES_MAX:
            raise BrokenExchangeError("answered with too many headers")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._is_interim = self.status < 200
        self._has_head = not self._is_interim

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._rules.answer_bytes_max:
            raise BrokenExchangeError(f"answered more than {self._rules.answer_bytes_max} bytes")
        self._unread_bytes += len(body)
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if self._is_interim:  # Such as `100 Continue`: the answer is still to come.
            self.headers, self._headers_bytes = [], 0
            return
        self._is_done = True
        self._stays_open = self._parser.should_keep_alive()

    def _ends_with_connection(self) -> bool:
        """Whether nothing but the end of the connection ends this body. Source: RFC 9112, section 6.3."""
        return self.status not in BODILESS and not any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
