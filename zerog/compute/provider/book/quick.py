"""The quick way into a book on SQLite: what was written last is remembered, so that a group is written without being read first.

SQLite tells whether another connection has written since, and then everything is forgotten. A row that is not remembered is expected not to
be there; if it is there all the same, SQLite refuses the new one, and the group goes the usual way. So does every group in which something
is out of the ordinary. All rows of a table go into one statement, for after each statement this thread has to win the interpreter back from
the event loop.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from zerog.compute.provider.book.accounts import Account
from zerog.compute.provider.book.leases import RENEWAL
from zerog.compute.provider.book.operations import OpenReservation, carry_out
from zerog.compute.provider.book.records import Charge, Operation
from zerog.primitives import Address

__all__ = ["QuickBook"]

REMEMBERED_MAX: Final = 20_000
"""Accounts, and reservations, that are remembered; of more, none."""
CLOSE: Final = "DELETE FROM reservations WHERE request_id IN ("
OPEN: Final = "SELECT request_id, user_address, highest_wei FROM reservations WHERE request_id IN ("
ACCOUNTS: Final = "SELECT user_address, unsettled_wei, reserved_wei FROM accounts WHERE user_address IN ("
RESERVE: Final = "INSERT INTO reservations (request_id, user_address, highest_wei, broker_id) VALUES "
CHARGE: Final = (
    "INSERT INTO charges (request_id, user_address, fee_wei, leaf, created_at_ms, receipt, receipt_signature, signed_text,"
    " text_signature, signing_address, provider_type, provider_identity, tls_cert_fingerprint) VALUES "
)
CHARGE_MARKS: Final = f"({', '.join('?' * 13)})"
SAVE: Final = "INSERT INTO accounts (user_address, unsettled_wei, reserved_wei) VALUES "
SAVE_END: Final = " ON CONFLICT (user_address) DO UPDATE SET unsettled_wei = excluded.unsettled_wei, reserved_wei = excluded.reserved_wei"


@dataclass(slots=True)
class _Memory:
    """What stands in the database, as far as this broker has read or written it."""

    accounts: dict[Address, Account] = field(default_factory=dict)
    open: dict[str, OpenReservation] = field(default_factory=dict)


class QuickBook:
    """What the writer of one broker remembers. It is used by the writer's thread alone."""

    def __init__(self, broker_id: str) -> None:
        self._broker_id: Final = broker_id
        self._memory = _Memory()
        self._version: int | None = None
        """What SQLite says as long as no other connection has written."""

    def forget(self) -> None:
        """Something was written on this connection that did not go this way, or there is another connection."""
        self._memory = _Memory()
        self._version = None

    def commit(self, raw: sqlite3.Connection, operations: Sequence[Operation], renewal: Mapping[str, object]) -> bool:
        """Commit a group; `False`: nothing was done, and it has to go the usual way. `renewal` is what `Lease.renew` would write.

        Raises `sqlite3.Error`; the connection cannot be used any more then.
        """
        try:
            raw.execute("BEGIN IMMEDIATE")
            if self._carry_out(raw.cursor(), operations, renewal):
                raw.execute("COMMIT")
                return True
        except sqlite3.IntegrityError:
            pass  # A row is there that is not remembered, or one cannot be kept: the usual way finds out which.
        except BaseException:
            self.forget()
            raise
        self.forget()
        raw.execute("ROLLBACK")
        return False

    def _carry_out(self, cursor: sqlite3.Cursor, operations: Sequence[Operation], renewal: Mapping[str, object]) -> bool:
        """Whether all went as it mostly does: the lease is ours, and nothing is refused."""
        (version,) = cursor.execute("PRAGMA data_version").fetchone()
        memory = self._memory
        if version != self._version or len(memory.accounts) > REMEMBERED_MAX or len(memory.open) > REMEMBERED_MAX:
            memory = self._memory = _Memory()
            self._version = version
        if cursor.execute(RENEWAL, renewal).rowcount != 1:
            return False
        rows = _QuickRows(memory, cursor, self._broker_id)
        return not any(carry_out(rows, operations)) and rows.are_as_remembered


