"""The ASGI application: JSON-RPC over HTTP and WebSocket on one port, behind the guard, beside the pages of every role.

It stands on bare ASGI, because routing and request objects would cost more than most answers.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final

from zerog.primitives.errors import RefusalError
from zerog.runtime.http.config import DirectAnswers
from zerog.runtime.http.errors import BodyTooLargeError, MethodNotAllowedError, PathNotFoundError
from zerog.runtime.http.guard import Guard, Headers, Verdict
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.pages import RolePages
from zerog.runtime.http.refusal import refusal_body
from zerog.runtime.jsonrpc.connection import ConnectionLimits
from zerog.runtime.jsonrpc.dispatcher import Caller, Dispatcher
from zerog.runtime.jsonrpc.websocket import serve_websocket

__all__ = ["JsonRpcApplication"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON: Final = (b"content-type", b"application/json")
DIRECT_START: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
POST_ONLY: Final = "POST, OPTIONS"
GET_ONLY: Final = "GET, HEAD, OPTIONS"
PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"POST, GET, OPTIONS"),
    (b"access-control-allow-headers", b"content-type, authorization"),
    (b"access-control-allow-private-network", b"true"),
    (b"access-control-max-age", b"600"),
)
"""What a browser asks before it sends JSON across origins. Source: Fetch standard, section 3.3."""


class JsonRpcApplication:
    """Serves one dispatcher at `/`."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        guard: Guard,
        *,
        pages: RolePages | None = None,
        limits: HttpLimits | None = None,
        connection_limits: ConnectionLimits | None = None,
    ) -> None:
        self._dispatcher: Final = dispatcher
        self._guard: Final = guard
        self._pages: Final = pages or RolePages()
        self._body_bytes_max: Final = (limits or HttpLimits()).body_bytes_max
        self._connection_limits: Final = connection_limits or ConnectionLimits()
        self._callers: Final = (Caller(), Caller(may_use_dev=True))
        self._direct_answers: Final = tuple(partial(self._answer_directly, caller) for caller in self._callers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer_http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._answer_websocket(scope, receive, send)
        else:
            raise NotImplementedError(f"ASGI scope {scope['type']!r}")

    def direct_answers(self, method: bytes, target: bytes, headers: Headers) -> DirectAnswers | None:
        """What our server asks before it takes the way through ASGI: most calls of programs end here."""
        if method != b"POST" or target != b"/":
            return None
        verdict = self._guard.verdict(headers)
        if verdict.refusal is not None or verdict.cors_headers:
            return None
        return self._direct_answers[self._guard.may_use_dev(headers)]

    def _answer_directly(self, caller: Caller, body: bytes) -> bytes | Awaitable[bytes]:
        answer = self._dispatcher.answer(body, caller)
        return _direct_response(answer) if isinstance(answer, bytes) else _later(answer)

    async def _answer_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        verdict = self._guard.verdict(headers)
        if verdict.refusal is not None:
            await _refuse(send, verdict.refusal)
        elif scope["path"] != "/":
            await self._answer_page(scope, verdict, send)
        elif scope["method"] == "POST":
            body = await self._read_body(receive)
            if body is None:
                return  # The client has gone.
            if len(body) > self._body_bytes_max:
                await _refuse(send, BodyTooLargeError(self._body_bytes_max), verdict)
                return
            answer = self._dispatcher.answer(body, self._callers[self._guard.may_use_dev(headers)])
            if not isinstance(answer, bytes):
                answer = await answer
            await _respond(send, 200, answer, JSON, *verdict.cors_headers)
        elif scope["method"] == "OPTIONS":
            await _respond(send, 204, b"", (b"allow", POST_ONLY.encode()), *verdict.cors_headers, *PREFLIGHT)
        else:
            await _refuse(send, MethodNotAllowedError(scope["method"], POST_ONLY), verdict)

    async def _read_body(self, receive: Receive) -> bytes | None:
        """The whole body, or a bit more than is allowed; `None` if the client left before it was complete."""
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body", False) and len(body) <= self._body_bytes_max:
            message = await receive()
            body += message.get("body", b"")
        return None if message["type"] == "http.disconnect" else body

    async def _answer_page(self, scope: Scope, verdict: Verdict, send: Send) -> None:
        page = await self._pages.page(scope["path"])
        if page is None:
            await _refuse(send, PathNotFoundError(scope["path"]), verdict)
        elif scope["method"] == "OPTIONS":
            await _respond(send, 204, b"", (b"allow", GET_ONLY.encode()), *verdict.cors_headers, *PREFLIGHT)
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, MethodNotAllowedError(scope["method"], GET_ONLY), verdict)
        else:
            await _respond(send, page.status, page.body, (b"content-type", page.content_type), *verdict.cors_headers)

    async def _answer_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._guard.verdict(scope["headers"]).refusal
        if refusal is None and scope["path"] != "/":
            refusal = PathNotFoundError(scope["path"])
        if refusal is not None:
            await _refuse(send, refusal, kind="websocket.http.response")
            return
        await serve_websocket(
            self._dispatcher, receive, send, may_use_dev=self._guard.may_use_dev(scope["headers"]), limits=self._connection_limits
        )


def _direct_response(answer: bytes) -> bytes:
    return b"".join((DIRECT_START, b"%d\r\n\r\n" % len(answer), answer))


async def _later(answer: Awaitable[bytes]) -> bytes:
    return _direct_response(await answer)


async def _respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes], kind: str = "http.response") -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": f"{kind}.start", "status": status, "headers": [*headers, length] if status != 204 else list(headers)})
    await send({"type": f"{kind}.body", "body": body})


async def _refuse(send: Send, error: RefusalError, verdict: Verdict | None = None, *, kind: str = "http.response") -> None:
    headers = [JSON, *(verdict.cors_headers if verdict else ())]
    if isinstance(error, MethodNotAllowedError):
        headers.append((b"allow", error.allowed.encode()))
    await _respond(send, error.http_status, refusal_body(error), *headers, kind=kind)
