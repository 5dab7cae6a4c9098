"""The connections of our server: uvicorn's, with bounds on size, number and time that it lacks.

uvicorn waits for ever for the rest of a request, and takes any number of headers. Here one `Sweeper` per server looks at all connections
a few times a second and compares how far each has come with how far it was, so that a request itself pays for no timer.
"""

import asyncio
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, Protocol

import anyio
import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from zerog.primitives.errors import RefusalError
from zerog.runtime.http.errors import BodyTooLargeError, HeadersTooLargeError, MalformedRequestError, RequestTimeoutError
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.refusal import raw_response

__all__ = ["HttpProtocol", "ServerConfig", "Sweeper", "WebSocketProtocol"]

UNREAD_PONGS_BYTES_MAX: Final = 1_000_000
"""A client that sends pings and reads none of the answers is cut here."""

FRAMING_FACTOR: Final = 2
"""A chunked body may cost this many times its limit on the wire before its framing alone is held against the client."""

SWEEPS_PER_LIMIT: Final = 4
SWEEP_S_MAX: Final = 1.0
SWEEP_S_MIN: Final = 0.01


class ServerConfig(Config):
    """uvicorn's configuration with our limits in it, which is how they reach each connection."""

    def __init__(self, app: Any, *, limits: HttpLimits, **options: Any) -> None:
        super().__init__(app, **options)
        self.limits: Final = limits


class Phase(Enum):
    """What a connection is doing, as far as reading goes."""

    CONNECTED = "nothing was sent yet"
    HEADERS = "headers"
    BODY = "body"
    COMPLETE = "the request is complete"
    LINGERING = "refused; what still comes is thrown away"


# Bound once, because these are read several times in every request.
CONNECTED, HEADERS, BODY, COMPLETE, LINGERING = Phase
NO_LIMIT: Final = float("inf")


