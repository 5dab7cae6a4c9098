"""The methods of a disperser. Source: 0glabs/0g-da-client, api/proto/disperser/disperser.proto; the list is ours. Loads protobuf."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import FileDescriptor

from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobPage, BlobState, BlobStatus, ListedBlob
from zerog.da.wire.pb import disperser_pb2 as pb
from zerog.primitives import Hash32
from zerog.runtime.grpc.methods import Shape
from zerog.runtime.grpc.protobuf import reader

__all__ = [
    "DISPERSER_FILE",
    "DISPERSE_BLOB",
    "GET_BLOB_STATUS",
    "LIST_BLOBS",
    "RETRIEVE_BLOB",
    "DisperseReply",
    "DisperseRequest",
    "ListRequest",
    "RetrieveReply",
    "RetrieveRequest",
]

SERVICE: Final = "disperser.Disperser"
DISPERSER_FILE: Final[FileDescriptor] = pb.DESCRIPTOR


@dataclass(frozen=True, slots=True)
class DisperseRequest:
    """A blob to disperse."""

    data: bytes

    @property
    def wire_bytes(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class DisperseReply:
    """A blob is taken."""

    status: BlobStatus
    request_id: bytes


@dataclass(frozen=True, slots=True)
class RetrieveRequest:
    """Which blob is wanted. The root is as it came: its length is checked by the disperser."""

    root: bytes
    epoch: int
    quorum_id: int


@dataclass(frozen=True, slots=True)
class RetrieveReply:
    """A blob's data."""

    data: bytes

    @property
    def wire_bytes(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Which blobs are listed."""

    status: BlobStatus = BlobStatus.UNKNOWN
    """UNKNOWN for all."""
    cursor: str = ""
    limit: int = 0
    """0 leaves it to the disperser."""


def _write_disperse(request: DisperseRequest) -> bytes:
    return pb.DisperseBlobRequest(data=request.data).SerializeToString()


def _read_disperse(raw: bytes) -> DisperseRequest:
    return DisperseRequest(reader(pb.DisperseBlobRequest)(raw).data)


def _write_dispersed(reply: DisperseReply) -> bytes:
    return pb.DisperseBlobReply(result=reply.status.name, request_id=reply.request_id).SerializeToString()


def _read_dispersed(raw: bytes) -> DisperseReply:
    message = reader(pb.DisperseBlobReply)(raw)
    return DisperseReply(BlobStatus(message.result), message.request_id)


def _write_question(request_id: bytes) -> bytes:
    return pb.BlobStatusRequest(request_id=request_id).SerializeToString()


def _read_question(raw: bytes) -> bytes:
    return bytes(reader(pb.BlobStatusRequest)(raw).request_id)


def _header(name: BlobName) -> pb.BlobHeader:
    return pb.BlobHeader(storage_root=name.root, epoch=name.epoch, quorum_id=name.quorum_id)


def _name(header: pb.BlobHeader) -> BlobName | None:
    if not header.storage_root:
        return None
    return BlobName(Hash32(header.storage_root), header.epoch, header.quorum_id)


def _write_state(state: BlobState) -> bytes:
    """`info` is always there, and empty where there is no name yet."""
    info = pb.BlobInfo() if state.name is None else pb.BlobInfo(blob_header=_header(state.name))
    return pb.BlobStatusReply(status=state.status.name, info=info, reason=state.reason, step=state.step).SerializeToString()


def _read_state(raw: bytes) -> BlobState:
    message = reader(pb.BlobStatusReply)(raw)
    return BlobState(status=BlobStatus(message.status), name=_name(message.info.blob_header), reason=message.reason, step=message.step)


def _write_retrieve(request: RetrieveRequest) -> bytes:
    return pb.RetrieveBlobRequest(storage_root=request.root, epoch=request.epoch, quorum_id=request.quorum_id).SerializeToString()


def _read_retrieve(raw: bytes) -> RetrieveRequest:
    message = reader(pb.RetrieveBlobRequest)(raw)
    return RetrieveRequest(message.storage_root, message.epoch, message.quorum_id)


def _write_retrieved(reply: RetrieveReply) -> bytes:
    return pb.RetrieveBlobReply(data=reply.data).SerializeToString()


def _read_retrieved(raw: bytes) -> RetrieveReply:
    return RetrieveReply(reader(pb.RetrieveBlobReply)(raw).data)


def _write_list(request: ListRequest) -> bytes:
    return pb.ListBlobsRequest(status=request.status.name, cursor=request.cursor, limit=request.limit).SerializeToString()


def _read_list(raw: bytes) -> ListRequest:
    message = reader(pb.ListBlobsRequest)(raw)
    return ListRequest(status=BlobStatus(message.status), cursor=message.cursor, limit=message.limit)


def _write_page(page: BlobPage) -> bytes:
    listed = [
        pb.ListedBlob(
            request_id=blob.request_id.encode(),
            status=blob.state.status.name,
            size_bytes=blob.size_bytes,
            received_ms=blob.received_ms,
            blob_header=None if blob.state.name is None else _header(blob.state.name),
            reason=blob.state.reason,
            step=blob.state.step,
        )
        for blob in page.blobs
    ]
    return pb.ListBlobsReply(blobs=listed, next_cursor=page.next_cursor).SerializeToString()


def _read_page(raw: bytes) -> BlobPage:
    message = reader(pb.ListBlobsReply)(raw)
    blobs = tuple(
        ListedBlob(
            request_id=blob.request_id.decode(),
            state=BlobState(status=BlobStatus(blob.status), name=_name(blob.blob_header), reason=blob.reason, step=blob.step),
            size_bytes=blob.size_bytes,
            received_ms=blob.received_ms,
        )
        for blob in message.blobs
    )
    return BlobPage(blobs=blobs, next_cursor=message.next_cursor)


DISPERSE_BLOB: Final = Shape(
    service=SERVICE,
    name="DisperseBlob",
    encode_request=_write_disperse,
    decode_request=_read_disperse,
    encode_reply=_write_dispersed,
    decode_reply=_read_dispersed,
)
GET_BLOB_STATUS: Final = Shape(
    service=SERVICE,
    name="GetBlobStatus",
    encode_request=_write_question,
    decode_request=_read_question,
    encode_reply=_write_state,
    decode_reply=_read_state,
)
RETRIEVE_BLOB: Final = Shape(
    service=SERVICE,
    name="RetrieveBlob",
    encode_request=_write_retrieve,
    decode_request=_read_retrieve,
    encode_reply=_write_retrieved,
    decode_reply=_read_retrieved,
)
LIST_BLOBS: Final = Shape(
    service=SERVICE,
    name="ListBlobs",
    encode_request=_write_list,
    decode_request=_read_list,
    encode_reply=_write_page,
    decode_reply=_read_page,
)
