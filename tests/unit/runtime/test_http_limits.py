"""Clients that send too much, too slowly, by halves or nonsense: each is told why, and nobody else notices."""

import time
from contextlib import AsyncExitStack, suppress
from typing import cast

import anyio
import httpx
import msgspec
import pytest
from uvicorn.server import ServerState

from tests.unit.runtime.small_service import ANSWER, CALL, LOOPS, RawClient, Running, post, raw_client, running
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.protocol import HttpProtocol
from zerog.runtime.http.watch import Sweeper

QUICK = HttpLimits(headers_s=0.2, body_s=0.2, idle_s=0.2, unread_s=0.2, linger_s=0.2, body_bytes_max=100_000)


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every test here runs on each event loop."""
    return request.param


async def good_call(service: Running) -> None:
    """Another client, on a connection of its own, is answered."""
    async with httpx.AsyncClient(base_url=service.url) as http:
        assert (await http.post("/", content=CALL)).content == ANSWER


def message_of(body: bytes) -> str:
    error = msgspec.json.decode(body)
    assert error["jsonrpc"] == "2.0"
    assert error["id"] is None
    return str(error["error"]["message"])


# Too much.


async def test_a_body_that_announces_too_much_is_refused_before_it_comes() -> None:
    async with running() as service, raw_client(service) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5242881\r\n\r\n{")
        response = await client.response()
        assert response.status == 413
        assert response.headers["connection"] == "close"
        assert "larger than 5242880 bytes; send less at once" in message_of(response.body)
        assert await client.is_closed()
        await good_call(service)


async def test_a_body_of_exactly_the_limit_is_answered() -> None:
    async with running(limits=QUICK) as service, httpx.AsyncClient(base_url=service.url) as http:
        filled = CALL + b" " * (100_000 - len(CALL))
        assert (await http.post("/", content=filled)).content == ANSWER
        assert (await http.post("/", content=filled + b" ")).status_code == 413


@pytest.mark.parametrize("size_bytes", [100_001, 5_000_000])
async def test_a_chunked_body_over_the_limit_is_refused(size_bytes: int) -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_until_closed, client, b"%x\r\n" % size_bytes + b" " * size_bytes + b"\r\n")
            assert (await client.response()).status == 413
        await good_call(service)


async def test_framing_and_trailers_without_end_are_refused() -> None:
    async with running(limits=QUICK) as service:
        for endless, status in ((b"1;" + b"e" * 500 + b"\r\n \r\n") * 2_000, 413), (b"0\r\n" + b"T: x\r\n" * 500, 431):
            async with raw_client(service) as client:
                await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(send_until_closed, client, endless)
                    assert (await client.response()).status == status
        await good_call(service)


async def send_until_closed(client: RawClient, data: bytes) -> None:
    with suppress(anyio.BrokenResourceError):
        await client.send(data)


@pytest.mark.parametrize(
    "headers",
    [
        ["X-Number: 1"] * 10_000,
        ["X-Long: " + "x" * 40_000],
        ["X-Long: " + "x" * 400_000],
        ["X-" + "n" * 40_000 + ": 1"],
    ],
    ids=["10,000 headers", "one of 40 kB", "one of 400 kB", "a long name"],
)
async def test_too_many_or_too_long_headers_are_refused(headers: list[str]) -> None:
    async with running() as service, raw_client(service) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_until_closed, client, post(CALL, *headers))
            response = await client.response()
        assert response.status == 431
        assert "fewer and shorter" in message_of(response.body)
        assert service.service.journal == []
        await good_call(service)


async def test_a_long_target_is_refused() -> None:
    async with running() as service, raw_client(service) as client:
        await client.send(post(CALL, target="/?" + "q" * 40_000))
        assert (await client.response()).status == 431


async def test_headers_within_the_limits_are_taken() -> None:
    async with running() as service, raw_client(service) as client:
        await client.send(post(CALL, *["X-Number: 1"] * 90, "X-Long: " + "x" * 20_000))
        assert (await client.response()).body == ANSWER


# Too slow.


async def test_headers_that_never_end_are_answered_408() -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n")
        response = await client.response()
        assert response.status == 408
        assert "took longer than 0.2 s" in message_of(response.body)
        assert await client.is_closed()


async def test_headers_that_trickle_are_answered_408() -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client, anyio.create_task_group() as tasks:

        async def trickle() -> None:
            await client.send(b"POST / HTTP/1.1\r\nX: ")
            while True:
                await send_until_closed(client, b"y")
                await good_call(service)

        tasks.start_soon(trickle)
        assert (await client.response()).status == 408
        tasks.cancel_scope.cancel()


async def test_a_client_that_says_nothing_is_answered_408() -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client:
        assert (await client.response()).status == 408
        assert await client.is_closed()


@pytest.mark.parametrize("begun", [post(CALL)[:-1], b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab"])
async def test_a_body_that_never_ends_is_answered_408(begun: bytes) -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client:
        await client.send(begun)
        response = await client.response()
        assert response.status == 408
        assert "the body of the request" in message_of(response.body)
        assert await client.is_closed()
        assert service.service.journal == []


async def test_a_second_request_has_deadlines_too() -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client:
        await client.send(post(CALL) + post(CALL)[:-1])
        assert (await client.response()).body == ANSWER
        assert (await client.response()).status == 408


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client:
        await client.send(post(CALL))
        assert (await client.response()).body == ANSWER
        with pytest.raises(anyio.EndOfStream):
            await client.response()


async def test_a_method_may_take_longer_than_every_deadline() -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client:
        await client.send(post(CALL.replace(b"echo", b"wait")))
        await longer_than_any_deadline(service)
        service.service.opened.set()
        assert b"true" in (await client.response()).body


async def test_a_client_that_reads_nothing_is_cut() -> None:
    async with running(limits=QUICK) as service, raw_client(service) as client:
        request = post(b'{"jsonrpc":"2.0","id":1,"method":"small_blob","params":[4000000]}')
        for _ in range(20):
            await send_until_closed(client, request)
        await good_call(service)
        await longer_than_any_deadline(service)
        assert await client.count_until_closed() < 20 * 4_000_000


async def longer_than_any_deadline(service: Running) -> None:
    """Wait for the server itself to run out of patience, several times, with a client that says nothing."""
    for _ in range(3):
        async with raw_client(service) as silent:
            assert (await silent.response()).status == 408


async def test_a_loop_that_stood_still_holds_it_against_nobody() -> None:
    seen: list[float] = []
    looked = anyio.Event()

    class Connection:
        """Notes when it is looked at."""

        def check(self, now_s: float) -> None:
            seen.append(now_s)
            looked.set()

    state = ServerState()
    state.connections.add(cast("HttpProtocol", Connection()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Sweeper(state, QUICK).run)
        await looked.wait()
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            pass
        looked = anyio.Event()
        await looked.wait()
        tasks.cancel_scope.cancel()
    assert seen[-1] - seen[-2] < 0.2


# By halves, and nonsense.


@pytest.mark.parametrize("begun", [b"POST / HT", post(CALL)[:60], post(CALL)[:-1]])
async def test_a_request_that_ends_in_the_middle_is_answered_400(begun: bytes) -> None:
    async with running() as service, raw_client(service) as client:
        await client.send(begun)
        await client.stream.send_eof()
        response = await client.response()
        assert response.status == 400
        assert "ends in the middle" in message_of(response.body)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"POST  HTTP/1.1\r\n\r\n",
        b"POST /\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_400(nonsense: bytes) -> None:
    async with running() as service, raw_client(service) as client:
        await client.send(nonsense)
        response = await client.response()
        assert response.status == 400
        assert response.headers["connection"] == "close"
        assert "not an HTTP request" in message_of(response.body)
        assert await client.is_closed()
        await good_call(service)


async def test_nonsense_after_a_request_does_not_cost_its_answer() -> None:
    async with running() as service, raw_client(service) as client:
        await client.send(post(CALL.replace(b"echo", b"wait")) + b"nonsense\r\n\r\n")
        service.service.opened.set()
        assert b"true" in (await client.response()).body
        assert await client.is_closed()


async def test_other_clients_are_unharmed_while_many_hang() -> None:
    limits = HttpLimits(headers_s=30, body_s=30)
    async with running(limits=limits) as service, AsyncExitStack() as stack:
        for number in range(60):
            client = await stack.enter_async_context(raw_client(service))
            begun = (b"", b"POST / HTTP/1.1\r\nHost: loc", post(CALL)[:-3])[number % 3]
            if begun:
                await client.send(begun)
        async with httpx.AsyncClient(base_url=service.url) as http:
            for _ in range(50):
                with anyio.fail_after(2):
                    assert (await http.post("/", content=CALL)).content == ANSWER


async def test_a_newcomer_takes_the_place_of_one_that_says_nothing() -> None:
    limits = HttpLimits(connections_max=2)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(limits=limits, has_front=False))  # It would say when who is silent comes.
        silent, begun = [await stack.enter_async_context(raw_client(service)) for _ in range(2)]
        await begun.send(b"POST / HTTP/1.1\r\n")
        for _ in range(2):
            newcomer = await stack.enter_async_context(raw_client(service))
            await newcomer.send(post(CALL))
            assert (await newcomer.response()).body == ANSWER
        for client in (silent, begun):
            response = await client.response()
            assert response.status == 503
            assert "more than 2 connections" in message_of(response.body)
            assert await client.is_closed()


async def test_without_such_a_place_a_newcomer_is_answered_503() -> None:
    limits = HttpLimits(connections_max=2, linger_s=0.1)
    async with running(limits=limits) as service, raw_client(service) as first, raw_client(service) as second:
        for client in (first, second):
            await client.send(post(CALL))
            assert (await client.response()).body == ANSWER
        async with raw_client(service) as third:
            response = await third.response()
            assert response.status == 503
            assert "try again later" in message_of(response.body)
            assert await third.is_closed()
        for client in (first, second):
            await client.send(post(CALL))
            assert (await client.response()).body == ANSWER


async def test_a_flood_of_silent_connections_keeps_nobody_out() -> None:
    async with running(limits=HttpLimits(connections_max=20)) as service, AsyncExitStack() as stack:
        for _ in range(200):
            await stack.enter_async_context(raw_client(service))
        with anyio.fail_after(5):
            await good_call(service)
