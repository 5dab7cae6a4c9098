"""PostgreSQL goes away under load, for a moment or for long, or takes the answer to a commit with it."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from anyio.abc import SocketStream
from sqlalchemy import Connection, text

from tests.postgres import PostgresServer, postgres_server, require_binaries
from tests.unit.compute.book.making import ALICE, ONE, ShiftedClock, charge_of, new_id
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
class CuttingProxy:
    """Passes bytes between clients and the server; when told, it lets one COMMIT through and cuts before its answer.

    It ends a connection by closing it, never by cancelling whoever reads: on asyncio the two can meet, and anyio then reports a fault.
    """

    server_socket: str
    cuts_wanted: int = 0
    cuts_made: int = 0
    open: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event)

    async def pass_on(self, client: SocketStream) -> None:
        self.open += 1
        try:
            async with client, await anyio.connect_unix(self.server_socket) as server, anyio.create_task_group() as ways:
                cut = anyio.Event()
                ways.start_soon(self._upwards, client, server, cut)
                ways.start_soon(self._downwards, client, server, cut)
        finally:
            self.open -= 1
            self.changed.set()

    async def _upwards(self, client: SocketStream, server: SocketStream, cut: anyio.Event) -> None:
        with suppress(anyio.ClosedResourceError):  # The other way has ended, and has closed this one.
            async for data in client:
                if b"COMMIT" in data and self.cuts_made < self.cuts_wanted:
                    self.cuts_made += 1
                    cut.set()
                await server.send(data)
            await server.send_eof()

    async def _downwards(self, client: SocketStream, server: SocketStream, cut: anyio.Event) -> None:
        async for data in server:
            if cut.is_set():
                break  # The server has committed: this is its answer.
            await client.send(data)
        await client.aclose()
        await server.aclose()


@asynccontextmanager
async def cutting(server: PostgresServer) -> AsyncIterator[tuple[str, CuttingProxy]]:
    """The URL of an empty database behind a proxy, and the proxy."""
    proxy = CuttingProxy(f"{server.folder}/.s.PGSQL.5432")
    with tempfile.TemporaryDirectory(prefix="zerog-cut-") as folder:
        async with await anyio.create_unix_listener(f"{folder}/.s.PGSQL.5432") as listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, proxy.pass_on)
            yield server.clean_url().replace(str(server.folder), folder), proxy
            with anyio.fail_after(10):
                while proxy.open:
                    proxy.changed = anyio.Event()
                    await proxy.changed.wait()
            tasks.cancel_scope.cancel()


async def test_a_commit_whose_answer_is_lost_counts_once(server: PostgresServer) -> None:
    async with cutting(server) as (url, proxy), await Book.open(url, broker_id="a") as book:
        await book.write(count)
        for cuts in range(1, 6):
            proxy.cuts_wanted = cuts
            await book.write(count)
        assert proxy.cuts_made == 5
        proxy.cuts_wanted = 6
        request_id = new_id()
        await book.reserve(request_id, ALICE, expected_wei=0, highest_wei=9, locked_wei=ONE * 10)
        proxy.cuts_wanted = 7
        await book.charge(charge_of(request_id))
        assert proxy.cuts_made == 7
        assert await book.unsettled_wei(ALICE) == 7
        assert await book.read(counted) == 6


def test_a_missing_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.postgres.BINARIES", tmp_path)
    with pytest.raises(FileNotFoundError, match="postgresql-15"):
        require_binaries()
