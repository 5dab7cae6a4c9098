"""The one thread that writes segments: it takes all that waits, makes it durable with one wait for the disk, and wakes who brought it.

A file of a few kilobytes costs no wait of its own that way: while one group is on its way to the disk, the next one gathers.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
import structlog

from zerog.primitives import Hash32
from zerog.storage.node.store.catalogue import Catalogue, refusal_of
from zerog.storage.node.store.data_files import Appended, DataFiles, Place, is_lack_of_room, record_bytes_of
from zerog.storage.node.store.errors import StoreFailedError, StoreFullError
from zerog.storage.node.store.records import SegmentWrite, StoreOptions
from zerog.storage.node.store.segment_index import SegmentIndex

__all__ = ["Writer"]

log = structlog.get_logger(__name__)

STOP_SECONDS_MAX: Final = 60.0
"""A disk that takes longer for one group is not waited for."""


@dataclass(eq=False, slots=True)
class Job:
    """Segments of one `put`, and how to tell whoever waits for them."""

    segments: Sequence[SegmentWrite]
    size_bytes: int
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    done: anyio.Event = field(default_factory=anyio.Event)
    error: StoreFailedError | None = None

    def finish(self) -> None:
        """Called by the writer."""
        try:
            self.loop.call_soon_threadsafe(self.done.set)
        except RuntimeError:
            log.debug("store_waiter_gone")  # Its loop was closed; what it brought is written all the same.


@dataclass(eq=False, slots=True)
class Errand:
    """What the thread does between two groups, for another thread that waits for it. It returns why it failed."""

    action: Callable[[], StoreFailedError | None]
    done: threading.Event = field(default_factory=threading.Event)
    error: StoreFailedError | None = None


class Room:
    """A bounded space that is entered in the order of arrival: who does not fit waits. For one event loop."""

    def __init__(self, size_bytes_max: int, count_max: int) -> None:
        self._size_bytes_max = size_bytes_max
        self._count_max = count_max
        self._size_bytes = 0
        self._count = 0
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    async def enter(self, size_bytes: int) -> None:
        """Wait for room. What is larger than all of it enters when nobody is in it."""
        if not self._waiting and self._fits(size_bytes):
            self._take(size_bytes)
            return
        entry = (size_bytes, anyio.Event())
        self._waiting.append(entry)
        try:
            await entry[1].wait()
        except BaseException:
            if entry[1].is_set():
                self.leave(size_bytes)
            else:
                self._waiting.remove(entry)
                self._admit()
            raise

    def leave(self, size_bytes: int) -> None:
        self._size_bytes -= size_bytes
        self._count -= 1
        self._admit()

    def _fits(self, size_bytes: int) -> bool:
        return self._count == 0 or (self._count < self._count_max and self._size_bytes + size_bytes <= self._size_bytes_max)

    def _take(self, size_bytes: int) -> None:
        self._size_bytes += size_bytes
        self._count += 1

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size_bytes, event = self._waiting.popleft()
            self._take(size_bytes)
            event.set()


class Writer:
    """Puts segments on the disk. After a failure that leaves doubt it writes nothing more."""

    def __init__(self, catalogue: Catalogue, files: DataFiles, index: SegmentIndex, options: StoreOptions, *, disk_bytes: int) -> None:
        self._catalogue = catalogue
        self._files = files
        self._index = index
        self._disk_bytes_max = options.disk_bytes_max
        self._disk_bytes = disk_bytes
        self._room = Room(options.queue_bytes_max, options.queue_puts_max)
        self._queue: deque[Job] = deque()
        self._errands: deque[Errand] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self.groups = 0
        self._thread = threading.Thread(target=self._run, name="zerog-store-writer", daemon=True)
        self._thread.start()

    async def put(self, segments: Sequence[SegmentWrite]) -> None:
        """Return when all of `segments` are durable. A call that is cancelled in the queue writes nothing. Raises `StoreFailedError`."""
        size_bytes = sum(map(record_bytes_of, segments))
        await self._room.enter(size_bytes)
        try:
            job = Job(segments, size_bytes)
            self._enqueue(job)
            try:
                await job.done.wait()
            finally:
                self._withdraw(job)
        finally:
            self._room.leave(size_bytes)
        if job.error is not None:
            raise replace(job.error)

    def move(self, segments: Sequence[SegmentWrite], places: Sequence[Place]) -> None:
        """Write segments that lie at `places` once more, at the end, and make them held there, but for those dropped meanwhile.

        Blocks until it is durable. May go beyond the limit of bytes, since it is how room is made. Raises `StoreFailedError`.
        """

        def move() -> StoreFailedError | None:
            return self._append(segments, lambda appended: self._index.move(segments, places, appended))

        self._run_errand(move)

    def seal_tail(self) -> None:
        """Let the next segment begin a new data file. Blocks. Raises `StoreFailedError`."""

        def seal() -> StoreFailedError | None:
            try:
                number = self._files.seal()
            except OSError as error:
                return self._give_up(refusal_of(error))
            if number is not None:
                self._index.seal(number)
            return None

        self._run_errand(seal)

    def _run_errand(self, action: Callable[[], StoreFailedError | None]) -> None:
        errand = Errand(action)
        with self._changed:
            self._require_open()
            self._errands.append(errand)
            self._changed.notify()
        errand.done.wait()
        if errand.error is not None:
            raise replace(errand.error)

    def _enqueue(self, job: Job) -> None:
        with self._changed:
            self._require_open()
            self._queue.append(job)
            self._changed.notify()

    def _require_open(self) -> None:
        self._catalogue.require_sound()
        if self._stopping:
            raise StoreFailedError("it is being closed")

    def _withdraw(self, job: Job) -> None:
        with self._changed:
            if job in self._queue:
                self._queue.remove(job)

    def _run(self) -> None:
        while self._carry_out_next():
            pass  # No name here holds what was written, so that it is not kept in memory while the next is waited for.

    def _carry_out_next(self) -> bool:
        group, errand = self._next()
        if group:
            self._carry_out(group)
        if errand is not None:
            self._carry_out_errand(errand)
        return bool(group) or errand is not None

    def _next(self) -> tuple[list[Job], Errand | None]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._errands or self._stopping)
            group = list(self._queue)
            self._queue.clear()
            return group, self._errands.popleft() if self._errands else None

    def _carry_out_errand(self, errand: Errand) -> None:
        try:
            errand.error = self._catalogue.failure or errand.action()
        except StoreFailedError as error:
            errand.error = error
        except Exception as unexpected:
            log.exception("store_writer_failed")
            errand.error = self._give_up(StoreFailedError(f"unexpected: {unexpected!r}"))
        errand.done.set()

    def _carry_out(self, group: Sequence[Job]) -> None:
        try:
            error = self._catalogue.failure or self._write(group)
        except Exception as unexpected:
            log.exception("store_writer_failed")
            error = self._give_up(StoreFailedError(f"unexpected: {unexpected!r}"))
        for job in group:
            job.error = error
            job.finish()

    def _write(self, group: Sequence[Job]) -> StoreFailedError | None:
        new = self._new_segments(group)
        if not new:
            return None
        size_bytes = sum(map(record_bytes_of, new))
        if self._disk_bytes_max is not None and self._disk_bytes + size_bytes > self._disk_bytes_max:
            return StoreFullError(f"it may take up {self._disk_bytes_max} bytes, and holds {self._disk_bytes}")
        error = self._append(new, lambda appended: self._index.add(new, appended))
        self.groups += error is None
        return error

    def _append(self, segments: Sequence[SegmentWrite], commit: Callable[[Appended], None]) -> StoreFailedError | None:
        """Data, then rows; why it is not durable, if it is not."""
        size_bytes = sum(map(record_bytes_of, segments))
        try:
            appended = self._files.append(segments)
        except OSError as error:
            if is_lack_of_room(error):
                log.warning("store_full", cause=str(error))
                return StoreFullError(str(error))
            return self._give_up(refusal_of(error))
        self.freed(-size_bytes)
        try:
            commit(appended)
        except StoreFullError as error:
            log.warning("store_full", cause=error.cause)
            return self._take_back(size_bytes) or error
        except StoreFailedError as error:
            return self._give_up(error)
        return None

    def _take_back(self, size_bytes: int) -> StoreFailedError | None:
        """Give back the space of a group that the catalogue had no room for; why nothing can be written any more, if it is so.

        Not before another commit took the place of the failed one, whose rows could come back after a loss of power and find other bytes.
        """
        try:
            self._index.write_nothing()
            self._files.take_back()
        except StoreFullError:
            return None  # The space is lost until the data file is deleted.
        except (StoreFailedError, OSError) as error:
            return self._give_up(error if isinstance(error, StoreFailedError) else refusal_of(error))
        self.freed(size_bytes)
        return None

    def _new_segments(self, group: Sequence[Job]) -> list[SegmentWrite]:
        """What is not held yet, each segment once."""
        seen: set[tuple[Hash32, int]] = set()
        new = []
        for job in group:
            for segment in job.segments:
                key = (segment.root, segment.index)
                if key not in seen and segment.index not in self._index.held(segment.root):
                    seen.add(key)
                    new.append(segment)
        return new

    def _give_up(self, failure: StoreFailedError) -> StoreFailedError:
        log.error("store_failed", cause=failure.cause)
        self._catalogue.note_failure(failure)
        return failure

    def freed(self, size_bytes: int) -> None:
        """Data files of that size were deleted."""
        with self._changed:
            self._disk_bytes -= size_bytes

    def close(self) -> None:
        """Write what waits, then end. Raises `TimeoutError` when the disk does not come back."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(STOP_SECONDS_MAX)
        if self._thread.is_alive():
            raise TimeoutError(f"the disk did not finish a write within {STOP_SECONDS_MAX:.0f} s")
