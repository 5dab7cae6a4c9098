"""A DA node, over gRPC."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Self

from zerog.da.protocol.names import BlobName
from zerog.da.protocol.sampling import Sample, SampleInvalidError
from zerog.da.wire.signer import (
    BATCH_RETRIEVE,
    BATCH_SIGN,
    GET_STATUS,
    RETRIEVE_STREAM,
    SAMPLE,
    SIGN_STREAM,
    NodeStatus,
    RetrieveBatch,
    RetrieveRequest,
    RowSet,
    SampleRequest,
    SignBatch,
    SignPart,
    SignRequest,
    StreamedRows,
)
from zerog.primitives import Hash32
from zerog.runtime.grpc.channel import GrpcChannel
from zerog.runtime.grpc.errors import GrpcCallError

__all__ = ["AsyncSignerClient"]

SIGN_S: Final = 60.0
RETRIEVE_S: Final = 60.0
ANSWER_S: Final = 10.0
"""For what is small."""
SLICES_A_PART: Final = 24
"""About 800 KB of slices in one message of a stream."""


class AsyncSignerClient:
    """Talks to one node. Every method raises `GrpcUnreachableError`, `GrpcTimeoutError` or `GrpcCallError` when it fails."""

    def __init__(self, address: str) -> None:
        """`address` is `host:port`, with or without `http://`; what stands on chain goes through `grpc_target` first."""
        self.address: Final = address
        self._channel: Final = GrpcChannel(address)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    async def batch_sign(self, requests: Sequence[SignRequest], *, timeout_s: float = SIGN_S) -> list[bytes]:
        """A signature for each request, 64 bytes with arkworks' flags: all or none."""
        signatures = await self._channel.call(BATCH_SIGN, SignBatch(requests), timeout_s=timeout_s)
        if len(signatures) != len(requests):
            raise GrpcCallError(self.address, BATCH_SIGN.name, "UNKNOWN", f"{len(signatures)} signatures for {len(requests)} blobs")
        return list(signatures)

    async def sign(self, request: SignRequest, *, timeout_s: float = SIGN_S) -> bytes:
        """The signature for one request, whose slices go in parts: nodes of ours alone have that."""
        return await self.sign_parts(_parts(request), timeout_s=timeout_s)

    async def sign_parts(self, parts: AsyncIterator[SignPart], *, timeout_s: float = SIGN_S) -> bytes:
        """The same for slices that are not all at hand: the first part has the head, and the next one is asked for when there is room."""
        return await self._channel.upload(SIGN_STREAM, parts, timeout_s=timeout_s)

    async def batch_retrieve(self, requests: Sequence[RetrieveRequest], *, timeout_s: float = RETRIEVE_S) -> list[RowSet]:
        """The rows of each request in ascending order: all or none."""
        batch = await self._channel.call(BATCH_RETRIEVE, RetrieveBatch(requests), timeout_s=timeout_s)
        wanted = [len(set(request.rows)) for request in requests]
        if [len(each.rows) for each in batch.sets] != wanted:
            raise GrpcCallError(self.address, BATCH_RETRIEVE.name, "UNKNOWN", "other rows than were asked for")
        return list(batch.sets)

    def retrieve(
        self, request: RetrieveRequest, *, timeout_s: float = RETRIEVE_S
    ) -> AbstractAsyncContextManager[AsyncIterator[StreamedRows]]:
        """Rows in parts with their paths, within a context whose end ends the call: nodes of ours alone have that.

        Rows that the node has lost are left out.
        """
        return self._channel.stream(RETRIEVE_STREAM, request, timeout_s=timeout_s)

    async def sample(self, blob: BlobName, row: int, subline: int, *, timeout_s: float = ANSWER_S) -> Sample:
        """A kibibyte of a row with its path, which `verify_sample` holds against the root: nodes of ours alone have that.

        Raises `SampleInvalidError` for a path of something else than hashes.
        """
        reply = await self._channel.call(SAMPLE, SampleRequest.of(blob, row, subline), timeout_s=timeout_s)
        try:
            return Sample(reply.data, tuple(map(Hash32, reply.path)), tuple(map(Hash32, reply.coset_roots)))
        except ValueError as error:
            raise SampleInvalidError(f"{self.address} sends a path that is none: {error}") from None

    async def status(self, *, timeout_s: float = ANSWER_S) -> NodeStatus:
        """What the node says of itself."""
        return await self._channel.call(GET_STATUS, None, timeout_s=timeout_s)


async def _parts(request: SignRequest) -> AsyncIterator[SignPart]:
    for part in request.parts(SLICES_A_PART):
        yield part
