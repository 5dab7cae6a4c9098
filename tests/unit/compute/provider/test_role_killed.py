"""Providers as processes that are killed at any moment: each request is charged and paid once or not at all, and both sides tell which."""

import random
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

from tests.postgres import PostgresServer
from tests.unit.compute.provider.lines import Step
from tests.unit.compute.provider.market import Buyer, acknowledged, client_of, until, until_here, wants
from tests.unit.compute.provider.place import ONE
from tests.unit.compute.provider.processes import Broker, Nursery
from tests.unit.compute.provider.stand import LEASE_S, LONG, Fate, Stand, open_stand
from zerog.contracts.compute import INFERENCE_SERVING
from zerog.testing.upstream import Behaviour

pytestmark = pytest.mark.anyio

BATCH_CALL = INFERENCE_SERVING.function("getBatchAccountsByUsers").selector.hex().encode()
"""The first call of a settlement that has something to settle."""
KEPT, CONCLUDED, CHARGED = b"INSERT INTO settlement_batches", b"UPDATE settlement_batches", b"INSERT INTO charges"
REQUESTS, USERS, KILLS = (2_000, 50, 10) if LONG else (150, 10, 2)
CLIENTS = 16


@dataclass
class At:
    """A commit that holds `said`, or a call of the method `name`; before it arrives, or when it is done."""

    name: str
    said: bytes
    is_done: bool

    def __call__(self, step: Step) -> bool:
        return (step.name, step.is_done) == (self.name, self.is_done) and self.said in step.said


@dataclass
class Nth:
    """The `number`-th step of a settlement, whatever it is."""

    number: int
    seen: int = 0

    def __call__(self, step: Step) -> bool:
        if self.seen or (step.name == "eth_call" and BATCH_CALL in step.said):
            self.seen += step.name != "zerog_waitForBlock"
        return self.seen == self.number


POINTS = [
    At("COMMIT", KEPT, is_done=False),
    At("COMMIT", KEPT, is_done=True),
    At("eth_sendRawTransaction", b"", is_done=True),
    At("COMMIT", CONCLUDED, is_done=False),
]
"""Signed and not kept; kept and not sent; sent and not heard of; in a block and not written down."""
NEVER = 10_000


async def settle_until_killed(stand: Stand, postgres: PostgresServer, fate: Fate, buyers: list[Buyer]) -> None:
    """A broker is asked by each of the buyers, and settles, until its fate strikes or all is paid."""
    async with stand.doomed(postgres, fate) as http:
        async with anyio.create_task_group() as asking:
            for number, buyer in enumerate(buyers):
                asking.start_soon(partial(buyer.ask, http, stream=bool(number % 2)))

        async def is_over() -> bool:
            try:
                return fate.has_struck or not any([await buyer.owed_wei(http) for buyer in buyers])
            except httpx.TransportError:
                return fate.has_struck

        await until(is_over)


async def come_after(stand: Stand, buyers: list[Buyer], *, same: bool) -> int:
    """The same broker, or another once its lease is over, finishes what was begun; how many requests were charged in all."""
    async with stand.running("a" if same else "b", ahead_s=0 if same else LEASE_S) as (_, http):
        return sum((await stand.agree(http, buyers)).values())


async def test_killed_at_any_point_of_a_settlement(tmp_path: Path, nursery: Nursery, postgres: PostgresServer) -> None:
    """A point is a commit to the database or a call to the chain, before it arrives or when it is done; the long test takes all."""
    async with open_stand(nursery, tmp_path, postgres.clean_url()) as stand:
        buyers = [await wants(stand.place) for _ in range(2)]
        for number, strikes in enumerate(POINTS, 1):
            fate = Fate(strikes)
            await settle_until_killed(stand, postgres, fate, buyers)
            assert strikes(fate.steps[-1]), "it was killed where it should"
            assert await come_after(stand, buyers, same=number % 2 == 0) == 2 * number
        if LONG:
            await killed_at_every_step(stand, postgres, buyers)


async def killed_at_every_step(stand: Stand, postgres: PostgresServer, buyers: list[Buyer]) -> None:
    whole = Nth(NEVER)
    await settle_until_killed(stand, postgres, Fate(whole), buyers)
    assert whole.seen > 40
    for number in range(1, whole.seen + 1):
        await settle_until_killed(stand, postgres, Fate(Nth(number)), buyers)
        assert await come_after(stand, buyers, same=number % 4 > 0) == 2 * (len(POINTS) + 1 + number)


@pytest.mark.parametrize("stream", [False, True])
async def test_killed_around_a_charge(tmp_path: Path, nursery: Nursery, postgres: PostgresServer, *, stream: bool) -> None:
    """Before its commit arrives nothing is charged; once it is done the request is, though its end was never sent."""
    async with open_stand(nursery, tmp_path, postgres.clean_url()) as stand:
        buyer = await wants(stand.place)
        charged = 0
        for is_done in (False, True):
            fate = Fate(At("COMMIT", CHARGED, is_done=is_done))
            async with stand.doomed(postgres, fate) as http:
                lost = await buyer.ask(http, stream=stream)
            assert fate.has_struck
            assert not lost.is_whole
            assert (lost.key is not None) == stream
            charged += is_done
            async with stand.running() as (_, http):
                assert (await stand.agree(http, [buyer]))[buyer.address] == charged
                assert (await buyer.ask(http, stream=stream)).is_whole
                charged += 1
                assert (await stand.agree(http, [buyer]))[buyer.address] == charged


