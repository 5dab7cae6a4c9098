"""A WebSocket connection of our server: uvicorn's, with an end to clients that do not read."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from zerog.runtime.http.config import ServerConfig
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
        self.drain_count = 0
        self.watch: Final = Watch()

    def resume_writing(self) -> None:
        """Remember that the client has read something."""
        self.drain_count += 1
        super().resume_writing()

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

    def check(self, now_s: float) -> None:
        """Called by the sweeper: cut a client that reads nothing."""
        unread_bytes = self.transport.get_write_buffer_size()
        stage = ("unread", self.drain_count, self.watch.falls(unread_bytes))
        if self.watch.is_overdue(stage, self.config.limits.unread_s if unread_bytes else NO_LIMIT, now_s):
            self.transport.abort()
