"""Leaves of settlements on their way through a disperser that is on the wire: followed to the end, sent again where it gave them up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from tests.unit.compute.provider.place import ONE, USERS, open_place
from tests.unit.compute.settlement.shop import shop
from tests.unit.compute.settlement.test_publishing import nothing_waits, offered_with, open_storage, published, submissions
from zerog._kernel import amt_roots
from zerog.compute.protocol.published import PublishedTags, read_published
from zerog.compute.provider.book.publications import Copy
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobState, BlobStatus
from zerog.da.wire.disperser import DISPERSE_BLOB, DISPERSER_FILE, GET_BLOB_STATUS, DisperseReply, DisperseRequest
from zerog.primitives import Hash32
from zerog.primitives.errors import RefusalError
from zerog.runtime.grpc.methods import served_unary
from zerog.runtime.grpc.server import serve_grpc

pytestmark = pytest.mark.anyio
USER = USERS[3]


class RequestUnknownError(RefusalError):
    """A request that was never made here."""

    code = "request_unknown"
    http_status = 404

    def __str__(self) -> str:
        return "request not found"


@dataclass
class Disperser:
    """One that a test tells what becomes of its blobs."""

    blobs: list[bytes] = field(default_factory=list)
    fates: list[BlobStatus | None] = field(default_factory=list)
    """What the next looks see, `None` for a request that it does not know; after them `fate`."""
    fate: BlobStatus = BlobStatus.PROCESSING
    root: Hash32 = Hash32(bytes(32))  # noqa: RUF009 - it is frozen.
    looked: anyio.Event = field(default_factory=anyio.Event)

    async def disperse(self, request: DisperseRequest, _caller: object) -> DisperseReply:
        if request.data not in self.blobs:
            root, _ = await to_thread.run_sync(amt_roots, request.data)
            self.root = Hash32(root)
        self.blobs.append(request.data)
        return DisperseReply(BlobStatus.PROCESSING, b"request %d" % (len(self.blobs) - 1))

    async def status(self, _request_id: bytes, _caller: object) -> BlobState:
        await anyio.lowlevel.checkpoint()
        self.looked.set()
        fate = self.fates.pop(0) if self.fates else self.fate
        if fate is None:
            raise RequestUnknownError
        return BlobState(status=fate, name=BlobName(self.root, 7, 1) if fate is BlobStatus.CONFIRMED else None)


@asynccontextmanager
async def serving(disperser: Disperser) -> AsyncIterator[str]:
    """Its address."""
    methods = [served_unary(DISPERSE_BLOB, disperser.disperse), served_unary(GET_BLOB_STATUS, disperser.status)]
    async with anyio.create_task_group() as tasks:

        async def serve(*, task_status: anyio.abc.TaskStatus[str]) -> None:
            await serve_grpc(methods, [DISPERSER_FILE], "127.0.0.1", 0, task_status=task_status)

        yield str(await tasks.start(serve))
        tasks.cancel_scope.cancel()


async def test_each_settlement_becomes_a_blob_that_the_tags_of_its_file_name(tmp_path: Path) -> None:
    disperser = Disperser(fate=BlobStatus.PROCESSING)
    async with (
        open_place() as place,
        open_storage(place) as indexer,
        serving(disperser) as address,
        shop(await offered_with(place, indexer), f"sqlite:///{tmp_path}/book.db") as broker,
    ):
        settings = ComputeProviderSettings(chain_url=place.url, receipts_indexer=indexer, receipts_disperser=address)
        await place.fund(USER, 3 * ONE)
        await broker.charge(USER, [7, 8])
        await broker.settler.settle()

        async with published(broker, settings) as publisher:
            await disperser.looked.wait()
            await nothing_waits(publisher)
        assert len(disperser.blobs) == 1
        disperser.fates, disperser.fate = [BlobStatus.PROCESSING, None, BlobStatus.FAILED], BlobStatus.CONFIRMED
        async with published(broker, settings) as publisher:
            await nothing_waits(publisher, Copy.BLOB)
            assert publisher.status()["blob"] == {"made": 1, "trouble": None}
        assert (len(disperser.blobs), len(set(disperser.blobs))) == (3, 1)
        [event] = await submissions(place)
        tags = PublishedTags.read(event.submission.tags)
        assert tags is not None
        assert tags.blob_root == disperser.root
        told = read_published(disperser.blobs[0])
        assert tuple(entry.requests_hash for entry in told.entries) == tags.requests_hashes
        assert event.submission.size_bytes == len(disperser.blobs[0])
