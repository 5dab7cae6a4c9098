"""Settlements in the book: which requests are to be paid, what was signed for them before it is sent, and what came of it.

Rows of one user are paid in their order, and a user is part of one unfinished settlement at most. A row that is part of one is in no other:
so nobody pays twice, and what a settlement did not pay is free for the next one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, select, text

from zerog.compute.protocol.receipts import Remainder, canonical_bytes, leaf_of, read_remainder
from zerog.compute.protocol.settlement import PAYING, SettlementData, SettlementStatus, paid_parts
from zerog.compute.provider.book.accounts import lock_accounts, save_accounts
from zerog.compute.provider.book.book import Book
from zerog.compute.provider.book.errors import BookError
from zerog.compute.provider.book.schema import accounts, charges
from zerog.compute.provider.book.settlement_tables import batches, entries, remainders, settled_users, transactions
from zerog.primitives import Address, Hash32, Wei

__all__ = [
    "BatchEnd",
    "DueUser",
    "EntryResult",
    "FinishedBatch",
    "PendingBatch",
    "PendingEntry",
    "PlanOutdatedError",
    "PlannedEntry",
    "SentTransaction",
    "SettlementRow",
    "Settlements",
    "SettlerReplacedError",
]

LEASE_MS: Final = 60_000
"""How long a broker that is not heard of goes on being the one that settles. Longer than clocks of servers differ."""
ROWS_MAX: Final = 5_000
"""Rows in one entry; more wait for the next."""
PENDING, SETTLED, PARTIAL, FAILED = "pending", "settled", "partial", "failed"

ENTER_LEASE = text("INSERT INTO settlement_lease (name, holder, until_ms) VALUES ('settler', :holder, 0) ON CONFLICT DO NOTHING")
TAKE_LEASE = text(
    "UPDATE settlement_lease SET holder = :holder, until_ms = :until WHERE name = 'settler' AND (holder = :holder OR until_ms < :now)"
)
KEEP_LEASE = text("UPDATE settlement_lease SET until_ms = :until WHERE name = 'settler' AND holder = :holder")
LEAVE_LEASE = text("UPDATE settlement_lease SET until_ms = 0 WHERE name = 'settler' AND holder = :holder")
DUE = (
    select(accounts.c.user_address, accounts.c.unsettled_wei, settled_users.c.last_nonce)
    .select_from(accounts.outerjoin(settled_users, accounts.c.user_address == settled_users.c.user_address))
    .where(
        accounts.c.unsettled_wei != "0",
        func.coalesce(settled_users.c.hold_until_ms, 0) <= bindparam("now"),
        ~select(entries.c.entry_id).where(entries.c.user_address == accounts.c.user_address, entries.c.state == PENDING).exists(),
    )
    .order_by(accounts.c.user_address)
    .limit(bindparam("users_max"))
)
OPEN_REMAINDERS = (
    select(remainders.c.remainder_id, remainders.c.leaf, remainders.c.amount_wei)
    .where(remainders.c.user_address == bindparam("user"), remainders.c.settlement_entry_id.is_(None))
    .order_by(remainders.c.remainder_id)
)
OPEN_CHARGES = (
    select(charges.c.sequence, charges.c.leaf, charges.c.fee_wei)
    .where(charges.c.user_address == bindparam("user"), charges.c.settlement_entry_id.is_(None))
    .order_by(charges.c.sequence)
    .limit(bindparam("rows_max"))
)
UNFINISHED_OF = select(entries.c.entry_id).where(entries.c.user_address.in_(bindparam("users", expanding=True)), entries.c.state == PENDING)
CLAIM_CHARGES = text(
    "UPDATE charges SET settlement_entry_id = :entry WHERE user_address = :user AND settlement_entry_id IS NULL AND sequence <= :last"
)
CLAIM_REMAINDER = text(
    "UPDATE settlement_remainders SET settlement_entry_id = :entry WHERE remainder_id = :id AND settlement_entry_id IS NULL"
)
FREE_CHARGE = text("UPDATE charges SET settlement_entry_id = NULL WHERE sequence = :id AND settlement_entry_id = :entry")
FREE_REMAINDER = text(
    "UPDATE settlement_remainders SET settlement_entry_id = NULL WHERE remainder_id = :id AND settlement_entry_id = :entry"
)
TIE_CHARGE = text("UPDATE charges SET settlement_entry_id = :entry WHERE sequence = :id AND settlement_entry_id IS NULL")
HOLD = text(
    "INSERT INTO settlement_users (user_address, last_nonce, hold_until_ms, hold_reason) VALUES (:user, '0', :until, :reason)"
    " ON CONFLICT (user_address) DO UPDATE SET hold_until_ms = excluded.hold_until_ms, hold_reason = excluded.hold_reason"
)
NOTE_NONCE = text(
    "INSERT INTO settlement_users (user_address, last_nonce, hold_until_ms) VALUES (:user, :nonce, 0)"
    " ON CONFLICT (user_address) DO UPDATE SET last_nonce = excluded.last_nonce"
)
FINISH_ENTRY = text("UPDATE settlement_entries SET state = :state, paid_wei = :paid WHERE entry_id = :entry")
FINISH_BATCH = text(
    "UPDATE settlement_batches SET is_pending = :pending, transaction_hash = :hash, block_number = :number, block_hash = :block"
    " WHERE batch_id = :batch"
)
ABANDON = text("UPDATE settlement_transactions SET is_abandoned = :yes WHERE batch_id = :batch")
ADD_TRANSACTION = text(
    "INSERT INTO settlement_transactions (transaction_hash, batch_id, account_nonce, raw, sent_at_ms, is_abandoned)"
    " VALUES (:hash, :batch, :number, :raw, :sent, :no)"
    " ON CONFLICT (transaction_hash) DO UPDATE SET sent_at_ms = excluded.sent_at_ms, is_abandoned = excluded.is_abandoned"
)
"""After the chain went back the same entries at the same number are, to the byte, a transaction that was given up."""
ENTRIES_OF = select(entries).where(entries.c.batch_id == bindparam("batch")).order_by(entries.c.entry_id)
REMAINDER_OF = select(remainders.c.document, remainders.c.charge_sequence).where(remainders.c.remainder_id == bindparam("id"))
CHILDREN = select(remainders.c.settlement_entry_id).where(remainders.c.parent_entry_id == bindparam("entry"))
TIES = select(charges.c.settlement_entry_id).where(charges.c.sequence.in_(bindparam("ids", expanding=True))).distinct()
DROP_REMAINDERS = text("DELETE FROM settlement_remainders WHERE parent_entry_id = :entry")
FREE_ALL_CHARGES = text("UPDATE charges SET settlement_entry_id = NULL WHERE settlement_entry_id = :entry")
FREE_ALL_REMAINDERS = text("UPDATE settlement_remainders SET settlement_entry_id = NULL WHERE settlement_entry_id = :entry")


@dataclass(eq=False)
class SettlerReplacedError(BookError):
    """Another broker has taken over settling."""

    broker_id: str

    code = "settler_replaced"
    remedy = "nothing needs to be done: the other broker settles what this one began"
    http_status = 503

    def __str__(self) -> str:
        return f"another broker than {self.broker_id!r} settles now"


@dataclass(eq=False)
class PlanOutdatedError(BookError):
    """Between reading a user's rows and signing for them something changed."""

    user: Address

    code = "plan_outdated"
    remedy = "settle again: rows are read anew"
    http_status = 409

    def __str__(self) -> str:
        return f"the unsettled requests of {self.user} have changed meanwhile"


