"""A disperser and a retriever that keep blobs in memory and speak the protos: what the client and the gateway talk to in these tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
import grpc
from grpc import aio

from zerog._kernel import amt_roots
from zerog.da.wire.pb import disperser_pb2, retriever_pb2

__all__ = ["EPOCH", "QUORUM", "MemoryDisperser", "MemoryRetriever", "serve", "small_root"]

Context: TypeAlias = "aio.ServicerContext[Any, Any]"
EPOCH, QUORUM = 7, 3


def small_root(data: bytes) -> bytes:
    """Of a blob in the size for tests."""
    return amt_roots(data, development=True)[0]


@dataclass
class MemoryDisperser:
    """Every blob is through at the second look."""

    blobs: dict[bytes, bytes] = field(default_factory=dict)
    """By root."""
    requests: dict[bytes, bytes] = field(default_factory=dict)
    """Roots by request."""
    looks: dict[bytes, int] = field(default_factory=dict)
    refusal: str = ""
    """Takes no blob, and says this."""
    failure: str = ""
    """Every blob fails, with this reason."""
    is_stuck: bool = False
    """Every blob stays on its way."""
    lie: bytes | None = None
    """Given in place of every blob."""
    other_root: bytes | None = None
    """Named in place of every root."""

    def handlers(self) -> "grpc.GenericRpcHandler[Any, Any]":
        pb = disperser_pb2

        async def disperse(request: pb.DisperseBlobRequest, context: Context) -> pb.DisperseBlobReply:
            if self.refusal:
                await context.abort(grpc.StatusCode.UNKNOWN, self.refusal)
            root = await anyio.to_thread.run_sync(small_root, request.data)
            self.blobs[root] = request.data
            request_id = f"{len(self.requests):064x}-ab".encode()
            self.requests[request_id] = root
            return pb.DisperseBlobReply(result="PROCESSING", request_id=request_id)

        async def status(request: pb.BlobStatusRequest, context: Context) -> pb.BlobStatusReply:
            root = self.requests.get(request.request_id)
            if root is None:
                await context.abort(grpc.StatusCode.UNKNOWN, "failed to retrieve blob status: disperse failed or request may not exist")
            looks = self.looks[request.request_id] = self.looks.get(request.request_id, 0) + 1
            if self.failure:
                return pb.BlobStatusReply(status="FAILED", info=pb.BlobInfo(), reason=self.failure)
            if self.is_stuck or looks == 1:
                return pb.BlobStatusReply(status="PROCESSING", info=pb.BlobInfo(), step="signing")
            header = pb.BlobHeader(storage_root=self.other_root or root, epoch=EPOCH, quorum_id=QUORUM)
            return pb.BlobStatusReply(status="CONFIRMED" if looks == 2 else "FINALIZED", info=pb.BlobInfo(blob_header=header))

        async def retrieve(request: pb.RetrieveBlobRequest, context: Context) -> pb.RetrieveBlobReply:
            data = self.lie or self.blobs.get(request.storage_root)
            if data is None or (request.epoch, request.quorum_id) != (EPOCH, QUORUM):
                await context.abort(grpc.StatusCode.UNKNOWN, "blob not found")
            return pb.RetrieveBlobReply(data=data)

        async def listed(request: pb.ListBlobsRequest, _context: Context) -> pb.ListBlobsReply:
            blobs = [
                pb.ListedBlob(request_id=request_id, status="CONFIRMED", size_bytes=len(self.blobs[root]), received_ms=1_700_000_000_000)
                for request_id, root in reversed(self.requests.items())
            ]
            start = int(request.cursor or 0)
            end = start + (request.limit or 100)
            return pb.ListBlobsReply(blobs=blobs[start:end], next_cursor=str(end) if end < len(blobs) else "")

        methods = {"DisperseBlob": disperse, "GetBlobStatus": status, "RetrieveBlob": retrieve, "ListBlobs": listed}
        requests = (pb.DisperseBlobRequest, pb.BlobStatusRequest, pb.RetrieveBlobRequest, pb.ListBlobsRequest)
        return _handlers("disperser.Disperser", methods, requests)


@dataclass
class MemoryRetriever:
    """Has what it is given."""

    blobs: dict[bytes, bytes] = field(default_factory=dict)

    def handlers(self) -> "grpc.GenericRpcHandler[Any, Any]":
        async def retrieve(request: retriever_pb2.BlobRequest, context: Context) -> retriever_pb2.BlobReply:
            data = self.blobs.get(request.storage_root)
            if data is None:
                await context.abort(grpc.StatusCode.NOT_FOUND, "fail to recover slice: not enough rows")
            return retriever_pb2.BlobReply(data=data)

        return _handlers("retriever.Retriever", {"RetrieveBlob": retrieve}, (retriever_pb2.BlobRequest,))


def _handlers(service: str, methods: dict[str, Any], requests: tuple[Any, ...]) -> "grpc.GenericRpcHandler[Any, Any]":
    made = {
        name: grpc.unary_unary_rpc_method_handler(
            method, request_deserializer=request.FromString, response_serializer=lambda reply: reply.SerializeToString()
        )
        for (name, method), request in zip(methods.items(), requests, strict=True)
    }
    return grpc.method_handlers_generic_handler(service, made)


@asynccontextmanager
async def serve(part: MemoryDisperser | MemoryRetriever) -> AsyncIterator[str]:
    """The address (`host:port`) at which it answers."""
    server = aio.server(options=[("grpc.max_receive_message_length", 64 << 20)])
    server.add_generic_rpc_handlers((part.handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
