"""Connections of httpx without an event loop, whose every wait ends with the time limit of the call it belongs to.

httpx bounds each read by itself: who sends a byte now and then is never too slow. Here the whole is bounded (`runtime/deadlines.py`).
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpcore

from zerog.runtime.deadlines import check_time, left_s
from zerog.runtime.outgoing import httpx

__all__ = ["within_time_limits"]

WRITE_BYTES: Final = 64 << 10


def within_time_limits(client: httpx.Client) -> httpx.Client:
    """The same client, held to the limits. A transport that is no network, such as one of a test, stays as it is."""
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - httpx gives no other way to its sockets.
        if isinstance(transport, httpx.HTTPTransport):
            pool: Any = transport._pool  # noqa: SLF001
            pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001
    return client


@contextmanager
def _timely() -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException:
        check_time()
        raise


def _limited(timeout: float | None) -> float | None:
    """Raises `DeadlineError` when the time is over."""
    allowed_s = left_s(float("inf") if timeout is None else timeout)
    return None if allowed_s == float("inf") else allowed_s


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner: Final = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _timely():
            return self._inner.read(max_bytes, _limited(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        with _timely():
            for start in range(0, len(view), WRITE_BYTES):
                self._inner.write(bytes(view[start : start + WRITE_BYTES]), _limited(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _timely():
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, _limited(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner: Final = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        with _timely():
            return _Stream(self._inner.connect_tcp(host, port, _limited(timeout), local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        with _timely():
            return _Stream(self._inner.connect_unix_socket(path, _limited(timeout), socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
