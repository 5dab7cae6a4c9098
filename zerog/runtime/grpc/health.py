"""Health: every server of ours says that it serves, whatever service is asked for. To watch it is not offered.

Source: gRPC, health checking protocol, `grpc.health.v1`; 0glabs/0g-da-client, `common/healthcheck` (SERVING for any service).
"""

from typing import Any, TypeAlias

import grpc
from grpc import aio

from zerog.runtime.grpc.messages import HEALTH_SERVICE, HealthCheckRequest, HealthCheckResponse

__all__ = ["health_handler"]

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


def health_handler() -> "grpc.GenericRpcHandler[Any, Any]":
    """The handler of `Health`."""

    async def check(_request: HealthCheckRequest, _context: Context) -> HealthCheckResponse:
        return HealthCheckResponse(status=HealthCheckResponse.SERVING)

    method = grpc.unary_unary_rpc_method_handler(
        check, request_deserializer=HealthCheckRequest.FromString, response_serializer=HealthCheckResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler(HEALTH_SERVICE, {"Check": method})