async def test_killed_while_a_model_answers(tmp_path: Path, nursery: Nursery, postgres: PostgresServer) -> None:
    """Nothing is charged, what was set aside is given back, and the last coin buys again."""
    price = 5 * 10**16
    async with open_stand(nursery, tmp_path, postgres.clean_url(), input_price=0, output_price=price) as stand:
        buyer = await wants(stand.place, ONE)  # 16 tokens take more than half of it: a second request would not fit beside the dead one.
        for behaviour, stream in ((Behaviour(stalls_after_events=3), True), (Behaviour(is_held=True), False)):
            broker = await stand.start()
            async with client_of(broker.url) as http, anyio.create_task_group() as asking:
                await acknowledged(stand.place, http)
                stand.upstream.behaviour = behaviour
                asking.start_soon(partial(buyer.ask, http, stream=stream))
                await until_here(lambda: bool(stand.upstream.held or (buyer.attempts and buyer.attempts[-1].received)))
                await broker.kill()
            stand.upstream.held.clear()
            stand.upstream.behaviour = Behaviour()
            async with stand.running("b", ahead_s=LEASE_S) as (_, http):
                assert (await stand.agree(http, [buyer]))[buyer.address] == 0
        async with stand.running() as (_, http):
            assert (await buyer.ask(http)).is_whole
            assert (await stand.agree(http, [buyer]))[buyer.address] == 1


@dataclass
class Crowd:
    """Users who ask two brokers until each of their questions has an answer, while brokers die."""

    stand: Stand
    questions: deque[Buyer]
    dice: random.Random
    brokers: dict[str, tuple[Broker, httpx.AsyncClient]] = field(default_factory=dict)
    answered: int = 0
    lost: int = 0

    async def ask(self) -> None:
        """One client: asks whichever broker is there, and again where the answer was lost."""
        while self.questions:
            buyer = self.questions.popleft()
            await until_here(lambda: bool(self.brokers))
            _, http = self.dice.choice(list(self.brokers.values()))
            attempt = await buyer.ask(http, stream=bool(self.dice.randrange(2)))
            if attempt.is_whole:
                self.answered += 1
            else:
                self.lost += 1
                self.questions.append(buyer)
                await anyio.lowlevel.checkpoint()

    async def start(self, name: str) -> None:
        """Another broker to ask."""
        broker = await self.stand.start(name)
        self.brokers[name] = broker, client_of(broker.url)

    async def kill(self, name: str) -> None:
        """One less."""
        broker, http = self.brokers.pop(name)
        await broker.kill()
        await http.aclose()

    async def replace(self, number: int, after: int) -> None:
        """Once so many questions are answered. Every second time another broker comes instead, while the dead one's lease still runs."""
        await until_here(lambda: self.answered >= after)
        name = self.dice.choice(list(self.brokers))
        await self.kill(name)
        await self.start(name if number % 2 else f"{name}{number}")


async def bill_while_killed(stand: Stand, names: tuple[str, ...]) -> None:
    """Brokers of these names answer all questions, and some of them die over it."""
    dice = random.Random(5)
    buyers = [await wants(stand.place) for _ in range(USERS)]
    crowd = Crowd(stand, deque(dice.choice(buyers) for _ in range(REQUESTS)), dice)
    async with stand.running("first"):
        pass  # The service stands on chain.
    for name in names:
        await crowd.start(name)
    async with anyio.create_task_group() as tasks:
        for _ in range(CLIENTS):
            tasks.start_soon(crowd.ask)
        for number in range(KILLS):
            await crowd.replace(number, (number + 1) * REQUESTS // (KILLS + 2))
    for name in tuple(crowd.brokers):
        await crowd.kill(name)
    assert crowd.answered == REQUESTS
    async with stand.running("last", ahead_s=LEASE_S) as (_, http):
        counts = await stand.agree(http, buyers, samples=1)
    assert REQUESTS <= sum(counts.values()) <= REQUESTS + crowd.lost


async def test_two_brokers_bill_each_request_once_while_they_are_killed(tmp_path: Path, nursery: Nursery, postgres: PostgresServer) -> None:
    """In the long test 2,000 requests of 50 users."""
    async with open_stand(nursery, tmp_path, postgres.clean_url()) as stand:
        await bill_while_killed(stand, ("a", "b"))


async def test_a_broker_with_a_file_bills_each_request_once_while_it_is_killed(tmp_path: Path, nursery: Nursery) -> None:
    async with open_stand(nursery, tmp_path, f"sqlite:///{tmp_path}/book.db") as stand:
        await bill_while_killed(stand, ("a",))


async def test_stopped_in_order_while_requests_run(tmp_path: Path, nursery: Nursery) -> None:
    async with open_stand(nursery, tmp_path, f"sqlite:///{tmp_path}/book.db", settle_interval_s=3600.0) as stand:
        buyers = [await wants(stand.place) for _ in range(4)]
        stand.upstream.behaviour = Behaviour(event_interval_s=0.01)
        async with stand.running() as (broker, http), anyio.create_task_group() as asking:
            for buyer in buyers * 3:
                asking.start_soon(partial(buyer.ask, http, stream=True))
            await until_here(lambda: sum(bool(attempt.received) for buyer in buyers for attempt in buyer.attempts) == 12)
            await broker.stop()
        async with stand.running(settle_interval_s=0.05) as (_, http):
            counts = await stand.agree(http, buyers)
        whole = sum(attempt.is_whole for buyer in buyers for attempt in buyer.attempts)
        assert sum(counts.values()) >= whole
