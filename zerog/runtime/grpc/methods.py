"""What a method of gRPC looks like to both sides of the wire, and what a server does for it. Without grpcio.

A message of gRPC is bytes here; a module of a subsystem's `wire/` says how they become a dataclass and back, in a `Shape` that the server
and the client share.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeAlias, TypeVar

__all__ = ["CallPool", "Caller", "Served", "Shape", "served_stream", "served_unary", "served_upload"]

Q = TypeVar("Q")
A = TypeVar("A")

SMALL_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(Generic[Q, A]):
    """One method: its full name, and how its messages are written and read.

    A `decode_…` raises `ValueError` for bytes that are no such message.
    """

    service: str
    """With its package, such as `disperser.Disperser`."""
    name: str
    encode_request: Callable[[Q], bytes]
    decode_request: Callable[[bytes], Q]
    encode_reply: Callable[[A], bytes]
    decode_reply: Callable[[bytes], A]
    streams_requests: bool = False
    streams_replies: bool = False

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    peer: str
    """As gRPC names it, such as `ipv4:127.0.0.1:51234`."""
    metadata: Mapping[str, str]
    """Headers of the call whose values are text; of several with one name the last."""
    seconds_left: float | None
    """Until the caller gives up, if he has said so."""


class CallPool:
    """Calls of some methods that may be under way at once; one more is refused with RESOURCE_EXHAUSTED, before its message is read."""

    def __init__(self, calls_max: int, text: str = "request pool is full") -> None:
        self.calls_max: Final = calls_max
        self.text: Final = text
        self.calls = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A method with what answers it."""

    shape: Shape[Any, Any]
    answer: Callable[[Any, Caller], Any]
    pool: CallPool | None = None
    memory_bytes: int = SMALL_BYTES
    """What a call may hold at once, request and reply together; what is over a megabyte waits until the server has room for it."""
    seconds_max: float = 60.0
    """How long a call may take to send its message, or the next of its messages."""


Unary: TypeAlias = Callable[[Q, Caller], Awaitable[A]]
Streaming: TypeAlias = Callable[[Q, Caller], AsyncIterator[A]]
Uploading: TypeAlias = Callable[[AsyncIterator[Q], Caller], Awaitable[A]]


def served_unary(shape: Shape[Q, A], answer: Unary[Q, A], **options: Any) -> Served:
    """A method of one request and one reply."""
    return Served(shape=shape, answer=answer, **options)


def served_stream(shape: Shape[Q, A], answer: Streaming[Q, A], **options: Any) -> Served:
    """A method of one request and a stream of replies."""
    return Served(shape=shape, answer=answer, **options)


def served_upload(shape: Shape[Q, A], answer: Uploading[Q, A], **options: Any) -> Served:
    """A method of a stream of requests and one reply."""
    return Served(shape=shape, answer=answer, **options)


@dataclass(slots=True)
class MethodCounters:
    """Sums of one method since the start."""

    calls: int = 0
    failures: int = 0
    seconds: float = 0.0
    request_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ServerCounters:
    """What a server counts, by the method's name."""

    methods: dict[str, MethodCounters] = field(default_factory=dict)

    def of(self, name: str) -> MethodCounters:
        return self.methods.setdefault(name, MethodCounters())
