"""Many clients at once over plain sockets, each of which sends one request and may read its answer."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class Client:
    """One connection."""

    socket: socket.socket
    unsent: memoryview
    received: bytearray = field(default_factory=bytearray)

    @property
    def status(self) -> int:
        """Of the answer; 0 if there is none."""
        return int(self.received.split(b" ", 2)[1]) if self.received.startswith(b"HTTP/1.1 ") else 0

    @property
    def is_answered(self) -> bool:
        head, end, body = bytes(self.received).partition(b"\r\n\r\n")
        return bool(end) and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


@contextmanager
def connected(port: int, requests: Sequence[bytes], *, receive_bytes: int | None = None) -> Iterator[list[Client]]:
    """A connected client for each request; nothing is sent yet. `receive_bytes` are what the system takes in for it."""
    with ExitStack() as stack:
        clients = []
        for request in requests:
            connection = stack.enter_context(socket.socket())
            if receive_bytes is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            connection.connect(("127.0.0.1", port))
            connection.setblocking(False)
            clients.append(Client(connection, memoryview(request)))
        yield clients


def exchange(clients: Sequence[Client], *, timeout_s: float, reads: bool = True) -> None:
    """Send everything and read the answers, until all are complete (without `reads`, until all is sent) or the server has closed.

    Raises `TimeoutError`.
    """
    ends = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_WRITE | selectors.EVENT_READ, client)
        while selector.get_map():
            if time.monotonic() > ends:
                raise TimeoutError(f"{len(selector.get_map())} clients are not done")
            for key, _ in selector.select(0.1):
                if _is_done(key.data, reads=reads):
                    selector.unregister(key.fileobj)
                elif not key.data.unsent and key.events & selectors.EVENT_WRITE:
                    selector.modify(key.fileobj, selectors.EVENT_READ, key.data)


def _is_done(client: Client, *, reads: bool) -> bool:
    """Go as far as it goes now."""
    try:
        if client.unsent:
            client.unsent = client.unsent[client.socket.send(client.unsent) :]
    except BlockingIOError:
        pass
    except OSError:
        client.unsent = memoryview(b"")  # The server reads no more; perhaps it says why.
    if not reads:
        return not client.unsent
    try:
        data = client.socket.recv(1 << 20)
    except BlockingIOError:
        return False
    except OSError:
        return True
    client.received += data
    return not data or client.is_answered
