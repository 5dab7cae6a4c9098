"""Large bodies and answers on very many connections: they are served in turn within a bounded memory, and nobody can stop the turns."""

import base64
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

import anyio
import httpx
import msgspec
import pytest

from tests.unit.runtime.many_clients import connected, exchange
from tests.unit.runtime.small_service import ANSWER, CALL, LOOPS, RawClient, Running, post, raw_client, running
from zerog.runtime.http.limits import BULK_LIMITS, HttpLimits
from zerog.runtime.http.memory import RequestMemory

CLIENTS = 1_500
GROWTH_BYTES_MAX = 64 * 1024 * 1024
SEGMENT = bytes(range(256)) * 1024
TIGHT = HttpLimits(headers_s=0.2, body_s=0.4, linger_s=0.2, requests_bytes_max=1_000_000, stall_s=0.2)
WAIT = CALL.replace(b"echo", b"wait")


def padded(call: bytes, size_bytes: int) -> bytes:
    return call + b" " * (size_bytes - len(call))


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every asynchronous test here runs on each event loop."""
    return request.param


# How much memory a crowd costs.


@dataclass
class Uploading:
    """An `upload_service` in its own process."""

    port: int

    def resident_bytes(self) -> list[int]:
        """Now, and at most since the last call."""
        with connected(self.port, [post(b'{"jsonrpc":"2.0","id":1,"method":"upload_resident"}')]) as (client,):
            exchange([client], timeout_s=10)
            body = bytes(client.received).partition(b"\r\n\r\n")[2]
        return msgspec.json.decode(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["result"], type=list[int])


@pytest.fixture
def uploading() -> Iterator[Uploading]:
    limits = replace(BULK_LIMITS, stall_s=0.5, unread_s=5.0)
    words = [sys.executable, "-m", "tests.unit.runtime.upload_service", msgspec.json.encode(limits).decode()]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Uploading(urlsplit(process.stdout.readline().strip()).port or 0)
        process.terminate()


PUT = post(b'{"jsonrpc":"2.0","id":1,"method":"upload_put","params":["%s"]}' % base64.b64encode(SEGMENT))
GET = post(b'{"jsonrpc":"2.0","id":1,"method":"upload_get","params":[350000]}')
BLOB = post(b"", method="GET", target="/blob")
LARGE = post(b"", method="GET", target="/large")


@pytest.mark.parametrize("request_bytes", [PUT, GET, BLOB], ids=["uploads", "downloads", "downloads of a route"])
def test_a_crowd_is_served_within_bounded_memory(uploading: Uploading, request_bytes: bytes) -> None:
    uploading.resident_bytes()
    idle_bytes = uploading.resident_bytes()[0]
    with connected(uploading.port, [request_bytes] * CLIENTS) as clients:
        exchange(clients, timeout_s=60)
        assert [client.status for client in clients] == [200] * CLIENTS
    assert uploading.resident_bytes()[1] - idle_bytes < GROWTH_BYTES_MAX


@pytest.mark.parametrize(
    "request_bytes", [PUT[:-1], GET, BLOB, LARGE], ids=["unfinished uploads", "downloads", "downloads of a route", "large downloads"]
)
def test_a_crowd_that_stops_moving_stops_nobody(uploading: Uploading, request_bytes: bytes) -> None:
    uploading.resident_bytes()
    idle_bytes = uploading.resident_bytes()[0]
    with connected(uploading.port, [request_bytes] * 300, receive_bytes=4_096) as crowd, connected(uploading.port, [PUT] * 20) as good:
        sending = threading.Thread(target=partial(exchange, crowd, timeout_s=60, reads=False))
        sending.start()
        exchange(good, timeout_s=30)
        assert [client.status for client in good] == [200] * 20
        sending.join()
    assert uploading.resident_bytes()[1] - idle_bytes < GROWTH_BYTES_MAX


# Who waits, who goes, and who is ended.


async def has_been_read(service: Running, count: int) -> None:
    """Wait until the server has begun so many calls of `small_wait`: what was sent before on other connections has been looked at too."""
    while service.service.waiting < count:
        await anyio.lowlevel.checkpoint()


async def test_waiting_for_memory_does_not_count_against_the_client() -> None:
    async with running(limits=TIGHT) as service, AsyncExitStack() as stack:
        holder, *waiting = [await stack.enter_async_context(raw_client(service)) for _ in range(4)]
        await holder.send(post(padded(WAIT, 900_000)))
        await has_been_read(service, 1)
        async with anyio.create_task_group() as tasks:
            for client in waiting:
                tasks.start_soon(client.send, post(padded(CALL, 400_000)))
            await longer_than_any_deadline(service)
            assert service.service.journal == []
            service.service.opened.set()
            assert b"true" in (await holder.response()).body
            for client in waiting:
                assert (await client.response()).body == ANSWER


async def longer_than_any_deadline(service: Running) -> None:
    """Wait for the server itself to run out of patience, several times, with a client that says nothing."""
    for _ in range(4):
        async with raw_client(service) as silent:
            assert (await silent.response()).status == 408


async def test_a_body_larger_than_all_memory_passes_alone() -> None:
    async with running(limits=replace(TIGHT, requests_bytes_max=100_000)) as service, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw_client(service)) for _ in range(5)]
        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(client.send, post(padded(CALL, 3_000_000)))
            for client in clients:
                assert (await client.response()).body == ANSWER


async def test_small_requests_pass_while_large_ones_wait() -> None:
    async with (
        running(limits=TIGHT) as service,
        raw_client(service) as holder,
        raw_client(service) as waiting,
        raw_client(service) as small,
    ):
        await holder.send(post(padded(WAIT, 900_000)))
        await has_been_read(service, 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.send, post(padded(CALL, 400_000)))
            for _ in range(3):
                await small.send(post(CALL))
                assert (await small.response()).body == ANSWER
            service.service.opened.set()
            assert (await waiting.response()).body == ANSWER


async def test_one_who_waits_keeps_the_order_of_its_connection() -> None:
    async with running(limits=TIGHT) as service, raw_client(service) as client, raw_client(service) as other:
        await client.send(post(WAIT) + post(padded(CALL, 900_000)) + post(CALL.replace(b"hello", b"later")))
        await has_been_read(service, 1)
        await other.send(post(padded(CALL.replace(b"hello", b"other"), 200_000)))
        service.service.opened.set()
        assert b"true" in (await client.response()).body
        assert (await client.response()).body == ANSWER
        assert b"later" in (await client.response()).body
        assert b"other" in (await other.response()).body


async def test_a_body_that_stops_or_trickles_is_ended_when_others_wait() -> None:
    async with running(limits=replace(TIGHT, body_s=60.0)) as service, AsyncExitStack() as stack:
        stalled, trickling, good = [await stack.enter_async_context(raw_client(service)) for _ in range(3)]
        request = post(padded(CALL, 500_000))
        await stalled.send(request[:-1])
        await trickling.send(request[:50_000])
        answered = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(trickle, service, trickling)
            tasks.start_soon(ask_again_and_again, good, answered)
            for client in (stalled, trickling):
                response = await client.response()
                assert response.status == 408
                assert b"the next 16384 bytes of the body" in response.body
            await answered.wait()
            tasks.cancel_scope.cancel()


async def ask_again_and_again(client: RawClient, answered: anyio.Event) -> None:
    """Large calls, one after another: whichever connection a busy server happens to read first, one of them finds no room and waits."""
    while True:
        await client.send(post(padded(CALL, 900_000)))
        assert (await client.response()).body == ANSWER
        answered.set()


async def trickle(service: Running, client: RawClient) -> None:
    """A byte for each time that the server answers somebody else."""
    async with httpx.AsyncClient(base_url=service.url) as http:
        with suppress(anyio.BrokenResourceError):
            while True:
                await client.send(b" ")
                await http.post("/", content=CALL)


async def test_a_slow_body_may_be_slow_as_long_as_nobody_waits() -> None:
    async with running(limits=replace(TIGHT, body_s=60.0)) as service, raw_client(service) as slow:
        request = post(padded(CALL, 900_000))
        await slow.send(request[:-1])
        await longer_than_any_deadline(service)
        await slow.send(request[-1:])
        assert (await slow.response()).body == ANSWER


async def test_who_leaves_leaves_no_gap() -> None:
    async with running(limits=TIGHT) as service, raw_client(service) as good:
        for request in (
            post(padded(CALL, 900_000))[:-1],
            post(padded(WAIT, 900_000)),
            post(padded(CALL, 900_000), "Origin: http://x")[:-1],
        ):
            async with raw_client(service) as leaving:
                await leaving.send(request)
            service.service.opened.set()
            await good.send(post(padded(CALL, 900_000)))
            assert (await good.response()).body == ANSWER


async def test_a_body_of_unknown_length_grows_into_what_is_free() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = padded(CALL, 900_000)
    chunked = head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    async with running(limits=TIGHT) as service, raw_client(service) as first, raw_client(service) as second:
        await first.send(chunked)
        assert (await first.response()).body == ANSWER
        await first.send(post(padded(WAIT, 900_000)))
        await has_been_read(service, 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_until_closed, second, chunked)
            response = await second.response()
        assert response.status == 503
        assert b"Content-Length" in response.body
        service.service.opened.set()
        assert b"true" in (await first.response()).body


async def send_until_closed(client: RawClient, data: bytes) -> None:
    with suppress(anyio.BrokenResourceError):
        await client.send(data)


async def test_an_endless_body_is_cut() -> None:
    limits = replace(TIGHT, body_bytes_max=500_000)
    async with running(limits=limits) as service, raw_client(service) as client, anyio.create_task_group() as tasks:

        async def send_without_end() -> None:
            with suppress(anyio.BrokenResourceError):
                while True:
                    await client.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")

        await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        tasks.start_soon(send_without_end)
        assert (await client.response()).status == 413


async def test_a_client_that_waits_for_continue_gets_it_when_there_is_memory() -> None:
    async with running(limits=TIGHT) as service, raw_client(service) as holder, raw_client(service) as asking:
        await holder.send(post(padded(WAIT, 900_000)))
        await has_been_read(service, 1)
        request = post(padded(CALL, 400_000), "Expect: 100-continue")
        await asking.send(request[:-400_000])
        service.service.opened.set()
        assert b"true" in (await holder.response()).body
        assert (await asking.response()).status == 100
        await asking.send(request[-400_000:])
        assert (await asking.response()).body == ANSWER


# The count itself.


def test_memory_is_given_in_turn() -> None:
    memory, served = RequestMemory(10), list[str]()
    assert memory.take(6)
    assert not memory.take(5)
    memory.wait("a", 5, lambda: served.append("a"))
    memory.wait("b", 1, lambda: served.append("b"))
    assert memory.is_contended
    assert not memory.take(1), "others were there before"
    memory.give_back(6)
    assert served == ["a", "b"]
    assert memory.taken_bytes == 6
    assert memory.take(4)


def test_one_who_leaves_the_queue_lets_others_pass() -> None:
    memory, served = RequestMemory(10), list[str]()
    assert memory.take(6)
    memory.wait("a", 9, lambda: served.append("a"))
    memory.wait("b", 4, lambda: served.append("b"))
    memory.leave("a")
    assert served == ["b"]
    memory.leave("nobody")
    assert memory.taken_bytes == 10


def test_what_is_begun_may_grow_past_the_queue() -> None:
    memory = RequestMemory(10)
    assert memory.take(4)
    memory.wait("a", 8, lambda: None)
    assert memory.grow(4, 6)
    assert memory.grow(10, 50), "it is alone"
    memory.hold(1)
    assert not memory.grow(60, 1)


async def test_a_turn_that_is_not_awaited_any_longer_is_given_back() -> None:
    memory = RequestMemory(10)
    assert memory.take(10)

    async def use() -> None:
        await memory.turn(7)
        try:
            await anyio.sleep_forever()
        finally:
            memory.give_back(7)

    for has_room in (False, True):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use)
            await anyio.wait_all_tasks_blocked()
            if has_room:
                memory.give_back(10)
            tasks.cancel_scope.cancel()
    assert (memory.taken_bytes, memory.is_contended) == (0, False)


def test_without_a_bound_nothing_is_counted() -> None:
    memory = RequestMemory(None)
    assert memory.take(1 << 60)
    assert memory.grow(0, 1 << 60)
    memory.hold(5)
    memory.give_back(9)
    assert memory.taken_bytes == 0
