"""HTTP to one provider: bounded in time and size, to public addresses only where the chain is a public one."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from zerog.chain.client.connections import trust_of
from zerog.compute.client.errors import ProviderAnswerError, ProviderRefusedError, ProviderUnreachableError, UnsafeUrlError
from zerog.compute.client.reach import Reach, reach_of
from zerog.primitives import decode_hook, is_nested_deeper
from zerog.runtime.deadlines import check_time
from zerog.runtime.outgoing import httpx
from zerog.runtime.outgoing_sockets import within_time_limits

__all__ = ["ProviderConnection", "check_service_url"]

JSON_BYTES_MAX: Final = 4 << 20
NESTING_MAX: Final = 64
ERROR_BYTES_MAX: Final = 64 << 10
CONNECT_S: Final = 10.0
ANSWER_S: Final = 30.0
"""For answers that cost nothing."""
STATUS_OK: Final = 200

_Answer = TypeVar("_Answer")


def check_service_url(url: str, chain_url: str, chain_id: int | None = None) -> None:
    """Raises `UnsafeUrlError` unless `url` may be called by who uses the chain at `chain_url`.

    Who runs a chain on this machine has its providers here too, and a network of our own at a private address has them at private
    addresses; everywhere else a service's URL comes from strangers, and must not lead into the network of the one who asks.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UnsafeUrlError(url) from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or not url.isascii() or any(map(str.isspace, url)):
        raise UnsafeUrlError(url)
    reach = reach_of(chain_url, chain_id)
    if reach is Reach.EVERYWHERE:
        return
    try:
        found = socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ProviderUnreachableError(url, f"its name is unknown ({error})") from None
    if not all(reach.permits(ipaddress.ip_address(str(address[0]).split("%", 1)[0])) for *_, address in found):
        raise UnsafeUrlError(url)


class _ErrorObject(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    cause: str | None = None
    remedy: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _ErrorObject | str


class ProviderConnection:
    """Talks to one service. Raises `ProviderError`s. Follows no redirects: the URL on chain is the one that was agreed to."""

    def __init__(self, url: str, chain_url: str, chain_id: int | None = None) -> None:
        """Raises `UnsafeUrlError`."""
        check_service_url(url, chain_url, chain_id)
        self.url: Final = url.rstrip("/")
        client = httpx.Client(
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            headers={"accept-encoding": "identity"},
            verify=trust_of(url),
            trust_env=False,
        )
        self._http: Final = within_time_limits(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, kind: type[_Answer], *, key: str | None = None) -> _Answer:
        """What the provider answers to `GET path`. `key` goes into the header `Authorization`."""
        with self.ask("GET", path, key=key, answer_s=ANSWER_S) as answer:
            body = self._bounded(answer, JSON_BYTES_MAX)
        if is_nested_deeper(body, NESTING_MAX):
            raise ProviderAnswerError(self.url + path, "its JSON is nested too deeply")
        try:
            return msgspec.json.decode(body, type=kind, dec_hook=decode_hook)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderAnswerError(self.url + path, f"an answer that cannot be read ({error})") from None

    def read(self, path: str, bytes_max: int) -> bytes:
        """What the provider answers to `GET path`, as it is."""
        with self.ask("GET", path, answer_s=ANSWER_S) as answer:
            return self._bounded(answer, bytes_max)

    @contextmanager
    def ask(
        self, method: str, path: str, body: bytes = b"", *, key: str | None = None, answer_s: float, content_type: str = "application/json"
    ) -> Iterator[httpx.Response]:
        """A request and its answer, whose body is still to be read. `answer_s` is how long it may be silent."""
        headers = {"content-type": content_type} if body else {}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        url = self.url + path
        with self._faults(url):
            timeout = httpx.Timeout(answer_s, connect=CONNECT_S)
            with self._http.stream(method, url, content=body or None, headers=headers, timeout=timeout) as answer:
                if answer.status_code != STATUS_OK:
                    raise _refusal(url, answer.status_code, self._bounded(answer, ERROR_BYTES_MAX))
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise ProviderAnswerError(url, "it encodes its answer, though it was asked not to; what is signed are other bytes")
                yield answer

    def pieces(self, answer: httpx.Response, bytes_max: int) -> Iterator[bytes]:
        """The body, as it comes."""
        size_bytes = 0
        for piece in answer.iter_raw():
            size_bytes += len(piece)
            if size_bytes > bytes_max:
                raise ProviderAnswerError(str(answer.url), f"it sends more than {bytes_max} bytes")
            yield piece

    def _bounded(self, answer: httpx.Response, bytes_max: int) -> bytes:
        return b"".join(self.pieces(answer, bytes_max))

    @contextmanager
    def _faults(self, url: str) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException:
            check_time()
            raise ProviderUnreachableError(url, "it takes too long") from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ProviderUnreachableError(url, str(error) or type(error).__name__) from None


def _refusal(url: str, status: int, body: bytes) -> ProviderRefusedError:
    """In the provider's own words, if it has some."""
    error = _error_object(body)
    if error is None:
        return ProviderRefusedError(url, status, f"HTTP {status}")
    code = None if error.code is None else str(error.code)
    return ProviderRefusedError(url, status, error.cause or error.message or f"HTTP {status}", code, error.remedy)


def _error_object(body: bytes) -> _ErrorObject | None:
    if is_nested_deeper(body, NESTING_MAX):
        return None
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return _ErrorObject(message=error) if isinstance(error, str) else error
