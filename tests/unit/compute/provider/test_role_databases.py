"""A PostgreSQL server that restarts under whole providers, and two of them that start on one book at once."""

from collections import deque
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.postgres import PostgresServer
from tests.unit.compute.provider.lines import Step, chain_line
from tests.unit.compute.provider.market import Buyer, acknowledged, client_of, until_here, wants
from tests.unit.compute.provider.place import ONE, PROVIDER
from tests.unit.compute.provider.processes import Nursery
from tests.unit.compute.provider.stand import LONG, open_stand

pytestmark = pytest.mark.anyio

REQUESTS = 400 if LONG else 60
CLIENTS = 8


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_database_that_restarts_while_requests_run(tmp_path: Path, nursery: Nursery, postgres: PostgresServer, how: str) -> None:
    """`stopped`: connections are cut, the server ends in order. `killed`: it loses what it has not written. Requests wait for it."""
    async with open_stand(nursery, tmp_path, postgres.clean_url()) as stand, stand.running() as (_, http):
        buyers = [await wants(stand.place) for _ in range(CLIENTS)]
        questions = deque(range(REQUESTS))
        answered = 0

        async def ask(buyer: Buyer) -> None:
            nonlocal answered
            while questions:
                attempt = await buyer.ask(http, stream=bool(questions.popleft() % 2))
                answered += attempt.is_whole

        async with anyio.create_task_group() as asking:
            for buyer in buyers:
                asking.start_soon(ask, buyer)
            await until_here(lambda: answered >= REQUESTS // 3)
            await to_thread.run_sync(postgres.kill if how == "killed" else postgres.stop)
            await to_thread.run_sync(postgres.start)
        assert answered == REQUESTS, "the provider waited for its database"
        assert sum((await stand.agree(http, buyers, samples=1)).values()) == REQUESTS


class Barrier:
    """Holds the first transaction of each of two brokers back until both are about to be sent."""

    def __init__(self) -> None:
        self.waiting = 0
        self.both = anyio.Event()

    async def on_step(self, step: Step) -> None:
        if step.name == "eth_sendRawTransaction" and not step.is_done:
            self.waiting += 1
            if self.waiting == 2:
                self.both.set()
            await self.both.wait()


async def test_two_brokers_register_the_service_at_once(tmp_path: Path, nursery: Nursery, postgres: PostgresServer) -> None:
    """One stake, one service, and both serve it."""
    async with open_stand(nursery, tmp_path, postgres.clean_url()) as stand:
        barrier = Barrier()
        before_wei = await stand.place.client.balance(PROVIDER.address)
        async with chain_line(stand.place.url, barrier.on_step) as first_url, chain_line(stand.place.url, barrier.on_step) as second_url:
            first, second = await stand.start("a", chain_url=first_url), await stand.start("b", chain_url=second_url)
            with anyio.fail_after(30):
                await barrier.both.wait()
            async with client_of(first.url) as one, client_of(second.url) as two:
                for http in (one, two):
                    await acknowledged(stand.place, http)
                buyer = await wants(stand.place)
                for http in (one, two):
                    assert (await buyer.ask(http)).is_whole
                assert (await stand.agree(one, [buyer]))[buyer.address] == 2
                assert (await stand.agree(two, [buyer]))[buyer.address] == 2
            spent_wei = before_wei - await stand.place.client.balance(PROVIDER.address)
            assert 100 * ONE - ONE < spent_wei < 101 * ONE, "the stake was paid once"
            for broker in (first, second):
                await broker.stop()
