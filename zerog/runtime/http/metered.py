"""The part of an HTTP connection that keeps count of memory: reads large bodies in place, waits for room, and lets nobody sit on it.

What a request may hold is taken before it is read, and given back when it is answered. See `RequestMemory` for who is next.
"""

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Final, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from zerog.primitives.errors import RefusalError
from zerog.runtime.http.asgi import CLIENT_GONE, HOLD_MEMORY
from zerog.runtime.http.config import ServerConfig
from zerog.runtime.http.errors import BrokenServerError, MemoryBusyError, RequestTimeoutError
from zerog.runtime.http.intake import Flow
from zerog.runtime.http.watch import Stage, Watch

__all__ = ["MeteredProtocol", "Phase", "Share"]

log = structlog.get_logger(__name__)

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
IN_PLACE_BYTES_MIN: Final = 16 * 1024
"""A body of which more than this has not come yet is read in place, and counted before that."""
UNCOUNTED_BYTES_MAX: Final = 4 * 1024
"""Whole requests that are smaller are not counted, unless all are (`request_bytes_min`)."""
LARGE_ANSWER_BYTES: Final = 64 * 1024
"""A larger one counts until the system has taken it."""
PROGRESS_BYTES: Final = 16 * 1024
"""What has to be sent, or read, within `stall_s` while others wait for memory."""


@dataclass(slots=True)
class Share:
    """What a request holds of the server's memory, and the body for which it does."""

    size_bytes: int = 0
    is_taken: bool = True
    """If not, the application waits for it."""
    body: bytes = b""


class Phase(Enum):
    """What a connection is doing, as far as reading goes."""

    CONNECTED = "connected"
    HEADERS = "headers"
    BODY = "body"
    COMPLETE = "complete"
    LINGERING = "lingering"
    """Refused; what still comes is thrown away."""


