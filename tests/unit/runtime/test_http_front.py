"""A front before the server: what it answers is what the server would say, and what it hands over loses nothing."""

from contextlib import AsyncExitStack

import anyio
import pytest

from tests.unit.runtime.small_service import ANSWER, CALL, LOOPS, RawClient, Running, post, raw_client, running
from zerog.runtime.http.front import plain_hosts
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.limits import HttpLimits

NUMBER = b'{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber","params":[]}'
NUMBER_CALL = post(NUMBER)
NUMBER_ANSWER = b'{"jsonrpc":"2.0","id":7,"result":"0x0"}'


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every test here runs on each event loop."""
    return request.param


async def kept_client(stack: AsyncExitStack, service: Running, asked: bytes = NUMBER_CALL) -> RawClient:
    """A client that the front has answered; who is kept from asking right after connecting, as on a busy machine, is the server's."""
    with anyio.fail_after(30):
        while True:
            async with AsyncExitStack() as own:
                client = await own.enter_async_context(raw_client(service))
                await client.send(asked)
                if (await client.response()).body == NUMBER_ANSWER:
                    stack.push_async_exit(own.pop_all())
                    return client


async def test_a_plain_read_is_answered_before_the_server_and_the_connection_goes_on_there() -> None:
    async with running() as service, AsyncExitStack() as stack:
        client = await kept_client(stack, service)
        for _ in range(3):
            await client.send(post(NUMBER))
            assert (await client.response()).body == NUMBER_ANSWER
        await client.send(post(CALL))
        assert (await client.response()).body == ANSWER
        await client.send(post(NUMBER))  # The service has no such method, and the connection is the server's now.
        assert b"eth_blockNumber does not exist" in (await client.response()).body


async def test_pipelined_requests_of_both_kinds_are_answered_in_order() -> None:
    async with running() as service, AsyncExitStack() as stack:
        client = await kept_client(stack, service, NUMBER_CALL + NUMBER_CALL + post(CALL) + post(CALL)[:40])
        assert [(await client.response()).body for _ in range(2)] == [NUMBER_ANSWER, ANSWER]
        await client.send(post(CALL)[40:])
        assert (await client.response()).body == ANSWER


async def test_more_connections_than_the_front_keeps_are_the_servers() -> None:
    async with running() as service, AsyncExitStack() as stack:
        for _ in range(8):
            await kept_client(stack, service)
        late = await stack.enter_async_context(raw_client(service))
        await late.send(post(NUMBER))
        assert b"eth_blockNumber does not exist" in (await late.response()).body


@pytest.mark.parametrize("header", ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site"])
async def test_a_foreign_page_gets_nothing_from_the_front(header: str) -> None:
    async with running() as service, raw_client(service) as client:
        await client.send(post(NUMBER, header))
        assert (await client.response()).status == 403


async def test_a_foreign_host_gets_nothing_from_the_front() -> None:
    async with running() as service, raw_client(service) as client:
        await client.send(post(NUMBER, host="evil.example"))
        assert (await client.response()).status == 403


async def test_a_connection_without_requests_is_closed_in_time() -> None:
    async with running(limits=HttpLimits(idle_s=0.1)) as service, AsyncExitStack() as stack:
        client = await kept_client(stack, service)
        with anyio.fail_after(5):
            assert await client.is_closed()


async def test_a_server_that_stops_closes_the_connections_of_its_front() -> None:
    async with AsyncExitStack() as stack:
        async with running() as service:
            client = await kept_client(stack, service)
        with anyio.fail_after(5):
            assert await client.is_closed()
        with pytest.raises(OSError, match="connect"):
            await anyio.connect_tcp("127.0.0.1", service.port)


def test_a_front_compares_hosts_that_the_guard_lets_in() -> None:
    hosts = plain_hosts(Guard(AccessRules()), 8545)
    assert b"localhost:8545" in hosts
    assert b"[::1]:8545" in hosts
    assert all(Guard(AccessRules()).verdict([(b"host", host)]).refusal is None for host in hosts)
