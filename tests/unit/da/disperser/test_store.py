"""The disperser's books: what is kept comes back after a crash, pages of the list, and transactions that blobs have not heard of."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from zerog.da.disperser.errors import DisperserDataError
from zerog.da.disperser.store import Sending, Store
from zerog.da.protocol.dispersal import BlockPlace, DispersalState, Step
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.primitives import Hash32

ROOT = Hash32(b"\x11" * 32)
PLACE = BlockPlace(7, Hash32(b"\x22" * 32), Hash32(b"\x33" * 32))
FULL = DispersalState(
    step=Step.CONFIRMED,
    since_s=12.5,
    root=ROOT,
    commitment=bytes(range(64)),
    name=BlobName(ROOT, 3, 1),
    announced=PLACE,
    certificate=b"\x00\xff certificate",
    confirmed=PLACE,
    restarts=1,
    reason="",
)
NEW = DispersalState(since_s=1.0)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    store = await Store.open(folder / "books")
    try:
        yield store
    finally:
        await store.close()


async def test_a_blob_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        seq = await store.add("a-1", 111, 5, NEW)
        await store.keep(seq, FULL)
    async with opened(tmp_path) as store:
        row = await store.by_request_id("a-1")
        assert row is not None
        assert (row.seq, row.received_ns, row.size_bytes, row.state) == (seq, 111, 5, FULL)
        assert await store.by_seq(seq) == row
        assert await store.confirmed(BlobName(ROOT, 3, 1)) == row
        assert await store.confirmed(BlobName(ROOT, 3, 2)) is None
        assert await store.confirmed(BlobName(ROOT, (1 << 64) - 1, 0)) is None
        assert await store.by_request_id("other") is None


async def test_an_id_is_given_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.add("a-1", 111, 5, NEW)
        with pytest.raises(sqlite3.IntegrityError):
            await store.add("a-1", 112, 5, NEW)
        assert [row.request_id for row in await store.open_blobs()] == ["a-1"]


async def test_pages_go_from_the_newest_back_and_may_be_of_one_status(tmp_path: Path) -> None:
    failed = DispersalState(step=Step.FAILED, since_s=50, reason="why")
    async with opened(tmp_path) as store:
        for number in range(7):
            await store.add(f"{number}-x", 1_000_000 * number, number, failed if number % 3 == 0 else NEW)
        first = await store.page(BlobStatus.UNKNOWN, None, 3)
        assert [blob.request_id for blob in first.blobs] == ["6-x", "5-x", "4-x"]
        assert (first.blobs[0].state.reason, first.blobs[1].state.step, first.blobs[2].received_ms) == ("why", "received", 4)
        second = await store.page(BlobStatus.UNKNOWN, int(first.next_cursor), 4)
        assert ([blob.request_id for blob in second.blobs], second.next_cursor) == (["3-x", "2-x", "1-x", "0-x"], "")
        assert [blob.request_id for blob in (await store.page(BlobStatus.FAILED, None, 10)).blobs] == ["6-x", "3-x", "0-x"]
        assert await store.counts() == {BlobStatus.FAILED: 3, BlobStatus.PROCESSING: 4}
        assert [row.request_id for row in await store.open_blobs()] == ["1-x", "2-x", "4-x", "5-x"]
        assert await store.kept_files() == {1_000_000 * number for number in (1, 2, 4, 5)}
        old = await store.ended_before(51, 2)
        assert len(old) == 2
        await store.forget([row.seq for row in old])
        assert len(await store.ended_before(51, 10)) == 1
        assert await store.ended_before(50, 10) == []


async def test_a_transaction_stays_until_all_of_its_blobs_have_heard(tmp_path: Path) -> None:
    first, second = Sending(Hash32(b"\x99" * 32), 4, b"raw"), Sending(Hash32(b"\x01" * 32), 4, b"raised")
    async with opened(tmp_path) as store:
        one, two = [await store.add(f"{number}-x", number, 1, NEW) for number in (1, 2)]
        number = await store.begin("announce", [one, two], first)
        await store.add_sending(number, second)
        await store.add_sending(number, second)
    async with opened(tmp_path) as store:
        [left] = await store.open_transactions()
        assert (left.purpose, left.blobs, left.sendings) == ("announce", (one, two), (first, second))
        await store.keep(one, FULL, heard_of=number)
        [left] = await store.open_transactions()
        assert left.blobs == (two,)
        await store.keep(two, FULL, heard_of=number)
        assert await store.open_transactions() == []
        number = await store.begin("confirm", [one], first)
        await store.drop(number)
        assert await store.open_transactions() == []
        await store.begin("confirm", [one], first)
        await store.keep(one, DispersalState(step=Step.FAILED, since_s=1, reason="x"))
        assert await store.open_transactions() == []  # Nobody is left who would hear.


async def test_facts_and_copies(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        assert await store.fact("place") is None
        await store.keep_fact("place", "here")
        await store.add("a-1", 111, 5, NEW)
        (tmp_path / "copy").mkdir()
        await store.copy_to(tmp_path / "copy" / "books")
    async with opened(tmp_path / "copy") as copy:
        assert await copy.fact("place") == "here"
        assert len(await copy.open_blobs()) == 1


async def test_books_of_another_version_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "books") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DisperserDataError, match="version 99"):
        await Store.open(tmp_path / "books")
