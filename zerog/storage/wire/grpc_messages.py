"""The messages of gRPC, and how they become the shapes that JSON-RPC has. Importing this loads protobuf."""

from collections.abc import Iterable
from typing import Final

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from zerog.primitives import Hash32
from zerog.storage.wire.pb.reflection_pb2 import (
    ErrorResponse,
    FileDescriptorResponse,
    ListServiceResponse,
    ServiceResponse,
)
from zerog.storage.wire.pb.reflection_pb2 import ServerReflectionRequest as ReflectionRequest
from zerog.storage.wire.pb.reflection_pb2 import ServerReflectionResponse as ReflectionResponse
from zerog.storage.wire.pb.zgs_pb2 import DESCRIPTOR as ZGS_FILE
from zerog.storage.wire.pb.zgs_pb2 import Empty, PingReply, PingRequest
from zerog.storage.wire.pb.zgs_pb2 import UploadSegmentsByTxSeqRequest as UploadRequest
from zerog.storage.wire.segments import FileProof, SegmentWithProof

__all__ = [
    "SERVICE",
    "ZGS_FILE",
    "Empty",
    "FileDescriptor",
    "PingReply",
    "PingRequest",
    "ReflectionRequest",
    "ReflectionResponse",
    "UploadRequest",
    "descriptors_response",
    "error_response",
    "segments_of",
    "services_response",
]

SERVICE: Final = "zgs_grpc.ZgsGrpcService"


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


def services_response(request: ReflectionRequest, names: Iterable[str]) -> ReflectionResponse:
    services = ListServiceResponse(service=[ServiceResponse(name=name) for name in names])
    return ReflectionResponse(valid_host=request.host, original_request=request, list_services_response=services)


def descriptors_response(request: ReflectionRequest, files: Iterable[FileDescriptor]) -> ReflectionResponse:
    encoded = []
    for file in files:
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        encoded.append(proto.SerializeToString())
    found = FileDescriptorResponse(file_descriptor_proto=encoded)
    return ReflectionResponse(valid_host=request.host, original_request=request, file_descriptor_response=found)


def error_response(request: ReflectionRequest, code: int, message: str) -> ReflectionResponse:
    error = ErrorResponse(error_code=code, error_message=message)
    return ReflectionResponse(valid_host=request.host, original_request=request, error_response=error)
