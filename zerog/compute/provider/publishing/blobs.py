"""The way of published receipts into 0G DA: handed to a disperser, and followed until a quorum is confirmed on chain."""

from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from zerog.compute.protocol.errors import ComputeError
from zerog.compute.provider.book.publications import Publications, WaitingBatch
from zerog.compute.provider.publishing.roots import BlobRoots
from zerog.da.client.disperser import AsyncDisperserClient
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.primitives import Hash32
from zerog.runtime.grpc.errors import GrpcCallError

__all__ = ["BlobMaker", "BlobNotConfirmedError"]

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
"""Between two looks at where a blob is; dispersers tell when asked."""
UNKNOWN_REQUEST: Final = frozenset(("NOT_FOUND", "INVALID_ARGUMENT"))
"""What dispersers answer to the name of a request that they do not have."""


@dataclass(eq=False)
class BlobNotConfirmedError(ComputeError):
    """The disperser gave up a blob, or says that it is another one."""

    cause: str

    code = "blob_not_confirmed"
    remedy = "nothing needs to be done: it is dispersed again"

    def __str__(self) -> str:
        return f"the blob of receipts was not confirmed: {self.cause}"


class BlobMaker:
    """Blobs of 0G DA."""

    def __init__(self, disperser: str, roots: BlobRoots) -> None:
        """`disperser` is `host:port`."""
        self._roots: Final = roots
        self._client: Final = AsyncDisperserClient(disperser)

    async def make(self, batch: WaitingBatch, data: bytes, publications: Publications) -> None:
        """See `CopyMaker.make`."""
        request_id = batch.blob_request_id
        if request_id is None:
            request_id = await self._client.disperse(data)
            await publications.note_blob_sent(batch.batch_id, request_id)
        try:
            name = await self._confirmed(request_id, await self._roots.of(data))
        except BlobNotConfirmedError:
            await publications.note_blob_sent(batch.batch_id, None)
            raise
        await publications.note_blob(batch.batch_id, name.root, epoch=name.epoch, quorum=name.quorum_id)
        log.info("receipts_confirmed", batch=batch.batch_id, root=str(name.root), epoch=name.epoch, quorum=name.quorum_id)

    async def _confirmed(self, request_id: bytes, root: Hash32) -> BlobName:
        while True:
            try:
                state = await self._client.status(request_id)
            except GrpcCallError as error:
                if error.status in UNKNOWN_REQUEST:
                    raise BlobNotConfirmedError(str(error)) from error
                raise
            if state.name is not None and state.status in (BlobStatus.CONFIRMED, BlobStatus.FINALIZED):
                if state.name.root != root:
                    raise BlobNotConfirmedError(f"the disperser says that its root is {state.name.root}")
                return state.name
            if state.status.is_last:
                raise BlobNotConfirmedError(state.reason or state.status.name)
            await anyio.sleep(LOOK_S)

    async def aclose(self) -> None:
        """See `CopyMaker.aclose`."""
        await self._client.close()
