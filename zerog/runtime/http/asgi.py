"""The little of ASGI that we speak ourselves: a complete answer, a refusal, a whole body. Source: ASGI specification, HTTP, version 2.3."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from zerog.primitives.errors import RefusalError
from zerog.runtime.http.errors import BodyTooLargeError, ClientGoneError, MethodNotAllowedError
from zerog.runtime.http.refusal import refusal_body

__all__ = [
    "CLIENT_GONE",
    "HOLD_MEMORY",
    "JSON",
    "PREFLIGHT",
    "AsgiApplication",
    "Receive",
    "Scope",
    "Send",
    "hold_memory",
    "is_client_gone",
    "read_body",
    "refuse",
    "respond",
]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON: Final = (b"content-type", b"application/json")
PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (b"access-control-allow-headers", b"content-type, authorization, range, if-none-match, if-range"),
    (b"access-control-allow-private-network", b"true"),
    (b"access-control-max-age", b"600"),
)
"""What a browser asks before it sends JSON, or asks for a range, across origins. Source: Fetch standard, section 3.3."""


HOLD_MEMORY: Final = "zerog.hold_memory"
"""Our server's extension of ASGI: what `hold_memory` calls."""


async def hold_memory(scope: Scope, size_bytes: int) -> None:
    """Before a large answer is made in one piece: wait until there is room for so many bytes, and let this request count as many.

    Returns at once where nobody counts.
    """
    hold = scope.get("extensions", {}).get(HOLD_MEMORY)
    if hold is not None:
        await hold(size_bytes)


CLIENT_GONE: Final = "zerog.client_gone"
"""Our server's extension of ASGI: what `is_client_gone` calls."""


def is_client_gone(scope: Scope) -> bool:
    """Whether the client has closed its connection: what is sent to it goes nowhere. `False` where nobody knows."""
    ask = scope.get("extensions", {}).get(CLIENT_GONE)
    return ask is not None and bool(ask())


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """The whole body of a request, at most `bytes_max` bytes. Raises `BodyTooLargeError` and `ClientGoneError`."""
    parts: list[bytes] = []
    size_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part: bytes = message.get("body", b"")
        size_bytes += len(part)
        if size_bytes > bytes_max:
            raise BodyTooLargeError(bytes_max)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def respond(send: Send, status: int, body: bytes | memoryview, *headers: tuple[bytes, bytes], kind: str = "http.response") -> None:
    """A complete answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": f"{kind}.start", "status": status, "headers": [*headers, length] if status != 204 else list(headers)})
    await send({"type": f"{kind}.body", "body": body})


async def refuse(
    send: Send, error: RefusalError, *headers: tuple[bytes, bytes], body: bytes | None = None, kind: str = "http.response"
) -> None:
    """A refusal as a complete answer, with a JSON-RPC error for a body if none is given."""
    allow = [(b"allow", error.allowed.encode())] if isinstance(error, MethodNotAllowedError) else []
    await respond(send, error.http_status, refusal_body(error) if body is None else body, JSON, *headers, *allow, kind=kind)
