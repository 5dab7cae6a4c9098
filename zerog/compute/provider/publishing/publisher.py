"""The publisher: after each settlement it makes the copies that are missing, one after another, and tries again until it succeeds.

Settlements never wait for it: it reads the book, where they are written, and writes there what it has done. Each kind of copy has a loop of
its own, so that a disperser that is away keeps no file from storage.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol

import anyio
import structlog
from anyio import to_thread

from zerog.compute.protocol.published import PublishedTags
from zerog.compute.provider.book import Book
from zerog.compute.provider.book.publications import Copy, Publications, WaitingBatch
from zerog.compute.provider.chain import ProviderChain
from zerog.compute.provider.publishing.files import ReceiptFiles
from zerog.compute.provider.publishing.roots import BlobRoots
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.compute.provider.settler import Settler
from zerog.primitives import ZerogError
from zerog.runtime.clock import Clock

__all__ = ["CopyMaker", "Publisher", "publishing"]

log = structlog.get_logger(__name__)

LOOK_S: Final = 10.0
"""Between two looks where nobody told of a settlement: another broker may have made it."""
PAUSE_S_FIRST: Final = 0.5
PAUSE_S_MAX: Final = 60.0
COPY_S_MAX: Final = 540.0
"""For one copy, less than the lease."""


class CopyMaker(Protocol):
    """Makes copies of one kind."""

    async def make(self, batch: WaitingBatch, data: bytes, publications: Publications) -> None:
        """Make one, and note it. What an earlier try has done is found and not done again. Raises `ZerogError`s."""

    async def aclose(self) -> None:
        """Let go of all connections."""


class FileMaker:
    """Files of 0G Storage."""

    def __init__(self, files: ReceiptFiles, roots: BlobRoots | None) -> None:
        """With `roots` the same bytes go into DA, and the tags name the blob: also before it is dispersed."""
        self._files: Final = files
        self._roots: Final = roots

    async def make(self, batch: WaitingBatch, data: bytes, publications: Publications) -> None:
        """See `CopyMaker.make`."""
        hashes = tuple(entry.requests_hash for entry in batch.receipts.entries)
        tags = PublishedTags(hashes, None if self._roots is None else await self._roots.of(data))
        root = await self._files.store(data, tags)
        await publications.note_file(batch.batch_id, root)
        log.info("receipts_stored", batch=batch.batch_id, root=str(root))

    async def aclose(self) -> None:
        """See `CopyMaker.aclose`."""
        await self._files.close()


class Publisher:
    """Makes the copies that its makers can make; without one it does nothing."""

    def __init__(self, publications: Publications, settler: Settler, clock: Clock, makers: Mapping[Copy, CopyMaker]) -> None:
        self._publications: Final = publications
        self._settler: Final = settler
        self._clock: Final = clock
        self._makers: Final = dict(makers)
        self._made: Final = dict.fromkeys(makers, 0)
        self._troubles: Final[dict[Copy, str]] = {}

    async def run(self) -> None:
        """Publish until cancelled. What is under way then is made after the next start."""
        async with anyio.create_task_group() as loops:
            for copy, maker in self._makers.items():
                loops.start_soon(self._run, copy, maker, name=f"publisher.{copy.value}")

    def status(self) -> dict[str, object]:
        """For the control socket and the status page."""
        return {copy.value: {"made": self._made[copy], "trouble": self._troubles.get(copy)} for copy in self._makers}

    async def waiting(self, copy: Copy) -> int:
        """How many settlements have no such copy yet. Raises `BookUnavailableError`."""
        return await self._publications.count(copy)

    async def _run(self, copy: Copy, maker: CopyMaker) -> None:
        pause_s = PAUSE_S_FIRST
        while True:
            ended = self._settler.ended  # Before the book is read, so that nothing ends unseen in between.
            try:
                with anyio.fail_after(COPY_S_MAX):
                    has_made = await self._make_next(copy, maker)
            except (ZerogError, TimeoutError, OSError) as error:
                self._troubles[copy] = str(error) or type(error).__name__
                log.warning("receipts_not_published", copy=copy.value, cause=self._troubles[copy])
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_S_MAX)
                continue
            self._troubles.pop(copy, None)
            pause_s = PAUSE_S_FIRST
            if not has_made:
                with anyio.move_on_after(LOOK_S):
                    await ended.wait()

    async def _make_next(self, copy: Copy, maker: CopyMaker) -> bool:
        """Whether there was one to make, and it was made here."""
        batch = await self._publications.next(copy)
        if batch is None or not await self._publications.take_lease(copy, int(self._clock.unix_s() * 1000)):
            return False
        # Looked at again with the lease: the broker that had it before may have made it.
        batch = await self._publications.next(copy)
        if batch is not None:
            data = await to_thread.run_sync(batch.receipts.to_bytes)
            await maker.make(batch, data, self._publications)
            self._made[copy] += 1
        await self._publications.leave_lease(copy)
        return batch is not None


@asynccontextmanager
async def publishing(
    settings: ComputeProviderSettings, book: Book, chain: ProviderChain, settler: Settler, clock: Clock
) -> AsyncIterator[Publisher]:
    """A publisher for what the settings name, whose connections are closed when the block ends."""
    makers: dict[Copy, CopyMaker] = {}
    roots = BlobRoots()
    if settings.receipts_indexer is not None:
        files = ReceiptFiles(settings.receipts_indexer, chain_url=settings.chain_url, account=chain.account_key, turn=chain.turn)
        makers[Copy.FILE] = FileMaker(files, None if settings.receipts_disperser is None else roots)
    if settings.receipts_disperser is not None:
        from zerog.compute.provider.publishing.blobs import BlobMaker  # It loads grpcio, which nobody else here needs.

        makers[Copy.BLOB] = BlobMaker(settings.receipts_disperser, roots)
    publications = Publications(book, provider=chain.provider, contract=chain.contract, chain_id=chain.chain_id)
    try:
        yield Publisher(publications, settler, clock, makers)
    finally:
        with anyio.CancelScope(shield=True):
            for maker in makers.values():
                await maker.aclose()
