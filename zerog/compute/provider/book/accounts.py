"""The running sums of the users, locked for a transaction so that no other broker changes them meanwhile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, TextClause, bindparam, select, text

from zerog.compute.provider.book.schema import accounts
from zerog.primitives import Address

__all__ = ["Account", "execute_rows", "lock_accounts", "save_accounts"]

LOCK = (
    select(accounts.c.user_address, accounts.c.unsettled_wei, accounts.c.reserved_wei)
    .where(accounts.c.user_address.in_(bindparam("users", expanding=True)))
    .order_by(accounts.c.user_address)
    .with_for_update()
)
"""In one order for everybody, so that two brokers never wait for each other. SQLite leaves the lock out: it has one writer."""
CREATE = text("INSERT INTO accounts (user_address, unsettled_wei, reserved_wei) VALUES (:user, '0', '0') ON CONFLICT DO NOTHING")
SAVE = text("UPDATE accounts SET unsettled_wei = :unsettled, reserved_wei = :reserved WHERE user_address = :user")


@dataclass(slots=True)
class Account:
    """What one user owes (`unsettled_wei`: charged and not yet paid on chain) and may come to owe (`reserved_wei`)."""

    unsettled_wei: int = 0
    reserved_wei: int = 0


def lock_accounts(connection: Connection, users: Iterable[Address]) -> dict[Address, Account]:
    """The accounts of `users`, created where missing. No other broker changes them until the transaction ends."""
    wanted = sorted(set(users))
    if not wanted:
        return {}
    found = _read(connection, wanted)
    missing = [user for user in wanted if user not in found]
    if missing:
        execute_rows(connection, CREATE, [{"user": bytes(user)} for user in missing])
        found |= _read(connection, missing)
    return found


def _read(connection: Connection, users: list[Address]) -> dict[Address, Account]:
    rows = connection.execute(LOCK, {"users": [bytes(user) for user in users]})
    return {Address(row[0]): Account(int(row[1]), int(row[2])) for row in rows}


def save_accounts(connection: Connection, changed: Mapping[Address, Account]) -> None:
    """Write sums back that `lock_accounts` gave."""
    if changed:
        rows = [
            {"user": bytes(user), "unsettled": str(account.unsettled_wei), "reserved": str(account.reserved_wei)}
            for user, account in changed.items()
        ]
        execute_rows(connection, SAVE, rows)


def execute_rows(connection: Connection, statement: TextClause, rows: Sequence[Mapping[str, object]]) -> None:
    """Run a statement for each row. For one row that is an exchange with a server less than the general way takes."""
    connection.execute(statement, rows[0] if len(rows) == 1 else rows)
