"""The messages of gRPC, and how they become the shapes that JSON-RPC has. Importing this loads protobuf."""

from typing import Final

from zerog.primitives import Hash32
from zerog.runtime.grpc.methods import Shape
from zerog.runtime.grpc.protobuf import reader, writer
from zerog.storage.wire.pb.zgs_pb2 import DESCRIPTOR as ZGS_FILE
from zerog.storage.wire.pb.zgs_pb2 import Empty, PingReply, PingRequest
from zerog.storage.wire.pb.zgs_pb2 import UploadSegmentsByTxSeqRequest as UploadRequest
from zerog.storage.wire.segments import FileProof, SegmentWithProof

__all__ = ["PING", "SERVICE", "UPLOAD", "ZGS_FILE", "Empty", "PingReply", "PingRequest", "UploadRequest", "segments_of"]

SERVICE: Final = "zgs_grpc.ZgsGrpcService"
PING: Final = Shape(
    service=SERVICE,
    name="Ping",
    encode_request=writer(PingRequest),
    decode_request=reader(PingRequest),
    encode_reply=writer(PingReply),
    decode_reply=reader(PingReply),
)
UPLOAD: Final = Shape(
    service=SERVICE,
    name="UploadSegmentsByTxSeq",
    encode_request=writer(UploadRequest),
    decode_request=reader(UploadRequest),
    encode_reply=writer(Empty),
    decode_reply=reader(Empty),
)


def segments_of(request: UploadRequest) -> list[SegmentWithProof]:
    """The segments of an upload. Raises `ValueError` where a hash is not of 32 bytes."""
    return [
        SegmentWithProof(
            root=Hash32(segment.root.value),
            data=segment.data,
            index=segment.index,
            proof=FileProof(lemma=[Hash32(each) for each in segment.proof.lemma], path=list(segment.proof.path)),
            file_size=segment.file_size,
        )
        for segment in request.segments
    ]