@dataclass(frozen=True, slots=True)
class DueUser:
    """A user who owes something and is part of no unfinished settlement."""

    user: Address
    unsettled_wei: int
    last_nonce: int


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """A leaf of a settlement and what it asks for: a charge by its sequence, or a remainder by minus its id."""

    id: int
    leaf: Hash32
    amount_wei: int


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """What is about to be signed for a user."""

    settlement: SettlementData
    rows: tuple[SettlementRow, ...]


@dataclass(frozen=True, slots=True)
class PendingEntry(PlannedEntry):
    """What was signed for a user, and whose end is not known."""

    entry_id: int
    state: str = PENDING
    paid_wei: int = 0


@dataclass(frozen=True, slots=True)
class SentTransaction:
    """A signed transaction that carries a batch."""

    hash: Hash32
    account_nonce: int
    raw: bytes
    sent_at_ms: int
    is_abandoned: bool = False


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """One call of the contract whose end is not known. The newest transaction is the last."""

    batch_id: int
    transactions: tuple[SentTransaction, ...]
    entries: tuple[PendingEntry, ...]


@dataclass(frozen=True, slots=True)
class FinishedBatch:
    """One call of the contract and the block that it took effect in."""

    batch_id: int
    block_number: int
    block_hash: Hash32


