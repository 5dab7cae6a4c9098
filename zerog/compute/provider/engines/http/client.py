"""Connections to one server: a few stay open, the last one that was used is used first."""

import asyncio
import ssl
from collections import deque
from typing import Final
from urllib.parse import urlsplit

import anyio

from zerog.compute.provider.engines.http.connection import ClientConnection, HttpRules
from zerog.compute.provider.engines.http.errors import ConnectError

__all__ = ["HttpClient"]


class HttpClient:
    """For one scheme, host and port. It follows no redirect, stores no cookie and looks at no proxy of the environment."""

    def __init__(self, url: str, rules: HttpRules, *, trust: ssl.SSLContext | None = None) -> None:
        """`trust`: whose certificates are taken; by default those of the system."""
        parts = urlsplit(url)
        self._is_secure: Final = parts.scheme == "https"
        self._host: Final = parts.hostname or ""
        self._port: Final = parts.port or (443 if self._is_secure else 80)
        self._trust: Final = (trust or ssl.create_default_context()) if self._is_secure else None
        self._rules: Final = rules
        self._idle: Final[deque[ClientConnection]] = deque()
        self._busy: Final[set[ClientConnection]] = set()
        self._connecting = 0

    @property
    def idle_connections(self) -> int:
        """How many are open and free."""
        return sum(connection.is_open for connection in self._idle)

    async def exchange(self, head: bytes, body: bytes) -> ClientConnection:
        """Send a request and wait for the head of its answer. The connection must be given back.

        Raises `ConnectError`, `LateError` and `BrokenExchangeError`.
        """
        connection = self._take_idle() or await self._connect()
        self._busy.add(connection)
        try:
            connection.send(head, body)
            await connection.head()
        except BaseException:
            self.give_back(connection)
            raise
        return connection

    def give_back(self, connection: ClientConnection) -> None:
        """Whoever asked has read what he wanted; a connection with an answer that nobody wants to read is closed."""
        self._busy.discard(connection)
        if connection.rest():
            self._idle.append(connection)

    def close(self) -> None:
        """Close all connections; what is under way fails."""
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()

    def _take_idle(self) -> ClientConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self) -> ClientConnection:
        if len(self._busy) + self._connecting >= self._rules.connections_max:
            raise ConnectError(f"has {self._rules.connections_max} requests under way already")
        loop = asyncio.get_running_loop()
        self._connecting += 1
        try:
            with anyio.fail_after(self._rules.connect_s):
                _, connection = await loop.create_connection(
                    lambda: ClientConnection(loop, self._rules), self._host, self._port, ssl=self._trust
                )
        except TimeoutError as error:
            raise ConnectError(f"did not take the connection within {self._rules.connect_s:g} s") from error
        except (OSError, ssl.SSLError) as error:
            raise ConnectError(f"cannot be reached: {error.strerror or type(error).__name__}") from error
        finally:
            self._connecting -= 1
        return connection
