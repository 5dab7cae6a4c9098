"""What the JSON-RPC layer itself refuses, in geth's words, because tools match the text.

RefusalError (primitives)
└── JsonRpcError
    ├── ParseError                   -32700  the body is no JSON
    ├── InvalidRequestError          -32600  JSON, but no request
    │   └── BatchTooLargeError
    ├── MethodNotFoundError          -32601
    ├── NotificationsUnsupportedError -32601 a subscription without a connection to push on
    ├── ParametersError              -32602
    ├── InternalError                -32603  a bug of ours; the log has the cause
    └── ResponseTooLargeError        -32003

Sources: JSON-RPC 2.0 specification, section 5.1; ethereum/go-ethereum v1.17.5, rpc/errors.go and rpc/handler.go.
"""

from dataclasses import dataclass

from zerog.primitives.errors import RefusalError

__all__ = [
    "BatchTooLargeError",
    "InternalError",
    "InvalidRequestError",
    "JsonRpcError",
    "MethodNotFoundError",
    "NotificationsUnsupportedError",
    "ParametersError",
    "ParseError",
    "ResponseTooLargeError",
    "SubscriptionNotFoundError",
    "TooManySubscriptionsError",
]


class JsonRpcError(RefusalError):
    """A request that never reached a method, or whose answer cannot be given."""

    code = "json_rpc"


@dataclass(eq=False)
class ParseError(JsonRpcError):
    """The body is not JSON (or not UTF-8)."""

    detail: str

    code = "parse_error"
    remedy = "send one JSON object, or an array of them, as UTF-8"
    rpc_code = -32700

    def __str__(self) -> str:
        return f"parse error: {self.detail}"


@dataclass(eq=False)
class InvalidRequestError(JsonRpcError):
    """JSON that is not a JSON-RPC 2.0 request."""

    detail: str

    code = "invalid_request"
    remedy = 'send {"jsonrpc":"2.0","id":1,"method":"…","params":[…]}'
    rpc_code = -32600

    def __str__(self) -> str:
        return f"invalid request: {self.detail}"


@dataclass(eq=False)
class BatchTooLargeError(JsonRpcError):
    """More calls in one batch than we take."""

    calls_max: int

    code = "batch_too_large"
    remedy = "send several smaller batches"
    rpc_code = -32600

    def __str__(self) -> str:
        return f"batch too large: more than {self.calls_max} calls; {self.remedy}"


@dataclass(eq=False)
class MethodNotFoundError(JsonRpcError):
    """No such method here, or not for this caller (a developer's method where those are off)."""

    method: str

    code = "method_not_found"
    remedy = "see the list of methods in the documentation; developer's methods are off on a network and on a public address"
    rpc_code = -32601

    def __str__(self) -> str:
        return f"the method {self.method} does not exist/is not available"


class NotificationsUnsupportedError(JsonRpcError):
    """A subscription needs a connection that can be pushed to, and HTTP has none."""

    code = "notifications_unsupported"
    remedy = "connect by WebSocket, on the same port"
    rpc_code = -32601

    def __str__(self) -> str:
        return "notifications not supported"


@dataclass(eq=False)
class ParametersError(JsonRpcError):
    """Parameters that the method does not take; `detail` is geth's text."""

    detail: str

    code = "invalid_parameters"
    remedy = "see the method's parameters in the documentation of the Ethereum JSON-RPC"
    rpc_code = -32602

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False)
class InternalError(JsonRpcError):
    """A bug of ours. `reference` stands in the log beside the cause, which the caller does not see."""

    reference: str

    code = "internal_error"
    remedy = "look for the reference in the node's log, and report the entry"
    http_status = 500
    rpc_code = -32603

    def __str__(self) -> str:
        return f"internal error (reference {self.reference} in the node's log)"


class ResponseTooLargeError(JsonRpcError):
    """The answers of one batch together exceed what we send. The calls after that point were not executed."""

    code = "response_too_large"
    remedy = "ask for less at once"
    rpc_code = -32003

    def __str__(self) -> str:
        return "response too large"


@dataclass(eq=False)
class SubscriptionNotFoundError(JsonRpcError):
    """This connection has no such subscription."""

    subscription_id: str

    code = "subscription_not_found"
    remedy = "use the id that eth_subscribe answered on this connection"

    def __str__(self) -> str:
        return "subscription not found"


@dataclass(eq=False)
class TooManySubscriptionsError(JsonRpcError):
    """The connection already has as many subscriptions as one may have."""

    subscriptions_max: int

    code = "too_many_subscriptions"
    remedy = "end one with eth_unsubscribe, or open another connection"
    rpc_code = -32005

    def __str__(self) -> str:
        return f"limit exceeded: a connection has at most {self.subscriptions_max} subscriptions; {self.remedy}"