@dataclass(frozen=True, slots=True)
class EntryResult:
    """What the contract said of an entry; `None` where the whole transaction was undone."""

    status: SettlementStatus | None
    paid_wei: int = 0

    @property
    def pays(self) -> bool:
        return self.status in PAYING

    @property
    def reason(self) -> str:
        """Why it did not pay, in a word."""
        return "reverted" if self.status is None else self.status.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEnd:
    """How a batch ended: in which block, what each user's entry came to, and for how long users that did not pay are left alone."""

    transaction_hash: Hash32
    block_number: int
    block_hash: Hash32
    results: Mapping[Address, EntryResult]
    holds_ms: Mapping[SettlementStatus | None, int]


class Settlements:
    """What the settler writes. All methods raise `BookUnavailableError`; those that write `SettlerReplacedError` without the lease."""

    def __init__(self, book: Book, *, provider: Address, chain_id: int) -> None:
        """`provider` is who is paid, on the chain `chain_id`."""
        self._book: Final = book
        self._provider: Final = provider
        self._chain_id: Final = chain_id

    async def take_lease(self, now_ms: int) -> bool:
        """Become the broker that settles, or go on being it. `False` while another one is."""
        values = {"holder": self._book.broker_id, "now": now_ms, "until": now_ms + LEASE_MS}

        def work(connection: Connection) -> bool:
            connection.execute(ENTER_LEASE, values)
            return connection.execute(TAKE_LEASE, values).rowcount == 1

        return await self._book.write(work)

    async def leave_lease(self) -> None:
        """Let another broker settle."""
        await self._book.write(lambda connection: connection.execute(LEAVE_LEASE, {"holder": self._book.broker_id}).rowcount)

    async def due(self, now_ms: int, *, users_max: int) -> list[DueUser]:
        """Who owes something, is not on hold, and is part of no unfinished settlement."""

        def work(connection: Connection) -> list[DueUser]:
            found = connection.execute(DUE, {"now": now_ms, "users_max": users_max})
            return [DueUser(Address(row[0]), int(row[1]), int(row[2] or 0)) for row in found]

        return await self._book.read(work)

    async def rows(self, users: Sequence[Address]) -> dict[Address, list[SettlementRow]]:
        """What each user has not paid, in the order in which it is paid: first the rest of a receipt, then receipts by arrival."""
        return await self._book.read(lambda connection: {user: _open_rows(connection, user) for user in users})

    async def write_ahead(self, planned: Sequence[PlannedEntry], transaction: SentTransaction, *, now_ms: int) -> int:
        """Keep what was signed, and the transaction that carries it, before that is sent; returns the number of the batch.

        Raises `PlanOutdatedError`: then nothing is kept, and nothing may be sent.
        """
        return await self._book.write(lambda connection: self._write_ahead(connection, planned, transaction, now_ms))

    def _write_ahead(self, connection: Connection, planned: Sequence[PlannedEntry], transaction: SentTransaction, now_ms: int) -> int:
        self._keep_lease(connection, now_ms)
        users = [entry.settlement.user for entry in planned]
        lock_accounts(connection, users)
        if connection.execute(UNFINISHED_OF, {"users": [bytes(user) for user in users]}).first() is not None:
            raise PlanOutdatedError(users[0])
        batch_id = int(
            connection.execute(batches.insert().values(is_pending=True, created_at_ms=now_ms).returning(batches.c.batch_id)).scalar_one()
        )
        _add_transaction(connection, batch_id, transaction)
        for entry in planned:
            _add_entry(connection, batch_id, entry)
        connection.execute(NOTE_NONCE, [{"user": bytes(entry.settlement.user), "nonce": str(entry.settlement.nonce)} for entry in planned])
        return batch_id

    async def add_transaction(self, batch_id: int, transaction: SentTransaction, *, now_ms: int, abandon: bool) -> None:
        """Keep another transaction for a batch before it is sent. With `abandon` the former ones are not sent again."""

        def work(connection: Connection) -> None:
            self._keep_lease(connection, now_ms)
            if abandon:
                connection.execute(ABANDON, {"batch": batch_id, "yes": True})
            _add_transaction(connection, batch_id, transaction)

        await self._book.write(work)

    async def pending(self) -> list[PendingBatch]:
        """The batches whose end is not known, oldest first, each with its transactions and the entries that are not finished."""

        def work(connection: Connection) -> list[PendingBatch]:
            ids = connection.execute(select(batches.c.batch_id).where(batches.c.is_pending).order_by(batches.c.batch_id)).scalars()
            return [self._pending(connection, batch_id) for batch_id in ids.all()]

        return await self._book.read(work)

    async def conclude(self, batch: PendingBatch, end: BatchEnd, *, now_ms: int) -> None:
        """Write what became of a batch, in one transaction: what was paid is owed no more, the rest is free for the next settlement.

        Where it has ended before, nothing is changed.
        """

        def work(connection: Connection) -> None:
            self._keep_lease(connection, now_ms)
            known = lock_accounts(connection, [entry.settlement.user for entry in batch.entries])
            for entry in self._pending(connection, batch.batch_id).entries:
                user = entry.settlement.user
                result = end.results.get(user, EntryResult(None))
                known[user].unsettled_wei -= result.paid_wei
                self._finish(connection, entry, result)
                if not result.pays:
                    hold_ms = end.holds_ms.get(result.status, 0)
                    until_ms = now_ms + hold_ms if hold_ms else 0
                    connection.execute(HOLD, {"user": bytes(user), "until": until_ms, "reason": result.reason})
            save_accounts(connection, known)
            values = {"hash": bytes(end.transaction_hash), "number": end.block_number, "block": bytes(end.block_hash)}
            connection.execute(FINISH_BATCH, values | {"batch": batch.batch_id, "pending": False})

        await self._book.write(work)

    async def finished_from(self, block_number: int) -> list[FinishedBatch]:
        """Batches that took effect in this block or a later one, newest first."""

        def work(connection: Connection) -> list[FinishedBatch]:
            query = (
                select(batches.c.batch_id, batches.c.block_number, batches.c.block_hash)
                .where(batches.c.block_number >= block_number, ~batches.c.is_pending)
                .order_by(batches.c.block_number.desc(), batches.c.batch_id.desc())
            )
            return [FinishedBatch(row[0], row[1], Hash32(row[2])) for row in connection.execute(query)]

        return await self._book.read(work)

    async def reopen(self, batch_id: int, *, now_ms: int) -> None:
        """The chain took the block of a batch back: what it paid is owed again, and its end is unknown. Newest batches go first."""

        def work(connection: Connection) -> None:
            self._keep_lease(connection, now_ms)
            ended = [row for row in connection.execute(ENTRIES_OF, {"batch": batch_id}) if row.state in (SETTLED, PARTIAL)]
            known = lock_accounts(connection, [Address(row.user_address) for row in ended])
            for row in ended:
                known[Address(row.user_address)].unsettled_wei += int(row.paid_wei)
                _reopen(connection, self._entry(row))
            save_accounts(connection, known)
            connection.execute(ABANDON, {"batch": batch_id, "yes": True})
            connection.execute(FINISH_BATCH, {"batch": batch_id, "pending": True, "hash": None, "number": None, "block": None})

        await self._book.write(work)

    async def hold(self, users: Iterable[Address], until_ms: int, reason: str) -> None:
        """Leave users alone until then; a time that is over lifts it."""
        rows = [{"user": bytes(user), "until": until_ms, "reason": reason} for user in users]
        if rows:
            await self._book.write(lambda connection: connection.execute(HOLD, rows).rowcount)

    def _keep_lease(self, connection: Connection, now_ms: int) -> None:
        if connection.execute(KEEP_LEASE, {"holder": self._book.broker_id, "until": now_ms + LEASE_MS}).rowcount != 1:
            raise SettlerReplacedError(self._book.broker_id)

    def _pending(self, connection: Connection, batch_id: int) -> PendingBatch:
        sent = connection.execute(
            select(transactions)
            .where(transactions.c.batch_id == batch_id)
            .order_by(transactions.c.sent_at_ms, transactions.c.account_nonce)
        )
        rows = connection.execute(ENTRIES_OF, {"batch": batch_id})
        return PendingBatch(
            batch_id,
            tuple(
                SentTransaction(Hash32(row.transaction_hash), row.account_nonce, row.raw, row.sent_at_ms, row.is_abandoned) for row in sent
            ),
            tuple(self._entry(row) for row in rows if row.state == PENDING),
        )

    def _entry(self, row: Row[*tuple[Any, ...]]) -> PendingEntry:
        settlement = SettlementData(
            user=Address(row.user_address),
            provider=self._provider,
            total_fee_wei=Wei(int(row.total_wei)),
            requests_hash=Hash32(row.requests_hash),
            nonce=int(row.nonce),
            signature=bytes(row.signature),
        )
        listed = msgspec.json.decode(row.rows, type=list[tuple[int, str]])
        leaves = [Hash32(row.leaves[at : at + 32]) for at in range(0, len(row.leaves), 32)]
        rows = tuple(SettlementRow(id_, leaf, int(amount)) for (id_, amount), leaf in zip(listed, leaves, strict=True))
        return PendingEntry(settlement, rows, row.entry_id, row.state, int(row.paid_wei))

    def _finish(self, connection: Connection, entry: PendingEntry, result: EntryResult) -> None:
        """End an entry: free the rows that were not paid, and make a remainder of one that was paid in part."""
        covered, part_wei = paid_parts([row.amount_wei for row in entry.rows], result.paid_wei)
        state = FAILED if not result.pays else SETTLED if covered == len(entry.rows) else PARTIAL
        connection.execute(FINISH_ENTRY, {"entry": entry.entry_id, "state": state, "paid": str(result.paid_wei)})
        if not result.pays:
            covered = 0
        _free(connection, entry, entry.rows[covered + (1 if part_wei else 0) :])
        if part_wei:
            self._make_remainder(connection, entry, entry.rows[covered], part_wei)

    def _make_remainder(self, connection: Connection, entry: PendingEntry, row: SettlementRow, part_wei: int) -> None:
        settlement = entry.settlement
        if row.id > 0:
            sequence, leaf, fee_wei, paid_wei = row.id, row.leaf, row.amount_wei, 0
        else:
            document, sequence = connection.execute(REMAINDER_OF, {"id": -row.id}).one()
            former = read_remainder(bytes(document))
            leaf, fee_wei, paid_wei = former.receipt, int(former.fee), int(former.paid)
        left = Remainder(
            version=1,
            kind="remainder",
            receipt=leaf,
            user=settlement.user,
            provider=settlement.provider,
            chain_id=self._chain_id,
            fee=str(fee_wei),
            paid=str(paid_wei + part_wei),
            amount=str(fee_wei - paid_wei - part_wei),
            after_nonce=str(settlement.nonce),
        )
        data = canonical_bytes(left)
        connection.execute(
            remainders.insert().values(
                user_address=bytes(settlement.user),
                charge_sequence=sequence,
                parent_entry_id=entry.entry_id,
                document=data,
                leaf=bytes(leaf_of(data)),
                amount_wei=left.amount,
            )
        )


