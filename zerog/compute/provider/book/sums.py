"""What a book says in a line: how much was charged for in all, how much of it is paid on chain, and how much is owed."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from zerog.compute.provider.book.schema import accounts, charges
from zerog.compute.provider.book.settlement_tables import entries

__all__ = ["BookSums", "read_sums"]

# Amounts are decimal text, which no database adds up exactly; they are added here.
UNSETTLED = select(accounts.c.unsettled_wei).where(accounts.c.unsettled_wei != "0")
PAID = select(entries.c.paid_wei).where(entries.c.paid_wei != "0")
REQUESTS = select(func.count()).select_from(charges)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSums:
    """Over everything that the book holds."""

    requests: int
    """Charged for."""
    settled_wei: int
    """Paid on chain."""
    unsettled_wei: int
    """Charged and not yet paid."""


def read_sums(connection: Connection) -> BookSums:
    """All three at one point of time."""
    return BookSums(
        requests=int(connection.execute(REQUESTS).scalar_one()),
        settled_wei=sum(int(paid) for paid in connection.execute(PAID).scalars()),
        unsettled_wei=sum(int(owed) for owed in connection.execute(UNSETTLED).scalars()),
    )
