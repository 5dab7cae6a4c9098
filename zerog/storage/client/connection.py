"""HTTP/1.1 to one server for bulk data: kept connections, a deadline on every wait, a bound on every answer.

It stands on `http.client`, which reads a body straight into our memory; httpx copies it several times.
"""

import http.client
import io
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, cast
from urllib.parse import urlsplit

from zerog.runtime.deadlines import check_time, left_s
from zerog.storage.client.errors import PeerAnswerError, PeerUnreachableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Answer", "AnswerStream", "HttpServer", "PeerLimits"]

Body = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLimits:
    """How long a peer may take and how much it may send."""

    connect_s: float = 5.0
    """Seconds until a connection stands, encryption included."""
    answer_s: float = 30.0
    """Seconds from the end of the request to the end of the answer's headers."""
    grace_s: float = 10.0
    """Seconds on top of what the slowest allowed transfer takes."""
    bytes_per_s_min: int = 128 * 1024
    """A peer that sends or takes less, on the average since the transfer began, is given up."""
    stall_s: float = 10.0
    """Seconds within a body without a byte."""
    json_bytes_max: int = 16 * 1024 * 1024
    """Of a JSON answer; a longer one ends with an error."""
    bulk_bytes_max: int = 8 * 1024 * 1024
    """Of an answer with segments: data of at most 4 MiB, and the proofs."""
    connections_kept_max: int = 8
    """Connections that are kept open while nobody uses them."""

    def transfer_s(self, size_bytes: int) -> float:
        """Seconds that so many bytes may take."""
        return self.grace_s + size_bytes / self.bytes_per_s_min


READ_AHEAD_BYTES: Final = 16 * 1024
"""What is read with the headers and copied from there; the rest of a body goes straight to its place."""
PIECE_BYTES: Final = 256 * 1024
"""Read at a time where the length of a body is not known."""
GATHER_BYTES_MAX: Final = 64 * 1024
"""A body up to this size leaves in one piece with the headers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    content_type: str
    body: Body


class _Wire:
    """A socket of which every wait ends at a deadline that can be moved."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self._until_s = 0.0
        self._stall_s = 0.0

    def allow(self, seconds: float, *, stall_s: float | None = None) -> None:
        """From now on so many seconds are left, of which a single wait may take `stall_s`."""
        self._until_s = time.monotonic() + seconds
        self._stall_s = seconds if stall_s is None else stall_s

    def _arm(self) -> None:
        own_s = self._until_s - time.monotonic()
        if own_s <= 0:
            raise TimeoutError("the peer is too slow")
        self._inner.settimeout(left_s(min(own_s, self._stall_s)))

    def receive_into(self, buffer: "WriteableBuffer") -> int:
        self._arm()
        return self._inner.recv_into(cast("memoryview", buffer))

    def send(self, data: Body) -> None:
        self._arm()  # `sendall` counts its time-out from the start, not anew for each piece.
        self._inner.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """As `http.client` asks for it. Closing the file leaves the socket open."""
        return io.BufferedReader(_Reader(self), READ_AHEAD_BYTES)

    def shut_down(self) -> None:
        """Wake whoever waits for it in another thread."""
        try:
            self._inner.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # The peer was quicker.

    def close(self) -> None:
        self._inner.close()