def _open_rows(connection: Connection, user: Address) -> list[SettlementRow]:
    left = connection.execute(OPEN_REMAINDERS, {"user": bytes(user)})
    rows = [SettlementRow(-row[0], Hash32(row[1]), int(row[2])) for row in left]
    found = connection.execute(OPEN_CHARGES, {"user": bytes(user), "rows_max": ROWS_MAX})
    return rows + [SettlementRow(row[0], Hash32(row[1]), int(row[2])) for row in found]


def _add_transaction(connection: Connection, batch_id: int, transaction: SentTransaction) -> None:
    values = {
        "hash": bytes(transaction.hash),
        "batch": batch_id,
        "number": transaction.account_nonce,
        "raw": transaction.raw,
        "sent": transaction.sent_at_ms,
        "no": False,
    }
    connection.execute(ADD_TRANSACTION, values)


def _add_entry(connection: Connection, batch_id: int, entry: PlannedEntry) -> None:
    settlement, user = entry.settlement, bytes(entry.settlement.user)
    values = {
        "batch_id": batch_id,
        "user_address": user,
        "nonce": str(settlement.nonce),
        "total_wei": str(settlement.total_fee_wei),
        "requests_hash": bytes(settlement.requests_hash),
        "signature": settlement.signature,
        "state": PENDING,
        "paid_wei": "0",
        "leaves": b"".join(row.leaf for row in entry.rows),
        "rows": msgspec.json.encode([(row.id, str(row.amount_wei)) for row in entry.rows]).decode(),
    }
    entry_id = connection.execute(entries.insert().values(values).returning(entries.c.entry_id)).scalar_one()
    charged = [row.id for row in entry.rows if row.id > 0]
    claimed = 0
    if charged:
        claimed = connection.execute(CLAIM_CHARGES, {"entry": entry_id, "user": user, "last": charged[-1]}).rowcount
    for row in entry.rows:
        if row.id < 0:
            claimed += connection.execute(CLAIM_REMAINDER, {"entry": entry_id, "id": -row.id}).rowcount
    if claimed != len(entry.rows):
        raise PlanOutdatedError(settlement.user)


