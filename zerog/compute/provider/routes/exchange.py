"""One request and the way its answer goes back: JSON, errors in the shape of the OpenAI API, and the headers that pages may read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from zerog.compute.protocol.constants import BODY_BYTES_MAX
from zerog.compute.provider.book import Book, Charge
from zerog.primitives.errors import RefusalError, ZerogError
from zerog.runtime.http.asgi import JSON, Receive, Scope, Send, is_client_gone, read_body, respond
from zerog.runtime.http.errors import BrokenServerError, MethodNotAllowedError
from zerog.runtime.http.guard import Verdict
from zerog.runtime.report import report_of

__all__ = ["EXPOSED_HEADERS", "Exchange", "Header", "error_body", "error_headers", "preflight_headers"]

log = structlog.get_logger(__name__)

Header = tuple[bytes, bytes]

METHODS: Final = b"GET, POST, PUT, DELETE, OPTIONS, PATCH"
EXPOSED_HEADERS: Final = (
    b"access-control-expose-headers",
    b"ZG-Res-Key, Retry-After, Provider, Content-Type, Content-Encoding, "
    + b", ".join(
        b"x-ratelimit-%b-%b" % (fact, unit) for fact in (b"limit", b"remaining", b"reset") for unit in (b"requests", b"tokens", b"images")
    ),
)
"""What a page may read of an answer beside its body. Source: 0gfoundation/0g-serving-broker, `api/common/middleware`."""
USUAL_HEADERS: Final = b"Content-Type, Authorization, X-Requested-With, Accept, Origin"
ERROR_TYPES: Final = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
}
"""Source: the error objects of the OpenAI and Anthropic APIs."""


@dataclass(slots=True)
class Exchange:
    """A request that the guard let in."""

    scope: Scope
    receive: Receive
    send: Send
    verdict: Verdict
    path: str
    """Without slashes at its end."""
    headers: dict[bytes, bytes]
    is_started: bool = False
    cors: tuple[Header, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.cors = (*self.verdict.cors_headers, CREDENTIALS, EXPOSED_HEADERS) if self.verdict.cors_headers else ()

    @property
    def authorization(self) -> bytes | None:
        """The header, if there is one."""
        return self.headers.get(b"authorization")

    @property
    def query(self) -> str:
        """What follows the path, without the question mark."""
        return bytes(self.scope["query_string"]).decode("latin-1")

    async def body(self) -> bytes:
        """All of it. Raises `BodyTooLargeError` and `ClientGoneError`."""
        return bytes(await read_body(self.receive, BODY_BYTES_MAX))  # The server reads a large one in place, into bytes that can change.

    async def start(self, status: int, headers: Iterable[Header]) -> None:
        """Send the head of an answer whose body follows in pieces."""
        self.is_started = True
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *self.cors]})

    async def piece(self, body: bytes, *, is_last: bool = False) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def answer(self, status: int, body: bytes, *headers: Header) -> None:
        """Send a whole answer."""
        self.is_started = True
        await respond(self.send, status, body, *headers, *self.cors)

    def is_gone(self) -> bool:
        """Whether the client has closed its connection."""
        return is_client_gone(self.scope)

    async def record(self, book: Book, charge: Charge, tail: bytes) -> None:  # noqa: ARG002 - a client gets the tail afterwards.
        """Write a charge down."""
        await book.charge(charge)

    async def answer_json(self, value: object, status: int = 200, *headers: Header) -> None:
        """Send a value as a whole answer."""
        await self.answer(status, msgspec.json.encode(value), JSON, *headers)

    async def answer_error(self, error: Exception) -> None:
        """Send what went wrong: an expected error in its own words; of a bug only that it is one."""
        if not isinstance(error, ZerogError):
            log.error("route_failed", path=self.path, exc_info=error)
            error = BrokenServerError()
        status = error.http_status if isinstance(error, RefusalError) else 500
        await self.answer(status, error_body(error, status, is_anthropic=self.path.endswith("/messages")), JSON, *error_headers(error))


CREDENTIALS: Final = (b"access-control-allow-credentials", b"true")


def error_body(error: ZerogError, status: int, *, is_anthropic: bool = False) -> bytes:
    """An error as clients of OpenAI's API read it, with our cause and remedy beside; for Anthropic's in its own envelope."""
    report = report_of(error)
    kind = ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    message = f"{report.cause}; {report.remedy}" if report.remedy else report.cause
    told = {"message": message, "type": kind, "code": report.code, "param": None, "cause": report.cause, "remedy": report.remedy}
    return msgspec.json.encode({"type": "error", "error": told} if is_anthropic else {"error": told})


def error_headers(error: ZerogError) -> tuple[Header, ...]:
    """When to come again, what is left of the minute, and that an answer which will not change for the better is not to be kept."""
    headers: list[Header] = list(getattr(error, "headers", ()))
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(retry_after_s))))
    if isinstance(error, MethodNotAllowedError):
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, RefusalError) and error.http_status == 410:
        headers.append((b"cache-control", b"no-store"))
    return tuple(headers)


def preflight_headers(headers: dict[bytes, bytes], verdict: Verdict) -> tuple[Header, ...]:
    """What a browser asks before it lets a page at a permitted origin call: every header that it names may be sent, `x-stainless-*` too."""
    return (
        *verdict.cors_headers,
        CREDENTIALS,
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", headers.get(b"access-control-request-headers", USUAL_HEADERS)),
        (b"access-control-allow-private-network", b"true"),
        (b"access-control-max-age", b"600"),
        EXPOSED_HEADERS,
    )
