"""What the book refuses, and how its database can fail.

ComputeError (protocol)
└── BookError
    ├── RequestReusedError          a request id that stands for something else already
    ├── JobQueueFullError           too many jobs wait
    ├── BookUnavailableError        the database does not answer; nothing, or all of it, was written
    ├── BrokerReplacedError         another process goes by the name of this broker
    └── BookUnusableError           the database cannot be opened as a book
"""

from dataclasses import dataclass

from zerog.compute.protocol.errors import ComputeError

__all__ = [
    "BookError",
    "BookUnavailableError",
    "BookUnusableError",
    "BrokerReplacedError",
    "JobQueueFullError",
    "RequestReusedError",
]


class BookError(ComputeError):
    """The book did not do what it was asked."""


@dataclass(eq=False)
class RequestReusedError(BookError):
    """A request id comes a second time, for another user. Ids are drawn at random, so this is a fault of the caller."""

    request_id: str

    code = "request_id_reused"
    remedy = "draw a new id for each request"
    http_status = 409

    def __str__(self) -> str:
        return f"request {self.request_id} belongs to another user"


@dataclass(eq=False)
class JobQueueFullError(BookError):
    """As many jobs wait as may."""

    waiting: int

    code = "job_queue_full"
    remedy = "try again later"
    http_status = 503

    def __str__(self) -> str:
        return f"{self.waiting} jobs are waiting already"


@dataclass(eq=False)
class BookUnavailableError(BookError):
    """The database did not take a write or answer a read in time. A charge may be repeated: it counts once."""

    cause: str

    code = "book_unavailable"
    remedy = "see that the database runs and has room, then try again"
    http_status = 503

    def __str__(self) -> str:
        return f"the provider's database is not available: {self.cause}"


@dataclass(eq=False)
class BrokerReplacedError(BookError):
    """Another process has opened the book under this broker's name; this one must write nothing more."""

    broker_id: str

    code = "broker_replaced"
    remedy = "give each broker that shares a database a name of its own"
    http_status = 503

    def __str__(self) -> str:
        return f"another process goes by the name of broker {self.broker_id!r}"


@dataclass(eq=False)
class BookUnusableError(BookError):
    """The URL names no database that can hold the book."""

    cause: str

    code = "book_unusable"
    remedy = "name a file as sqlite:///PATH, or a database as postgresql://USER@HOST/NAME (needs the extra zerog[postgres])"
    http_status = 500

    def __str__(self) -> str:
        return f"the provider's database cannot be used: {self.cause}"
