"""The root of every expected failure, and what a failure tells the person who meets it.

ZerogError (kernel)
├── DecodeError, SignatureError, … (kernel)
└── RefusalError                     has a code, a cause and a remedy
    └── InvalidParametersError       the caller's arguments are not what the method takes
"""

from dataclasses import dataclass
from typing import ClassVar

from zerog._kernel import DecodeError, SignatureError, ZerogError

__all__ = ["DecodeError", "InvalidParametersError", "RefusalError", "SignatureError", "ZerogError"]


class RefusalError(ZerogError):
    """A request that we understood and do not fulfil.

    `str()` of it is the cause; subclasses set what the surfaces need: a short `code` for machines, a `remedy` for people, and the
    status on HTTP, gRPC and JSON-RPC.
    """

    code: ClassVar[str] = "refused"
    remedy: ClassVar[str] = ""
    http_status: ClassVar[int] = 400
    grpc_status: ClassVar[str] = ""
    """Name of the status on gRPC, such as `NOT_FOUND`; empty for the one that fits `http_status`."""
    rpc_code: int = -32000
    """JSON-RPC error code; -32000 is what geth uses for everything without a code of its own."""

    @property
    def rpc_data(self) -> object | None:
        """What stands in `error.data` of a JSON-RPC answer; `None` leaves it out."""
        return None


@dataclass(eq=False)
class InvalidParametersError(RefusalError):
    """Arguments that the method does not take (JSON-RPC -32602)."""

    cause: str

    code = "invalid_parameters"
    remedy = "see the method's parameters in the documentation of the Ethereum JSON-RPC"
    rpc_code = -32602

    def __str__(self) -> str:
        return self.cause
