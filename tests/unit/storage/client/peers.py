"""Peers that do wrong, on real sockets: each says to every connection what its script says."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["EnoughError", "Script", "answer_of", "peer", "read_request"]

Script = Callable[[socket.socket], None]
"""What a peer does with a connection; it may raise `OSError` when the client has gone."""


class EnoughError(Exception):
    """What a test breaks a transfer off with."""


PIECE = b"x" * 65536


def read_request(connection: socket.socket) -> bytes:
    """Headers and body of one request; empty when the client has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


def answer_of(body: bytes, *, status: str = "200 OK", kind: str = "application/json", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n".encode() + body


@contextmanager
def peer(script: Script) -> Iterator[str]:
    """A peer that follows `script` on every connection; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_connections: set[socket.socket] = set()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                script(connection)
            except OSError:
                return  # The client has had enough, which is what the test wants.

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_connections.add(connection)
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in open_connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # It is closed already.
        for thread in threads:
            thread.join()