class MeteredProtocol(HttpToolsProtocol):
    """Everything about memory; when a request begins and ends is decided by the class that is derived from this one."""

    config: ServerConfig
    flow: Flow
    phase: Phase
    request_count: int

    def __init__(
        self, config: ServerConfig, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits: Final = config.limits
        self.memory: Final = config.memory
        self.is_counted: Final = config.memory.is_counted
        self.body_bytes = 0
        self.early_body: list[bytes] = []
        self.unfilled: memoryview | None = None
        self.body_share_bytes = 0
        self.unsent_share_bytes = 0
        self.piece_bytes = 0
        """Of the piece of an answer that was written last."""
        self.shares: Final[dict[object, Share]] = {}
        self.drain_count = 0
        self.progress: Final = Watch()

    @property
    @abstractmethod
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""

    @abstractmethod
    def refuse(self, error: RefusalError) -> None:
        """Answer an error instead of what the request asks for, and close."""

    def body_received(self, size_bytes: int) -> None:
        """More of a body that is read in place; nothing behind it has been read."""
        if self.unfilled is None:
            return
        self.body_bytes += size_bytes
        if size_bytes < len(self.unfilled):
            self.unfilled = self.unfilled[size_bytes:]
            return
        self.early_body = [cast("bytes", self.unfilled.obj)]
        self.unfilled = None
        try:
            self.on_message_complete()
        except Exception:
            log.exception("connection_callback_failed")
            self.refuse(BrokenServerError())
        self.parser = httptools.HttpRequestParser(self)  # The other one still waits for this body.

    def resume_writing(self) -> None:
        """Remember that the client has read something."""
        self.drain_count += 1
        self.memory.give_back(self.unsent_share_bytes)
        self.unsent_share_bytes = 0
        super().resume_writing()

    def pause_writing(self) -> None:
        """Count what the client does not read: the whole piece, which stays in memory until its last byte is sent."""
        self.unsent_share_bytes = max(self.transport.get_write_buffer_size(), self.piece_bytes) if self.is_counted else 0
        self.memory.hold(self.unsent_share_bytes)
        super().pause_writing()

    def _find_room(self, announced: int) -> None:
        """Before a body is read that is to be complete when it is answered: take memory for it, or stop reading until there is some."""
        if self.flow.is_held:
            return
        if not self.is_counted:
            self._ask_for_body()
        elif not announced:
            self._grow_share()
        elif announced - self.body_bytes <= IN_PLACE_BYTES_MIN:
            self._ask_for_body()
        else:
            size_bytes = max(announced, self.limits.request_bytes_min)
            if self.memory.take(size_bytes):
                self._read_in_place(announced, size_bytes)
            else:
                self.flow.hold()
                self.memory.wait(self, size_bytes, partial(self._read_in_place, announced, size_bytes))

    def _read_in_place(self, announced: int, share_bytes: int) -> None:
        self.body_share_bytes = share_bytes
        early = self._take_early_body()
        body = bytearray(announced)
        body[: len(early)] = early
        self.unfilled = memoryview(body)[len(early) :]
        self._ask_for_body()
        self.flow.let_go()

    def _ask_for_body(self) -> None:
        """Tell a client that waits for it to go on. Behind another request's answer it cannot be told, and goes on by itself."""
        if self.expect_100_continue and not self.is_busy:
            self.expect_100_continue = False
            self.transport.write(CONTINUE)

    def _grow_share(self) -> None:
        """Of a body of unknown length: double what it holds, if there is room."""
        self._ask_for_body()
        more_bytes = self.body_bytes - self.body_share_bytes
        if more_bytes <= 0 or self.body_bytes <= IN_PLACE_BYTES_MIN:
            return
        more_bytes = max(more_bytes, self.body_share_bytes)
        if self.memory.grow(self.body_share_bytes, more_bytes):
            self.body_share_bytes += more_bytes
        else:
            self.refuse(MemoryBusyError())

    def _take_early_body(self) -> bytes:
        parts, self.early_body = self.early_body, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _share_of_complete(self, body_bytes: int) -> Share:
        """What a request counts of which everything has come."""
        if self.flow.is_held:  # The rest came before reading had stopped.
            self.memory.leave(self)
            self.flow.let_go()
        share_bytes, self.body_share_bytes = self.body_share_bytes, 0
        if share_bytes:
            return Share(share_bytes)
        wanted = max(body_bytes if body_bytes > UNCOUNTED_BYTES_MAX else 0, self.limits.request_bytes_min)
        return Share(wanted, is_taken=self.memory.take(wanted))

    def _give_back(self, share_bytes: int, answer_bytes: int) -> None:
        """When an answer is written: of a large one not before the system was asked how much of it it takes (`pause_writing`)."""
        if share_bytes and answer_bytes > LARGE_ANSWER_BYTES:
            self.loop.call_soon(self.memory.give_back, share_bytes)
        else:
            self.memory.give_back(share_bytes)

    async def _run_with(self, share: Share, app: Any, cycle: RequestResponseCycle, scope: Any, send: Any) -> None:
        """Run the application on a request of which everything has come, when there is memory for it.

        Once it answers, only the body counts, and what the client does not read.
        """
        if not share.is_taken:
            await self.memory.turn(share.size_bytes)
            share.is_taken = True
        body_bytes, is_read = len(share.body), False

        async def hold(size_bytes: int) -> None:
            """Give the share back before the larger one is asked for: who holds and waits for more could wait for others like it."""
            if self.is_counted and size_bytes > share.size_bytes:
                self.memory.give_back(share.size_bytes)
                share.size_bytes = 0
                await self.memory.turn(size_bytes)
                share.size_bytes = size_bytes

        def is_gone() -> bool:
            return cycle.disconnected

        async def receive() -> Any:
            nonlocal is_read
            if is_read or cycle.disconnected:
                return await cycle.receive()
            body, share.body, is_read = share.body, b"", True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_and_give_back(message: Any) -> None:
            self.piece_bytes = len(message.get("body", b""))
            await send(message)
            if share.size_bytes > body_bytes and message["type"] == "http.response.body":
                spare_bytes, share.size_bytes = share.size_bytes - body_bytes, body_bytes
                self._give_back(spare_bytes, len(message.get("body", b"")))

        try:
            await app({**scope, "extensions": {HOLD_MEMORY: hold, CLIENT_GONE: is_gone}}, receive, send_and_give_back)
        finally:
            self.shares.pop(cycle, None)
            self.memory.give_back(share.size_bytes)

    def _drop_body(self) -> None:
        """Nobody will read the body that is under way."""
        self.memory.leave(self)
        self.memory.give_back(self.body_share_bytes)
        self.body_share_bytes = 0
        self.unfilled = None
        self.early_body = []

    def _is_stalled(self, now_s: float) -> bool:
        """While others wait for memory: end a connection that holds some and hardly moves."""
        unread_bytes = self.transport.get_write_buffer_size()
        if unread_bytes > 0:
            stage: Stage = ("unread", self.drain_count, self.progress.falls(unread_bytes // PROGRESS_BYTES))
        elif self.phase is Phase.BODY and not (self.flow.is_held or self.flow.read_paused):
            stage = ("body", self.request_count, self.body_bytes // PROGRESS_BYTES)
        else:
            return False
        if not self.progress.is_overdue(stage, self.limits.stall_s, now_s):
            return False
        if unread_bytes > 0:
            self.transport.abort()
        else:
            self.refuse(RequestTimeoutError(f"next {PROGRESS_BYTES} bytes of the body", self.limits.stall_s))
        return True
