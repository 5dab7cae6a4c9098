"""Connections to nodes that behave badly: every wait ends, every answer has a bound, and a stale connection is no failure."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from zerog.runtime.http.asgi import JSON, Receive, Scope, Send, respond
from zerog.storage.client import calls
from zerog.storage.client.errors import PeerAnswerError, PeerRefusedError, PeerUnreachableError
from zerog.storage.indexer.upstream import CONNECTIONS_MAX, NearUpstream, Upstream

Talk = Callable[[SocketStream], Awaitable[None]]
SHARD = b'{"jsonrpc":"2.0","id":1,"result":{"shardId":1,"numShard":2}}'


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (SHARD[:5], len(SHARD) - 5, SHARD[5:])


def answer(body: bytes, *, status: str = "200 OK", length: int | None = None) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[Upstream]:
    """What talks to a server that does with each connection what it is told."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - of a socket, not of a database.
    upstream = Upstream(f"http://127.0.0.1:{port}/below")

    async def talk_and_close(stream: SocketStream) -> None:
        async with stream:
            try:
                await talk(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return  # The other side had enough.

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, talk_and_close)
        yield upstream
        upstream.close()
        tasks.cancel_scope.cancel()


async def request_of(stream: SocketStream) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += await stream.receive()
    return head


async def test_a_call_is_answered_below_the_path_of_the_url_and_the_connection_is_kept() -> None:
    heads: list[bytes] = []
    connections = 0

    async def talk(stream: SocketStream) -> None:
        nonlocal connections
        connections += 1
        while True:
            heads.append(await request_of(stream))
            await stream.send(answer(SHARD))

    async with server(talk) as upstream:
        for _ in range(3):
            assert (await upstream.call(calls.shard())).num_shard == 2
    assert [head.split(b"\r\n")[0] for head in heads] == [b"POST /below/ HTTP/1.1"] * 3
    assert connections == 1


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    closed = anyio.Event()

    async def talk(stream: SocketStream) -> None:
        await request_of(stream)
        await stream.send(answer(SHARD))
        await stream.aclose()
        closed.set()

    async with server(talk) as upstream:
        await upstream.call(calls.shard())
        await closed.wait()
        assert (await upstream.call(calls.shard())).shard_id == 1


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", PeerAnswerError),
        (answer(b"<html>"), PeerAnswerError),
        (answer(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such method"}}'), PeerRefusedError),
        (answer(SHARD, length=10_000), PeerUnreachableError),
        (answer(SHARD, length=10), PeerAnswerError),
        (answer(SHARD, length=1 << 40), PeerAnswerError),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, PeerAnswerError),
        (b"", PeerUnreachableError),
    ],
    ids=["no HTTP", "no JSON", "a refusal", "half an answer", "more than announced", "more than allowed", "endless headers", "no answer"],
)
async def test_a_bad_answer_is_an_error_of_the_node(sent: bytes, error: type[Exception]) -> None:
    async def talk(stream: SocketStream) -> None:
        await request_of(stream)
        await stream.send(sent)

    async with server(talk) as upstream:
        with pytest.raises(error):
            await upstream.call(calls.shard())


@pytest.mark.parametrize("sent", [answer(SHARD), CHUNKED], ids=["a length", "chunks"])
async def test_an_answer_may_come_byte_by_byte(sent: bytes) -> None:
    async def talk(stream: SocketStream) -> None:
        stream.extra(SocketAttribute.raw_socket).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # noqa: S610 - as below.
        while True:
            await request_of(stream)
            for byte in sent:
                await stream.send(bytes([byte]))

    async with server(talk) as upstream:
        for _ in range(2):
            assert (await upstream.call(calls.shard())).num_shard == 2


async def test_an_endless_answer_is_cut() -> None:
    ended = anyio.Event()

    async def talk(stream: SocketStream) -> None:
        await request_of(stream)
        try:
            await stream.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                await stream.send(b"1000\r\n" + bytes(0x1000) + b"\r\n")
        finally:
            ended.set()

    async with server(talk) as upstream:
        with pytest.raises(PeerAnswerError, match="more than 100000 bytes"):
            await upstream.get("/segments", answer_bytes_max=100_000)
        with anyio.fail_after(5):
            await ended.wait()


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async def talk(stream: SocketStream) -> None:
        await request_of(stream)
        await stream.receive()

    async with server(talk) as upstream:
        with pytest.raises(PeerUnreachableError, match=r"longer than 0\.05 s"):
            await upstream.call(calls.shard(), limit_s=0.05)


async def test_nobody_at_the_port_is_an_error_at_once() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - of a socket, not of a database.
    await listener.aclose()
    with pytest.raises(PeerUnreachableError):
        await Upstream(f"http://127.0.0.1:{port}").call(calls.shard())


async def test_an_urgent_call_waits_for_no_other() -> None:
    """A node that is busy with uploads is asked whether it lives, beside them."""
    all_busy = anyio.Event()
    busy = 0

    async def talk(stream: SocketStream) -> None:
        nonlocal busy
        if b"/below/slow" in await request_of(stream):
            busy += 1
            if busy == CONNECTIONS_MAX:
                all_busy.set()
            await stream.receive()
        else:
            await stream.send(answer(SHARD))

    async with server(talk) as upstream, anyio.create_task_group() as tasks:
        for _ in range(CONNECTIONS_MAX):
            tasks.start_soon(upstream.get, "/slow")
        await all_busy.wait()
        with pytest.raises(PeerUnreachableError):
            await upstream.call(calls.shard(), limit_s=0.05)
        assert upstream.answered_s < anyio.current_time() - 0.05
        assert (await upstream.call(calls.shard(), is_urgent=True, limit_s=5)).num_shard == 2
        assert upstream.answered_s > anyio.current_time() - 5
        tasks.cancel_scope.cancel()


async def test_an_application_of_the_same_process_is_asked_as_a_server_is() -> None:
    asked: list[tuple[str, str, bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        asked.append((scope["method"], scope["path"], scope["query_string"], body))
        if scope["path"] == "/below/endless":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": bytes(1000), "more_body": True})
        if scope["path"] == "/below/silent":
            await receive()
        await respond(send, 200, SHARD, JSON)

    near = NearUpstream("http://127.0.0.1:5678/below", app)
    assert (await near.call(calls.shard())).num_shard == 2
    given = await near.post("/segments", [b"ab", memoryview(b"cd")], content_type="application/msgpack")
    assert (given.status, given.content_type, bytes(given.body)) == (200, b"application/json", SHARD)
    await near.get("/segments/0x1?first=2&count=3")
    with pytest.raises(PeerAnswerError, match="more than 5000 bytes"):
        await near.get("/endless", answer_bytes_max=5000)
    with pytest.raises(PeerUnreachableError, match="it takes longer"):
        await near.get("/silent", limit_s=0.05)
    assert asked[1:3] == [("POST", "/below/segments", b"", b"abcd"), ("GET", "/below/segments/0x1", b"first=2&count=3", b"")]
