"""`ZgsGrpcService` of a storage node, with server reflection.

Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs_grpc/`.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import anyio
import grpc
import structlog
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from grpc import aio

from zerog.primitives.errors import ZerogError
from zerog.runtime.ports import PortInUseError, holder_of_port
from zerog.storage.node.grpc.reflection import reflection_handlers
from zerog.storage.node.upload_rules import SegmentUpload
from zerog.storage.node.uploads import Uploads
from zerog.storage.wire.grpc_messages import SERVICE, ZGS_FILE, Empty, PingReply, PingRequest, UploadRequest, segments_of

__all__ = ["serve_grpc"]

log = structlog.get_logger(__name__)

MESSAGE_BYTES_MAX: Final = 16 << 20
CALLS_MAX: Final = 8
"""At once; a further one is refused with RESOURCE_EXHAUSTED, because its message would be in memory before anybody can tell it to wait."""
CALLS_OF_CONNECTION_MAX: Final = 2
"""At once; further ones of the same client wait on its side."""
OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", CALLS_OF_CONNECTION_MAX),
    ("grpc.so_reuseport", 0),  # Otherwise a second server on one port would take half of the first one's clients.
)
STOP_S: Final = 2.0

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


async def serve_grpc(uploads: Uploads, host: str, port: int, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled. Reports the address (`host:port`) once it answers; port 0 lets the system choose. Raises `PortInUseError`."""
    server = aio.server(options=OPTIONS, maximum_concurrent_rpcs=CALLS_MAX)
    server.add_generic_rpc_handlers((_handlers(uploads), *reflection_handlers({SERVICE: ZGS_FILE})))
    name = f"[{host}]" if ":" in host else host
    try:
        bound = server.add_insecure_port(f"{name}:{port}")
    except RuntimeError:
        raise PortInUseError(host, port, holder_of_port(port)) from None
    await server.start()
    try:
        task_status.started(f"{name}:{bound}")
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop(STOP_S)


def _handlers(uploads: Uploads) -> "grpc.GenericRpcHandler[Any, Any]":
    async def ping(request: PingRequest, _context: Context) -> PingReply:
        return PingReply(message=f"Echo: {request.message}")

    async def upload(request: UploadRequest, context: Context) -> Empty:
        try:
            segments = segments_of(request)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        parts = [
            SegmentUpload(
                root=segment.root, size_bytes=segment.file_size, index=segment.index, data=segment.data, proof=segment.proof.to_proof()
            )
            for segment in segments
        ]
        await uploads.accept(parts, seq=request.tx_seq)
        return Empty()

    methods = {
        "Ping": grpc.unary_unary_rpc_method_handler(
            _answered(ping), request_deserializer=PingRequest.FromString, response_serializer=PingReply.SerializeToString
        ),
        "UploadSegmentsByTxSeq": grpc.unary_unary_rpc_method_handler(
            _answered(upload), request_deserializer=UploadRequest.FromString, response_serializer=Empty.SerializeToString
        ),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def _answered(method: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
    """The method, with its failures as statuses: an expected one in the words of JSON-RPC, of a bug only a reference to the log."""

    async def answer(request: Any, context: Context) -> Any:
        try:
            return await method(request, context)
        except ZerogError as error:
            await context.abort(_status(error), _words(error))
        except aio.AbortError:
            raise
        except Exception as error:
            reference = secrets.token_hex(4)
            log.exception("grpc_method_failed", method=method.__name__, reference=reference, exc_info=error)
            await context.abort(grpc.StatusCode.INTERNAL, f"internal error (reference {reference} in the node's log)")

    return answer


def _status(error: ZerogError) -> grpc.StatusCode:
    match getattr(error, "rpc_code", None):
        case -32602:
            return grpc.StatusCode.INVALID_ARGUMENT
        case -32603:
            return grpc.StatusCode.INTERNAL
    return grpc.StatusCode.FAILED_PRECONDITION


def _words(error: ZerogError) -> str:
    data = getattr(error, "rpc_data", None)
    return str(error) if data is None or str(data) in str(error) else f"{error}; {data}"
