"""`ZgsGrpcService` of a storage node.

Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs_grpc/`.
"""

from collections.abc import Sequence
from typing import Final

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.primitives.errors import ZerogError
from zerog.runtime.grpc.errors import MessageMalformedError
from zerog.runtime.grpc.methods import Caller, Served, served_unary
from zerog.runtime.grpc.server import GrpcLimits
from zerog.runtime.grpc.server import serve_grpc as serve_methods
from zerog.storage.node.upload_rules import SegmentUpload
from zerog.storage.node.uploads import Uploads
from zerog.storage.wire.grpc_messages import PING, UPLOAD, ZGS_FILE, Empty, PingReply, PingRequest, UploadRequest, segments_of

__all__ = ["serve_grpc"]

MESSAGE_BYTES_MAX: Final = 16 << 20
UPLOAD_BYTES_MAX: Final = 2 * MESSAGE_BYTES_MAX
"""What an upload may hold: its message, and what is made of it."""
LIMITS: Final = GrpcLimits(
    message_bytes_max=MESSAGE_BYTES_MAX, calls_max=64, calls_of_connection_max=2, memory_bytes_max=4 * UPLOAD_BYTES_MAX, waiting_max=8
)


async def serve_grpc(uploads: Uploads, host: str, port: int, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled. Reports the address (`host:port`) once it answers; port 0 lets the system choose. Raises `PortInUseError`."""
    await serve_methods(_methods(uploads), [ZGS_FILE], host, port, limits=LIMITS, refuse=_refusal, task_status=task_status)


def _methods(uploads: Uploads) -> Sequence[Served]:
    async def ping(request: PingRequest, _caller: Caller) -> PingReply:
        return PingReply(message=f"Echo: {request.message}")

    async def upload(request: UploadRequest, _caller: Caller) -> Empty:
        try:
            segments = segments_of(request)
        except ValueError as error:
            raise MessageMalformedError(str(error)) from None
        parts = [
            SegmentUpload(
                root=segment.root, size_bytes=segment.file_size, index=segment.index, data=segment.data, proof=segment.proof.to_proof()
            )
            for segment in segments
        ]
        await uploads.accept(parts, seq=request.tx_seq)
        return Empty()

    return [served_unary(PING, ping), served_unary(UPLOAD, upload, memory_bytes=UPLOAD_BYTES_MAX)]


def _refusal(error: ZerogError) -> tuple[str, str]:
    """In the words of JSON-RPC."""
    data = getattr(error, "rpc_data", None)
    words = str(error) if data is None or str(data) in str(error) else f"{error}; {data}"
    if isinstance(error, MessageMalformedError):
        return "INVALID_ARGUMENT", words
    match getattr(error, "rpc_code", None):
        case -32602:
            return "INVALID_ARGUMENT", words
        case -32603:
            return "INTERNAL", words
    return "FAILED_PRECONDITION", words
