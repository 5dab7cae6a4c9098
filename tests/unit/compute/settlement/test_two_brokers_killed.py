"""Two brokers on one database charge and settle while they are killed: on chain every request is paid exactly once."""

import os
import random
from collections import Counter, deque
from functools import partial

import anyio
import pytest

from tests.postgres import PostgresServer
from tests.unit.compute.book.broker import FEE_WEI
from tests.unit.compute.book.brokers import Clients, broker
from tests.unit.compute.book.making import ShiftedClock
from tests.unit.compute.provider.place import ONE, Place, open_place
from tests.unit.compute.settlement.shop import offered, shop
from zerog.primitives import Account, derive_accounts

pytestmark = pytest.mark.anyio

LONG = os.environ.get("ZEROG_TEST_LONG") == "1"
REQUESTS, USERS, KILLS = 2_000, 50, 20 if LONG else 4
MNEMONIC = "test test test test test test test test test test test junk"


async def rich_users(place: Place) -> tuple[Account, ...]:
    """Users who have moved money to the provider."""
    users = derive_accounts(MNEMONIC, USERS)
    for user in users:
        await place.client.request("hardhat_setBalance", str(user.address), hex(10 * ONE))
        await place.fund(user, ONE)
    return users


async def test_2000_requests_of_50_users_are_paid_exactly_once(postgres: PostgresServer) -> None:
    url, dice = postgres.clean_url(), random.Random(11)
    async with open_place() as place:
        await offered(place)
        users = await rich_users(place)
        requests = [(f"request-{index}", dice.choice(users).address) for index in range(REQUESTS)]
        start = partial(broker, url, place.url, module="tests.unit.compute.settlement.settling_broker")
        with anyio.fail_after(600 if LONG else 100):
            await Clients(deque(requests), start).use_two(KILLS, dice)
        clock = ShiftedClock()
        clock.ahead_s = 61  # Whoever settled was killed in the end; its lease is over.
        async with shop(place, url, broker_id="last", clock=clock) as last:
            await last.settler.settle()
            owed = Counter(user for _, user in requests)
            assert {user.address: ONE - await last.balance(user) for user in users} == {
                user.address: owed[user.address] * FEE_WEI for user in users
            }
            assert [await last.book.unsettled_wei(user.address) for user in users] == [0] * USERS
            for request_id, _ in dice.sample(requests, 20):
                await last.check_proof(request_id)
