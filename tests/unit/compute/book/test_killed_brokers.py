"""Brokers that are killed: a request is charged once or not at all."""

import os
import random
from collections import Counter, deque
from functools import partial

import anyio
import pytest
from sqlalchemy import Connection, select

from tests.unit.compute.book.broker import FEE_WEI
from tests.unit.compute.book.brokers import Clients, ask, broker
from tests.unit.compute.book.making import ALICE, ShiftedClock, charge_of, new_id
from zerog.compute.provider.book import Book, lock_accounts
from zerog.compute.provider.book.schema import accounts, charges
from zerog.primitives import Address

pytestmark = pytest.mark.anyio

IS_LONG = os.environ.get("ZEROG_TEST_LONG") == "1"


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


async def test_two_brokers_charge_each_request_once_while_they_are_killed(url: str) -> None:
    dice = random.Random(7)
    users = [Address(bytes([index]) * 20) for index in range(1, 51)]
    requests = [(f"request-{index}", dice.choice(users)) for index in range(2000 if IS_LONG else 300)]
    clients = Clients(deque(requests), partial(broker, url))
    with anyio.fail_after(600 if IS_LONG else 100):
        await clients.use_two(20 if IS_LONG else 2, dice)

    def read(connection: Connection) -> tuple[Counter[str], dict[bytes, tuple[int, int]]]:
        ids = Counter(connection.execute(select(charges.c.request_id)).scalars())
        rows = connection.execute(select(accounts.c.user_address, accounts.c.unsettled_wei, accounts.c.reserved_wei))
        return ids, {bytes(user): (int(unsettled), int(reserved)) for user, unsettled, reserved in rows}

    async with await Book.open(url, broker_id="reader") as book:
        ids, sums = await book.read(read)
    assert ids == Counter(request_id for request_id, _ in requests)
    owed = Counter(user for _, user in requests)
    assert sums == {bytes(user): (owed[user] * FEE_WEI, 0) for user in owed}
