"""A broker that dies at any step of a settlement: whoever comes after it finishes what it began, and nobody pays twice.

A step is each call to the chain and each write to the book; the broker dies right before or right after it. What it had in memory is lost,
what is in the book and on the chain stays.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx
import pytest
from sqlalchemy import Connection

from tests.unit.compute.book.making import ShiftedClock
from tests.unit.compute.provider.place import ONE, USERS, WAIT_S, Line, Place, open_place
from tests.unit.compute.settlement.shop import Shop, offered, open_shop, shop
from zerog.compute.provider.book import Book

pytestmark = pytest.mark.anyio
USER, OTHER = USERS[3:5]
T = TypeVar("T")
LONG = os.environ.get("ZEROG_TEST_LONG") == "1"
"""Every step; by default each third one."""


class KilledError(BaseException):
    """The end of a process: nothing in it catches it."""


class Fate:
    """Counts steps, and kills at one of them."""

    def __init__(self, step: int | None = None, *, after: bool = False) -> None:
        self.steps = 0
        self._step = step
        self._after = after
        self.is_over = False

    def before(self) -> int:
        if self.is_over:
            raise KilledError
        self.steps += 1
        if self.steps == self._step and not self._after:
            self._end()
        return self.steps

    def after(self, step: int) -> None:
        if step == self._step:
            self._end()

    def _end(self) -> None:
        self.is_over = True
        raise KilledError


class MortalLine(Line):
    """A line to the chain whose other end dies with its process."""

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self.fate = fate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        step = self.fate.before()
        response = await super().handle_async_request(request)
        await response.aread()
        self.fate.after(step)
        return response


class MortalBook(Book):
    """A book whose writer dies with its process."""

    fate: Fate | None = None

    async def write(self, work: Callable[[Connection], T]) -> T:
        if self.fate is None:
            return await super().write(work)
        step = self.fate.before()
        result = await super().write(work)
        self.fate.after(step)
        return result


async def lived(place: Place, path: Path, fate: Fate) -> list[str]:
    """The life of a broker that bills some requests and begins to settle them; returns their ids."""
    url, clock = f"sqlite:///{path}", ShiftedClock()
    book = await MortalBook.open(url, broker_id="a", clock=clock)
    broker = await open_shop(place, url, clock=clock, book=book, line=MortalLine(fate))
    try:
        ids = await broker.charge(USER, [7, 0, 8]) + await broker.charge(OTHER, [5])
        book.fate = fate
        try:
            await broker.settler.settle()
        except KilledError:
            assert fate.is_over
        return ids
    finally:
        book.fate = None
        with anyio.CancelScope(shield=True):
            await book.aclose()
            await broker.chain.client.close()


async def check_finished(place: Place, broker: Shop, ids: list[str], before: tuple[int, int]) -> None:
    """All is paid, once."""
    assert await broker.book.unsettled_wei(USER.address) == await broker.book.unsettled_wei(OTHER.address) == 0
    assert (await broker.balance(USER), await broker.balance(OTHER)) == (before[0] - 15, before[1] - 5)
    for request_id in ids:
        await broker.check_proof(request_id)
    assert await broker.settler.settlements.pending() == []


async def balances(place: Place, path: Path) -> tuple[int, int]:
    async with shop(place, f"sqlite:///{path}") as broker:
        return await broker.balance(USER), await broker.balance(OTHER)


async def steps_of_a_life(place: Place, path: Path) -> int:
    fate = Fate()
    await lived(place, path, fate)
    return fate.steps


@pytest.mark.parametrize("after", [False, True])
async def test_whoever_comes_after_a_broker_that_died_finishes_its_settlement(tmp_path: Path, *, after: bool) -> None:
    async with open_place() as place:
        await offered(place)
        for user in (USER, OTHER):
            await place.fund(user, ONE)
        steps = await steps_of_a_life(place, tmp_path / "whole.db")
        assert steps > 12
        for step in range(1, steps + 1, 1 if LONG else 3):
            path = tmp_path / f"{step}.db"
            before = await balances(place, path)
            ids = await lived(place, path, Fate(step, after=after))
            if step % 4 == 1:
                async with shop(place, f"sqlite:///{path}") as same:
                    assert (await same.settler.settle()).unfinished == 0
                    await check_finished(place, same, ids, before)
                continue
            clock = ShiftedClock()
            clock.ahead_s = 61  # The lease of the one that died is over.
            async with shop(place, f"sqlite:///{path}", broker_id="b", clock=clock) as other:
                assert (await other.settler.settle()).is_elsewhere is False
                await check_finished(place, other, ids, before)


async def test_a_settlement_that_nobody_mines_is_replaced_by_one_that_pays_more(tmp_path: Path) -> None:
    async with open_place() as place, shop(await offered(place), f"sqlite:///{tmp_path}/book.db") as broker:
        await place.fund(USER, ONE)
        [request_id] = await broker.charge(USER, [7])
        await place.client.request("evm_setAutomine", False)

        async def until(fits: Callable[[list[Any]], bool]) -> None:
            with anyio.fail_after(WAIT_S):
                while not fits(await broker.settler.settlements.pending()):  # noqa: ASYNC110 - the settler tells nobody of its steps.
                    await anyio.sleep(0.005)

        async with anyio.create_task_group() as group:
            group.start_soon(broker.settler.settle)
            await until(lambda pending: len(pending) == 1)
            broker.clock.ahead_s += 61
            await until(lambda pending: len(pending[0].transactions) == 2)
            first, second = (await broker.settler.settlements.pending())[0].transactions
            assert first.account_nonce == second.account_nonce
            await place.client.request("evm_mine")
        found = await broker.check_proof(request_id)
        assert found.transaction_hash == second.hash
        assert await broker.paid(USER) == 7


async def test_a_settlement_whose_block_and_number_are_gone_is_sent_anew(tmp_path: Path) -> None:
    """The broker dies with its transaction sent; then the chain goes back to before the provider's earlier transactions."""
    async with open_place() as place:
        await offered(place)
        await place.fund(USER, ONE)
        await place.fund(OTHER, ONE)
        snapshot = await place.client.request("evm_snapshot")
        path = tmp_path / "book.db"
        whole = Fate()
        await lived(place, tmp_path / "first.db", whole)
        before = await balances(place, path)
        ids = await lived(place, path, Fate(whole.steps - 1))
        await place.client.request("evm_revert", snapshot)
        async with shop(place, f"sqlite:///{path}") as broker:
            await broker.settler.settle()
            await check_finished(place, broker, ids, (before[0] + 15, before[1] + 5))