class _Reader(io.RawIOBase):
    """A wire as a file."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return self._wire.receive_into(buffer)


class _Connection:
    """One connection and its limits."""

    def __init__(self, server: "HttpServer") -> None:
        raw = socket.create_connection((server.host, server.port), timeout=left_s(server.limits.connect_s))
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            inner = raw if server.tls is None else server.tls.wrap_socket(raw, server_hostname=server.host)
        except BaseException:
            raw.close()
            raise
        self._limits = server.limits
        self.wire = _Wire(inner)
        self.broken = False
        """It cannot take another request."""

    def ask(self, method: str, head: bytes, body: Body) -> http.client.HTTPResponse:
        """Send a request; gives status and headers of the answer. Raises `OSError` and `HTTPException`."""
        try:
            self._send(head, body)
        except ConnectionError:
            # A server that refuses a body may answer and close before it has read all: what it says helps more than that it closed.
            self.broken = True
            try:
                return self._response(method)
            except (OSError, http.client.HTTPException):
                pass
            raise
        return self._response(method)

    def _send(self, head: bytes, body: Body) -> None:
        self.wire.allow(self._limits.transfer_s(len(body)))
        if len(body) <= GATHER_BYTES_MAX:
            self.wire.send(head + body)
        else:
            self.wire.send(head)
            self.wire.send(body)

    def _response(self, method: str) -> http.client.HTTPResponse:
        self.wire.allow(self._limits.answer_s)
        response = http.client.HTTPResponse(cast("socket.socket", self.wire), method=method)
        response.begin()
        return response


class HttpServer:
    """Requests to one server, from any number of threads."""

    def __init__(self, url: str, limits: PeerLimits | None = None) -> None:
        """Connects when the first request is made. Raises `PeerAnswerError` if `url` is no HTTP address."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise PeerAnswerError(url, f"the URL is wrong: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or any(map(str.isspace, url)):
            raise PeerAnswerError(url, "the URL must be http://host[:port] or https://host[:port]")
        self.url: Final = url
        self.limits: Final = limits or PeerLimits()
        self.host: Final = parts.hostname
        self.port: Final = port or (443 if parts.scheme == "https" else 80)
        self.tls: Final = ssl.create_default_context() if parts.scheme == "https" else None
        self.path: Final = parts.path.rstrip("/")
        """Of the URL, in front of every target."""
        self._host_header: Final = parts.netloc.rpartition("@")[2]
        self._lock: Final = threading.Lock()
        self._idle: deque[_Connection] = deque()
        self._busy: set[_Connection] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections; requests that are on their way fail."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, deque()
            for connection in self._busy:
                connection.wire.shut_down()
        for connection in idle:
            connection.wire.close()

    def exchange(
        self, method: str, target: str, body: Body = b"", headers: Mapping[str, str] | None = None, *, answer_bytes_max: int
    ) -> Answer:
        """Send a request and read the whole answer. Raises `PeerUnreachableError` and `PeerAnswerError`."""
        with self._open(method, target, body, headers or {}) as (connection, response), self.faults():
            content = self._whole_body(connection, response, answer_bytes_max)
            return Answer(response.status, response.headers.get("content-type", ""), content)

    @contextmanager
    def stream(self, target: str, headers: Mapping[str, str] | None = None) -> Iterator["AnswerStream"]:
        """Get something and read it piece by piece. Raises as `exchange`."""
        with self._open("GET", target, b"", headers or {}) as (connection, response):
            yield AnswerStream(self, connection, response)

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn what goes wrong on the way into our own errors."""
        try:
            yield
        except TimeoutError as error:
            check_time()
            raise PeerUnreachableError(self.url, f"it takes too long ({error})") from error
        except OSError as error:
            raise PeerUnreachableError(self.url, str(error) or type(error).__name__) from error
        except (http.client.HTTPException, ValueError) as error:
            raise PeerAnswerError(self.url, f"no HTTP: {error!r}") from error

    @contextmanager
    def _open(
        self, method: str, target: str, body: Body, headers: Mapping[str, str]
    ) -> Iterator[tuple[_Connection, http.client.HTTPResponse]]:
        """A request that was sent and the beginning of its answer; afterwards the connection is kept, or closed if it cannot be."""
        with self.faults():
            connection, response = self._begin(method, self._head(method, target, len(body), headers), body)
        reusable = False
        try:
            yield connection, response
            reusable = response.isclosed() and not response.will_close and not connection.broken
        finally:
            self._give_back(connection, reusable=reusable)

    def _begin(self, method: str, head: bytes, body: Body) -> tuple[_Connection, http.client.HTTPResponse]:
        """A kept connection may have been closed by the server meanwhile, without a word; then one that is new is taken."""
        kept = self._take()
        if kept is not None:
            try:
                return kept, kept.ask(method, head, body)
            except ConnectionError:
                self._give_back(kept, reusable=False)
            except BaseException:
                self._give_back(kept, reusable=False)
                raise
        fresh = self._add(_Connection(self))
        try:
            return fresh, fresh.ask(method, head, body)
        except BaseException:
            self._give_back(fresh, reusable=False)
            raise

    def _head(self, method: str, target: str, length: int, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {self.path}{target} HTTP/1.1", f"Host: {self._host_header}", "Accept-Encoding: identity"]
        if method == "POST":
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

    def _whole_body(self, connection: _Connection, response: http.client.HTTPResponse, bytes_max: int) -> Body:
        length = response.length
        if length is None:
            return self._body_without_length(connection, response, bytes_max)
        if length > bytes_max:
            raise PeerAnswerError(self.url, f"it wants to send {length} bytes where at most {bytes_max} make sense")
        connection.wire.allow(self.limits.transfer_s(length), stall_s=self.limits.stall_s)
        body = bytearray(length)
        received = response.readinto(body) if length else 0
        if received < length:
            raise PeerAnswerError(self.url, f"the answer ends after {received} of {length} bytes")
        response.close()
        return body

    def _body_without_length(self, connection: _Connection, response: http.client.HTTPResponse, bytes_max: int) -> Body:
        connection.wire.allow(self.limits.transfer_s(bytes_max), stall_s=self.limits.stall_s)
        body = bytearray()
        while piece := response.read(PIECE_BYTES):
            body += piece
            if len(body) > bytes_max:
                raise PeerAnswerError(self.url, f"it sends more than {bytes_max} bytes")
        return body

    def _take(self) -> _Connection | None:
        with self._lock:
            if not self._idle:
                return None
            connection = self._idle.pop()
            self._busy.add(connection)
            return connection

    def _add(self, connection: _Connection) -> _Connection:
        with self._lock:
            if not self._closed:
                self._busy.add(connection)
                return connection
        connection.wire.close()
        raise ConnectionAbortedError("the client was closed")

    def _give_back(self, connection: _Connection, *, reusable: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if reusable and not self._closed and len(self._idle) < self.limits.connections_kept_max:
                self._idle.append(connection)
                return
        connection.wire.close()


class AnswerStream:
    """An answer that is read piece by piece. The time that its reader takes is not held against the peer."""

    def __init__(self, server: HttpServer, connection: _Connection, response: http.client.HTTPResponse) -> None:
        self._server = server
        self._connection = connection
        self._response = response
        self._received = 0
        self._waited_s = 0.0
        self.status: Final = response.status
        self.headers: Final = response.headers
        self.size_bytes: Final = response.length
        """What the peer says that the body has; `None` if it does not say."""

    def read(self, size_bytes: int = PIECE_BYTES) -> bytes:
        """The next piece, empty at the end. Raises `PeerUnreachableError` and `PeerAnswerError`."""
        limits = self._server.limits
        self._connection.wire.allow(limits.transfer_s(self._received + size_bytes) - self._waited_s, stall_s=limits.stall_s)
        began_s = time.monotonic()
        with self._server.faults():
            piece = self._response.read(size_bytes)
        self._waited_s += time.monotonic() - began_s
        self._received += len(piece)
        if not piece and self.size_bytes is not None and self._received < self.size_bytes:
            raise PeerAnswerError(self._server.url, f"the answer ends after {self._received} of {self.size_bytes} bytes")
        return piece
