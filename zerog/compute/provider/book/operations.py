"""Reservations and charges, many in one transaction: a handful of statements however many there are.

A request that is repeated by id changes nothing, so that whoever lost the answer to a write can ask again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, bindparam, delete, select, text

from zerog.compute.protocol.constants import LOCKED_BALANCE_WEI_MIN
from zerog.compute.protocol.errors import ComputeError, InsufficientBalanceError
from zerog.compute.provider.book.accounts import Account, execute_rows, lock_accounts, save_accounts
from zerog.compute.provider.book.errors import RequestReusedError
from zerog.compute.provider.book.records import Charge, Operation, Release, Reserve
from zerog.compute.provider.book.schema import charges, reservations
from zerog.primitives import Address, Wei

__all__ = ["OpenReservation", "Rows", "apply_operations", "carry_out", "end_reservations_of"]

OPEN = (
    select(reservations.c.request_id, reservations.c.user_address, reservations.c.highest_wei)
    .where(reservations.c.request_id.in_(bindparam("ids", expanding=True)))
    .order_by(reservations.c.request_id)
    .with_for_update()
)
CHARGED = select(charges.c.request_id).where(charges.c.request_id.in_(bindparam("ids", expanding=True)))
CLOSE = delete(reservations).where(reservations.c.request_id.in_(bindparam("ids", expanding=True)))
RESERVE = text(
    "INSERT INTO reservations (request_id, user_address, highest_wei, broker_id) VALUES (:request_id, :user, :highest, :broker_id)"
)
CHARGE = text(
    "INSERT INTO charges (request_id, user_address, fee_wei, leaf, created_at_ms, receipt, receipt_signature, signed_text,"
    " text_signature, signing_address, provider_type, provider_identity, tls_cert_fingerprint)"
    " VALUES (:request_id, :user, :fee, :leaf, :created_at_ms, :receipt, :receipt_signature, :signed_text,"
    " :text_signature, :signing_address, :provider_type, :provider_identity, :tls_cert_fingerprint)"
)
END = text("DELETE FROM reservations WHERE broker_id = :broker_id RETURNING user_address, highest_wei")


@dataclass(frozen=True, slots=True)
class OpenReservation:
    """A request under way, and the most that it can cost."""

    user: Address
    highest_wei: int


class Rows(Protocol):
    """The rows that some operations touch: read once, changed in memory and written once."""

    def read_open(self, ended: Collection[str], begun: Collection[str]) -> dict[str, OpenReservation]:
        """The reservations that are open under ids that `ended` or `begun` names; those of `begun` are most likely new."""

    def read_accounts(self, users: Collection[Address]) -> dict[Address, Account]:
        """The accounts of `users`, which nobody else changes until the transaction ends."""

    def read_charged(self, ids: Collection[str]) -> set[str]:
        """Which of these requests were charged before. It is asked for after the accounts: whoever charges the same request holds them."""

    def save(
        self,
        closed: Collection[str],
        opened: Mapping[str, OpenReservation],
        charged: Sequence[Charge],
        changed: Mapping[Address, Account],
    ) -> None:
        """Write down what has become of the rows."""


def apply_operations(connection: Connection, operations: Sequence[Operation], *, broker_id: str) -> list[ComputeError | None]:
    """Carry out `operations` in their order within the transaction of `connection`; for each, why it was refused, if it was."""
    return carry_out(_SqlRows(connection, broker_id), operations)


def carry_out(rows: Rows, operations: Sequence[Operation]) -> list[ComputeError | None]:
    """The same over rows of any kind."""
    tally = _Tally(rows, operations)
    refusals = [tally.take(operation) for operation in operations]
    tally.save()
    return refusals


def end_reservations_of(connection: Connection, broker_id: str) -> int:
    """Give back all that a broker has reserved; how many there were."""
    ended = [(Address(row[0]), int(row[1])) for row in connection.execute(END, {"broker_id": broker_id})]
    changed = lock_accounts(connection, (user for user, _ in ended))
    for user, highest_wei in ended:
        changed[user].reserved_wei -= highest_wei
    save_accounts(connection, changed)
    return len(ended)


class _Tally:
    """What some operations make of the rows that they touch."""

    def __init__(self, rows: Rows, operations: Sequence[Operation]) -> None:
        self._rows = rows
        ended = {operation.request_id for operation in operations if not isinstance(operation, Reserve)}
        begun = {operation.request_id for operation in operations if isinstance(operation, Reserve)} - ended
        self._open = rows.read_open(ended, begun)
        self._found = frozenset(self._open)
        users = {operation.user for operation in operations if not isinstance(operation, Release)}
        self._accounts = rows.read_accounts(users | {reservation.user for reservation in self._open.values()})
        self._charged = rows.read_charged({operation.request_id for operation in operations if isinstance(operation, Charge)})
        self._changed: dict[Address, Account] = {}
        self._charges: list[Charge] = []

    def take(self, operation: Operation) -> ComputeError | None:
        match operation:
            case Reserve():
                return self._reserve(operation)
            case Charge():
                self._charge(operation)
            case Release():
                self._close(operation.request_id)
        return None

    def _reserve(self, wanted: Reserve) -> ComputeError | None:
        known = self._open.get(wanted.request_id)
        if known is not None:
            return None if known.user == wanted.user else RequestReusedError(wanted.request_id)
        account = self._accounts[wanted.user]
        needed_wei = max(
            wanted.expected_wei + account.unsettled_wei + LOCKED_BALANCE_WEI_MIN,
            account.unsettled_wei + account.reserved_wei + wanted.highest_wei,
        )
        if needed_wei > wanted.locked_wei:
            return InsufficientBalanceError(wanted.user, Wei(wanted.locked_wei), Wei(needed_wei))
        account.reserved_wei += wanted.highest_wei
        self._changed[wanted.user] = account
        self._open[wanted.request_id] = OpenReservation(wanted.user, wanted.highest_wei)
        return None

    def _charge(self, charge: Charge) -> None:
        self._close(charge.request_id)
        if charge.request_id in self._charged:
            return
        account = self._accounts[charge.user]
        account.unsettled_wei += charge.fee_wei
        self._changed[charge.user] = account
        self._charged.add(charge.request_id)
        self._charges.append(charge)

    def _close(self, request_id: str) -> None:
        reservation = self._open.pop(request_id, None)
        if reservation is not None:
            account = self._accounts[reservation.user]
            account.reserved_wei -= reservation.highest_wei
            self._changed[reservation.user] = account

    def save(self) -> None:
        opened = {id_: reservation for id_, reservation in self._open.items() if id_ not in self._found}
        self._rows.save(self._found - self._open.keys(), opened, self._charges, self._changed)


class _SqlRows:
    """The rows of either database, by way of SQLAlchemy."""

    def __init__(self, connection: Connection, broker_id: str) -> None:
        self._connection = connection
        self._broker_id = broker_id

    def read_open(self, ended: Collection[str], begun: Collection[str]) -> dict[str, OpenReservation]:
        rows = self._connection.execute(OPEN, {"ids": sorted((*ended, *begun))})
        return {row[0]: OpenReservation(Address(row[1]), int(row[2])) for row in rows}

    def read_accounts(self, users: Collection[Address]) -> dict[Address, Account]:
        return lock_accounts(self._connection, users)

    def read_charged(self, ids: Collection[str]) -> set[str]:
        return set(self._connection.execute(CHARGED, {"ids": sorted(ids)}).scalars()) if ids else set()

    def save(
        self,
        closed: Collection[str],
        opened: Mapping[str, OpenReservation],
        charged: Sequence[Charge],
        changed: Mapping[Address, Account],
    ) -> None:
        if closed:
            self._connection.execute(CLOSE, {"ids": sorted(closed)})
        if opened:
            rows = [_reservation_row(id_, reservation, self._broker_id) for id_, reservation in opened.items()]
            execute_rows(self._connection, RESERVE, rows)
        if charged:
            execute_rows(self._connection, CHARGE, [_charge_row(charge) for charge in charged])
        save_accounts(self._connection, changed)


def _reservation_row(request_id: str, reservation: OpenReservation, broker_id: str) -> dict[str, object]:
    return {
        "request_id": request_id,
        "user": bytes(reservation.user),
        "highest": str(reservation.highest_wei),
        "broker_id": broker_id,
    }


def _charge_row(charge: Charge) -> dict[str, object]:
    return {
        "request_id": charge.request_id,
        "user": bytes(charge.user),
        "fee": str(charge.fee_wei),
        "leaf": bytes(charge.leaf),
        "created_at_ms": charge.created_at_ms,
        "receipt": charge.receipt,
        "receipt_signature": bytes(charge.receipt_signature),
        "signed_text": charge.signed_text,
        "text_signature": bytes(charge.text_signature),
        "signing_address": bytes(charge.signing_address),
        "provider_type": charge.provider_type,
        "provider_identity": charge.provider_identity,
        "tls_cert_fingerprint": charge.tls_cert_fingerprint,
    }
