"""What a transport reads into: one small buffer for all connections of a server, and for a large body that body itself.

So a connection costs no memory before it is known what it sends, and a large body is copied once, out of the kernel.
"""

import asyncio
from typing import Final, Protocol, cast

from uvicorn.protocols.http.flow_control import FlowControl

__all__ = ["READ_BYTES", "Flow", "Intake", "Reader"]

READ_BYTES: Final = 16 * 1024
"""At most so many bytes are read before their connection is asked what they are; so many are not counted."""


class Reader(Protocol):
    """A connection that is read for."""

    unfilled: memoryview | None
    """The rest of a body that is read in place."""

    def connection_made(self, transport: asyncio.Transport) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def body_received(self, size_bytes: int) -> None: ...
    def eof_received(self) -> bool: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Intake(asyncio.BufferedProtocol):
    """The protocol of the transport; `reader` is the connection."""

    def __init__(self, reader: Reader, scratch: memoryview) -> None:
        self._reader: Final = reader
        self._scratch: Final = scratch

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._reader.connection_made(cast("asyncio.Transport", transport))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the system's guess does not matter.
        unfilled = self._reader.unfilled
        return self._scratch if unfilled is None else unfilled

    def buffer_updated(self, nbytes: int) -> None:
        if self._reader.unfilled is None:
            self._reader.data_received(self._scratch[:nbytes].tobytes())
        else:
            self._reader.body_received(nbytes)

    def eof_received(self) -> bool:
        return self._reader.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.connection_lost(exc)

    def pause_writing(self) -> None:
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        self._reader.resume_writing()


class Flow(FlowControl):
    """uvicorn's, with a second reason not to read: as long as a request waits for memory, nothing else lets more of it in."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.is_held = False

    def pause_reading(self) -> None:
        if not self.is_held:
            super().pause_reading()
        self.read_paused = True

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()
        self.read_paused = False

    def hold(self) -> None:
        """Read nothing until `let_go`."""
        if not self.is_held and not self.read_paused:
            self._transport.pause_reading()
        self.is_held = True

    def let_go(self) -> None:
        """Read again, unless there is another reason not to."""
        if self.is_held and not self.read_paused and not self._transport.is_closing():
            self._transport.resume_reading()
        self.is_held = False

    def insist(self) -> None:
        """Stop reading once more: uvloop begins to read after `connection_made`, whatever was said there."""
        if (self.is_held or self.read_paused) and not self._transport.is_closing():
            self._transport.pause_reading()