def _free(connection: Connection, entry: PendingEntry, rows: Sequence[SettlementRow]) -> None:
    for statement, ids in (
        (FREE_CHARGE, [row.id for row in rows if row.id > 0]),
        (FREE_REMAINDER, [-row.id for row in rows if row.id < 0]),
    ):
        if ids:
            connection.execute(statement, [{"id": id_, "entry": entry.entry_id} for id_ in ids])


def _reopen(connection: Connection, entry: PendingEntry) -> None:
    """Make an entry unfinished again, with all its rows: an unfinished one that has taken some of them since gives way."""
    later = set(connection.execute(CHILDREN, {"entry": entry.entry_id}).scalars())
    ids = [row.id for row in entry.rows if row.id > 0]
    later |= set(connection.execute(TIES, {"ids": ids}).scalars()) if ids else set()
    for entry_id in later - {None, entry.entry_id}:
        connection.execute(FREE_ALL_CHARGES, {"entry": entry_id})
        connection.execute(FREE_ALL_REMAINDERS, {"entry": entry_id})
        connection.execute(FINISH_ENTRY, {"entry": entry_id, "state": FAILED, "paid": "0"})
    connection.execute(DROP_REMAINDERS, {"entry": entry.entry_id})
    for row in entry.rows:
        statement = TIE_CHARGE if row.id > 0 else CLAIM_REMAINDER
        connection.execute(statement, {"id": abs(row.id), "entry": entry.entry_id})
    connection.execute(FINISH_ENTRY, {"entry": entry.entry_id, "state": PENDING, "paid": "0"})
