"""uvicorn's configuration with what all connections of one server share: limits, and heads that they have seen."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from uvicorn.config import Config

from zerog.runtime.http.intake import READ_BYTES
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.memory import RequestMemory

__all__ = ["DirectAnswers", "ServerConfig"]

DirectAnswers: TypeAlias = Callable[[bytes], bytes | Awaitable[bytes] | None]
"""From a body to a complete HTTP/1.1 response that keeps the connection open, or to one that is to be awaited; `None` sends a request with
this body the usual way."""


class ServerConfig(Config):
    """One for each server."""

    def __init__(self, app: Any, *, limits: HttpLimits, **options: Any) -> None:
        super().__init__(app, **options)
        self.limits: Final = limits
        self.memory: Final = RequestMemory(limits.requests_bytes_max)
        self.scratch: Final = memoryview(bytearray(READ_BYTES))
        """What all connections read into, where memory is counted."""
        self.connection_count = 0
        """How many there have been."""
        self.known_heads: Final[dict[bytes, tuple[int, DirectAnswers]]] = {}
        """Heads of requests that were answered directly: the length that they announce, and what answers."""
