"""Reservations and charges, many in one transaction: a handful of statements however many there are.

A request that is repeated by id changes nothing, so that whoever lost the answer to a write can ask again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, text

from zerog.compute.protocol.constants import LOCKED_BALANCE_WEI_MIN
from zerog.compute.protocol.errors import ComputeError, InsufficientBalanceError
from zerog.compute.provider.book.accounts import Account, execute_rows, lock_accounts, save_accounts
from zerog.compute.provider.book.errors import RequestReusedError
from zerog.compute.provider.book.records import Charge, Operation, Release, Reserve
from zerog.compute.provider.book.schema import charges, reservations
from zerog.primitives import Address, Wei

__all__ = ["apply_operations", "end_reservations_of"]

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
class _Open:
    user: Address
    highest_wei: int


def apply_operations(connection: Connection, operations: Sequence[Operation], *, broker_id: str) -> list[ComputeError | None]:
    """Carry out `operations` in their order within the transaction of `connection`; for each, why it was refused, if it was."""
    tally = _Tally(connection, operations)
    refusals = [tally.take(operation) for operation in operations]
    tally.save(broker_id)
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
    """The rows that some operations touch, read once, changed in memory and written once."""

    def __init__(self, connection: Connection, operations: Sequence[Operation]) -> None:
        self._connection = connection
        self._open = self._read_open({operation.request_id for operation in operations})
        self._found = frozenset(self._open)
        users = {operation.user for operation in operations if not isinstance(operation, Release)}
        self._accounts = lock_accounts(connection, users | {reservation.user for reservation in self._open.values()})
        # After the lock: whoever charges the same request holds it too, so that this sees what he did.
        self._charged = self._read_charged({operation.request_id for operation in operations if isinstance(operation, Charge)})
        self._changed: dict[Address, Account] = {}
        self._charges: list[Charge] = []

    def _read_open(self, ids: Iterable[str]) -> dict[str, _Open]:
        rows = self._connection.execute(OPEN, {"ids": sorted(ids)})
        return {row[0]: _Open(Address(row[1]), int(row[2])) for row in rows}

    def _read_charged(self, ids: Iterable[str]) -> set[str]:
        wanted = sorted(ids)
        return set(self._connection.execute(CHARGED, {"ids": wanted}).scalars()) if wanted else set()

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
        self._open[wanted.request_id] = _Open(wanted.user, wanted.highest_wei)
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

    def save(self, broker_id: str) -> None:
        closed = self._found - self._open.keys()
        if closed:
            self._connection.execute(CLOSE, {"ids": sorted(closed)})
        new = [_reservation_row(id_, self._open[id_], broker_id) for id_ in self._open if id_ not in self._found]
        if new:
            execute_rows(self._connection, RESERVE, new)
        if self._charges:
            execute_rows(self._connection, CHARGE, [_charge_row(charge) for charge in self._charges])
        save_accounts(self._connection, self._changed)


def _reservation_row(request_id: str, reservation: _Open, broker_id: str) -> dict[str, object]:
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
