"""`disperser.Disperser` on gRPC. Source: 0glabs/0g-da-client, disperser/apiserver. Importing it loads grpcio."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.da.disperser.limiter import client_address
from zerog.da.protocol.status import BlobPage, BlobState, BlobStatus
from zerog.da.wire.disperser import (
    DISPERSE_BLOB,
    DISPERSER_FILE,
    GET_BLOB_STATUS,
    LIST_BLOBS,
    RETRIEVE_BLOB,
    DisperseReply,
    DisperseRequest,
    ListRequest,
    RetrieveReply,
    RetrieveRequest,
)
from zerog.primitives.errors import ZerogError
from zerog.runtime.grpc.calls import plain_refusal
from zerog.runtime.grpc.errors import GrpcCallError
from zerog.runtime.grpc.methods import Caller, Served, served_unary
from zerog.runtime.grpc.server import GrpcLimits, serve_grpc

if TYPE_CHECKING:
    from zerog.da.disperser.service import DaDisperser

__all__ = ["serve_disperser"]

MIB: Final = 1 << 20
MESSAGE_BYTES_MAX: Final = 300 * MIB
"""Source: 0glabs/0g-da-client, disperser/apiserver (maximal message)."""
BLOB_BYTES: Final = 64 * MIB
"""What a call with a blob holds: the message, and the blob in it."""
LIMITS: Final = GrpcLimits(message_bytes_max=MESSAGE_BYTES_MAX, memory_bytes_max=4 * BLOB_BYTES, waiting_max=128)


async def serve_disperser(disperser: "DaDisperser", *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled. Reports `host:port`. Raises `PortInUseError`."""
    await serve_grpc(
        _methods(disperser),
        [DISPERSER_FILE],
        disperser.settings.host,
        disperser.settings.port,
        limits=LIMITS,
        refuse=_refusal,
        counters=disperser.running.grpc,
        task_status=task_status,
    )


def _methods(disperser: "DaDisperser") -> Sequence[Served]:
    header = disperser.settings.client_header

    def client(caller: Caller) -> str:
        return client_address(caller.peer, caller.metadata, header)

    async def disperse_blob(request: DisperseRequest, caller: Caller) -> DisperseReply:
        request_id = await disperser.running.disperse(request.data, client=client(caller))
        return DisperseReply(BlobStatus.PROCESSING, request_id.encode())

    async def get_blob_status(request_id: bytes, _caller: Caller) -> BlobState:
        return await disperser.running.blob_state(request_id)

    async def retrieve_blob(request: RetrieveRequest, caller: Caller) -> RetrieveReply:
        data = await disperser.running.retrieve(request.root, request.epoch, request.quorum_id, client=client(caller))
        return RetrieveReply(data)

    async def list_blobs(request: ListRequest, _caller: Caller) -> BlobPage:
        return await disperser.running.page(request.status, request.cursor, request.limit)

    return [
        served_unary(DISPERSE_BLOB, disperse_blob, memory_bytes=BLOB_BYTES),
        served_unary(GET_BLOB_STATUS, get_blob_status),
        served_unary(RETRIEVE_BLOB, retrieve_blob, memory_bytes=BLOB_BYTES),
        served_unary(LIST_BLOBS, list_blobs),
    ]


def _refusal(error: ZerogError) -> tuple[str, str]:
    """What the retriever refuses is passed on in its words."""
    if isinstance(error, GrpcCallError):
        return error.status, error.details
    return plain_refusal(error)
