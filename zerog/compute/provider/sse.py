"""Server-sent events as they come: bytes in, whole events out, whatever the pieces are. Source: HTML standard, section 9.2."""

from collections.abc import Iterator
from typing import Final

from zerog.compute.provider.errors import BrokenAnswerError

__all__ = ["EventSplitter", "event_bytes", "event_data"]

EVENT_BYTES_MAX: Final = 16 << 20
"""A longer event is none: a picture in a chat takes a few megabytes."""
FIELD_DATA: Final = b"data:"


class EventSplitter:
    """Cuts a stream into events: each without the blank line that ends it, and with `\\n` for every end of a line."""

    __slots__ = ("_parts", "_size_bytes")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes. Raises `BrokenAnswerError` when one grows without end."""
        if not self._parts and b"\r" not in chunk and chunk.endswith(b"\n\n"):
            return [event for event in chunk[:-2].split(b"\n\n") if event.strip(b"\n")]
        return self._feed_slowly(chunk)

    def rest(self) -> bytes:
        """What stands behind the last blank line: an event whose end never came."""
        rest, self._parts = b"".join(self._parts), []
        return rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip(b"\n")

    def _feed_slowly(self, chunk: bytes) -> list[bytes]:
        self._parts.append(chunk)
        self._size_bytes += len(chunk)
        if self._size_bytes > EVENT_BYTES_MAX:
            raise BrokenAnswerError(f"an event of its stream is longer than {EVENT_BYTES_MAX} bytes")
        if b"\n" not in chunk and b"\r" not in chunk:
            return []
        held = b"".join(self._parts)
        kept = b"\r" if held.endswith(b"\r") else b""  # Its `\n` may still come.
        lines = held.removesuffix(kept).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *events, rest = lines.split(b"\n\n")
        rest += kept
        self._parts = [rest] if rest else []
        self._size_bytes = len(rest)
        return [event for event in events if event.strip(b"\n")]


def event_data(event: bytes) -> bytes | None:
    """What an event carries; `None` if it has no data, as a comment that keeps a connection awake."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[len(FIELD_DATA) :].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(FIELD_DATA)]
    return b"\n".join(lines) if lines else None


def event_bytes(event: bytes, data: bytes) -> bytes:
    """`event` with other data, on one line, as it goes to a client: its comments are gone, its other fields are kept."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return b"data: " + data + b"\n\n"
    return b"".join((*_other_fields(event), b"data: ", data, b"\n\n"))


def _other_fields(event: bytes) -> Iterator[bytes]:
    for line in event.split(b"\n"):
        if line and not line.startswith((FIELD_DATA, b":")):
            yield line + b"\n"
