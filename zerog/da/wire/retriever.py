"""The method of a retriever and its messages as values. Importing this loads protobuf.

Source: 0glabs/0g-da-retriever, `grpc/proto/retriever.proto`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from zerog.da.protocol.names import BlobName
from zerog.da.wire.pb import retriever_pb2 as pb
from zerog.runtime.grpc.methods import Shape
from zerog.runtime.grpc.protobuf import reader

__all__ = ["FILE", "RETRIEVE_BLOB", "SERVICE", "BlobReply", "BlobRequest"]

SERVICE: Final = "retriever.Retriever"
FILE: Final = pb.DESCRIPTOR
"""Descriptor of the file, for reflection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRequest:
    """Which blob: its root, and where its rows went. Nothing is checked here."""

    data_root: bytes
    epoch: int
    quorum_id: int

    @classmethod
    def of(cls, blob: BlobName) -> "BlobRequest":
        """The request for a blob by its name."""
        return cls(data_root=blob.root, epoch=blob.epoch, quorum_id=blob.quorum_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobReply:
    """The blob."""

    data: bytes = field(repr=False)
    liars: Sequence[str] = ()
    """Ours: addresses, in hex with 0x, of signers whose rows were not those of the blob."""

    @property
    def wire_bytes(self) -> int:
        """About how long the message is."""
        return len(self.data)


def _encode_request(request: BlobRequest) -> bytes:
    return pb.BlobRequest(storage_root=request.data_root, epoch=request.epoch, quorum_id=request.quorum_id).SerializeToString()


def _decode_request(data: bytes) -> BlobRequest:
    request = reader(pb.BlobRequest)(data)
    return BlobRequest(data_root=request.storage_root, epoch=request.epoch, quorum_id=request.quorum_id)


def _encode_reply(reply: BlobReply) -> bytes:
    return pb.BlobReply(data=reply.data, lying_signer=reply.liars).SerializeToString()


def _decode_reply(data: bytes) -> BlobReply:
    reply = reader(pb.BlobReply)(data)
    return BlobReply(data=reply.data, liars=tuple(reply.lying_signer))


RETRIEVE_BLOB: Final[Shape[BlobRequest, BlobReply]] = Shape(
    service=SERVICE,
    name="RetrieveBlob",
    encode_request=_encode_request,
    decode_request=_decode_request,
    encode_reply=_encode_reply,
    decode_reply=_decode_reply,
)
