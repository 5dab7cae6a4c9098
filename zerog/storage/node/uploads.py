"""Takes segments: in the order and with the words of the reference, proofs in threads, and durable before it answers."""

from collections.abc import Iterable, Sequence
from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from zerog.primitives import Hash32
from zerog.runtime.clock import Clock
from zerog.runtime.gate import Gate
from zerog.storage.node.counters import Counters
from zerog.storage.node.errors import InternalRefusalError, UploadRefusedError
from zerog.storage.node.files import Files
from zerog.storage.node.store import SegmentWrite, StoredSubmission, StoreFailedError
from zerog.storage.node.upload_cache import UploadCache
from zerog.storage.node.upload_rules import SegmentUpload, check_data, check_known, check_unknown, verified
from zerog.storage.protocol.errors import SegmentParameterError, StorageError

__all__ = ["Uploads"]

EXPIRY_LOOKS: Final = 10
"""How often within the life of a cached file it is looked at whether the life is over."""

log = structlog.get_logger(__name__)


class Uploads:
    """The way of segments into the store, whoever sends them."""

    def __init__(
        self,
        files: Files,
        cache: UploadCache,
        gate: Gate,
        clock: Clock,
        counters: Counters,
        *,
        verify_threads: int,
        cached_file_bytes_max: int,
    ) -> None:
        self._files: Final = files
        self._cache: Final = cache
        self._gate: Final = gate
        self._clock: Final = clock
        self._counters: Final = counters
        self._limiter: Final = CapacityLimiter(verify_threads)
        self._cached_file_bytes_max: Final = cached_file_bytes_max

    @property
    def cache(self) -> UploadCache:
        """What waits for its block."""
        return self._cache

    async def accept(self, segments: Sequence[SegmentUpload], *, seq: int | None) -> None:
        """Take segments in their order, those of submission `seq` or those that their roots name.

        Returns when they are durable, or kept until their block comes. Segments of other shards are dropped without a word, and a segment
        that is held already is fine. At the first one that is refused the error is raised, after those before it have been stored:
        `StorageError`, in the reference's order of checks.
        """
        async with self._gate.passing():
            try:
                await self._accept(segments, seq)
            except StorageError as error:
                self._counters.uploads_refused[_reason(error)] += 1
                raise

    async def _accept(self, segments: Sequence[SegmentUpload], seq: int | None) -> None:
        permitted, refusal = self._permitted(segments, seq)
        writes, fault = await to_thread.run_sync(verified, permitted, limiter=self._limiter) if permitted else ([], None)
        known: list[SegmentWrite] = []
        for write in writes:
            submission = self._submission(write.root, write.size_bytes, seq)  # Its block may have come while the proof was checked.
            if submission is None:
                self._cache.add(write, self._clock.monotonic_s())
                self._counters.segments_cached += 1
            else:
                known += self._wanted(submission, [write])
        await self._store(known)
        if seq is not None and known:
            self._check_still_there(seq, known[0].root)
        if fault is not None or refusal is not None:
            raise fault or refusal or AssertionError

    def _permitted(self, segments: Sequence[SegmentUpload], seq: int | None) -> tuple[list[SegmentUpload], StorageError | None]:
        """The segments up to the first that is refused before its proof is looked at, and that refusal."""
        permitted: list[SegmentUpload] = []
        try:
            for segment in segments:
                check_data(segment)
                submission = self._submission(segment.root, segment.size_bytes, seq)
                if submission is not None:
                    check_known(segment, submission, is_finalized=self._files.is_finalized(submission))
                elif segment.root not in self._cache:
                    check_unknown(segment, file_bytes_max=self._cached_file_bytes_max)
                permitted.append(segment)
        except StorageError as error:
            return permitted, error
        return permitted, None

    def _submission(self, root: Hash32, size_bytes: int, seq: int | None) -> StoredSubmission | None:
        if seq is None:
            return self._files.find_for_upload(root, size_bytes)
        return self._files.by_seq(seq)

    def _wanted(self, submission: StoredSubmission, segments: Iterable[SegmentWrite]) -> list[SegmentWrite]:
        """Those that this node must hold and does not."""
        required = self._files.required(submission)
        wanted = []
        for segment in segments:
            if segment.index not in required:
                self._counters.segments_of_others += 1
            elif self._files.store.has(segment.root, segment.index):
                self._counters.segments_held_before += 1
            else:
                wanted.append(segment)
        return wanted

    async def _store(self, segments: list[SegmentWrite]) -> None:
        if segments:
            await self._files.store.put(segments)
            self._counters.segments_stored += len(segments)

    def _check_still_there(self, seq: int, root: Hash32) -> None:
        """The data is kept under its root and will be found again, but the client waits for a submission that is no more."""
        submission = self._files.by_seq(seq)
        if submission is None or submission.root != root:
            raise UploadRefusedError("Transaction reverted, please upload again")

    async def announced(self, submissions: Iterable[StoredSubmission]) -> None:
        """A block announces these files: store what came before it."""
        for submission in submissions:
            file = self._cache.get(submission.root)
            if file is None:
                continue
            if file.size_bytes == submission.submission.size_bytes:
                await self._store_cached(submission, list(file.segments.values()))
            self._cache.drop(submission.root)

    async def _store_cached(self, submission: StoredSubmission, segments: list[SegmentWrite]) -> None:
        try:
            await self._store(self._wanted(submission, segments))
        except StoreFailedError as error:  # Its client looks whether the file is complete, and sends it again.
            log.warning("cached_file_not_stored", root=str(submission.root), seq=submission.seq, cause=str(error))
        else:
            log.info("cached_file_stored", root=str(submission.root), seq=submission.seq, segments=len(segments))

    async def run_expiry(self, kept_s: float) -> None:
        """Forget files whose block never came, until cancelled."""
        while True:
            await anyio.sleep(kept_s / EXPIRY_LOOKS)
            expired = self._cache.expire(self._clock.monotonic_s())
            if expired:
                log.info("cached_files_expired", files=expired)


def _reason(error: StorageError) -> str:
    """A short name for the metrics."""
    match error:
        case SegmentParameterError():
            return f"{error.code}:{error.parameter}"
        case InternalRefusalError():
            return "root_mismatch"
    return error.code