class HttpProtocol(HttpToolsProtocol):
    """One client on HTTP/1.1: answers 400, 408, 413 and 431 itself, and tells the client why before it closes."""

    config: ServerConfig

    def __init__(
        self, config: ServerConfig, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits: Final = config.limits
        self.phase = CONNECTED
        self.running: RequestResponseCycle | None = None
        self.refusal: RefusalError | None = None
        self.request_count = 0
        self.chunk_bytes = 0
        self.later_bytes = 0
        self.body_bytes = 0
        self.is_foreign_upgrade = False
        self.drain_count = 0
        self.watch: Final = Watch()

    # What arrives.

    def data_received(self, data: bytes) -> None:
        if self.phase is LINGERING:
            return
        self.chunk_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self.refuse(self.refusal or MalformedRequestError(str(error)))
        else:
            if self.phase is HEADERS or self.phase is BODY:
                self._check_unfinished()

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client may close its sending half and still wait for the answer."""
        if self.phase is HEADERS or self.phase is BODY:
            self.refuse(MalformedRequestError("it ends in the middle"))
        elif self.phase is COMPLETE and self.running is not None and not self.running.response_complete:
            self.cycle.keep_alive = False
            return True
        return False

    def resume_writing(self) -> None:
        self.drain_count += 1
        super().resume_writing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.phase = HEADERS
        self.request_count += 1
        self.later_bytes = -self.chunk_bytes
        self.body_bytes = 0

    def on_headers_complete(self) -> None:
        limits = self.limits
        if len(self.headers) > limits.headers_max or self._headers_are_too_long():
            self._abort_parsing(HeadersTooLargeError(limits.headers_max, limits.headers_bytes_max))
        if self.parser.should_upgrade() and not self._should_upgrade():
            self.is_foreign_upgrade = True
            return
        super().on_headers_complete()
        self.phase = BODY

    def on_body(self, body: bytes) -> None:
        self.body_bytes += len(body)
        if self.body_bytes > self.limits.body_bytes_max:
            self._abort_parsing(BodyTooLargeError(self.limits.body_bytes_max))
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.is_foreign_upgrade:
            return
        super().on_message_complete()
        self.phase = COMPLETE

    def _headers_are_too_long(self) -> bool:
        if self.later_bytes + 2 * self.chunk_bytes <= self.limits.headers_bytes_max:
            return False  # Even if all that came since the request began were headers.
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > self.limits.headers_bytes_max

    def _check_unfinished(self) -> None:
        """A request that goes on after this chunk: look at what it has cost and what it announces."""
        limits = self.limits
        self.later_bytes += self.chunk_bytes
        if self.phase is HEADERS:
            if self.later_bytes > limits.headers_bytes_max or len(self.headers) > limits.headers_max:
                self.refuse(HeadersTooLargeError(limits.headers_max, limits.headers_bytes_max))
            return
        announced = max((int(value) for name, value in self.headers if name == b"content-length" and value.isdigit()), default=0)
        on_the_wire = FRAMING_FACTOR * limits.body_bytes_max + limits.headers_bytes_max
        if announced > limits.body_bytes_max or self.later_bytes > on_the_wire:
            self.refuse(BodyTooLargeError(limits.body_bytes_max))
        elif len(self.headers) > limits.headers_max:  # Trailers count too.
            self.refuse(HeadersTooLargeError(limits.headers_max, limits.headers_bytes_max))

    def _abort_parsing(self, refusal: RefusalError) -> None:
        """Leave the parser from inside one of its callbacks; `data_received` then refuses."""
        self.refusal = refusal
        raise refusal

    def _upgrade(self, rest: bytes) -> None:
        if not self.is_foreign_upgrade:
            self.handle_websocket_upgrade()
            return
        # Somebody offers another protocol (HTTP/2 in clear text, as Java's client does). A server may ignore that, but the parser
        # takes it as accepted; so the request is read again without the offer.
        self.is_foreign_upgrade = False
        if self.scope["method"] == "CONNECT":
            self.refuse(MalformedRequestError("this is no proxy"))
            return
        head = [self.scope["method"].encode(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            if name not in (b"upgrade", b"connection", b"http2-settings"):
                head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join([*head, b"\r\n", rest]))

    # What is answered.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """As uvicorn's, without the timer for idle connections, which the sweeper watches."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def refuse(self, error: RefusalError) -> None:
        """Answer an error, stop sending, and read on for a moment, so that the answer is not lost in a reset connection."""
        is_midway = self.phase is BODY
        self.phase = LINGERING
        running = self.running
        if running is not None and not running.response_complete:
            self.pipeline.clear()
            if running is not self.cycle or not is_midway or running.response_started:
                running.keep_alive = False  # An earlier request still gets its answer; then the connection closes.
                return
            running.disconnected = True
            running.message_event.set()
        self.transport.write(raw_response(error))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()

    # What takes too long.

    def check(self, now_s: float) -> None:
        """Called by the sweeper: act if this connection has been where it is for too long."""
        limits = self.limits
        is_answered = self.running is None or self.running.response_complete or self.running.disconnected
        if self.phase is LINGERING:
            stage, limit_s = ("lingering", 0, 0), limits.linger_s if is_answered else NO_LIMIT
        elif (unread_bytes := self.transport.get_write_buffer_size()) > 0:
            stage, limit_s = ("unread", self.drain_count, self.watch.lowest(unread_bytes)), limits.unread_s
        elif self.phase is COMPLETE:
            stage, limit_s = ("idle", self.request_count, 0), limits.idle_s if is_answered else NO_LIMIT
        elif self.flow.read_paused:
            stage, limit_s = ("paused", self.request_count, 0), NO_LIMIT
        else:
            stage, limit_s = (self.phase.value, self.request_count, 0), limits.body_s if self.phase is BODY else limits.headers_s
        if self.watch.is_overdue(stage, limit_s, now_s):
            self._end(stage[0], is_answered=is_answered)

    def _end(self, stage: str, *, is_answered: bool) -> None:
        if stage in ("lingering", "unread"):
            self.transport.abort()
        elif self.phase is BODY and not is_answered:
            self.refuse(RequestTimeoutError("body", self.limits.body_s))
        elif self.phase is CONNECTED or (self.phase is HEADERS and is_answered):
            self.refuse(RequestTimeoutError("head", self.limits.headers_s))
        else:
            self.transport.close()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One client on a WebSocket."""

    config: ServerConfig

    def __init__(
        self, config: ServerConfig, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.drain_count = 0
        self.watch: Final = Watch()

    def resume_writing(self) -> None:
        self.drain_count += 1
        super().resume_writing()

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > UNREAD_PONGS_BYTES_MAX:
            self.transport.abort()
        else:
            super().handle_ping()

    def keepalive_timeout(self) -> None:
        """While we ourselves do not read (a method takes long), a missing pong says nothing about the client."""
        if self.read_paused:
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def check(self, now_s: float) -> None:
        """Called by the sweeper: cut a client that reads nothing."""
        unread_bytes = self.transport.get_write_buffer_size()
        stage = ("unread", self.drain_count, self.watch.lowest(unread_bytes))
        if self.watch.is_overdue(stage, self.config.limits.unread_s if unread_bytes else NO_LIMIT, now_s):
            self.transport.abort()


class Watch:
    """Remembers for one connection where it was, and since when."""

    __slots__ = ("_level", "_since_s", "_stage", "_step")

    def __init__(self) -> None:
        self._stage: tuple[object, ...] = ()
        self._since_s = 0.0
        self._level = 0
        self._step = 0

    def lowest(self, level: int) -> int:
        """A number that changes whenever `level` has fallen since the last look: growth is no progress."""
        if level < self._level:
            self._step += 1
        self._level = level
        return self._step

    def is_overdue(self, stage: tuple[object, ...], limit_s: float, now_s: float) -> bool:
        """Whether the connection has been in this stage for `limit_s`."""
        if stage != self._stage:
            self._stage, self._since_s = stage, now_s
        return now_s - self._since_s >= limit_s


class Watched(Protocol):
    """A connection that can be checked."""

    def check(self, now_s: float) -> None: ...


class Sweeper:
    """Looks at all connections of a server again and again."""

    def __init__(self, state: ServerState, limits: HttpLimits) -> None:
        self._state: Final = state
        shortest_s = min(limits.headers_s, limits.body_s, limits.idle_s, limits.unread_s, limits.linger_s)
        self._interval_s: Final = max(SWEEP_S_MIN, min(SWEEP_S_MAX, shortest_s / SWEEPS_PER_LIMIT))

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await anyio.sleep(self._interval_s)
            connections: Iterable[Any] = tuple(self._state.connections)
            for connection in connections:
                connection.check(anyio.current_time())
