"""A server with OpenAI's API whose faults a test sets: late, refusing, silent, garbled, cut off. It is light enough for load.

In a test: `async with serve_upstream() as upstream`, then `upstream.url`, `upstream.behaviour`, `upstream.next`, `upstream.received`. As a
program, for benchmarks: `python -m zerog.testing.upstream --latency 0.02 --events 100 --event-interval 0.01`; it prints its URL.

Chats are answered here. Every other route is answered by the scripted engine, with real bytes.
"""

import argparse
import asyncio
import ssl
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, cast

import anyio
import httptools
import msgspec
from anyio import to_thread

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.provider.engines.interface import EngineRequest
from zerog.runtime.ports import listen
from zerog.runtime.server import let_connections_come_and_go, stop_accepting
from zerog.testing.scripted.engine import ScriptedAnswer, answer_to

__all__ = ["Behaviour", "Received", "Upstream", "serve_upstream"]

RECEIVED_MAX: Final = 10_000
WORDS: Final = 12
"""Of an answer that is no stream."""
PROMPT_TOKENS: Final = 11
UNSENT_BYTES_MAX: Final = 1 << 20
JSON: Final = "application/json"
encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is answered."""

    latency_s: float = 0.0
    """From the end of the request to the first byte of the answer."""
    is_silent: bool = False
    """The first byte never comes."""
    is_held: bool = False
    """The first byte comes when the test lets all go that are held."""
    closes_first: bool = False
    """The connection ends instead of an answer."""
    status: int = 200
    retry_after_s: float | None = None
    location: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    """Instead of the answer's own."""
    content_type: str | None = None
    events: int = 16
    """Of a stream, with a word each; or `max_tokens` of the request, if that is less."""
    event_padding: int = 0
    """Letters more in each word."""
    event_interval_s: float = 0.0
    """From event to event, each sent on its own; 0 sends the next as soon as the loop comes round."""
    has_usage: bool = True
    """Whether it tells tokens (in a stream only if the client asks for them)."""
    is_garbage: bool = False
    """A body, or events, that are no JSON."""
    cut_after_events: int | None = None
    """The connection ends after so many events, without the end of the body."""
    stalls_after_events: int | None = None
    """Nothing more comes after so many events."""
    has_done: bool = True
    """Whether a stream ends with `[DONE]`."""
    has_length: bool = True
    """Whether a whole body is announced with its length; else the end of the connection ends it."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


class _Asked(msgspec.Struct):
    model: str = "scripted"
    stream: bool = False
    max_tokens: int | None = None
    stream_options: dict[str, object] | None = None


_decode: Final = msgspec.json.Decoder(_Asked).decode


class Upstream:
    """The server as a test sees it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.next: deque[Behaviour] = deque()
        """Of the next requests for answers, one each, before `behaviour`."""
        self.received: Final[deque[Received]] = deque(maxlen=RECEIVED_MAX)
        self.models = ["scripted"]
        self.held: Final[list[Callable[[], None]]] = []
        """Answers that wait for `let_go`."""
        self.connections: Final[set[_Connection]] = set()
        self.connections_made = 0
        self.is_recording = True
        self.scheme = "http"
        self.port = 0

    @property
    def url(self) -> str:
        """What an engine is given."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def take_behaviour(self) -> Behaviour:
        """How the request is answered that has just come."""
        return self.next.popleft() if self.next else self.behaviour

    def let_go(self) -> None:
        """Give all answers that are held, in the order of their requests."""
        held = tuple(self.held)
        self.held.clear()
        for answer in held:
            answer()

    def drop_connections(self) -> None:
        """End every connection at once."""
        for connection in tuple(self.connections):
            connection.transport.abort()


class _Connection(asyncio.Protocol):
    """One client, a request at a time."""

    transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self.upstream: Final = upstream
        self.loop: Final = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.timer: asyncio.TimerHandle | None = None
        self.is_gone = False
        self.is_paused = False
        self.waiting: Callable[[], None] | None = None
        self.target = b""
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.upstream.connections.add(self)
        self.upstream.connections_made += 1
        self.transport.set_write_buffer_limits(UNSENT_BYTES_MAX)

    def connection_lost(self, _error: Exception | None) -> None:
        self.is_gone = True
        self.upstream.connections.discard(self)
        if self.timer is not None:
            self.timer.cancel()

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_message_begin(self) -> None:
        self.target, self.headers, self.body = b"", {}, []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self.body)
        method, target = self.parser.get_method().decode(), self.target.decode("latin-1")
        if self.upstream.is_recording:
            self.upstream.received.append(Received(method, target, self.headers, body))
        path = target.partition("?")[0].removeprefix("/v1")
        if path == "/models" and method == "GET":
            rows = [{"id": model, "object": "model", "created": 0, "owned_by": "test"} for model in self.upstream.models]
            self._send_whole(Behaviour(), JSON, encode({"object": "list", "data": rows}))
            return
        self._after(self.upstream.take_behaviour(), path, body)

    def _after(self, behaviour: Behaviour, path: str, body: bytes) -> None:
        if behaviour.closes_first:
            self.transport.abort()
        elif behaviour.is_held:
            self.upstream.held.append(partial(self._answer, behaviour, path, body))
        elif behaviour.latency_s:
            self.timer = self.loop.call_later(behaviour.latency_s, self._answer, behaviour, path, body)
        elif not behaviour.is_silent:
            self._answer(behaviour, path, body)

    def _answer(self, behaviour: Behaviour, path: str, body: bytes) -> None:
        if behaviour.status != 200 or behaviour.body is not None:
            text = behaviour.body if behaviour.body is not None else encode({"error": {"message": "as the test wishes", "type": "test"}})
            self._send_whole(behaviour, behaviour.content_type or JSON, text)
        elif path == "/chat/completions":
            try:
                asked = _decode(body)
            except msgspec.DecodeError as error:
                self._send_whole(replace(behaviour, status=400), JSON, encode({"error": {"message": str(error)}}))
                return
            if asked.stream:
                self._send_stream(behaviour, asked)
            else:
                self._send_whole(behaviour, JSON, b"{garbage" if behaviour.is_garbage else chat_answer(asked.model, behaviour))
        else:
            self._send_scripted(behaviour, path, body)

    def _send_scripted(self, behaviour: Behaviour, path: str, body: bytes) -> None:
        request = EngineRequest(
            service_type=ServiceType.CHATBOT,
            path=path,
            body=body,
            content_type=self.headers.get("content-type", JSON),
            model="scripted",
            stream=False,
        )
        answer: ScriptedAnswer = answer_to(request)
        whole = b"{garbage" if behaviour.is_garbage else b"".join(answer.pieces)
        self._send_whole(replace(behaviour, status=answer.status), answer.content_type, whole)

    def _send_whole(self, behaviour: Behaviour, content_type: str, body: bytes) -> None:
        if self.is_gone:
            return
        length = f"content-length: {len(body)}\r\n" if behaviour.has_length else "connection: close\r\n"
        self.transport.write(_head(behaviour, content_type, length) + body)
        if not behaviour.has_length:
            self.transport.close()

    def _send_stream(self, behaviour: Behaviour, asked: _Asked) -> None:
        if self.is_gone:
            return
        wants_usage = behaviour.has_usage and asked.stream_options is not None and asked.stream_options.get("include_usage") is True
        if asked.max_tokens is not None and asked.max_tokens < behaviour.events:
            behaviour = replace(behaviour, events=max(1, asked.max_tokens))
        stream = _Stream(self, behaviour, stream_events(asked.model, behaviour, wants_usage=wants_usage))
        self.transport.write(_head(behaviour, "text/event-stream", "transfer-encoding: chunked\r\n"))
        stream.go_on()


class _Stream:
    """Sends one event after the other."""

    __slots__ = ("behaviour", "connection", "events", "next_at_s", "sent")

    def __init__(self, connection: _Connection, behaviour: Behaviour, events: list[bytes]) -> None:
        self.connection: Final = connection
        self.behaviour: Final = behaviour
        self.events: Final = events
        self.sent = 0
        self.next_at_s = connection.loop.time()

    def go_on(self) -> None:
        """Send the next event, and see to it that the one after it follows at its time."""
        connection, behaviour = self.connection, self.behaviour
        if connection.is_gone:
            return
        if connection.is_paused:
            connection.waiting = self.go_on
            return
        if self.sent == behaviour.cut_after_events:
            connection.transport.close()
            return
        if self.sent == behaviour.stalls_after_events:
            return
        if self.sent == len(self.events):
            connection.transport.write(b"0\r\n\r\n")
            return
        connection.transport.write(self.events[self.sent])
        self.sent += 1
        if behaviour.event_interval_s:
            self.next_at_s += behaviour.event_interval_s
            connection.timer = connection.loop.call_at(self.next_at_s, self.go_on)
        else:
            connection.loop.call_soon(self.go_on)


_chats: Final[dict[tuple[str, bool], bytes]] = {}
_streams: Final[dict[tuple[object, ...], list[bytes]]] = {}
CACHED_MAX: Final = 64


def chat_answer(model: str, behaviour: Behaviour) -> bytes:
    """A chat in one piece."""
    key = model, behaviour.has_usage
    if key not in _chats:
        if len(_chats) >= CACHED_MAX:
            _chats.clear()
        text = " ".join(f"word{number}" for number in range(WORDS))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"usage": _usage(WORDS)} if behaviour.has_usage else {}
        head = {"id": "chatcmpl-upstream", "object": "chat.completion", "created": 1, "model": model}
        _chats[key] = encode({**head, "choices": [choice], **usage})
    return _chats[key]


def stream_events(model: str, behaviour: Behaviour, *, wants_usage: bool) -> list[bytes]:
    """The events of a stream, each as a chunk of the transfer coding."""
    key = model, behaviour.events, behaviour.event_padding, behaviour.is_garbage, behaviour.has_done, wants_usage
    if key not in _streams:
        if len(_streams) >= CACHED_MAX:
            _streams.clear()
        _streams[key] = [b"%x\r\n%b\r\n" % (len(event), event) for event in _events(model, behaviour, wants_usage=wants_usage)]
    return _streams[key]


def _events(model: str, behaviour: Behaviour, *, wants_usage: bool) -> list[bytes]:
    head = {"id": "chatcmpl-upstream", "object": "chat.completion.chunk", "created": 1, "model": model}
    padding = "x" * behaviour.event_padding
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": f"word{number}{padding} "} for number in range(behaviour.events)]
    rows = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    rows.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if wants_usage:
        rows.append({**head, "choices": [], "usage": _usage(behaviour.events)})
    events = [b"data: " + (b'{"choices": [' if behaviour.is_garbage else encode(row)) + b"\n\n" for row in rows]
    return [*events, b"data: [DONE]\n\n"] if behaviour.has_done else events


def _usage(completion_tokens: int) -> dict[str, int]:
    total = PROMPT_TOKENS + completion_tokens
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": completion_tokens, "total_tokens": total}


def _head(behaviour: Behaviour, content_type: str, framing: str) -> bytes:
    told = [f"HTTP/1.1 {behaviour.status} Told\r\ncontent-type: {content_type}\r\n", framing]
    if behaviour.retry_after_s is not None:
        told.append(f"retry-after: {behaviour.retry_after_s:g}\r\n")
    if behaviour.location is not None:
        told.append(f"location: {behaviour.location}\r\n")
    told += [f"{name}: {value}\r\n" for name, value in behaviour.headers]
    return ("".join(told) + "\r\n").encode("latin-1")


@asynccontextmanager
async def serve_upstream(
    behaviour: Behaviour | None = None, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Upstream]:
    """Serve on a port that the system chooses, or on this one, until the context is left."""
    upstream = Upstream(behaviour or Behaviour())
    listener = listen("127.0.0.1", port)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(upstream), sock=listener, backlog=1_024, ssl=tls)
    upstream.scheme = "https" if tls else "http"
    upstream.port = int(server.sockets[0].getsockname()[1])
    try:
        yield upstream
    finally:
        with anyio.CancelScope(shield=True):
            await stop_accepting((server,))
            upstream.drop_connections()
            await let_connections_come_and_go()


async def _run(behaviour: Behaviour, port: int) -> None:
    async with serve_upstream(behaviour, port=port) as upstream:
        upstream.is_recording = False
        print(upstream.url, flush=True)  # noqa: T201 - whoever starts it waits for this line.
        await to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)  # Ends with whoever started it.


def main() -> None:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds to the first byte")
    parser.add_argument("--events", type=int, default=16)
    parser.add_argument("--event-interval", type=float, default=0.0, help="seconds from event to event")
    options = parser.parse_args()
    behaviour = Behaviour(latency_s=options.latency, events=options.events, event_interval_s=options.event_interval)
    anyio.run(_run, behaviour, options.port, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
