"""PostgreSQL goes away under load, for a moment or for long, or takes the answer to a commit with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from sqlalchemy import Connection, text

from tests.postgres import PostgresServer, postgres_server, require_binaries
from tests.unit.compute.book.making import ALICE, ONE, ShiftedClock, charge_of, new_id
from tests.unit.compute.provider.lines import CutError, Step, database_line
from zerog.compute.provider.book import Book, BookUnavailableError

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of our own, since here it is stopped and killed."""
    with postgres_server() as running:
        yield running


def count(connection: Connection) -> None:
    """Work that is wrong if it takes place twice."""
    connection.execute(text("INSERT INTO facts VALUES ('count', '0') ON CONFLICT DO NOTHING"))
    connection.execute(text("UPDATE facts SET value = CAST(CAST(value AS integer) + 1 AS text) WHERE name = 'count'"))


def counted(connection: Connection) -> int:
    return int(connection.execute(text("SELECT value FROM facts WHERE name = 'count'")).scalar_one())


@pytest.mark.parametrize("how", ["stopped in order", "killed"])
async def test_nothing_is_lost_or_done_twice_over_a_restart(server: PostgresServer, how: str) -> None:
    requests_wanted, halfway = 240, anyio.Event()
    async with await Book.open(server.clean_url(), broker_id="a") as book:
        numbers = iter(range(requests_wanted))

        async def call() -> None:
            for number in numbers:
                request_id = new_id()
                await book.reserve(request_id, ALICE, expected_wei=0, highest_wei=9, locked_wei=ONE * 10)
                await book.charge(charge_of(request_id))
                await book.write(count)
                assert await book.receipt(request_id) is not None
                if number == requests_wanted // 3:
                    halfway.set()

        with anyio.fail_after(90):
            async with anyio.create_task_group() as callers:
                for _ in range(8):
                    callers.start_soon(call)
                await halfway.wait()
                await to_thread.run_sync(server.kill if how == "killed" else server.stop)
                await to_thread.run_sync(server.start)
        assert await book.unsettled_wei(ALICE) == requests_wanted * 7
        assert await book.read(counted) == requests_wanted
        assert len((await book.receipts(limit=1000)).rows) == requests_wanted


@dataclass
class ImpatientClock(ShiftedClock):
    """A clock on which some seconds pass with each look at it."""

    waited_s: float = 0.0
    step_s: float = 0.0

    def monotonic_s(self) -> float:
        self.waited_s += self.step_s
        return super().monotonic_s() + self.waited_s


async def test_a_database_that_stays_away_is_reported_and_found_again(server: PostgresServer) -> None:
    clock = ImpatientClock()
    async with await Book.open(server.clean_url(), broker_id="a", clock=clock) as book:
        charge = charge_of(new_id())
        await book.charge(charge_of(new_id()))
        await to_thread.run_sync(server.stop)
        clock.step_s = 5
        with anyio.fail_after(20), pytest.raises(BookUnavailableError) as refused:
            await book.charge(charge)
        assert refused.value.http_status == 503
        with pytest.raises(BookUnavailableError):
            await book.unsettled_wei(ALICE)
        clock.step_s = 0
        await to_thread.run_sync(server.start)
        await book.charge(charge)
        assert await book.unsettled_wei(ALICE) == 14


@dataclass
class Cutter:
    """When told, lets one COMMIT through to the server and cuts before its answer."""

    cuts_wanted: int = 0
    cuts_made: int = 0

    async def __call__(self, step: Step) -> None:
        if step.is_done and self.cuts_made < self.cuts_wanted:
            self.cuts_made += 1
            raise CutError


async def test_a_commit_whose_answer_is_lost_counts_once(server: PostgresServer) -> None:
    cutter = Cutter()
    async with database_line(server.clean_url(), server.folder, cutter) as url, await Book.open(url, broker_id="a") as book:
        await book.write(count)
        for cuts in range(1, 6):
            cutter.cuts_wanted = cuts
            await book.write(count)
        assert cutter.cuts_made == 5
        cutter.cuts_wanted = 6
        request_id = new_id()
        await book.reserve(request_id, ALICE, expected_wei=0, highest_wei=9, locked_wei=ONE * 10)
        cutter.cuts_wanted = 7
        await book.charge(charge_of(request_id))
        assert cutter.cuts_made == 7
        assert await book.unsettled_wei(ALICE) == 7
        assert await book.read(counted) == 6


def test_a_missing_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.postgres.BINARIES", tmp_path)
    with pytest.raises(FileNotFoundError, match="postgresql-15"):
        require_binaries()
