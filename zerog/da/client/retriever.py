"""A retriever, over gRPC."""

from typing import Final, Self

from zerog.da.protocol.names import BlobName
from zerog.da.wire.retriever import RETRIEVE_BLOB, BlobReply, BlobRequest
from zerog.runtime.grpc.channel import GrpcChannel

__all__ = ["AsyncRetrieverClient"]

RETRIEVE_S: Final = 180.0


class AsyncRetrieverClient:
    """Talks to one retriever. Every method raises `GrpcUnreachableError`, `GrpcTimeoutError` or `GrpcCallError` when it fails."""

    def __init__(self, address: str) -> None:
        """`address` is `host:port`, with or without `http://`."""
        self.address: Final = address
        self._channel: Final = GrpcChannel(address)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    async def retrieve(self, blob: BlobName, *, timeout_s: float = RETRIEVE_S) -> bytes:
        """A blob's data."""
        return (await self.ask(blob, timeout_s=timeout_s)).data

    async def ask(self, blob: BlobName, *, timeout_s: float = RETRIEVE_S) -> BlobReply:
        """A blob's data, and who gave wrong rows for it."""
        return await self._channel.call(RETRIEVE_BLOB, BlobRequest.of(blob), timeout_s=timeout_s)