class _QuickRows:
    """The rows of one group: out of memory where they are there, and into it."""

    def __init__(self, memory: _Memory, cursor: sqlite3.Cursor, broker_id: str) -> None:
        self._memory = memory
        self._cursor = cursor
        self._broker_id = broker_id
        self.are_as_remembered = True

    def read_open(self, ended: Collection[str], begun: Collection[str]) -> dict[str, OpenReservation]:
        known = self._memory.open
        missing = [(id_,) for id_ in ended if id_ not in known]
        for id_, user, highest in _select(self._cursor, OPEN, missing):
            known[id_] = OpenReservation(Address(user), int(highest))
        return {id_: known[id_] for ids in (ended, begun) for id_ in ids if id_ in known}

    def read_accounts(self, users: Collection[Address]) -> dict[Address, Account]:
        known = self._memory.accounts
        missing = [user for user in users if user not in known]
        if missing:
            for user, unsettled, reserved in _select(self._cursor, ACCOUNTS, [(bytes(user),) for user in missing]):
                known[Address(user)] = Account(int(unsettled), int(reserved))
            for user in missing:
                known.setdefault(user, Account())
        return known

    def read_charged(self, ids: Collection[str]) -> set[str]:  # noqa: ARG002 - if one was, SQLite refuses to write it again.
        return set()

    def save(
        self,
        closed: Collection[str],
        opened: Mapping[str, OpenReservation],
        charged: Sequence[Charge],
        changed: Mapping[Address, Account],
    ) -> None:
        for id_ in closed:
            del self._memory.open[id_]
        self._memory.open.update(opened)
        ended = _execute(self._cursor, CLOSE, "?", ")", [(id_,) for id_ in closed])
        self.are_as_remembered = ended == len(closed)
        new = [(id_, bytes(each.user), str(each.highest_wei), self._broker_id) for id_, each in opened.items()]
        _execute(self._cursor, RESERVE, "(?, ?, ?, ?)", "", new)
        _execute(self._cursor, CHARGE, CHARGE_MARKS, "", [_charge_row(charge) for charge in charged])
        sums = [(bytes(user), str(account.unsettled_wei), str(account.reserved_wei)) for user, account in changed.items()]
        _execute(self._cursor, SAVE, "(?, ?, ?)", SAVE_END, sums)


def _charge_row(charge: Charge) -> tuple[object, ...]:
    return (
        charge.request_id,
        bytes(charge.user),
        str(charge.fee_wei),
        bytes(charge.leaf),
        charge.created_at_ms,
        charge.receipt,
        charge.receipt_signature,
        charge.signed_text,
        charge.text_signature,
        bytes(charge.signing_address),
        charge.provider_type,
        charge.provider_identity,
        charge.tls_cert_fingerprint,
    )


def _select(cursor: sqlite3.Cursor, head: str, rows: Sequence[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for some in _portions(rows):
        found += cursor.execute(_statement(head, "?", ")", len(some)), tuple(chain.from_iterable(some))).fetchall()
    return found


def _execute(cursor: sqlite3.Cursor, head: str, marks: str, end: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Run a statement over all rows at once; how many rows of the database it changed."""
    changed = 0
    for some in _portions(rows):
        changed += cursor.execute(_statement(head, marks, end, len(some)), tuple(chain.from_iterable(some))).rowcount
    return changed


def _portions(rows: Sequence[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    """Rows in portions of 2^n, so that there are few different statements, and each is prepared once."""
    start = 0
    while start < len(rows):
        size = 1 << (len(rows) - start).bit_length() - 1
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=128)
def _statement(head: str, marks: str, end: str, rows: int) -> str:
    return f"{head}{', '.join([marks] * rows)}{end}"
