"""The methods of an encoder. Source: 0glabs/0g-da-encoder, grpc/proto/encoder.proto; streaming and setup are ours. Loads protobuf."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import FileDescriptor

from zerog.da.wire.pb import encoder_pb2 as pb
from zerog.primitives import Hash32
from zerog.runtime.grpc.methods import Shape
from zerog.runtime.grpc.protobuf import reader, writer

__all__ = [
    "ENCODER_FILE",
    "ENCODE_BLOB",
    "ENCODE_BLOB_STREAM",
    "GET_SETUP",
    "EncodeReply",
    "EncodeRequest",
    "EncodedHead",
    "EncodedPart",
    "SetupReply",
]

SERVICE: Final = "encoder.Encoder"
ENCODER_FILE: Final[FileDescriptor] = pb.DESCRIPTOR
VERSION: Final = 0


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """A blob to encode."""

    data: bytes
    require_data: bool = False
    """Whether the encoded rows are wanted beside the slices."""

    @property
    def wire_bytes(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeReply:
    """All of an encoded blob."""

    commitment: bytes
    """x and y, 32 little-endian bytes each, without flags."""
    root: Hash32
    encoded_data: bytes = b""
    slices: list[bytes]

    @property
    def wire_bytes(self) -> int:
        return len(self.encoded_data) + sum(map(len, self.slices))


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedHead:
    """What an encoded blob is."""

    commitment: bytes
    root: Hash32
    coset_roots: tuple[bytes, ...]
    slice_count: int


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """A part of an encoded blob; the first one has the head."""

    head: EncodedHead | None
    slices: list[bytes]

    @property
    def wire_bytes(self) -> int:
        return sum(map(len, self.slices))


@dataclass(frozen=True, slots=True)
class SetupReply:
    """What an encoder computes with."""

    kind: str
    fingerprint: bytes


def _write_request(request: EncodeRequest) -> bytes:
    return pb.EncodeBlobRequest(data=request.data, require_data=request.require_data).SerializeToString()


def _read_request(raw: bytes) -> EncodeRequest:
    message = reader(pb.EncodeBlobRequest)(raw)
    return EncodeRequest(message.data, message.require_data)


def _write_reply(reply: EncodeReply) -> bytes:
    return pb.EncodeBlobReply(
        version=VERSION,
        erasure_commitment=reply.commitment,
        storage_root=reply.root,
        encoded_data=reply.encoded_data,
        encoded_slice=reply.slices,
    ).SerializeToString()


def _read_reply(raw: bytes) -> EncodeReply:
    message = reader(pb.EncodeBlobReply)(raw)
    return EncodeReply(
        commitment=message.erasure_commitment,
        root=Hash32(message.storage_root),
        encoded_data=message.encoded_data,
        slices=list(message.encoded_slice),
    )


def _write_part(part: EncodedPart) -> bytes:
    head = part.head
    if head is None:
        return pb.EncodedPart(encoded_slice=part.slices).SerializeToString()
    of_head = pb.EncodedHead(
        erasure_commitment=head.commitment, storage_root=head.root, coset_root=head.coset_roots, slice_count=head.slice_count
    )
    return pb.EncodedPart(head=of_head, encoded_slice=part.slices).SerializeToString()


def _read_part(raw: bytes) -> EncodedPart:
    message = reader(pb.EncodedPart)(raw)
    head = None
    if message.HasField("head"):
        head = EncodedHead(
            commitment=message.head.erasure_commitment,
            root=Hash32(message.head.storage_root),
            coset_roots=tuple(message.head.coset_root),
            slice_count=message.head.slice_count,
        )
    return EncodedPart(head, list(message.encoded_slice))


def _write_setup(reply: SetupReply) -> bytes:
    return pb.SetupReply(kind=reply.kind, fingerprint=reply.fingerprint).SerializeToString()


def _read_setup(raw: bytes) -> SetupReply:
    message = reader(pb.SetupReply)(raw)
    return SetupReply(message.kind, message.fingerprint)


def _nothing(raw: bytes) -> None:
    reader(pb.SetupRequest)(raw)


ENCODE_BLOB: Final = Shape(
    service=SERVICE,
    name="EncodeBlob",
    encode_request=_write_request,
    decode_request=_read_request,
    encode_reply=_write_reply,
    decode_reply=_read_reply,
)
ENCODE_BLOB_STREAM: Final = Shape(
    service=SERVICE,
    name="EncodeBlobStream",
    encode_request=_write_request,
    decode_request=_read_request,
    encode_reply=_write_part,
    decode_reply=_read_part,
    streams_replies=True,
)
GET_SETUP: Final = Shape(
    service=SERVICE,
    name="GetSetup",
    encode_request=lambda _none: writer(pb.SetupRequest)(pb.SetupRequest()),
    decode_request=_nothing,
    encode_reply=_write_setup,
    decode_reply=_read_setup,
)
