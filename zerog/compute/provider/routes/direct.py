"""The direct way of an answer that leaves as a whole: the server asks for one response in bytes, and spares itself a task of ASGI.

What answers is the same as ever, and speaks ASGI; here its few messages become bytes.
"""

from collections.abc import Iterable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from zerog.compute.protocol.envelope import is_sealed
from zerog.compute.provider.asked import PAID_PATHS, PaidPath
from zerog.compute.provider.errors import BrokenAnswerError
from zerog.runtime.http.asgi import Scope

__all__ = ["DIRECT_PATHS", "DIRECT_SCOPE", "Collected", "is_direct"]

DIRECT_PATHS: Final[dict[bytes, PaidPath]] = {
    f"/v1/proxy{path}".encode(): PAID_PATHS[path] for path in ("/chat/completions", "/messages", "/embeddings")
}
"""Targets of requests whose answers are JSON in one piece, unless they are streams."""
DIRECT_SCOPE: Final[Scope] = {"type": "http", "method": "POST", "query_string": b""}
BODY_BYTES_MAX: Final = 64 << 10
"""To look through a longer one takes longer than the direct way spares."""
ANSWER_BYTES_MAX: Final = 64 << 20
STREAM: Final = b'"stream"'
STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def is_direct(body: bytes) -> bool:
    """Whether the answer to a request of a direct path is certain to leave as a whole: nothing in it speaks of a stream, or is hidden."""
    return len(body) <= BODY_BYTES_MAX and STREAM not in body and b"\\u" not in body and not is_sealed(body)


class Collected:
    """An answer, collected message by message."""

    __slots__ = ("_body", "_headers", "_parts", "_size_bytes", "_status")

    def __init__(self, body: bytes) -> None:
        """`body` is that of the request."""
        self._body: Final = body
        self.clear()

    def clear(self) -> None:
        """What was collected does not hold any more."""
        self._status = 500
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self._parts: list[bytes] = []
        self._size_bytes = 0

    async def receive(self) -> MutableMapping[str, Any]:
        """The request's body, all of it."""
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take a message of the answer. Raises `BrokenAnswerError` when there is no end of them."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message["headers"]
            return
        body = message["body"]
        self._size_bytes += len(body)
        if self._size_bytes > ANSWER_BYTES_MAX:
            raise BrokenAnswerError(f"it is longer than {ANSWER_BYTES_MAX} bytes")
        self._parts.append(body)

    def response(self) -> bytes:
        """All of it as HTTP/1.1. Raises `ValueError` for a header with the end of a line in it."""
        parts = [STATUS_LINES[self._status]]
        for name, value in self._headers:
            if b"\r" in value or b"\n" in value:
                raise ValueError(f"the value of the header {name!r} ends its line")
            if name != b"content-length":
                parts += (name, b": ", value, b"\r\n")
        parts.append(b"content-length: %d\r\n\r\n" % self._size_bytes)
        return b"".join(parts + self._parts)
