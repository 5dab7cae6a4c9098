"""The ASGI application: JSON-RPC over HTTP and WebSocket on one port, behind the guard, beside the pages of every role.

It stands on bare ASGI, because routing and request objects would cost more than most answers. Other applications, and other JSON-RPC
services, can be mounted at paths of their own.
"""

from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Final

from zerog.runtime.http.asgi import JSON, PREFLIGHT, AsgiApplication, Receive, Scope, Send, read_body, refuse, respond
from zerog.runtime.http.config import DirectAnswers
from zerog.runtime.http.errors import BodyTooLargeError, ClientGoneError, MethodNotAllowedError, PathNotFoundError
from zerog.runtime.http.guard import Guard, Headers, Verdict
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.mounts import Mounts, serve_mounted
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc.connection import ConnectionLimits
from zerog.runtime.jsonrpc.dispatcher import Caller, Dispatcher
from zerog.runtime.jsonrpc.websocket import serve_websocket

__all__ = ["JsonRpcApplication"]

DIRECT_START: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
POST_ONLY: Final = "POST, OPTIONS"
GET_ONLY: Final = "GET, HEAD, OPTIONS"
CALLERS: Final = (Caller(), Caller(may_use_dev=True))


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
        mounts: Mapping[str, Dispatcher | AsgiApplication] | None = None,
        is_anywhere: bool = False,
    ) -> None:
        """`mounts` are served at their paths and below; what is mounted answers there to every method, a dispatcher to POST.

        With `is_anywhere`, a POST to any other path is JSON-RPC too. Raises `ValueError` for a path that nothing can be mounted at.
        """
        self._dispatcher: Final = dispatcher
        self._guard: Final = guard
        self._pages: Final = pages or RolePages()
        self._body_bytes_max: Final = (limits or HttpLimits()).body_bytes_max
        self._connection_limits: Final = connection_limits or ConnectionLimits()
        self._mounts: Final = Mounts(mounts or {})
        self._is_anywhere: Final = is_anywhere
        dispatchers = [dispatcher, *(mounted for mounted in (mounts or {}).values() if isinstance(mounted, Dispatcher))]
        self._direct_answers: Final = {each: tuple(partial(_answer_directly, each, caller) for caller in CALLERS) for each in dispatchers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer_http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._answer_websocket(scope, receive, send)
        else:
            raise NotImplementedError(f"ASGI scope {scope['type']!r}")

    def direct_answers(self, method: bytes, target: bytes, headers: Headers) -> DirectAnswers | None:
        """What our server asks before it takes the way through ASGI: most calls of programs end here."""
        if method != b"POST":
            return None
        dispatcher = self._dispatcher if target == b"/" else self._dispatcher_at(target.partition(b"?")[0].decode("latin-1"))
        if dispatcher is None:
            return None
        verdict = self._guard.verdict(headers)
        if verdict.refusal is not None or verdict.cors_headers:
            return None
        return self._direct_answers[dispatcher][self._guard.may_use_dev(headers)]

    def _dispatcher_at(self, path: str) -> Dispatcher | None:
        """What a POST to `path` calls."""
        mounted = self._mounts.at(path)
        if isinstance(mounted, Dispatcher):
            return mounted
        return self._dispatcher if mounted is None and (path == "/" or self._is_anywhere) else None

    async def _answer_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        verdict = self._guard.verdict(scope["headers"])
        mounted = self._mounts.at(path)
        if verdict.refusal is not None:
            await refuse(send, verdict.refusal)
        elif mounted is not None and not isinstance(mounted, Dispatcher):
            await serve_mounted(mounted, scope, receive, send, verdict)
        elif method == "POST" and (dispatcher := self._dispatcher_at(path)) is not None:
            await self._answer_calls(dispatcher, scope, receive, send, verdict)
        elif mounted is None and path != "/":
            await self._answer_page(scope, verdict, send)
        elif method == "OPTIONS":
            await _answer_preflight(send, POST_ONLY, verdict)
        else:
            await refuse(send, MethodNotAllowedError(method, POST_ONLY), *verdict.cors_headers)

    async def _answer_calls(self, dispatcher: Dispatcher, scope: Scope, receive: Receive, send: Send, verdict: Verdict) -> None:
        caller = CALLERS[self._guard.may_use_dev(scope["headers"])]
        try:
            answer = dispatcher.answer(await read_body(receive, self._body_bytes_max), caller)  # No name keeps the body while it waits.
        except BodyTooLargeError as error:
            await refuse(send, error, *verdict.cors_headers)
        except ClientGoneError:
            return
        else:
            if not isinstance(answer, bytes):
                answer = await answer
            await respond(send, 200, answer, JSON, *verdict.cors_headers)

    async def _answer_page(self, scope: Scope, verdict: Verdict, send: Send) -> None:
        page = await self._pages.page(scope["path"])
        if scope["method"] == "OPTIONS" and (page is not None or self._is_anywhere):
            await _answer_preflight(send, GET_ONLY if page is not None else POST_ONLY, verdict)
        elif page is None:
            await refuse(send, PathNotFoundError(scope["path"]), *verdict.cors_headers)
        elif scope["method"] not in ("GET", "HEAD"):
            await refuse(send, MethodNotAllowedError(scope["method"], GET_ONLY), *verdict.cors_headers)
        else:
            await respond(send, page.status, page.body, (b"content-type", page.content_type), *verdict.cors_headers)

    async def _answer_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._guard.verdict(scope["headers"]).refusal
        if refusal is None and scope["path"] != "/":
            refusal = PathNotFoundError(scope["path"])
        if refusal is not None:
            await refuse(send, refusal, kind="websocket.http.response")
            return
        await serve_websocket(
            self._dispatcher, receive, send, may_use_dev=self._guard.may_use_dev(scope["headers"]), limits=self._connection_limits
        )


def _answer_directly(dispatcher: Dispatcher, caller: Caller, body: bytes) -> bytes | Awaitable[bytes]:
    answer = dispatcher.answer(body, caller)
    return _direct_response(answer) if isinstance(answer, bytes) else _later(answer)


def _direct_response(answer: bytes) -> bytes:
    return b"".join((DIRECT_START, b"%d\r\n\r\n" % len(answer), answer))


async def _later(answer: Awaitable[bytes]) -> bytes:
    return _direct_response(await answer)


async def _answer_preflight(send: Send, allowed: str, verdict: Verdict) -> None:
    await respond(send, 204, b"", (b"allow", allowed.encode()), *verdict.cors_headers, *PREFLIGHT)
