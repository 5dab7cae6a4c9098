"""What the publisher reads and writes: settlements whose leaves are still to be published, and what was done.

The queue is the book itself: a settlement waits as long as no row says that its file is stored, or its blob confirmed. So nothing has to be
entered when something is settled, nothing is lost by a crash, and however much waits takes no memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from zerog.compute.protocol.published import PublishedEntry, PublishedReceipts
from zerog.compute.provider.book.book import Book
from zerog.compute.provider.book.settlement_tables import batches, entries, publications
from zerog.primitives import Address, Hash32

__all__ = ["Copy", "Publications", "WaitingBatch"]

LEASE_MS: Final = 600_000
"""A broker that publishes and is not heard of for so long has died. To publish twice costs a little and does no harm."""
PAID_STATES: Final = ("settled", "partial")
ENTER_LEASE: Final = text("INSERT INTO settlement_lease (name, holder, until_ms) VALUES (:name, :holder, 0) ON CONFLICT DO NOTHING")
TAKE_LEASE: Final = text(
    "UPDATE settlement_lease SET holder = :holder, until_ms = :until WHERE name = :name AND (holder = :holder OR until_ms < :now)"
)
LEAVE_LEASE: Final = text("UPDATE settlement_lease SET until_ms = 0 WHERE name = :name AND holder = :holder")
ENTRIES: Final = (
    select(entries).where(entries.c.batch_id == bindparam("batch"), entries.c.state.in_(PAID_STATES)).order_by(entries.c.entry_id)
)


class Copy(Enum):
    """Where the leaves go."""

    FILE = "file"
    """To 0G Storage."""
    BLOB = "blob"
    """To 0G DA."""


DONE: Final[Mapping[Copy, ColumnElement[Any]]] = {Copy.FILE: publications.c.file_root, Copy.BLOB: publications.c.blob_root}


@dataclass(frozen=True, slots=True)
class WaitingBatch:
    """A settlement that took effect, and of which a copy is still to be made."""

    batch_id: int
    receipts: PublishedReceipts
    blob_request_id: bytes | None
    """Of a blob that is on its way already."""


class Publications:
    """All methods raise `BookUnavailableError`."""

    def __init__(self, book: Book, *, provider: Address, contract: Address, chain_id: int) -> None:
        self._book: Final = book
        self._provider: Final = provider
        self._contract: Final = contract
        self._chain_id: Final = chain_id
        self._floor: Final = dict.fromkeys(Copy, 0)
        """Up to this batch everything is published: what is older is not looked at again."""

    async def take_lease(self, copy: Copy, now_ms: int) -> bool:
        """Become the broker that makes these copies, or go on being it. `False` while another one is."""
        values = {"name": copy.value, "holder": self._book.broker_id, "now": now_ms, "until": now_ms + LEASE_MS}

        def work(connection: Connection) -> bool:
            connection.execute(ENTER_LEASE, values)
            return connection.execute(TAKE_LEASE, values).rowcount == 1

        return await self._book.write(work)

    async def leave_lease(self, copy: Copy) -> None:
        """Let another broker do it."""
        values = {"name": copy.value, "holder": self._book.broker_id}
        await self._book.write(lambda connection: connection.execute(LEAVE_LEASE, values).rowcount)

    async def count(self, copy: Copy) -> int:
        """How many settlements wait for a copy."""
        query = select(func.count()).select_from(_waiting(copy, self._floor[copy]).subquery())
        return await self._book.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def next(self, copy: Copy) -> WaitingBatch | None:
        """The oldest settlement of which there is no such copy yet."""

        def work(connection: Connection) -> tuple[int, WaitingBatch | None]:
            floor = self._floor[copy]
            batch_id = connection.execute(_waiting(copy, floor).order_by(batches.c.batch_id).limit(1)).scalar()
            if batch_id is not None:
                return floor, self._read(connection, int(batch_id))
            pending = connection.execute(select(func.min(batches.c.batch_id)).where(batches.c.is_pending)).scalar()
            newest = connection.execute(select(func.max(batches.c.batch_id))).scalar()
            return (floor if newest is None else int(newest) if pending is None else int(pending) - 1), None

        self._floor[copy], found = await self._book.read(work)
        return found

    def _read(self, connection: Connection, batch_id: int) -> WaitingBatch:
        found = [_entry(row) for row in connection.execute(ENTRIES, {"batch": batch_id})]
        receipts = PublishedReceipts(chain_id=self._chain_id, contract=self._contract, provider=self._provider, entries=found)
        query = select(publications.c.blob_request_id).where(publications.c.batch_id == batch_id)
        return WaitingBatch(batch_id, receipts, connection.execute(query).scalar())

    async def note_file(self, batch_id: int, root: Hash32) -> None:
        """The nodes of storage have the file."""
        await self._note(batch_id, {"file_root": bytes(root)})

    async def note_blob_sent(self, batch_id: int, request_id: bytes | None) -> None:
        """The disperser has the blob; `None` where it has given up, so that it is sent again."""
        await self._note(batch_id, {"blob_request_id": request_id})

    async def note_blob(self, batch_id: int, root: Hash32, *, epoch: int, quorum: int) -> None:
        """The blob's quorum is confirmed on chain."""
        await self._note(batch_id, {"blob_root": bytes(root), "blob_epoch": epoch, "blob_quorum": quorum})

    async def _note(self, batch_id: int, values: Mapping[str, object]) -> None:
        def work(connection: Connection) -> None:
            insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(publications)
            connection.execute(
                insert.values(batch_id=batch_id, **values).on_conflict_do_update(index_elements=["batch_id"], set_=dict(values))
            )

        await self._book.write(work)


def _entry(row: Row[*tuple[Any, ...]]) -> PublishedEntry:
    return PublishedEntry(
        user=Address(row.user_address),
        nonce=row.nonce,
        total_fee=row.total_wei,
        requests_hash=Hash32(row.requests_hash),
        leaves=bytes(row.leaves),
        amounts=[amount for _, amount in msgspec.json.decode(row.rows, type=list[tuple[int, str]])],
    )


def _waiting(copy: Copy, floor: int) -> Any:
    """Batches above `floor` that paid somebody and have no such copy."""
    paid = select(entries.c.entry_id).where(entries.c.batch_id == batches.c.batch_id, entries.c.state.in_(PAID_STATES)).exists()
    done = select(publications.c.batch_id).where(publications.c.batch_id == batches.c.batch_id, DONE[copy].is_not(None)).exists()
    return select(batches.c.batch_id).where(batches.c.batch_id > floor, ~batches.c.is_pending, paid, ~done)
