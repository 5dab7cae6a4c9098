"""Server reflection: what services there are, and the descriptors by which tools such as grpcurl call them.

Source: gRPC, server reflection protocol, `grpc.reflection.v1` and `v1alpha`, which differ by name alone.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeAlias

import grpc
from grpc import aio

from zerog.runtime.grpc.messages import (
    FileDescriptorProto,
    ReflectionRequest,
    ReflectionResponse,
    descriptors_response,
    error_response,
    services_response,
)

__all__ = ["reflection_handlers"]

NAMES: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


def reflection_handlers(services: Mapping[str, FileDescriptorProto]) -> "list[grpc.GenericRpcHandler[Any, Any]]":
    """Handlers of both versions for `services`, each with the file that declares it."""

    async def info(requests: AsyncIterator[ReflectionRequest], _context: Context) -> AsyncIterator[ReflectionResponse]:
        async for request in requests:
            yield _answer(services, request)

    handler = grpc.stream_stream_rpc_method_handler(
        info, request_deserializer=ReflectionRequest.FromString, response_serializer=ReflectionResponse.SerializeToString
    )
    return [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}) for name in NAMES]


def _answer(services: Mapping[str, FileDescriptorProto], request: ReflectionRequest) -> ReflectionResponse:
    match request.WhichOneof("message_request"):
        case "list_services":
            return services_response(request, [*services, *NAMES])
        case "file_by_filename":
            found = next((file for file in services.values() if file.name == request.file_by_filename), None)
        case "file_containing_symbol":
            found = next((file for file in services.values() if _declares(file, request.file_containing_symbol)), None)
        case _:
            return error_response(request, grpc.StatusCode.UNIMPLEMENTED.value[0], "there are no extensions in proto3")
    if found is None:
        return error_response(request, grpc.StatusCode.NOT_FOUND.value[0], "no such file or symbol")
    return descriptors_response(request, [found])


def _declares(file: FileDescriptorProto, symbol: str) -> bool:
    """Whether a service, method, message, enumeration or field of this full name is in the file."""
    outer, _, inner = symbol.removeprefix(f"{file.package}.").partition(".")
    if not symbol.startswith(f"{file.package}."):
        return False
    members = {service.name: {method.name for method in service.method} for service in file.service}
    members |= {message.name: {field.name for field in message.field} for message in file.message_type}
    members |= {enumeration.name: {value.name for value in enumeration.value} for enumeration in file.enum_type}
    return outer in members and (not inner or inner in members[outer])
