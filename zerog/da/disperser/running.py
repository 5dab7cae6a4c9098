"""What a running disperser answers: takes blobs, says where they are, gives them back, lists them, and forgets them in time."""

import hashlib
from collections.abc import Mapping
from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog.da.client.retriever import AsyncRetrieverClient
from zerog.da.disperser.carrier import Carrier
from zerog.da.disperser.errors import (
    CursorError,
    NotFinalError,
    RequestRateLimitedError,
    RetrieveRateLimitedError,
    RootLengthError,
    StoreFullError,
    UnknownRequestError,
)
from zerog.da.disperser.limiter import SpacingLimiter
from zerog.da.disperser.settings import DaDisperserSettings
from zerog.da.disperser.steps import Parts
from zerog.da.disperser.store import BlobRow
from zerog.da.protocol.blob import check_blob_size
from zerog.da.protocol.dispersal import DispersalState
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.request_id import check_request_id, make_request_id
from zerog.da.protocol.status import LIST_LIMIT_MAX, BlobPage, BlobState, BlobStatus
from zerog.primitives import Hash32
from zerog.runtime.gate import Gate
from zerog.runtime.grpc.methods import ServerCounters

__all__ = ["Running"]

log = structlog.get_logger(__name__)

LIST_LIMIT: Final = 100
"""Blobs on a page, if the client leaves it to us."""
HASH_BYTES: Final = 32
PROBE: Final = b"zerog disperser"
PROBE_FACT: Final = "probe"
PROBE_S_MAX: Final = 120.0
FORGET_PAUSE_S: Final = 600.0
"""Between two looks for blobs whose time is over, as the official programs look."""
FORGET_AT_ONCE: Final = 100
DIGITS_MAX: Final = 18


