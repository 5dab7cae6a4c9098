"""What goes wrong between a client and a server of gRPC, and the status that a refusal has on this surface.

RefusalError
├── GrpcCallError                    the server refused, in its own words
│   ├── GrpcUnreachableError         nobody answers at the address, or the connection broke
│   └── GrpcTimeoutError             the answer took longer than the caller waits
├── ServerBusyError                  so many large calls wait that one more would only wait longer
├── MessageMissingError              a call that ended without the message that the method takes
├── MessageMalformedError            bytes that are no message of the method
├── MessageStalledError              a call whose message does not come
└── PoolFullError                    a pool of calls is full
"""

from dataclasses import dataclass
from typing import Final

from zerog.primitives.errors import RefusalError, ZerogError

__all__ = [
    "GrpcCallError",
    "GrpcTimeoutError",
    "GrpcUnreachableError",
    "MessageMalformedError",
    "MessageMissingError",
    "MessageStalledError",
    "PoolFullError",
    "ServerBusyError",
    "status_name",
]

BY_HTTP_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Source: grpc/grpc, doc/http-grpc-status-mapping.md, read the other way round, and googleapis/googleapis, google/rpc/code.proto."""


def status_name(error: ZerogError) -> str:
    """The gRPC status of a refusal: the one that its type names, otherwise the one that its status on HTTP amounts to."""
    named = getattr(error, "grpc_status", "")
    return named or BY_HTTP_STATUS.get(getattr(error, "http_status", 0), "FAILED_PRECONDITION")


@dataclass(eq=False)
class GrpcCallError(RefusalError):
    """A server refused a call."""

    address: str
    method: str
    status: str
    """Such as `NOT_FOUND`."""
    details: str
    """The server's words."""

    code = "grpc_refused"
    remedy = "read the server's message"
    http_status = 502

    def __str__(self) -> str:
        return f"{self.method} of {self.address}: {self.details or 'no details'} ({self.status})"


class GrpcUnreachableError(GrpcCallError):
    """Nobody answers at the address, or the connection broke."""

    code = "grpc_unreachable"
    remedy = "check that the server runs, and its address"


class GrpcTimeoutError(GrpcCallError):
    """The answer took longer than the caller waits."""

    code = "grpc_timeout"
    remedy = "see whether the server is overloaded, or wait longer"
    http_status = 504


@dataclass(eq=False)
class ServerBusyError(RefusalError):
    """Too many large calls wait for memory."""

    code = "server_busy"
    remedy = "try again later"
    http_status = 503
    grpc_status = "RESOURCE_EXHAUSTED"

    def __str__(self) -> str:
        return "too many large messages are on their way to this server"


@dataclass(eq=False)
class PoolFullError(RefusalError):
    """A pool of calls is full."""

    text: str

    code = "pool_full"
    remedy = "try again later"
    http_status = 503
    grpc_status = "RESOURCE_EXHAUSTED"

    def __str__(self) -> str:
        return self.text


@dataclass(eq=False)
class MessageMissingError(RefusalError):
    """A call without its message."""

    code = "message_missing"
    remedy = "send one message"

    def __str__(self) -> str:
        return "the call has no message"


@dataclass(eq=False)
class MessageMalformedError(RefusalError):
    """Bytes that are no message of this method."""

    cause: str

    code = "message_malformed"
    remedy = "send a message of the method's type"

    def __str__(self) -> str:
        return f"the message cannot be read: {self.cause}"


@dataclass(eq=False)
class MessageStalledError(RefusalError):
    """A message that does not come."""

    seconds: float

    code = "message_stalled"
    remedy = "send the message at once, or over a quicker connection"
    http_status = 504

    def __str__(self) -> str:
        return f"the message has not come within {self.seconds:g} s"
