"""The messages that every server of ours has: reflection and health. Importing this loads protobuf."""

from collections.abc import Iterable
from typing import Final

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from zerog.runtime.grpc.pb.health_pb2 import DESCRIPTOR as HEALTH_DESCRIPTOR
from zerog.runtime.grpc.pb.health_pb2 import HealthCheckRequest, HealthCheckResponse
from zerog.runtime.grpc.pb.reflection_pb2 import (
    ErrorResponse,
    FileDescriptorResponse,
    ListServiceResponse,
    ServiceResponse,
)
from zerog.runtime.grpc.pb.reflection_pb2 import ServerReflectionRequest as ReflectionRequest
from zerog.runtime.grpc.pb.reflection_pb2 import ServerReflectionResponse as ReflectionResponse

__all__ = [
    "HEALTH_FILE",
    "HEALTH_SERVICE",
    "FileDescriptorProto",
    "HealthCheckRequest",
    "HealthCheckResponse",
    "ReflectionRequest",
    "ReflectionResponse",
    "descriptors_response",
    "error_response",
    "file_of",
    "services_response",
]

HEALTH_PACKAGE: Final = "grpc.health.v1"
HEALTH_SERVICE: Final = f"{HEALTH_PACKAGE}.Health"


def file_of(descriptor: FileDescriptor) -> FileDescriptorProto:
    """A file's declarations, as reflection hands them out."""
    proto = FileDescriptorProto()
    descriptor.CopyToProto(proto)
    return proto


def _health_file() -> FileDescriptorProto:
    """The declarations in the package that they have on the wire."""
    proto = file_of(HEALTH_DESCRIPTOR)
    own = f".{proto.package}."
    proto.package = HEALTH_PACKAGE
    for method in proto.service[0].method:
        method.input_type = method.input_type.replace(own, f".{HEALTH_PACKAGE}.")
        method.output_type = method.output_type.replace(own, f".{HEALTH_PACKAGE}.")
    for message in proto.message_type:
        for field in message.field:
            field.type_name = field.type_name.replace(own, f".{HEALTH_PACKAGE}.")
    return proto


HEALTH_FILE: Final = _health_file()


def services_response(request: ReflectionRequest, names: Iterable[str]) -> ReflectionResponse:
    services = ListServiceResponse(service=[ServiceResponse(name=name) for name in names])
    return ReflectionResponse(valid_host=request.host, original_request=request, list_services_response=services)


def descriptors_response(request: ReflectionRequest, files: Iterable[FileDescriptorProto]) -> ReflectionResponse:
    found = FileDescriptorResponse(file_descriptor_proto=[file.SerializeToString() for file in files])
    return ReflectionResponse(valid_host=request.host, original_request=request, file_descriptor_response=found)


def error_response(request: ReflectionRequest, code: int, message: str) -> ReflectionResponse:
    error = ErrorResponse(error_code=code, error_message=message)
    return ReflectionResponse(valid_host=request.host, original_request=request, error_response=error)
