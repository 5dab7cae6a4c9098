"""How much, how long and how many a server takes from one client; one dataclass, so that every role states its own."""

from dataclasses import dataclass
from typing import Final

__all__ = ["BULK_LIMITS", "HttpLimits"]


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """Bounds on what a client may send and on how long it may take.

    Defaults are for JSON-RPC. Sizes follow geth (ethereum/go-ethereum v1.17.5, node/defaults.go and rpc/http.go), except that headers
    are counted too.
    """

    body_bytes_max: int = 5 * 1024 * 1024
    """A longer body is answered 413, a longer WebSocket message closed with 1009."""
    headers_max: int = 100
    """More headers are answered 431."""
    headers_bytes_max: int = 32 * 1024
    """Longer request lines and headers together are answered 431."""
    headers_s: float = 10.0
    """Seconds from connecting, or from a request's first byte, to the end of its headers; then 408."""
    body_s: float = 30.0
    """Seconds from the end of the headers to the end of the body, without those that it waits for memory; then 408."""
    idle_s: float = 120.0
    """Seconds that a connection without a request is kept."""
    unread_s: float = 30.0
    """Seconds that a client may read nothing of what is on its way to it; then the connection is cut."""
    linger_s: float = 2.0
    """Seconds during which what a refused client still sends is read and thrown away, so that it can read why."""
    requests_bytes_max: int | None = None
    """Bytes that all requests under way may hold together; further ones wait unread, in turn. `None`: any number."""
    request_bytes_min: int = 0
    """So much a request counts at least, for its answer."""
    stall_s: float = 5.0
    """Seconds in which a client must send or read 16 KiB while others wait for memory; else 408, or the connection is cut."""
    connections_max: int = 2_000
    """More connections are answered 503."""
    ping_s: float = 20.0
    """Seconds between two pings on a WebSocket."""
    pong_s: float = 30.0
    """Seconds that the answer to a ping may take."""


BULK_LIMITS: Final = HttpLimits(
    body_bytes_max=32 * 1024 * 1024,
    headers_bytes_max=16 * 1024,
    body_s=60.0,
    requests_bytes_max=24 * 1024 * 1024,
    request_bytes_min=256 * 1024,
    connections_max=4_096,
)
"""For roles whose bodies are data. The official TypeScript client opens a connection for each segment of a file, a thousand and more at
once: they are served in turn, within as much memory as this."""
