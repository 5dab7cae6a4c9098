"""The quick way into a book on SQLite: when it is taken, and that it hides nothing. What both ways write, the histories compare."""

from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, text

from tests.unit.compute.book.making import ALICE, BOB, ONE, charge_of, new_id
from zerog.compute.protocol.errors import InsufficientBalanceError
from zerog.compute.provider.book import Book, lock_accounts

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/book.db"


async def test_what_is_ordinary_goes_the_quick_way(path: str) -> None:
    async with await Book.open(path, broker_id="a") as book:
        before = book.groups_committed
        for user in (ALICE, BOB, ALICE):
            request_id = new_id()
            await book.reserve(request_id, user, expected_wei=0, highest_wei=5, locked_wei=2 * ONE)
            await book.charge(charge_of(request_id, user, 3))
        async with anyio.create_task_group() as callers:
            for index in range(300):  # More than one group, and no power of two.
                callers.start_soon(book.charge, charge_of(f"{index}", BOB, 1))
        assert book.quick_groups_committed == book.groups_committed - before
        assert (await book.unsettled_wei(ALICE), await book.unsettled_wei(BOB)) == (6, 303)
        assert len((await book.receipts(limit=1000)).rows) == 303


@pytest.mark.parametrize("repeated", ["a charge", "a reservation", "a refusal"])
async def test_what_is_not_ordinary_goes_the_usual_way(path: str, repeated: str) -> None:
    async with await Book.open(path, broker_id="a") as book:
        await book.charge(charge_of("known"))
        await book.reserve("open", ALICE, expected_wei=0, highest_wei=5, locked_wei=2 * ONE)
        await book.write(lambda _: None)  # After which nothing is remembered.
        quick, all_of_them = book.quick_groups_committed, book.groups_committed
        match repeated:
            case "a charge":
                await book.charge(charge_of("known"))
            case "a reservation":
                await book.reserve("open", ALICE, expected_wei=0, highest_wei=5, locked_wei=2 * ONE)
            case _:
                with pytest.raises(InsufficientBalanceError):
                    await book.reserve("new", ALICE, expected_wei=0, highest_wei=ONE, locked_wei=ONE)
        assert (book.quick_groups_committed, book.groups_committed) == (quick, all_of_them + 1)
        assert await sums_of(book) == (7, 5)


async def test_what_another_broker_wrote_is_not_overlooked(path: str) -> None:
    async with await Book.open(path, broker_id="a") as one, await Book.open(path, broker_id="b") as other:
        for _ in range(3):  # Each remembers what it wrote, until it hears that the other one has written.
            first, second = new_id(), new_id()
            await one.reserve(first, ALICE, expected_wei=0, highest_wei=2 * ONE, locked_wei=5 * ONE)
            await other.reserve(second, ALICE, expected_wei=0, highest_wei=2 * ONE, locked_wei=5 * ONE)
            with pytest.raises(InsufficientBalanceError):
                await one.reserve(new_id(), ALICE, expected_wei=0, highest_wei=2 * ONE, locked_wei=5 * ONE)
            await other.charge(charge_of(first, ALICE, 1))
            await one.charge(charge_of(first, ALICE, 1))
            await one.release(second)
        assert await sums_of(one) == (3, 0)
        assert one.quick_groups_committed > 3
        assert other.quick_groups_committed > 3


async def test_work_in_between_is_not_overlooked(path: str) -> None:
    def clear(connection: Connection) -> None:
        connection.execute(text("UPDATE accounts SET unsettled_wei = '0'"))

    async with await Book.open(path, broker_id="a") as book:
        await book.charge(charge_of(new_id(), ALICE, 5))
        await book.write(clear)
        await book.charge(charge_of(new_id(), ALICE, 2))
        assert await sums_of(book) == (2, 0)


async def sums_of(book: Book) -> tuple[int, int]:
    """What Alice owes, and what is set aside for her requests."""

    def read(connection: Connection) -> tuple[int, int]:
        account = lock_accounts(connection, [ALICE])[ALICE]
        return account.unsettled_wei, account.reserved_wei

    return await book.write(read)
