"""The one thread that writes into the book: it takes all that waits, commits it together, and wakes who brought it.

While one group is on its way to the disk the next one gathers, so many writers cost as many waits for the disk as one.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import anyio
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from zerog.compute.protocol.errors import InsufficientBalanceError
from zerog.compute.provider.book.database import Database
from zerog.compute.provider.book.errors import BookError, BookUnavailableError
from zerog.compute.provider.book.leases import LEASE_MS, Lease
from zerog.compute.provider.book.operations import apply_operations
from zerog.compute.provider.book.quick import QuickBook
from zerog.compute.provider.book.records import Charge, Operation, Release, Reserve
from zerog.runtime.clock import Clock

__all__ = ["Writer"]

log = structlog.get_logger(__name__)

QUEUE_MAX: Final = 4096
"""Writes that wait; who comes then waits for room."""
GROUP_MAX: Final = 256
RENEW_SECONDS: Final = LEASE_MS / 1000 / 4
RETRY_SECONDS: Final = LEASE_MS / 1000 / 2
"""How long a write is tried again when the database is away. Half a lease: `Lease.renew` relies on being asked within one."""
RETRY_PAUSES_S: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
STOP_SECONDS_MAX: Final = 60.0

Work = Callable[[Connection], object]


@dataclass(eq=False, slots=True)
class Job:
    """One write, and how to tell whoever waits for it."""

    task: Operation | Work
    done: asyncio.Future[None] | None = None
    """Of whoever waits."""
    begun: bool = False
    result: object = None
    error: Exception | None = None


@dataclass(eq=False, slots=True)
class _Part:
    """What goes into one transaction."""

    operations: list[Job] = field(default_factory=list)
    works: list[Job] = field(default_factory=list)

    @property
    def jobs(self) -> list[Job]:
        return self.operations + self.works

    @property
    def is_durable(self) -> bool:
        """A reservation promises nothing: whoever loses it has lost the broker, and the request with it."""
        return bool(self.works) or any(isinstance(job.task, Charge) for job in self.operations)


class Writer:
    """Commits what it is brought. Start it with `start`; end it with `close`."""

    def __init__(self, database: Database, broker_id: str, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lease = Lease(broker_id)
        self._quick = QuickBook(broker_id)
        self._connection: Connection | None = None
        self._number = 0
        self._room = anyio.Semaphore(QUEUE_MAX, max_value=QUEUE_MAX, fast_acquire=True)
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._renew_at_s = 0.0
        self.groups = 0
        """Transactions committed so far."""
        self.quick_groups = 0
        """Those of them that went the quick way of SQLite."""
        self._thread = threading.Thread(target=self._run, name="zerog-book-writer", daemon=True)

    def start(self) -> None:
        """Make the tables and take the lease. Blocks. Raises `BookUnavailableError` or `BookUnusableError`."""
        self._persist(self._enter)
        self._thread.start()

    def _enter(self, connection: Connection) -> None:
        self._database.set_durable(connection, durable=True)
        with connection.begin():
            self._database.make_tables(connection)
            self._lease.take(connection, self._now_ms())
            self._lease.end_dead(connection, self._now_ms())
        self._renew_at_s = self._clock.monotonic_s() + RENEW_SECONDS

    async def do(self, task: Operation | Work) -> object:
        """Return once `task` is committed, with what it returned. A call cancelled in the queue writes nothing.

        Raises what the work raises, `BookUnavailableError` or `BrokerReplacedError`.
        """
        try:
            self._room.acquire_nowait()
        except anyio.WouldBlock:
            await self._room.acquire()
        try:
            done = asyncio.get_running_loop().create_future()  # An event of anyio's costs as much as the rest of a write.
            job = Job(task, done)
            self._enqueue(job)
            try:
                await done
            except BaseException:
                self._withdraw(job)
                raise
        finally:
            self._room.release()
        if job.error is not None:
            raise job.error
        return job.result

    def _enqueue(self, job: Job) -> None:
        with self._changed:
            if self._stopping.is_set():
                raise BookUnavailableError("it is being closed")
            self._queue.append(job)
            self._changed.notify()

    def _withdraw(self, job: Job) -> None:
        """Take back a write that nobody waits for: out of the queue, or, for a reservation that is on its way, by a release.

        A release is carried out all the same: whoever was cancelled in it holds nothing any more.
        """
        with self._changed:
            if isinstance(job.task, Release):
                return
            if not job.begun:
                self._queue.remove(job)
            elif isinstance(job.task, Reserve) and not self._stopping.is_set():
                self._queue.append(Job(Release(job.task.request_id)))
                self._changed.notify()

    def _run(self) -> None:
        while (group := self._next()) is not None:
            for part in self._parts(group):
                self._carry_out(part)
            _wake(group)
        self._leave()

    def _next(self) -> list[Job] | None:
        """What waits, or nothing when only the lease is to be renewed; `None` at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping.is_set(), self._renew_at_s - self._clock.monotonic_s())
            if self._stopping.is_set() and not self._queue:
                return None
            group = [self._queue.popleft() for _ in range(min(GROUP_MAX, len(self._queue)))]
            for job in group:
                job.begun = True
            return group

    def _parts(self, group: Sequence[Job]) -> list[_Part]:
        operations = [job for job in group if isinstance(job.task, Operation)]
        works = [job for job in group if not isinstance(job.task, Operation)]
        if self._database.takes_any_mixture:
            return [_Part(operations, works)]
        parts = [_Part(operations)] if operations or not works else []
        return parts + [_Part(works=[work]) for work in works]

    def _carry_out(self, part: _Part) -> None:
        self._number += 1
        try:
            self._persist(lambda connection: self._commit(connection, part))
        except DBAPIError as error:
            if len(part.jobs) > 1:  # One of them is at fault; the others shall not suffer for it.
                for job in part.operations:
                    self._carry_out(_Part([job]))
                for job in part.works:
                    self._carry_out(_Part(works=[job]))
            else:
                _fail(part, error)
        except BookError as error:
            _fail(part, error)
        except Exception as unexpected:
            log.exception("book_writer_failed")
            _fail(part, unexpected)

    def _persist(self, action: Callable[[Connection], None]) -> None:
        """Run `action` until it succeeds, with a new connection where the old one broke. Raises `BookUnavailableError` in the end."""
        give_up_at_s = self._clock.monotonic_s() + RETRY_SECONDS
        attempt = 0
        while True:
            try:
                return action(self._connect())
            except DBAPIError as error:
                self._disconnect()
                if not self._database.passes(error):
                    raise _plain(error) from error
                attempt += 1
                if self._clock.monotonic_s() >= give_up_at_s or self._stopping.is_set():
                    raise BookUnavailableError(str(error.orig)) from error
                log.warning("book_write_retried", attempt=attempt, cause=str(error.orig))
                self._stopping.wait(RETRY_PAUSES_S[min(attempt, len(RETRY_PAUSES_S)) - 1])
            except BaseException:
                self._disconnect()
                raise

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.writer.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._quick.forget()
        if connection is None:
            return
        try:
            connection.invalidate()
            connection.close()
        except SQLAlchemyError as error:
            log.debug("book_connection_broken", cause=str(error))  # It was broken before; this only frees it.

    def _commit(self, connection: Connection, part: _Part) -> None:
        self._database.set_durable(connection, durable=part.is_durable)
        now_ms = self._now_ms()
        is_overdue = self._clock.monotonic_s() >= self._renew_at_s
        if part.works or is_overdue or not self._commit_quickly(connection, part, now_ms):
            self._quick.forget()
            with connection.begin():
                if self._lease.renew(connection, self._number, now_ms):
                    if is_overdue:
                        self._lease.end_dead(connection, now_ms)
                    self._apply(connection, part.operations, now_ms)
                    for job in part.works:
                        _work(connection, job, self._database)
        self._lease.last = self._number
        self._renew_at_s = self._clock.monotonic_s() + RENEW_SECONDS
        self.groups += 1

    def _commit_quickly(self, connection: Connection, part: _Part, now_ms: int) -> bool:
        """Whether the quick way of SQLite was possible. Raises `DBAPIError`."""
        raw = self._database.raw_sqlite(connection)
        if raw is None:
            return False
        operations = [job.task for job in part.operations if isinstance(job.task, Operation)]
        try:
            is_done = self._quick.commit(raw, operations, self._lease.renewal(self._number, now_ms))
        except sqlite3.Error as error:
            raise DBAPIError.instance("a group of operations", None, error, sqlite3.Error) from error
        if is_done:
            self.quick_groups += 1
            for job in part.operations:
                job.error = None  # Of a former attempt.
        return is_done

    def _apply(self, connection: Connection, jobs: Sequence[Job], now_ms: int) -> None:
        if not jobs:
            return
        self._take(connection, jobs)
        refused = [job for job in jobs if isinstance(job.error, InsufficientBalanceError)]
        if refused and self._lease.end_dead(connection, now_ms):
            self._take(connection, refused)

    def _take(self, connection: Connection, jobs: Sequence[Job]) -> None:
        operations = [job.task for job in jobs if isinstance(job.task, Operation)]
        for job, refusal in zip(jobs, apply_operations(connection, operations, broker_id=self._lease.broker_id), strict=True):
            job.error = refusal

    def _leave(self) -> None:
        try:
            self._persist(self._give_up)
        except (BookError, DBAPIError) as error:
            log.warning("book_left_open", cause=str(error))  # The lease ends by itself.
        self._disconnect()

    def _give_up(self, connection: Connection) -> None:
        self._number += 1
        with connection.begin():
            if self._lease.renew(connection, self._number, self._now_ms()):
                self._lease.give_up(connection)

    def _now_ms(self) -> int:
        return int(self._clock.unix_s() * 1000)

    def close(self) -> None:
        """Write what waits, then end. Blocks. Raises `TimeoutError` when the database does not come back."""
        with self._changed:
            self._stopping.set()
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS_MAX)
            if self._thread.is_alive():
                raise TimeoutError(f"the database did not finish a write within {STOP_SECONDS_MAX:.0f} s")


