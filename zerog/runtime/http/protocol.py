"""An HTTP connection of our server: uvicorn's, with bounds on size, number and time that it lacks, and a direct way to quick answers.

uvicorn waits for ever for the rest of a request, and takes any number of headers. Here what a client sends is counted, and the `Sweeper`
compares now and then how far it has come. The direct way saves the task, the scope and the three messages that ASGI costs in each
request: an application that has `direct_answers` is asked first, once a request is complete, and has the choice to decline. A client
repeats its head to the byte, so one that came this way is remembered and not even parsed again.

This builds on inner classes of uvicorn, which is therefore pinned to one minor version; the tests over real sockets hold it.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from zerog.primitives.errors import RefusalError
from zerog.runtime.http.config import DirectAnswers, ServerConfig
from zerog.runtime.http.errors import (
    BodyTooLargeError,
    BrokenServerError,
    HeadersTooLargeError,
    MalformedRequestError,
    RequestTimeoutError,
    ServerStoppingError,
    TooManyConnectionsError,
)
from zerog.runtime.http.guard import Headers
from zerog.runtime.http.intake import Flow, Intake
from zerog.runtime.http.metered import MeteredProtocol, Phase, Share
from zerog.runtime.http.refusal import end_sending, raw_response
from zerog.runtime.http.watch import NO_LIMIT, Stage, Watch

__all__ = ["Begun", "DirectApplication", "HttpProtocol", "new_connection"]

log = structlog.get_logger(__name__)

STATUS_LINE[600] = b"HTTP/1.1 600 Internal Server Error\r\n"
"""A status of 0G's indexers that no standard knows. Source: 0gfoundation/0g-storage-client, `common/api/`."""

HEAD_END: Final = b"\r\n\r\n"
HEADS_MAX: Final = 1_024
HEAD_BYTES_MAX: Final = 4_096
"""Of heads that are remembered."""

TOLD_SHARE: Final = 10
"""One in so many connections may be one that is being told that there are too many."""

FRAMING_FACTOR: Final = 2
"""A chunked body may cost this many times its limit on the wire before its framing alone is held against the client."""


class DirectApplication(Protocol):
    """An ASGI application that can answer some requests without ASGI."""

    def direct_answers(self, method: bytes, target: bytes, headers: Headers) -> DirectAnswers | None:
        """What answers requests with this head, now and later; `None` sends them the usual way."""


class DirectCycle:
    """A request whose direct answer is awaited, in the shape that uvicorn expects of what is under way."""

    __slots__ = ("disconnected", "keep_alive", "response_complete", "response_started")

    message_event = asyncio.Event()
    """Nobody waits for more of a request that is complete."""

    def __init__(self) -> None:
        self.disconnected = False
        self.keep_alive = True
        self.response_started = False
        self.response_complete = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a front did on a connection before it handed it over."""

    unsent: bytes
    """Of its answers, still to be sent."""
    unread: bytes
    """Of the client's requests, not answered."""
    served: bool
    """Whether it has answered some."""


# Bound once, because they are read several times in every request.
CONNECTED, HEADERS, BODY, COMPLETE, LINGERING = Phase


