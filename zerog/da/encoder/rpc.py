"""`encoder.Encoder` on gRPC. Source: 0glabs/0g-da-encoder, grpc/. Importing it loads grpcio."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskStatus

from zerog.da.protocol.constants import ENCODED_ROWS
from zerog.da.wire.encoder import (
    ENCODE_BLOB,
    ENCODE_BLOB_STREAM,
    ENCODER_FILE,
    GET_SETUP,
    EncodedHead,
    EncodedPart,
    EncodeReply,
    EncodeRequest,
    SetupReply,
)
from zerog.primitives import Hash32
from zerog.runtime.grpc.methods import Caller, Served, served_stream, served_unary
from zerog.runtime.grpc.server import GrpcLimits, serve_grpc

if TYPE_CHECKING:
    from zerog.da.encoder.service import DaEncoder

__all__ = ["serve_encoder"]

MIB: Final = 1 << 20
WHOLE_BYTES: Final = 384 * MIB
"""What a call of the official method holds: a blob, its rows, 3,072 slices, and the message that they become."""
PARTS_BYTES: Final = 160 * MIB
"""What a call holds that takes slices in parts: a blob and its rows."""
SLICES_A_PART: Final = 24
"""About 800 KB."""
LIMITS: Final = GrpcLimits(message_bytes_max=1 << 30, memory_bytes_max=WHOLE_BYTES + PARTS_BYTES, waiting_max=64)


async def serve_encoder(encoder: "DaEncoder", *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled. Reports `host:port`. Raises `PortInUseError`."""
    settings = encoder.settings
    await serve_grpc(
        _methods(encoder),
        [ENCODER_FILE],
        settings.host,
        settings.port,
        limits=LIMITS,
        counters=encoder.counters.grpc,
        task_status=task_status,
    )


def _methods(encoder: "DaEncoder") -> Sequence[Served]:
    async def encode_blob(request: EncodeRequest, _caller: Caller) -> EncodeReply:
        encoded = await encoder.encode(request.data)
        rows = await to_thread.run_sync(encoded.rows, 0, ENCODED_ROWS) if request.require_data else b""
        slices = await to_thread.run_sync(encoded.slices, 0, ENCODED_ROWS)
        return EncodeReply(commitment=encoded.commitment, root=Hash32(encoded.data_root), encoded_data=rows, slices=slices)

    async def encode_blob_stream(request: EncodeRequest, _caller: Caller) -> AsyncIterator[EncodedPart]:
        encoded = await encoder.encode(request.data)
        head: EncodedHead | None = EncodedHead(
            commitment=encoded.commitment,
            root=Hash32(encoded.data_root),
            coset_roots=encoded.coset_roots,
            slice_count=ENCODED_ROWS,
        )
        async for slices in encoder.slices(encoded, SLICES_A_PART):
            yield EncodedPart(head, slices)
            head = None

    async def get_setup(_request: None, _caller: Caller) -> SetupReply:
        return SetupReply(encoder.setup.kind, encoder.setup.fingerprint)

    return [
        served_unary(ENCODE_BLOB, encode_blob, memory_bytes=WHOLE_BYTES),
        served_stream(ENCODE_BLOB_STREAM, encode_blob_stream, memory_bytes=PARTS_BYTES),
        served_unary(GET_SETUP, get_setup),
    ]