def _work(connection: Connection, job: Job, database: Database) -> None:
    """Run one caller's work so that its failure undoes itself and nothing else."""
    job.error = None
    try:
        with connection.begin_nested():
            job.result = cast("Work", job.task)(connection)
    except DBAPIError as error:
        if database.passes(error):
            raise
        job.error = error
    except Exception as error:  # noqa: BLE001 (it is handed to the caller, whose work it is)
        job.error = error


def _plain(error: DBAPIError) -> Exception:
    """What a caller is told: errors of the disk are the database's, the rest is a fault in a statement."""
    code = getattr(error.orig, "sqlite_errorname", "")
    return BookUnavailableError(str(error.orig)) if code.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")) else error


def _fail(part: _Part, error: Exception) -> None:
    for job in part.jobs:
        job.error = error


def _wake(group: Sequence[Job]) -> None:
    """One call into each loop for all that wait there."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for job in group:
        if job.done is not None:
            by_loop.setdefault(job.done.get_loop(), []).append(job.done)
    for loop, futures in by_loop.items():
        try:
            loop.call_soon_threadsafe(_end_all, futures)
        except RuntimeError:
            log.debug("book_waiter_gone")  # Its loop was closed; what it brought is written all the same.


def _end_all(futures: Sequence["asyncio.Future[None]"]) -> None:
    for future in futures:
        if not future.done():  # Whoever waited may have been cancelled.
            future.set_result(None)
