"""A client of a disperser, ours or an official one. Importing it loads grpcio."""

from typing import Final, Self

from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobPage, BlobState, BlobStatus
from zerog.da.wire.disperser import (
    DISPERSE_BLOB,
    GET_BLOB_STATUS,
    LIST_BLOBS,
    RETRIEVE_BLOB,
    DisperseRequest,
    ListRequest,
    RetrieveRequest,
)
from zerog.runtime.grpc.channel import GrpcChannel

__all__ = ["AsyncDisperserClient"]

QUICK_S: Final = 30.0
BULK_S: Final = 180.0


class AsyncDisperserClient:
    """Talks to one disperser. Every method raises `GrpcUnreachableError`, `GrpcTimeoutError` or `GrpcCallError`."""

    def __init__(self, address: str) -> None:
        self._channel: Final = GrpcChannel(address)
        self.address: Final = self._channel.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._channel.close()

    async def disperse(self, data: bytes, *, timeout_s: float = BULK_S) -> bytes:
        """Hand a blob over; returns the id by which its way is followed. From then on it is not lost."""
        reply = await self._channel.call(DISPERSE_BLOB, DisperseRequest(data), timeout_s=timeout_s)
        return reply.request_id

    async def status(self, request_id: bytes, *, timeout_s: float = QUICK_S) -> BlobState:
        """Where a blob is."""
        return await self._channel.call(GET_BLOB_STATUS, request_id, timeout_s=timeout_s)

    async def retrieve(self, name: BlobName, *, timeout_s: float = BULK_S) -> bytes:
        """A blob's data, from the disperser's own store or from the signers. It is not held against the root here."""
        reply = await self._channel.call(RETRIEVE_BLOB, RetrieveRequest(name.root, name.epoch, name.quorum_id), timeout_s=timeout_s)
        return reply.data

    async def blobs(self, status: BlobStatus | None = None, *, cursor: str = "", limit: int = 0, timeout_s: float = QUICK_S) -> BlobPage:
        """A page of the blobs that the disperser knows, the newest first; only those of one status if it is named."""
        request = ListRequest(status=status or BlobStatus.UNKNOWN, cursor=cursor, limit=limit)
        return await self._channel.call(LIST_BLOBS, request, timeout_s=timeout_s)
