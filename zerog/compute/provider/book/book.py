"""The book: what the rest of the provider calls. All its work runs in threads, on whichever database its URL names."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Self, TypeVar

import anyio
import structlog
from anyio import to_thread
from sqlalchemy import Connection, Row, bindparam, select, text
from sqlalchemy.exc import DBAPIError

from zerog.compute.provider.book import pictures, queue
from zerog.compute.provider.book.database import READERS_MAX, Database, open_database
from zerog.compute.provider.book.errors import BookUnavailableError, BookUnusableError
from zerog.compute.provider.book.records import (
    Charge,
    JobAnswer,
    NewJob,
    Page,
    Release,
    Reserve,
    StoredJob,
    StoredReceipt,
    StoredSignature,
)
from zerog.compute.provider.book.schema import SEQUENCE_MAX, accounts, charges
from zerog.compute.provider.book.writer import Writer
from zerog.primitives import Address, Hash32
from zerog.runtime.clock import Clock, SystemClock

__all__ = ["Book"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

PAGE_ROWS_MAX: Final = 1000
READ_ATTEMPTS_MAX: Final = 6
READ_PAUSE_S: Final = 0.1
JOBS_WAITING_MAX: Final = 1000
ID_LENGTH_MAX: Final = 200

UNSETTLED = select(accounts.c.unsettled_wei).where(accounts.c.user_address == bindparam("user"))
SIGNATURE = select(
    charges.c.request_id,
    charges.c.signed_text,
    charges.c.text_signature,
    charges.c.signing_address,
    charges.c.provider_type,
    charges.c.provider_identity,
    charges.c.tls_cert_fingerprint,
).where(charges.c.request_id == bindparam("request_id"))
RECEIPTS = select(
    charges.c.sequence,
    charges.c.request_id,
    charges.c.user_address,
    charges.c.fee_wei,
    charges.c.receipt,
    charges.c.leaf,
    charges.c.receipt_signature,
    charges.c.created_at_ms,
    charges.c.settlement_entry_id,
)
RECEIPT = RECEIPTS.where(charges.c.request_id == bindparam("request_id"))
BIND = text("INSERT INTO facts (name, value) VALUES ('bound_to', :value) ON CONFLICT DO NOTHING")
BOUND = text("SELECT value FROM facts WHERE name = 'bound_to'")


class Book:
    """Reservations, charges, receipts and jobs of one broker. Brokers that share a PostgreSQL database see one book."""

    def __init__(self, database: Database, broker_id: str, clock: Clock) -> None:
        self._database = database
        self._writer = Writer(database, broker_id, clock)
        self._readers = anyio.CapacityLimiter(READERS_MAX)
        self._clock = clock
        self.broker_id = broker_id

    @classmethod
    async def open(cls, url: str, *, broker_id: str, clock: Clock | None = None) -> Self:
        """Open the book at `url` (`sqlite:///PATH` or `postgresql://…`), making its tables the first time. Close it with `aclose`.

        `broker_id` names this broker among those that share the database; who opens a book under a name that is in use replaces the other.
        Raises `BookUnusableError` or `BookUnavailableError`.
        """
        database = open_database(url)
        book = cls(database, broker_id, clock or SystemClock())
        try:
            await to_thread.run_sync(book._writer.start)
        except DBAPIError as error:
            database.dispose()
            raise BookUnusableError(str(error.orig)) from error
        except BaseException:
            database.dispose()
            raise
        return book

    async def aclose(self) -> None:
        """Write what waits and leave the book in order."""
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._writer.close)
            await to_thread.run_sync(self._database.dispose)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def groups_committed(self) -> int:
        """Transactions of the writer so far."""
        return self._writer.groups

    @property
    def quick_groups_committed(self) -> int:
        """Those of them that were written without being read first, as SQLite allows it."""
        return self._writer.quick_groups

    async def bind(self, identity: str) -> None:
        """Say whose book this is (chain, contract, provider). Raises `BookUnusableError` if it is another's already."""

        def work(connection: Connection) -> str:
            connection.execute(BIND, {"value": identity})
            return str(connection.execute(BOUND).scalar_one())

        bound_to = await self.write(work)
        if bound_to != identity:
            raise BookUnusableError(f"it is the book of {bound_to}, not of {identity}")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the writer's thread, and return what it returned once that is durable.

        It shares a commit with others. It may run again when a commit failed, so it must do nothing beside the database. What it raises
        undoes it and reaches the caller. Raises `BookUnavailableError`: it took place once or not at all.
        """
        return await self._writer.do(work)  # type: ignore[return-value]  # The writer hands back what the work returned.

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a thread on a connection for reading, in a transaction of its own. Raises `BookUnavailableError`."""
        for attempt in range(1, READ_ATTEMPTS_MAX + 1):
            try:
                return await to_thread.run_sync(self._read, work, limiter=self._readers)
            except DBAPIError as error:
                if not self._database.passes(error):
                    raise
                if attempt == READ_ATTEMPTS_MAX:
                    raise BookUnavailableError(str(error.orig)) from error
                log.warning("book_read_retried", attempt=attempt, cause=str(error.orig))
            await anyio.sleep(READ_PAUSE_S * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._database.readers.connect() as connection, connection.begin():
            return work(connection)

    async def reserve(self, request_id: str, user: Address, *, expected_wei: int, highest_wei: int, locked_wei: int) -> None:
        """Set `highest_wei` aside for a request, out of the `locked_wei` that the user has on chain for this provider.

        It is refused unless `expected + unsettled + 1 0G` (the official rule) and `unsettled + all reserved + highest` are at most what is
        locked. End it with `charge` or `release`; when this broker dies it ends with its lease. A call that is cancelled reserves nothing.
        Raises `InsufficientBalanceError`, `RequestReusedError` or `BookUnavailableError`.
        """
        await self._writer.do(
            Reserve(request_id=request_id, user=user, expected_wei=expected_wei, highest_wei=highest_wei, locked_wei=locked_wei)
        )

    async def charge(self, charge: Charge) -> None:
        """Charge for an answered request and give its reservation back. Durable when it returns; a repeated id changes nothing.

        Raises `BookUnavailableError`.
        """
        await self._writer.do(charge)

    async def release(self, request_id: str) -> None:
        """Give back what was reserved for a request that costs nothing. Raises `BookUnavailableError`."""
        await self._writer.do(Release(request_id))

    async def unsettled_wei(self, user: Address) -> int:
        """What `user` was charged and has not paid on chain."""
        found = await self.read(lambda connection: connection.execute(UNSETTLED, {"user": bytes(user)}).scalar_one_or_none())
        return int(found or 0)

    async def signature(self, request_id: str) -> StoredSignature | None:
        """What was signed for a request; `None` if it was not charged."""
        if not _may_be_id(request_id):
            return None
        row = await self.read(lambda connection: connection.execute(SIGNATURE, {"request_id": request_id}).one_or_none())
        if row is None:
            return None
        return StoredSignature(
            request_id=row.request_id,
            signed_text=row.signed_text,
            text_signature=bytes(row.text_signature),
            signing_address=Address(row.signing_address),
            provider_type=row.provider_type,
            provider_identity=row.provider_identity,
            tls_cert_fingerprint=row.tls_cert_fingerprint,
        )

    async def receipt(self, request_id: str) -> StoredReceipt | None:
        """The receipt of a request; `None` if it was not charged."""
        if not _may_be_id(request_id):
            return None
        row = await self.read(lambda connection: connection.execute(RECEIPT, {"request_id": request_id}).one_or_none())
        return None if row is None else _receipt(row)

    async def receipts(self, user: Address | None = None, cursor: int | None = None, limit: int = 100) -> Page[StoredReceipt]:
        """A page of receipts, newest first: of one user or of all. At most 1,000 rows."""
        limit = max(1, min(limit, PAGE_ROWS_MAX))
        query = RECEIPTS.order_by(charges.c.sequence.desc()).limit(limit + 1)
        if user is not None:
            query = query.where(charges.c.user_address == bytes(user))
        if cursor is not None:
            query = query.where(charges.c.sequence < min(max(cursor, 0), SEQUENCE_MAX))
        found = await self.read(lambda connection: tuple(map(_receipt, connection.execute(query))))
        return Page(found[:limit], found[limit - 1].sequence if len(found) > limit else None)

    async def create_job(self, job: NewJob, *, waiting_max: int = JOBS_WAITING_MAX) -> None:
        """Queue a request that is answered later. Raises `JobQueueFullError`."""
        await self.write(lambda connection: queue.create_job(connection, job, waiting_max=waiting_max))

    async def claim_job(self) -> StoredJob | None:
        """Take up the oldest job that waits; `None` when there is none. When this broker dies the job waits again."""
        if not await self.read(queue.has_waiting_job):
            return None  # So that looking now and then costs no write.
        return await self.write(lambda connection: queue.claim_job(connection, self.broker_id))

    async def finish_job(self, job_id: str, answer: JobAnswer, charge: Charge | None = None) -> bool:
        """End a job and charge for it in one transaction; `False` if it had ended before."""
        now_ms = int(self._clock.unix_s() * 1000)
        return await self.write(
            lambda connection: queue.finish_job(connection, job_id, answer, charge, broker_id=self.broker_id, now_ms=now_ms)
        )

    async def job(self, job_id: str) -> StoredJob | None:
        """A job; `None` if there is none of that id."""
        if not _may_be_id(job_id):
            return None
        return await self.read(lambda connection: queue.read_job(connection, job_id))

    async def jobs(self, user: Address | None = None, cursor: int | None = None, limit: int = 100) -> Page[StoredJob]:
        """A page of jobs, newest first: of one user or of all."""
        return await self.read(lambda connection: queue.read_jobs(connection, user, cursor, max(1, min(limit, PAGE_ROWS_MAX))))

    async def keep_pictures(self, request_id: str, bodies: Sequence[bytes], *, kept_s: float, bytes_max: int) -> None:
        """Keep the pictures of an answer, durably, for `kept_s` seconds; of all that are kept, `bytes_max` bytes at most, the newest."""
        now_ms = int(self._clock.unix_s() * 1000)
        kept_ms = int(kept_s * 1000)
        await self.write(
            lambda connection: pictures.keep_pictures(connection, request_id, bodies, now_ms=now_ms, kept_ms=kept_ms, bytes_max=bytes_max)
        )

    async def picture(self, request_id: str, number: int, *, kept_s: float) -> bytes | None:
        """A picture of an answer; `None` if none is kept there, or not any more."""
        if not _may_be_id(request_id):
            return None
        since_ms = int((self._clock.unix_s() - kept_s) * 1000)
        return await self.read(lambda connection: pictures.read_picture(connection, request_id, number, since_ms=since_ms))


def _may_be_id(text: str) -> bool:
    """Ids are ours, so that anything else names nothing; some texts no database even takes."""
    return len(text) <= ID_LENGTH_MAX and text.isascii() and text.isprintable()


def _receipt(row: Row[*tuple[Any, ...]]) -> StoredReceipt:
    return StoredReceipt(
        sequence=row.sequence,
        request_id=row.request_id,
        user=Address(row.user_address),
        fee_wei=int(row.fee_wei),
        receipt=bytes(row.receipt),
        leaf=Hash32(row.leaf),
        receipt_signature=bytes(row.receipt_signature),
        created_at_ms=row.created_at_ms,
        settlement_entry_id=row.settlement_entry_id,
    )
