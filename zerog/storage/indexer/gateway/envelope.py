"""What REST routes answer that give no file: `{"code", "message", "data"}`. Source: 0gfoundation/0g-storage-client, `common/api/`."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from zerog.primitives.errors import RefusalError, ZerogError
from zerog.runtime.jsonrpc.envelope import encode_value

__all__ = ["Code", "EnvelopeError", "Handler", "RestRoute", "enveloped"]


class Code:
    """Codes of the envelope."""

    SUCCESS: Final = 0
    INVALID_PARAMETER: Final = 1
    INTERNAL: Final = 2
    FILE_NOT_FOUND: Final = 101
    FILE_PRUNED: Final = 102
    FILE_NOT_FINALIZED: Final = 103
    PATH_NOT_FOUND: Final = 104
    FILE_TOO_LARGE: Final = 105
    FILE_TYPE_UNSUPPORTED: Final = 106


MESSAGES: Final = {
    Code.SUCCESS: "Success",
    Code.INVALID_PARAMETER: "Invalid parameter",
    Code.INTERNAL: "Internal server error",
    Code.FILE_NOT_FOUND: "File not found",
    Code.FILE_PRUNED: "File already pruned",
    Code.FILE_NOT_FINALIZED: "File not finalized yet",
    Code.PATH_NOT_FOUND: "File path not found",
    Code.FILE_TOO_LARGE: "File size too large",
    Code.FILE_TYPE_UNSUPPORTED: "File type unsupported",
}
INTERNAL_STATUS: Final = 600
"""The HTTP status of code 2; all other codes come with 200."""


class EnvelopeError(RefusalError):
    """An answer with a code of its own instead of what was asked for."""

    code = "gateway"

    def __init__(self, envelope_code: int, data: object = None) -> None:
        super().__init__(MESSAGES[envelope_code])
        self.envelope_code = envelope_code
        self.data = data

    def __str__(self) -> str:
        return MESSAGES[self.envelope_code]


Handler: TypeAlias = Callable[[Request], Awaitable[ASGIApp]]


class RestRoute:
    """What serves a route: a handler whose refusals become envelopes, as long as no other answer has begun."""

    def __init__(self, handler: Handler) -> None:
        self._handler: Final = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._handler(Request(scope, receive))
            await answer(scope, receive, send)
        except EnvelopeError as refusal:
            await enveloped(refusal.envelope_code, refusal.data)(scope, receive, send)
        except ZerogError as error:
            await enveloped(Code.INTERNAL, str(error))(scope, receive, send)


def enveloped(code: int, data: object = None) -> Response:
    """An envelope as an answer."""
    body = encode_value({"code": code, "message": MESSAGES[code], "data": data})
    status = INTERNAL_STATUS if code == Code.INTERNAL else 200
    return Response(body, status_code=status, media_type="application/json")