class Running:
    """The parts of a disperser, while it runs."""

    def __init__(self, settings: DaDisperserSettings, parts: Parts, carrier: Carrier, retriever: AsyncRetrieverClient) -> None:
        self.parts: Final = parts
        self.carrier: Final = carrier
        self.grpc: Final = ServerCounters()
        self.gate: Final = Gate()
        """Closed, no blob is taken."""
        self.received = 0
        self._settings: Final = settings
        self._retriever: Final = retriever
        self._last_ns = 0
        self._coming_bytes = 0
        """Of blobs that are being written."""
        self._writes: Final = SpacingLimiter(settings.writes_per_minute, parts.clock)
        self._reads: Final = SpacingLimiter(settings.reads_per_minute, parts.clock)

    async def disperse(self, data: bytes, *, client: str) -> str:
        """Take a blob; returns its id once it cannot be lost any more.

        Raises `BlobEmptyError`, `BlobTooLargeError`, `RequestRateLimitedError`, `StoreFullError`.
        """
        check_blob_size(len(data))
        if self._settings.rate_limit and not self._writes.lets(client):
            raise RequestRateLimitedError
        async with self.gate.passing():
            if self.carrier.pending_bytes + self._coming_bytes + len(data) > self._settings.pending_bytes_max:
                raise StoreFullError
            self._coming_bytes += len(data)
            try:
                return await self._take(data)
            finally:
                self._coming_bytes -= len(data)

    async def _take(self, data: bytes) -> str:
        store, files, clock = self.parts.store, self.parts.files, self.parts.clock
        # No two blobs are received in one nanosecond: that is their name among the files, and a part of their ids.
        received_ns = self._last_ns = max(self._last_ns + 1, int(clock.unix_s() * 1_000_000_000))

        def write() -> bytes:
            files.keep(received_ns, data)
            return hashlib.sha256(data).digest()

        with anyio.CancelScope(shield=True):  # What is on disk gets into the books, and is carried, whether or not the client still waits.
            request_id = make_request_id(await to_thread.run_sync(write), received_ns)
            state = DispersalState(since_s=clock.unix_s())
            seq = await store.add(request_id, received_ns, len(data), state)
            self.carrier.take(BlobRow(seq=seq, request_id=request_id, received_ns=received_ns, size_bytes=len(data), state=state))
        self.received += 1
        log.debug("blob_received", blob=seq, size_bytes=len(data))
        return request_id

    async def blob_state(self, request_id: bytes) -> BlobState:
        """Where a blob is. Raises `RequestIdEmptyError`, `RequestIdMalformedError`, `UnknownRequestError`."""
        row = await self.parts.store.by_request_id(check_request_id(request_id))
        if row is None:
            raise UnknownRequestError
        return row.state.shown

    async def retrieve(self, root: bytes, epoch: int, quorum_id: int, *, client: str) -> bytes:
        """A blob's data, from here or through the retriever.

        Raises `RootLengthError`, `RetrieveRateLimitedError`, and what the retriever refuses (`GrpcCallError`).
        """
        if len(root) != HASH_BYTES:
            raise RootLengthError
        if self._settings.rate_limit and not self._reads.lets(client):
            raise RetrieveRateLimitedError
        name = BlobName(Hash32(root), epoch, quorum_id)
        row = await self.parts.store.confirmed(name)
        if row is not None:
            try:
                return await to_thread.run_sync(self.parts.files.read, row.received_ns)
            except FileNotFoundError:
                log.warning("blob_file_missing", blob=row.seq)
        return await self._retriever.retrieve(name)

    async def page(self, status: BlobStatus, cursor: str, limit: int) -> BlobPage:
        """A part of the list of all blobs, the newest first. Raises `CursorError`."""
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= DIGITS_MAX):
            raise CursorError(cursor)
        return await self.parts.store.page(status, int(cursor) if cursor else None, min(limit or LIST_LIMIT, LIST_LIMIT_MAX))

    async def forget_old(self) -> None:
        """Forget blobs that ended long enough ago, until cancelled."""
        while True:
            await self.forget_now()
            await anyio.sleep(FORGET_PAUSE_S)

    async def forget_now(self) -> int:
        """Forget what is old enough now; returns how many blobs that were."""
        count = 0
        before_s = self.parts.clock.unix_s() - self._settings.keep_s
        while rows := await self.parts.store.ended_before(before_s, FORGET_AT_ONCE):
            await self.parts.store.forget([row.seq for row in rows])
            for row in rows:
                await to_thread.run_sync(self.parts.files.remove, row.received_ns)
            count += len(rows)
        return count

    async def probe(self) -> Mapping[str, object]:
        """The first time: disperse a few bytes, wait until they are final, and read them back. Later only the last of it.

        Raises `NotFinalError`, and what dispersing and retrieving raise.
        """
        store = self.parts.store
        request_id = await store.fact(PROBE_FACT)
        row = None if request_id is None else await store.by_request_id(request_id)
        if row is None or row.state.shown.status is BlobStatus.FAILED:
            request_id = await self.disperse(PROBE, client="probe")
            await store.keep_fact(PROBE_FACT, request_id)
            row = await store.by_request_id(request_id)
        if row is None:
            raise NotFinalError("it is forgotten")
        state = await self._wait(row)
        if state.status is not BlobStatus.FINALIZED or state.name is None:
            raise NotFinalError(state.reason or f"it is {state.status.name} after {PROBE_S_MAX:g} s, at the step {state.step or 'watched'}")
        data = await self.retrieve(state.name.root, state.name.epoch, state.name.quorum_id, client="probe")
        if data != PROBE:
            raise NotFinalError("other bytes come back")
        return {"blob": str(state.name), "bytes": len(data)}

    async def _wait(self, row: BlobRow) -> BlobState:
        """Until a blob has ended, or for a time."""
        blob = self.carrier.blobs.get(row.seq)
        if blob is not None:
            with anyio.move_on_after(PROBE_S_MAX):
                await blob.ended.wait()
        found = await self.parts.store.by_seq(row.seq)
        return row.state.shown if found is None else found.state.shown