class HttpProtocol(MeteredProtocol):
    """One client on HTTP/1.1: answers 400, 408, 413 and 431 itself, and tells the client why before it closes."""

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        begun: Begun | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.begun: Final = begun
        self.direct_answers: Final = getattr(config.app, "direct_answers", None)
        self.write_refusal: Final = getattr(config.app, "refusal_body", None)
        """How the application writes what is refused before it is asked."""
        self.phase = CONNECTED
        self.running: RequestResponseCycle | DirectCycle | None = None
        self.is_opened = False
        self.refusal: RefusalError | None = None
        self.number = 0
        self.request_count = 0
        self.chunk = b""
        self.is_at_boundary = True
        self.later_bytes = 0
        self.watch: Final = Watch()

    # What arrives.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport)
        self.number = self.config.connection_count = self.config.connection_count + 1
        connections_max = self.limits.connections_max
        if len(self.connections) > connections_max:
            self._make_room(connections_max)
        if self.begun is not None and self.phase is CONNECTED:
            self._go_on(self.begun)
            self.loop.call_soon(self.flow.insist)

    def _go_on(self, begun: Begun) -> None:
        """Take a connection up where a front left it."""
        if begun.served:
            self.phase = COMPLETE
        if begun.unsent:
            self.transport.write(begun.unsent)
        if begun.unread:
            self.data_received(begun.unread)

    def _make_room(self, connections_max: int) -> None:
        """Who has asked for nothing yet goes first, the longest of them; else the newcomer is told, or cut if too many are being told."""
        waiting = [
            other
            for other in self.connections
            if isinstance(other, HttpProtocol) and other is not self and other.phase in (CONNECTED, HEADERS) and not other.is_busy
        ]
        error = TooManyConnectionsError(connections_max)
        if waiting:
            min(waiting, key=lambda other: other.number).dismiss(error)
        elif len(self.connections) > connections_max + connections_max // TOLD_SHARE + 1:
            self.transport.abort()
        else:
            self.refuse(error)

    def dismiss(self, error: RefusalError) -> None:
        """Answer an error and close at once."""
        self.phase = LINGERING
        if not self.transport.is_closing():
            self.transport.write(raw_response(error, self.write_refusal))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        running = self.running
        if running is not None and not running.response_complete:  # uvicorn tells only the newest of pipelined requests.
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)
        self._drop_body()
        self.memory.give_back(self.unsent_share_bytes)
        self.unsent_share_bytes = 0
        for cycle, share in tuple(self.shares.items()):
            if cycle is not running:  # It will never run.
                del self.shares[cycle]
                self.memory.give_back(share.size_bytes if share.is_taken else 0)

    def data_received(self, data: bytes) -> None:
        if self.phase is LINGERING:
            return
        self.is_at_boundary = self.phase is COMPLETE or self.phase is CONNECTED
        if self.is_at_boundary and self._answer_known_head(data):
            return
        self.chunk = data
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self.refuse(self.refusal or self._blame(error))
        else:
            if self.phase is HEADERS or self.phase is BODY:
                self._check_unfinished()
        self.chunk = b""

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client may close its sending half and still wait for the answer."""
        if self.phase is HEADERS or self.phase is BODY:
            self.refuse(MalformedRequestError("it ends in the middle"))
        elif self.phase is COMPLETE and self.is_busy:
            self.cycle.keep_alive = False
        return self.is_busy

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.is_opened = False
        self.phase = HEADERS
        self.request_count += 1
        self.later_bytes = -len(self.chunk)
        self.body_bytes = 0
        self.early_body = []

    def on_headers_complete(self) -> None:
        limits = self.limits
        if len(self.headers) > limits.headers_max or self._headers_are_too_long():
            self._abort_parsing(HeadersTooLargeError(limits.headers_max, limits.headers_bytes_max))
        self.phase = BODY

    def on_body(self, body: bytes) -> None:
        self.body_bytes += len(body)
        if self.body_bytes > self.limits.body_bytes_max:
            self._abort_parsing(BodyTooLargeError(self.limits.body_bytes_max))
        if self.is_opened:
            super().on_body(body)
        else:
            self.early_body.append(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # `_upgrade` goes on with it.
        if not self.is_opened:
            share = self._share_of_complete(self.body_bytes) if self.is_counted else Share()
            if share.is_taken and self._answer_at_once(share.size_bytes):
                return
            self._open(share)
        super().on_message_complete()
        self.phase = COMPLETE

    def _answer_known_head(self, data: bytes) -> bool:
        """Answer a request that is `data` exactly, with a head that has been answered directly before."""
        head_bytes = data.find(HEAD_END) + len(HEAD_END)
        known = self.config.known_heads.get(data[:head_bytes])
        if known is None or len(data) != head_bytes + known[0] or self.is_busy or self.flow.write_paused:
            return False
        share_bytes = 0
        if self.is_counted:
            share = self._share_of_complete(known[0])
            if not share.is_taken:
                return False
            share_bytes = share.size_bytes
        try:
            if not self._answer_directly(known[1], data[head_bytes:], share_bytes):
                self.memory.give_back(share_bytes)
                return False
        except Exception:
            log.exception("direct_answer_failed")
            self.refuse(BrokenServerError())
        self.request_count += 1
        return True

    def _answer_at_once(self, share_bytes: int) -> bool:
        """The direct way: nothing is under way, nothing is unread, the connection stays open, and the application agrees."""
        if self.direct_answers is None or self.flow.write_paused or self.is_busy or not self.parser.should_keep_alive():
            return False
        answers: DirectAnswers | None = self.direct_answers(self.parser.get_method(), self.url, self.headers)
        if answers is None:
            return False
        body = self._take_early_body()
        if not self._answer_directly(answers, body, share_bytes):
            self.early_body = [body]
            return False
        self._remember_head(len(body), answers)
        return True

    def _remember_head(self, body_bytes: int, answers: DirectAnswers) -> None:
        """Only if the chunk is this request and nothing else; a chunked body, which is longer than it says, never fits."""
        head_bytes = self.chunk.find(HEAD_END) + len(HEAD_END)
        if self.is_at_boundary and head_bytes + body_bytes == len(self.chunk) and head_bytes <= HEAD_BYTES_MAX:
            known = self.config.known_heads
            if len(known) >= HEADS_MAX:
                known.clear()
            known[self.chunk[:head_bytes]] = (body_bytes, answers)

    def _answer_directly(self, answers: DirectAnswers, body: bytes, share_bytes: int) -> bool:
        """Whether this body is one for the direct way."""
        self.body_share_bytes = share_bytes  # If this fails, the refusal gives it back.
        response = answers(body)
        self.body_share_bytes = 0
        if response is None:
            return False
        self.phase = COMPLETE
        if isinstance(response, bytes):
            self.piece_bytes = len(response)
            self.transport.write(response)
            if share_bytes:
                self._give_back(share_bytes, len(response))
            self.server_state.total_requests += 1
        else:
            self._await_answer(response, share_bytes)
        return True

    def _await_answer(self, response: Awaitable[bytes], share_bytes: int) -> None:
        """The task belongs to the server, which waits for it or cancels it when it stops, as with uvicorn's own."""
        cycle = DirectCycle()
        self.cycle = cast("RequestResponseCycle", cycle)
        self.running = cycle
        task = self.loop.create_task(self._answer_later(cycle, response, share_bytes))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer_later(self, cycle: DirectCycle, response: Awaitable[bytes], share_bytes: int) -> None:
        answer = b""
        try:
            answer = await response
        except Exception:
            log.exception("direct_answer_failed")
            answer, cycle.keep_alive = raw_response(BrokenServerError(), self.write_refusal), False
        finally:
            self.piece_bytes = len(answer)
            self._give_back(share_bytes, len(answer))
        cycle.response_complete = True
        if cycle.disconnected or self.transport.is_closing():
            return
        self.transport.write(answer)
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _open(self, share: Share | None = None) -> None:
        """Start the application on this request, the usual way: with the whole body if it has all come, and then when memory allows."""
        headers, url, expects = self.headers, self.url, self.expect_100_continue
        super().on_message_begin()
        self.scope["headers"] = self.headers = headers
        self.url, self.expect_100_continue = url, expects
        super().on_headers_complete()
        self.is_opened = True
        if share is None:
            for part in self.early_body:
                super().on_body(part)
            self.early_body = []
        else:
            share.body = self._take_early_body()
            self.shares[self.cycle] = share

    def _upgrade(self, rest: bytes) -> None:
        if self._should_upgrade() and self.is_busy:
            self.refuse(MalformedRequestError("an upgrade must wait for the answers to earlier requests"))
        elif self._should_upgrade():
            self._open()
            self.handle_websocket_upgrade()
        elif self.parser.get_method() == b"CONNECT":
            self.refuse(MalformedRequestError("this is no proxy"))
        else:
            # An offer to speak another protocol (HTTP/2 in clear text, as Java's client makes it) may be ignored, but the parser
            # takes it as accepted; so the request is read again without the offer. Source: RFC 9110, section 7.8.
            head = [self.parser.get_method(), b" ", self.url, b" HTTP/1.1\r\n"]
            for name, value in self.headers:
                if name not in (b"upgrade", b"connection", b"http2-settings"):
                    head += [name, b": ", value, b"\r\n"]
            self.parser = httptools.HttpRequestParser(self)
            self.data_received(b"".join([*head, b"\r\n", rest]))

    # What it costs.

    def _headers_are_too_long(self) -> bool:
        if self.later_bytes + 2 * len(self.chunk) <= self.limits.headers_bytes_max:
            return False  # Even if all that came since the request began were headers.
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > self.limits.headers_bytes_max

    def _check_unfinished(self) -> None:
        """A request that goes on after this chunk: look at what it has cost and what it announces; a body may be read while it comes."""
        limits = self.limits
        self.later_bytes += len(self.chunk)
        if len(self.headers) > limits.headers_max or (self.phase is HEADERS and self.later_bytes > limits.headers_bytes_max):
            self.refuse(HeadersTooLargeError(limits.headers_max, limits.headers_bytes_max))
        elif self.phase is BODY:
            announced = max((int(value) for name, value in self.headers if name == b"content-length" and value.isdigit()), default=0)
            on_the_wire = FRAMING_FACTOR * limits.body_bytes_max + limits.headers_bytes_max
            if announced > limits.body_bytes_max or self.later_bytes > on_the_wire:
                self.refuse(BodyTooLargeError(limits.body_bytes_max))
            elif self.is_opened:
                return
            elif self.direct_answers is None:
                self._open()
            else:
                self._find_room(announced)

    def _abort_parsing(self, refusal: RefusalError) -> None:
        """Leave the parser from inside one of its callbacks; `data_received` then refuses."""
        self.refusal = refusal
        raise refusal

    def _blame(self, error: httptools.HttpParserError) -> RefusalError:
        """The client's fault, unless one of our own callbacks failed for another reason than the request's text."""
        if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(error.__context__, httptools.HttpParserError):
            log.error("connection_callback_failed", exc_info=error)
            return BrokenServerError()
        return MalformedRequestError(str(error.__context__ or error))

    # What is answered.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """As uvicorn's, with an end for an application whose client has gone, or whose server stops, that is no error of it."""
        self.running = cycle

        async def send_if_open(message: Any) -> None:
            if self.transport.is_closing():  # With uvloop, to write now would be an error.
                cycle.disconnected = True
            await cycle.send(message)

        async def run(scope: Any, receive: Any, _send: Any) -> None:
            try:
                share = self.shares.get(cycle)
                if share is None:
                    await app(scope, receive, send_if_open)
                else:
                    await self._run_with(share, app, cycle, scope, send_if_open)
            except asyncio.CancelledError:
                if not cycle.disconnected:
                    raise

        super()._start_asgi_task(cycle, run)

    def give_up(self) -> None:
        """The server stops and waits no longer: say so to a client whose answer has not begun."""
        running = self.running
        if running is None or running.response_complete:
            self.transport.close()
        elif running.response_started or running.disconnected:
            self.transport.abort()
        else:
            running.disconnected = True
            self.transport.write(raw_response(ServerStoppingError(), self.write_refusal))
            self.transport.close()

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
        is_begun = self.phase is BODY and self.is_opened
        self.phase = LINGERING
        self._drop_body()
        self.flow.let_go()
        if self.transport.is_closing():
            return
        running = self.running
        if running is not None and not running.response_complete:
            self.pipeline.clear()
            if running is not self.cycle or not is_begun or running.response_started:
                running.keep_alive = False  # An earlier request still gets its answer; then the connection closes.
                return
            running.disconnected = True
            running.message_event.set()
        self.transport.write(raw_response(error, self.write_refusal))
        end_sending(self.transport)
        self.flow.resume_reading()

    # What takes too long.

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        running = self.running
        return running is not None and not (running.response_complete or running.disconnected)

    def check(self, now_s: float) -> None:
        """Called by the sweeper: act if this connection has been where it is for too long."""
        if self.memory.is_contended and self._is_stalled(now_s):
            return
        is_answered = not self.is_busy
        stage, limit_s = self._stage(is_answered=is_answered)
        if not self.watch.is_overdue(stage, limit_s, now_s):
            return
        if stage[0] in ("lingering", "unread"):
            self.transport.abort()
        elif self.phase is COMPLETE or (self.phase is BODY and self.is_opened and is_answered):
            self.transport.close()
        elif self.phase is BODY:
            self.refuse(RequestTimeoutError("body", self.limits.body_s))
        else:
            self.refuse(RequestTimeoutError("head", self.limits.headers_s))

    def _stage(self, *, is_answered: bool) -> tuple[Stage, float]:
        """Where this connection is, and for how long it may be there."""
        limits = self.limits
        if self.phase is LINGERING:
            return ("lingering", 0, 0), limits.linger_s if is_answered else NO_LIMIT
        unread_bytes = self.transport.get_write_buffer_size()
        if unread_bytes > 0:
            return ("unread", self.drain_count, self.watch.falls(unread_bytes)), limits.unread_s
        if self.phase is COMPLETE:
            return ("idle", self.request_count, 0), limits.idle_s if is_answered else NO_LIMIT
        if self.flow.read_paused or self.flow.is_held:
            return ("paused", self.request_count, 0), NO_LIMIT
        return (self.phase.value, self.request_count, 0), limits.body_s if self.phase is BODY else limits.headers_s


def new_connection(
    config: ServerConfig,
    server_state: ServerState,
    app_state: dict[str, Any],
    _loop: asyncio.AbstractEventLoop | None = None,
    *,
    begun: Begun | None = None,
) -> Intake | HttpProtocol:
    """What the transport of a new connection is given: itself, or something that reads for it where memory is counted."""
    connection = HttpProtocol(config, server_state, app_state, _loop, begun=begun)
    return Intake(connection, config.scratch) if config.memory.is_counted else connection
