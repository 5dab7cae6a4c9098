"""A WebSocket connection of our server: uvicorn's, with an end to clients that do not read, and a reason for those that are cut."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from zerog.runtime.http.config import ServerConfig
from zerog.runtime.http.refusal import end_sending
from zerog.runtime.http.watch import NO_LIMIT, Watch

__all__ = ["WebSocketProtocol"]

UNREAD_PONGS_BYTES_MAX: Final = 1_000_000
"""A client that sends pings and reads none of the answers is cut here."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One client on a WebSocket."""

    config: ServerConfig

    def __init__(
        self, config: ServerConfig, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.is_lingering = False
        self.drain_count = 0
        self.watch: Final = Watch()

    def data_received(self, data: bytes) -> None:
        if not self.is_lingering:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Say why (1002, 1007, 1009), stop sending, and read on for a moment, so that the reason is not lost in a reset connection."""
        self.is_lingering = self.close_sent = True
        close = self.conn.close_sent
        if close is not None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        if self.transport.is_closing():
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        end_sending(self.transport)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.config.limits.linger_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Remember that the client has read something."""
        self.drain_count += 1
        super().resume_writing()

    async def send(self, message: Any) -> None:
        """After we ourselves have closed (a bad frame, a missing pong), the application is told so instead of being blamed."""
        if self.close_sent and message["type"] in ("websocket.accept", "websocket.send", "websocket.close"):
            raise ClientDisconnected
        await super().send(message)

    def handle_ping(self) -> None:
        """Answer, unless the client piles up answers that it does not read."""
        if self.transport.get_write_buffer_size() > UNREAD_PONGS_BYTES_MAX:
            self.transport.abort()
        else:
            super().handle_ping()

    def keepalive_timeout(self) -> None:
        """While we ourselves do not read (a method takes long), a missing pong says nothing about the client."""
        if self.read_paused:
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def give_up(self) -> None:
        """The server stops and waits no longer."""
        self.transport.abort()

    def check(self, now_s: float) -> None:
        """Called by the sweeper: cut a client that reads nothing."""
        unread_bytes = self.transport.get_write_buffer_size()
        stage = ("unread", self.drain_count, self.watch.falls(unread_bytes))
        if self.watch.is_overdue(stage, self.config.limits.unread_s if unread_bytes else NO_LIMIT, now_s):
            self.transport.abort()
