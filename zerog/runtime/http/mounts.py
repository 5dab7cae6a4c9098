"""Other applications on a role's port: each under a path of its own, behind the same guard, with the same answers to browsers."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Generic, TypeVar

import msgspec
import structlog

from zerog.primitives.errors import RefusalError, ZerogError
from zerog.runtime.http.asgi import JSON, PREFLIGHT, AsgiApplication, Receive, Scope, Send, respond
from zerog.runtime.http.errors import BrokenServerError, ClientGoneError
from zerog.runtime.http.guard import Verdict
from zerog.runtime.report import report_of

__all__ = ["Mounts", "serve_mounted"]

log = structlog.get_logger(__name__)

Mounted = TypeVar("Mounted")

METHODS: Final = b"GET, HEAD, POST, OPTIONS"
EXPOSED: Final = (b"access-control-expose-headers", b"content-length, content-range, etag, accept-ranges, content-disposition")
"""What a page at a permitted origin may read of an answer beside its body. Source: Fetch standard, section 3.3.3."""


class Mounts(Generic[Mounted]):
    """Paths with what is served there and below them; of two that fit, the longer one counts."""

    def __init__(self, mounts: Mapping[str, Mounted]) -> None:
        """Raises `ValueError` for a path that does not begin with a slash, or ends with one."""
        for path in mounts:
            if not path.startswith("/") or path.endswith("/"):
                raise ValueError(f"{path!r} is no path to serve something at: it begins with a slash and does not end with one")
        self._mounts: Final = dict(mounts)

    def at(self, path: str) -> Mounted | None:
        """What is served at `path`."""
        while path:
            mounted = self._mounts.get(path)
            if mounted is not None:
                return mounted
            path = path.rpartition("/")[0]
        return None


async def serve_mounted(app: AsgiApplication, scope: Scope, receive: Receive, send: Send, verdict: Verdict) -> None:
    """Let `app` answer a request that the guard let in. What it raises is answered in its place: a refusal with `{"error": …}`.

    The path stays whole, so an application that has routes names them from the root. Of Starlette that is a `Router`; a whole
    `Starlette` application would answer errors itself.
    """
    if scope["method"] == "OPTIONS":
        await respond(send, 204, b"", (b"allow", METHODS), *verdict.cors_headers, *PREFLIGHT)
        return
    is_started = False
    cors_headers = (*verdict.cors_headers, EXPOSED) if verdict.cors_headers else ()

    async def send_with_cors(message: MutableMapping[str, Any]) -> None:
        nonlocal is_started
        if message["type"] == "http.response.start":
            is_started = True
            message = {**message, "headers": [*message.get("headers", ()), *cors_headers]}
        await send(message)

    try:
        await app(scope, receive, send_with_cors)
    except ClientGoneError:
        return
    except Exception as error:
        if is_started:
            raise  # The server logs it and cuts the connection, so that half an answer is not taken for a whole one.
        await _answer_failure(send_with_cors, error, str(scope["path"]))


async def _answer_failure(send: Send, error: Exception, path: str) -> None:
    """An expected error in its own words; of a bug only that it is one."""
    if not isinstance(error, ZerogError):
        log.error("route_failed", path=path, exc_info=error)
        error = BrokenServerError()
    status = error.http_status if isinstance(error, RefusalError) else 500
    await respond(send, status, msgspec.json.encode({"error": report_of(error)}), JSON)
