"""The methods of a DA node and their messages as values. Importing this loads protobuf.

Source: 0glabs/0g-da-node, `grpc/proto/signer.proto`. `SignStream`, `RetrieveStream`, `Sample` and fields from 100 on are ours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from zerog.da.protocol.constants import BLOB_ROWS, ROW_BYTES
from zerog.da.protocol.names import BlobName
from zerog.da.wire.pb import signer_pb2 as pb
from zerog.runtime.grpc.methods import Shape
from zerog.runtime.grpc.protobuf import reader

__all__ = [
    "BATCH_RETRIEVE",
    "BATCH_SIGN",
    "FILE",
    "GET_STATUS",
    "RETRIEVE_STREAM",
    "SAMPLE",
    "SERVICE",
    "SIGN_STREAM",
    "NodeStatus",
    "RetrieveBatch",
    "RetrieveRequest",
    "RowBatch",
    "RowSet",
    "SampleReply",
    "SampleRequest",
    "SignBatch",
    "SignHead",
    "SignPart",
    "SignRequest",
    "StreamedRow",
    "StreamedRows",
]

SERVICE: Final = "signer.Signer"
FILE: Final = pb.DESCRIPTOR
"""Descriptor of the file, for reflection."""
COUNT_BYTES: Final = 8
"""In `BatchRetrieve` a row begins with the number of its elements, little-endian."""
ROW_COUNT: Final = BLOB_ROWS.to_bytes(COUNT_BYTES, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignHead:
    """The blob that is to be signed. Nothing is checked here: the bytes are as they came."""

    epoch: int
    quorum_id: int
    commitment: bytes = field(repr=False)
    """x and y, 32 little-endian bytes each, without flags."""
    data_root: bytes

    @classmethod
    def of(cls, blob: BlobName, commitment: bytes) -> "SignHead":
        """The head for a blob by its name."""
        return cls(epoch=blob.epoch, quorum_id=blob.quorum_id, commitment=commitment, data_root=blob.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """A blob with the rows of the one who is asked."""

    head: SignHead
    slices: Sequence[bytes] = field(repr=False)
    """In ascending order of their rows."""

    def parts(self, slices_a_part: int) -> "Iterator[SignPart]":
        """The same for `SignStream`: the head alone first."""
        yield SignPart(head=self.head, slices=())
        for start in range(0, len(self.slices), slices_a_part):
            yield SignPart(head=None, slices=self.slices[start : start + slices_a_part])


@dataclass(frozen=True, slots=True)
class SignBatch:
    """Several of them; one that fails fails all."""

    requests: Sequence[SignRequest]

    @property
    def wire_bytes(self) -> int:
        """About how long the message is."""
        return sum(len(piece) for request in self.requests for piece in request.slices)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignPart:
    """A part of a request that comes in parts."""

    head: SignHead | None
    """In the first part."""
    slices: Sequence[bytes] = field(repr=False)

    @property
    def wire_bytes(self) -> int:
        """About how long the message is."""
        return sum(map(len, self.slices))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveRequest:
    """Rows of a blob that somebody wants from the one who owns them. Nothing is checked here."""

    epoch: int
    quorum_id: int
    data_root: bytes
    rows: Sequence[int] = field(repr=False)

    @classmethod
    def of(cls, blob: BlobName, rows: Sequence[int]) -> "RetrieveRequest":
        """The request for rows of a blob by its name."""
        return cls(epoch=blob.epoch, quorum_id=blob.quorum_id, data_root=blob.root, rows=rows)


@dataclass(frozen=True, slots=True)
class RetrieveBatch:
    """Several of them."""

    requests: Sequence[RetrieveRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSet:
    """Rows of one blob in the order of their indexes, as `BatchRetrieve` gives them."""

    rows: Sequence[bytes] = field(repr=False)
    """Elements alone, 32,768 bytes each."""
    coset_roots: Sequence[bytes] = ()
    """Three of 32 bytes from a node of ours, none from others."""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows of several blobs, in the order of the requests."""

    sets: Sequence[RowSet]

    @property
    def wire_bytes(self) -> int:
        """About how long the message is."""
        return sum(len(row) for each in self.sets for row in each.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedRow:
    """A row with what proves it."""

    index: int
    data: bytes = field(repr=False)
    path: bytes = field(repr=False)
    """Ten siblings from the row's root up to that of its coset, 32 bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedRows:
    """A part of what `RetrieveStream` gives."""

    rows: Sequence[StreamedRow]
    coset_roots: Sequence[bytes] = ()
    """In the first part: three of 32 bytes."""

    @property
    def wire_bytes(self) -> int:
        """About how long the message is."""
        return sum(len(row.data) + len(row.path) for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """A kibibyte of a row. Nothing is checked here."""

    epoch: int
    quorum_id: int
    data_root: bytes
    row: int
    subline: int
    """0 to 31."""

    @classmethod
    def of(cls, blob: BlobName, row: int, subline: int) -> "SampleRequest":
        """The request for a piece of a blob by its name."""
        return cls(epoch=blob.epoch, quorum_id=blob.quorum_id, data_root=blob.root, row=row, subline=subline)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleReply:
    """It, with the path to the blob's root."""

    data: bytes = field(repr=False)
    """1,024 bytes."""
    path: Sequence[bytes] = field(repr=False)
    """15 siblings, bottom to top: 5 inside the row, 10 above it."""
    coset_roots: Sequence[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """What a node says of itself."""

    code: int
    entrance: str
    """Address of the entrance contract in lower-case hex, without 0x."""
    setup_fingerprint: bytes = b""
    """Names the parameters that slices are checked with; none from nodes of others."""


def _encode_sign_batch(batch: SignBatch) -> bytes:
    requests = [
        pb.SignRequest(
            epoch=request.head.epoch,
            quorum_id=request.head.quorum_id,
            erasure_commitment=request.head.commitment,
            storage_root=request.head.data_root,
            encoded_slice=request.slices,
        )
        for request in batch.requests
    ]
    return pb.BatchSignRequest(requests=requests).SerializeToString()


def _head(message: pb.SignRequest | pb.SignHead) -> SignHead:
    return SignHead(
        epoch=message.epoch,
        quorum_id=message.quorum_id,
        commitment=message.erasure_commitment,
        data_root=message.storage_root,
    )


def _decode_sign_batch(data: bytes) -> SignBatch:
    requests = reader(pb.BatchSignRequest)(data).requests
    return SignBatch([SignRequest(head=_head(request), slices=list(request.encoded_slice)) for request in requests])


def _encode_sign_part(part: SignPart) -> bytes:
    head = None
    if part.head is not None:
        head = pb.SignHead(
            epoch=part.head.epoch,
            quorum_id=part.head.quorum_id,
            erasure_commitment=part.head.commitment,
            storage_root=part.head.data_root,
        )
    return pb.SignPart(head=head, encoded_slice=part.slices).SerializeToString()


def _decode_sign_part(data: bytes) -> SignPart:
    part = reader(pb.SignPart)(data)
    return SignPart(head=_head(part.head) if part.HasField("head") else None, slices=list(part.encoded_slice))


def _retrieve_message(request: RetrieveRequest) -> pb.RetrieveRequest:
    return pb.RetrieveRequest(epoch=request.epoch, quorum_id=request.quorum_id, storage_root=request.data_root, row_indexes=request.rows)


def _retrieve_request(message: pb.RetrieveRequest) -> RetrieveRequest:
    return RetrieveRequest(epoch=message.epoch, quorum_id=message.quorum_id, data_root=message.storage_root, rows=list(message.row_indexes))


def _encode_retrieve_batch(batch: RetrieveBatch) -> bytes:
    return pb.BatchRetrieveRequest(requests=[_retrieve_message(request) for request in batch.requests]).SerializeToString()


def _decode_retrieve_batch(data: bytes) -> RetrieveBatch:
    return RetrieveBatch([_retrieve_request(message) for message in reader(pb.BatchRetrieveRequest)(data).requests])


def _encode_row_batch(batch: RowBatch) -> bytes:
    sets = [pb.Slices(encoded_slice=[ROW_COUNT + row for row in each.rows], coset_root=each.coset_roots) for each in batch.sets]
    return pb.BatchRetrieveReply(encoded_slice=sets).SerializeToString()


def _decode_row_batch(data: bytes) -> RowBatch:
    sets = reader(pb.BatchRetrieveReply)(data).encoded_slice
    return RowBatch([RowSet(rows=[_row(row) for row in each.encoded_slice], coset_roots=tuple(each.coset_root)) for each in sets])


def _row(row: bytes) -> bytes:
    """The elements behind the count, of which official retrievers take no notice. Raises `ValueError`."""
    if len(row) != COUNT_BYTES + ROW_BYTES or row[:COUNT_BYTES] != ROW_COUNT:
        raise ValueError(f"a row of {len(row)} bytes, or with another count than {BLOB_ROWS} before its elements")
    return row[COUNT_BYTES:]


def _encode_streamed_rows(part: StreamedRows) -> bytes:
    rows = [pb.RetrievedRow(row_index=row.index, data=row.data, path=row.path) for row in part.rows]
    return pb.RetrievedPart(rows=rows, coset_root=part.coset_roots).SerializeToString()


def _decode_streamed_rows(data: bytes) -> StreamedRows:
    part = reader(pb.RetrievedPart)(data)
    rows = [StreamedRow(index=row.row_index, data=row.data, path=row.path) for row in part.rows]
    return StreamedRows(rows=rows, coset_roots=tuple(part.coset_root))


def _encode_sample_request(request: SampleRequest) -> bytes:
    return pb.SampleRequest(
        epoch=request.epoch,
        quorum_id=request.quorum_id,
        storage_root=request.data_root,
        row_index=request.row,
        subline_index=request.subline,
    ).SerializeToString()


def _decode_sample_request(data: bytes) -> SampleRequest:
    request = reader(pb.SampleRequest)(data)
    return SampleRequest(
        epoch=request.epoch,
        quorum_id=request.quorum_id,
        data_root=request.storage_root,
        row=request.row_index,
        subline=request.subline_index,
    )


def _encode_sample_reply(reply: SampleReply) -> bytes:
    return pb.SampleReply(data=reply.data, path=reply.path, coset_root=reply.coset_roots).SerializeToString()


def _decode_sample_reply(data: bytes) -> SampleReply:
    reply = reader(pb.SampleReply)(data)
    return SampleReply(data=reply.data, path=tuple(reply.path), coset_roots=tuple(reply.coset_root))


def _encode_status(status: NodeStatus) -> bytes:
    return pb.StatusReply(
        status_code=status.code, entrance_contract=status.entrance, setup_fingerprint=status.setup_fingerprint
    ).SerializeToString()


def _decode_status(data: bytes) -> NodeStatus:
    reply = reader(pb.StatusReply)(data)
    return NodeStatus(code=reply.status_code, entrance=reply.entrance_contract, setup_fingerprint=reply.setup_fingerprint)


BATCH_SIGN: Final[Shape[SignBatch, Sequence[bytes]]] = Shape(
    service=SERVICE,
    name="BatchSign",
    encode_request=_encode_sign_batch,
    decode_request=_decode_sign_batch,
    encode_reply=lambda signatures: pb.BatchSignReply(signatures=signatures).SerializeToString(),
    decode_reply=lambda data: list(reader(pb.BatchSignReply)(data).signatures),
)
"""The reply has a signature a request: 64 bytes with arkworks' flags."""
SIGN_STREAM: Final[Shape[SignPart, bytes]] = Shape(
    service=SERVICE,
    name="SignStream",
    encode_request=_encode_sign_part,
    decode_request=_decode_sign_part,
    encode_reply=lambda signature: pb.SignReply(signature=signature).SerializeToString(),
    decode_reply=lambda data: bytes(reader(pb.SignReply)(data).signature),
    streams_requests=True,
)
BATCH_RETRIEVE: Final[Shape[RetrieveBatch, RowBatch]] = Shape(
    service=SERVICE,
    name="BatchRetrieve",
    encode_request=_encode_retrieve_batch,
    decode_request=_decode_retrieve_batch,
    encode_reply=_encode_row_batch,
    decode_reply=_decode_row_batch,
)
RETRIEVE_STREAM: Final[Shape[RetrieveRequest, StreamedRows]] = Shape(
    service=SERVICE,
    name="RetrieveStream",
    encode_request=lambda request: _retrieve_message(request).SerializeToString(),
    decode_request=lambda data: _retrieve_request(reader(pb.RetrieveRequest)(data)),
    encode_reply=_encode_streamed_rows,
    decode_reply=_decode_streamed_rows,
    streams_replies=True,
)
SAMPLE: Final[Shape[SampleRequest, SampleReply]] = Shape(
    service=SERVICE,
    name="Sample",
    encode_request=_encode_sample_request,
    decode_request=_decode_sample_request,
    encode_reply=_encode_sample_reply,
    decode_reply=_decode_sample_reply,
)
GET_STATUS: Final[Shape[None, NodeStatus]] = Shape(
    service=SERVICE,
    name="GetStatus",
    encode_request=lambda _: b"",
    decode_request=lambda _: None,
    encode_reply=_encode_status,
    decode_reply=_decode_status,
)
