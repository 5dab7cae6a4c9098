"""Messages of Nitro that come in parts: bounded in number and size, and forgotten when their poster falls silent.

Source: OffchainLabs/nitro, daprovider/data_streaming/receiver.go (ten at once, a minute between two parts).
"""

import secrets
from dataclasses import dataclass, field
from typing import Final

from zerog.da.gateway.errors import ChunksError, PayloadTooLargeError
from zerog.runtime.clock import Clock

__all__ = ["PendingMessages"]

PENDING_MAX: Final = 10
SILENCE_S_MAX: Final = 60.0
CHUNKS_MAX: Final = 1 << 16
ID_BITS: Final = 63


@dataclass(slots=True)
class _Message:
    chunk_count: int
    chunk_bytes: int
    total_bytes: int
    heard_s: float
    chunks: dict[int, bytes] = field(default_factory=dict)

    def size_of(self, index: int) -> int:
        """All parts but the last are full."""
        return self.chunk_bytes if index < self.chunk_count - 1 else (self.total_bytes - 1) % self.chunk_bytes + 1


class PendingMessages:
    """What has come so far of each message."""

    def __init__(self, bytes_max: int, clock: Clock) -> None:
        """`bytes_max` bounds each message, and twice as much all of them."""
        self._bytes_max: Final = bytes_max
        self._clock: Final = clock
        self._messages: Final[dict[int, _Message]] = {}

    def start(self, chunk_count: int, chunk_bytes: int, total_bytes: int) -> int:
        """A number for a new message. Raises `ChunksError`, `PayloadTooLargeError`."""
        self._forget_silent()
        if total_bytes > self._bytes_max:
            raise PayloadTooLargeError(total_bytes, self._bytes_max)
        if not 0 < chunk_count <= CHUNKS_MAX or chunk_bytes <= 0 or -(-total_bytes // chunk_bytes) != chunk_count:
            raise ChunksError(f"{total_bytes} bytes are not {chunk_count} parts of {chunk_bytes} bytes")
        announced = sum(message.total_bytes for message in self._messages.values())
        if len(self._messages) >= PENDING_MAX or announced + total_bytes > 2 * self._bytes_max:
            raise ChunksError(f"{len(self._messages)} messages are under way already")
        number = 0
        while not number or number in self._messages:
            number = secrets.randbits(ID_BITS)
        self._messages[number] = _Message(chunk_count, chunk_bytes, total_bytes, self._clock.monotonic_s())
        return number

    def add(self, number: int, index: int, chunk: bytes) -> None:
        """A part, in any order; the same one again changes nothing, another one in its place ends the message. Raises `ChunksError`."""
        message = self._message(number)
        if not 0 <= index < message.chunk_count:
            raise ChunksError(f"the message has {message.chunk_count} parts, and no part {index}")
        if len(chunk) != message.size_of(index):
            raise ChunksError(f"part {index} has {len(chunk)} bytes, and not {message.size_of(index)}")
        if message.chunks.setdefault(index, chunk) != chunk:
            del self._messages[number]
            raise ChunksError(f"part {index} was sent before with other bytes, so the message was dropped")
        message.heard_s = self._clock.monotonic_s()

    def finish(self, number: int) -> bytes:
        """The whole message, which is forgotten here. Raises `ChunksError`."""
        message = self._message(number)
        del self._messages[number]
        if len(message.chunks) != message.chunk_count:
            raise ChunksError(f"{message.chunk_count - len(message.chunks)} of {message.chunk_count} parts have not come")
        return b"".join(message.chunks[index] for index in range(message.chunk_count))

    def _message(self, number: int) -> _Message:
        self._forget_silent()
        try:
            return self._messages[number]
        except KeyError:
            raise ChunksError(f"there is no message {number:#x}, or no longer") from None

    def _forget_silent(self) -> None:
        earliest_s = self._clock.monotonic_s() - SILENCE_S_MAX
        for number in [number for number, message in self._messages.items() if message.heard_s < earliest_s]:
            del self._messages[number]
