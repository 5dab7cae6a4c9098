"""The provider's book: what is reserved, charged and owed, in SQLite or in a PostgreSQL database that several brokers share."""

from zerog.compute.provider.book.accounts import Account, lock_accounts, save_accounts
from zerog.compute.provider.book.book import Book
from zerog.compute.provider.book.errors import (
    BookError,
    BookUnavailableError,
    BookUnusableError,
    BrokerReplacedError,
    JobQueueFullError,
    RequestReusedError,
)
from zerog.compute.provider.book.records import (
    Charge,
    JobAnswer,
    JobState,
    NewJob,
    Page,
    StoredJob,
    StoredReceipt,
    StoredSignature,
)
from zerog.compute.provider.book.settlement_tables import lease as settlement_lease

__all__ = [
    "Account",
    "Book",
    "BookError",
    "BookUnavailableError",
    "BookUnusableError",
    "BrokerReplacedError",
    "Charge",
    "JobAnswer",
    "JobQueueFullError",
    "JobState",
    "NewJob",
    "Page",
    "RequestReusedError",
    "StoredJob",
    "StoredReceipt",
    "StoredSignature",
    "lock_accounts",
    "save_accounts",
    "settlement_lease",
]
