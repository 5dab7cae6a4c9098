"""Brokers that are killed: a request is charged once or not at all."""

import os
import random
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from sqlalchemy import Connection, select

from tests.unit.compute.book.broker import FEE_WEI
from tests.unit.compute.book.making import ALICE, ShiftedClock, charge_of, new_id
from zerog.compute.provider.book import Book, lock_accounts
from zerog.compute.provider.book.schema import accounts, charges
from zerog.primitives import Address

pytestmark = pytest.mark.anyio

IS_LONG = os.environ.get("ZEROG_TEST_LONG") == "1"
IN_FLIGHT_MAX = 24


@asynccontextmanager
async def broker(url: str, broker_id: str) -> AsyncIterator[tuple[Process, BufferedByteReceiveStream]]:
    """A broker that is ready. It is killed at the end, if it lives."""
    command = [sys.executable, "-m", "tests.unit.compute.book.broker", url, broker_id]
    process = await anyio.open_process(command, stderr=sys.stderr)
    assert process.stdout is not None
    output = BufferedByteReceiveStream(process.stdout)
    try:
        with anyio.fail_after(60):
            while await line_of(output) != ["ready"]:
                pass  # The log of a start.
        yield process, output
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            await process.aclose()


async def line_of(output: BufferedByteReceiveStream) -> list[str]:
    return (await output.receive_until(b"\n", 1 << 16)).decode().split()


async def ask(process: Process, request_id: str, user: Address, die_when: str = "never") -> None:
    assert process.stdin is not None
    await process.stdin.send(f"{request_id} {user.hex()} {die_when}\n".encode())


async def sums_of(book: Book, user: Address) -> tuple[int, int]:
    def read(connection: Connection) -> tuple[int, int]:
        account = lock_accounts(connection, [user])[user]
        return account.unsettled_wei, account.reserved_wei

    return await book.write(read)


async def test_killed_between_reservation_and_charge_bills_nothing(url: str) -> None:
    request_id = new_id()
    async with broker(url, "dead") as (process, _):
        await ask(process, request_id, ALICE, "after_reserve")
        with anyio.fail_after(30):
            assert await process.wait() == -9
    clock = ShiftedClock()
    async with await Book.open(url, broker_id="b", clock=clock) as book:
        assert await sums_of(book, ALICE) == (0, 10)
        clock.ahead_s = 61
        async with await Book.open(url, broker_id="c", clock=clock):
            assert await sums_of(book, ALICE) == (0, 0)
        assert await book.receipt(request_id) is None


async def test_killed_between_charge_and_answer_bills_once(url: str) -> None:
    request_id = new_id()
    async with broker(url, "dead") as (process, _):
        await ask(process, request_id, ALICE, "after_charge")
        with anyio.fail_after(30):
            assert await process.wait() == -9
    async with await Book.open(url, broker_id="dead") as book:
        assert await sums_of(book, ALICE) == (FEE_WEI, 0)
        await book.charge(charge_of(request_id, ALICE, FEE_WEI))
        assert await sums_of(book, ALICE) == (FEE_WEI, 0)
        assert await book.signature(request_id) is not None


@dataclass
class Clients:
    """Requests that are asked again, under the same id, until a broker says that it charged for them."""

    waiting: deque[tuple[str, Address]]
    charged: set[str] = field(default_factory=set)
    wanted: int = 0

    def __post_init__(self) -> None:
        self.wanted = len(self.waiting)

    @property
    def are_done(self) -> bool:
        return len(self.charged) == self.wanted

    async def use(self, url: str, broker_id: str, kill_after: int | None) -> None:
        """Give requests to one broker until all are answered, or until it has answered `kill_after` and is killed."""
        in_flight: dict[str, Address] = {}
        answered = 0
        async with broker(url, broker_id) as (process, output):
            while not self.are_done and answered != kill_after:
                while self.waiting and len(in_flight) < IN_FLIGHT_MAX:
                    request_id, user = self.waiting.popleft()
                    in_flight[request_id] = user
                    await ask(process, request_id, user)
                if not in_flight:
                    break
                match await line_of(output):
                    case ["charged", request_id]:
                        del in_flight[request_id]
                        self.charged.add(request_id)
                        answered += 1
                    case _:
                        pass  # The log.
        self.waiting.extend(in_flight.items())


async def test_two_brokers_charge_each_request_once_while_they_are_killed(url: str) -> None:
    is_small = url.startswith("sqlite") and not IS_LONG
    dice = random.Random(7)
    users = [Address(bytes([index]) * 20) for index in range(1, 51)]
    requests = [(f"request-{index}", dice.choice(users)) for index in range(300 if is_small else 2000)]
    kills = 20 if IS_LONG else 2
    clients = Clients(deque(requests))

    async def run_one(name: str) -> None:
        for round_ in range(kills // 2):
            # Every second time another broker comes instead of the dead one, whose lease is still running.
            await clients.use(url, f"{name}{round_ // 2}", dice.randrange(20, 100))
        while not clients.are_done:
            await clients.use(url, name, None)

    with anyio.fail_after(100):
        async with anyio.create_task_group() as brokers:
            brokers.start_soon(run_one, "a")
            brokers.start_soon(run_one, "b")

    def read(connection: Connection) -> tuple[Counter[str], dict[bytes, tuple[int, int]]]:
        ids = Counter(connection.execute(select(charges.c.request_id)).scalars())
        rows = connection.execute(select(accounts.c.user_address, accounts.c.unsettled_wei, accounts.c.reserved_wei))
        return ids, {bytes(user): (int(unsettled), int(reserved)) for user, unsettled, reserved in rows}

    async with await Book.open(url, broker_id="reader") as book:
        ids, sums = await book.read(read)
    assert ids == Counter(request_id for request_id, _ in requests)
    owed = Counter(user for _, user in requests)
    assert sums == {bytes(user): (owed[user] * FEE_WEI, 0) for user in owed}
