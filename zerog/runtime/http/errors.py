"""Requests that our HTTP server refuses before anybody looks at what they ask for."""

from dataclasses import dataclass

from zerog.primitives.errors import RefusalError

__all__ = [
    "BodyTooLargeError",
    "BrokenServerError",
    "ClientGoneError",
    "HeadersTooLargeError",
    "HttpRefusalError",
    "MalformedRequestError",
    "MemoryBusyError",
    "MethodNotAllowedError",
    "PathNotFoundError",
    "RequestTimeoutError",
    "ServerStoppingError",
    "TooManyConnectionsError",
]


class HttpRefusalError(RefusalError):
    """A request that is not served; in JSON-RPC's terms an invalid one."""

    rpc_code = -32600


@dataclass(eq=False)
class MalformedRequestError(HttpRefusalError):
    """The bytes are not HTTP/1.1."""

    detail: str

    code = "malformed_request"
    remedy = "send an HTTP/1.1 request"
    http_status = 400

    def __str__(self) -> str:
        return f"not an HTTP request: {self.detail}"


class BrokenServerError(HttpRefusalError):
    """A bug of ours; the log has the cause."""

    code = "internal_error"
    remedy = "look into the role's log, and report the entry"
    http_status = 500
    rpc_code = -32603

    def __str__(self) -> str:
        return "internal error"


@dataclass(eq=False)
class BodyTooLargeError(HttpRefusalError):
    """More body than we take."""

    bytes_max: int

    code = "body_too_large"
    remedy = "send less at once"
    http_status = 413

    def __str__(self) -> str:
        return f"the request body is larger than {self.bytes_max} bytes"


class ClientGoneError(HttpRefusalError):
    """The client left before its request was complete; nobody is there to be told."""

    code = "client_gone"
    remedy = "send the whole request, and wait for its answer"

    def __str__(self) -> str:
        return "the client has gone"


@dataclass(eq=False)
class HeadersTooLargeError(HttpRefusalError):
    """More headers, or longer ones, than we take."""

    count_max: int
    bytes_max: int

    code = "headers_too_large"
    remedy = "send fewer and shorter headers"
    http_status = 431

    def __str__(self) -> str:
        return f"more than {self.count_max} headers, or more than {self.bytes_max} bytes of them"


@dataclass(eq=False)
class RequestTimeoutError(HttpRefusalError):
    """The client did not finish its request in time."""

    part: str
    seconds: float

    code = "request_timeout"
    remedy = "send the whole request at once"
    http_status = 408

    def __str__(self) -> str:
        return f"the {self.part} of the request took longer than {self.seconds:g} s"


class ServerStoppingError(HttpRefusalError):
    """The server was told to stop and could not finish this request in time."""

    code = "server_stopping"
    remedy = "ask again when it runs; whether the request had an effect is to be looked up"
    http_status = 503
    rpc_code = -32000

    def __str__(self) -> str:
        return "the server stops"


@dataclass(eq=False)
class TooManyConnectionsError(HttpRefusalError):
    """As many clients as we take are connected already."""

    connections_max: int

    code = "too_many_connections"
    remedy = "close connections that are not used, and try again later"
    http_status = 503
    rpc_code = -32005

    def __str__(self) -> str:
        return f"limit exceeded: more than {self.connections_max} connections"


class MemoryBusyError(HttpRefusalError):
    """A body that does not say how long it is has become longer than there is room for beside the others."""

    code = "memory_busy"
    remedy = "send the body with a Content-Length, so that it can wait its turn"
    http_status = 503
    rpc_code = -32005

    def __str__(self) -> str:
        return "too many bodies are under way for one of unknown length"


@dataclass(eq=False)
class MethodNotAllowedError(HttpRefusalError):
    """The path exists, but not for this HTTP method."""

    method: str
    allowed: str

    code = "method_not_allowed"
    http_status = 405

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"use {self.allowed}"

    def __str__(self) -> str:
        return f"{self.method} is not possible here"


@dataclass(eq=False)
class PathNotFoundError(HttpRefusalError):
    """Nothing is served under this path."""

    path: str

    code = "path_not_found"
    remedy = "send JSON-RPC by POST to /, or open a WebSocket there"
    http_status = 404

    def __str__(self) -> str:
        return f"nothing is served at {self.path}"
