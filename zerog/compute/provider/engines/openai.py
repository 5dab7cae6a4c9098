"""The engine for servers with OpenAI's API: vLLM, llama.cpp, Ollama, and everything else that speaks it.

A request that a server may have executed is sent once. It is sent again only if no connection came about, or if the server says that it
did not take it (429, 502, 503) and when to come back. Nothing is sent again once an answer is under way.
"""

import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import anyio
import msgspec
from anyio.abc import TaskStatus

from zerog import __version__
from zerog.compute.provider.engines.breaker import Admission, CircuitBreaker
from zerog.compute.provider.engines.errors import (
    EngineBrokenAnswerError,
    EngineError,
    EngineSettingsError,
    EngineTimeoutError,
    EngineUnavailableError,
)
from zerog.compute.provider.engines.http import (
    BrokenExchangeError,
    ClientConnection,
    ConnectError,
    ExchangeError,
    HttpClient,
    HttpRules,
    LateError,
)
from zerog.compute.provider.engines.interface import EngineIdentity, EngineRequest, ModelInfo
from zerog.compute.provider.engines.tokens import count_tokens

__all__ = ["EngineOptions", "OpenAIAnswer", "OpenAIEngine"]

TARGET: Final = re.compile(r"[!-~]*")
HEADER_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
OWN_HEADERS: Final = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "authorization", "x-api-key", "expect")
)
"""Set here, whatever a client sends."""
COME_BACK: Final = (429, 502, 503)
ILL: Final = (502, 503, 504)
"""The server says that it cannot work at all. 500 is as likely about the one request, with which nobody shall stop those of others."""
RETRIES_MAX: Final = 3
FIRST_RETRY_S: Final = 0.1
HEADS_MAX: Final = 256
"""Of requests that are remembered: most are the same but for their bodies."""
LIST_BYTES_MAX: Final = 8 << 20
LIST_S: Final = 10.0
VERSION_PATHS: Final = ("/version", "/api/version")
"""Where vLLM and Ollama tell theirs, outside of `/v1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """One server. Raises `EngineSettingsError`."""

    name: str
    url: str
    """With what stands before the routes: `http://127.0.0.1:8000/v1`."""
    key: str | None = field(default=None, repr=False)
    """Sent as `Authorization: Bearer …`, and never written anywhere else."""
    rules: HttpRules = field(default_factory=HttpRules)
    retry_s: float = 10.0
    """How long a request may wait in all for the server to take it."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            port = parts.port
        except ValueError as error:
            raise EngineSettingsError(f"engine: {self.url!r}: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not TARGET.fullmatch(self.url):
            raise EngineSettingsError(f"engine: {self.url!r} is no address of HTTP")
        if parts.username is not None or parts.query or parts.fragment:
            raise EngineSettingsError("engine: a URL has no password, query or fragment; keys are a setting of their own")
        if self.key is not None and not TARGET.fullmatch(self.key):
            raise EngineSettingsError("engine-key: a key is made of visible ASCII characters")
        if self.retry_s < 0:
            raise EngineSettingsError("the time for retries is 0 s or more")


class OpenAIEngine:
    """One server."""

    def __init__(self, options: EngineOptions, *, client: HttpClient | None = None) -> None:
        parts = urlsplit(options.url)
        self.options: Final = options
        self.breaker: Final = CircuitBreaker()
        self.client: Final = client or HttpClient(options.url, options.rules)
        self._prefix: Final = parts.path.rstrip("/")
        authorization = f"authorization: Bearer {options.key}\r\n" if options.key else ""
        self._x_api_key: Final = f"x-api-key: {options.key}\r\n" if options.key else ""
        agent = f"user-agent: zerog/{__version__}\r\naccept: */*\r\naccept-encoding: identity\r\n"
        self._fixed: Final = f" HTTP/1.1\r\nhost: {parts.netloc}\r\n{agent}{authorization}"
        self._identity = EngineIdentity(name="openai", version="unknown")
        self._head_start: Final = lru_cache(maxsize=HEADS_MAX)(self._make_head_start)

    @property
    def identity(self) -> EngineIdentity:
        """`openai`, with the server's own version once `models` has learned it."""
        return self._identity

    def answer(self, request: EngineRequest) -> "OpenAIAnswer":
        """Ask the server. Raises `EngineUnavailableError`, `EngineTimeoutError` and `EngineBrokenAnswerError`."""
        return OpenAIAnswer(self, self._head(request), request.body)

    async def models(self) -> Sequence[ModelInfo]:
        """What `/models` lists; the first time the server's version is asked for too. There is less time for it than for an answer."""
        try:
            with anyio.fail_after(LIST_S):
                return await self._list()
        except TimeoutError as error:
            raise EngineTimeoutError(self.options.name, f"does not list its models within {LIST_S:g} s") from error

    async def _list(self) -> Sequence[ModelInfo]:
        body = await self._get(f"{self._prefix}/models")
        try:
            rows = msgspec.json.decode(body or b"", type=_ModelList).data
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EngineBrokenAnswerError(self.options.name, f"does not list its models: {error}") from error
        if self._identity.version == "unknown":
            self._identity = EngineIdentity(name="openai", version=await self._version())
        return [ModelInfo(id=row.id, owned_by=row.owned_by or "", context_tokens=row.max_model_len or row.context_length) for row in rows]

    def count_tokens(self, text: str) -> int:
        """By tokens that resemble those of the usual models; only for servers that do not tell theirs."""
        return count_tokens(text)

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Nothing goes on between requests."""
        task_status.started()
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close all connections; what is under way fails."""
        self.client.close()
        await anyio.lowlevel.checkpoint()

    async def _version(self) -> str:
        for path in VERSION_PATHS:
            body = await self._get(self._prefix.removesuffix("/v1") + path)
            if body is None:
                continue
            try:
                return msgspec.json.decode(body, type=_Version).version[:64] or "unknown"
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # A page of another kind: this server does not tell.
        return "unknown"

    async def _get(self, path: str) -> bytes | None:
        """What stands at `path` of the server; `None` if it has no such thing."""
        async with OpenAIAnswer(self, f"GET {path}{self._fixed}\r\n".encode("latin-1"), b"") as answer:
            if answer.status != 200:
                return None
            body = b""
            async for chunk in answer.chunks():
                body += chunk
                if len(body) > LIST_BYTES_MAX:
                    raise EngineBrokenAnswerError(self.options.name, "lists more models than can be")
            return body

    def _head(self, request: EngineRequest) -> bytes:
        start = self._head_start(request.path, request.query, request.content_type, request.headers)
        return b"%bcontent-length: %d\r\n\r\n" % (start, len(request.body))

    def _make_head_start(self, path: str, query: str, content_type: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """All of a head but the length of its body. Raises `EngineBrokenAnswerError`."""
        target = f"{self._prefix}{path}?{query}" if query else self._prefix + path
        if not TARGET.fullmatch(target) or not HEADER_VALUE.fullmatch(content_type):
            raise EngineBrokenAnswerError(self.options.name, "cannot be asked on a path, or with a content type, that is none")
        more = "".join(
            [
                f"{name}: {value}\r\n"
                for name, value in headers
                if name.lower() not in OWN_HEADERS and HEADER_NAME.fullmatch(name) and HEADER_VALUE.fullmatch(value)
            ]
        )
        if path.startswith("/messages"):
            more += self._x_api_key
        return f"POST {target}{self._fixed}content-type: {content_type}\r\n{more}".encode("latin-1")


class OpenAIAnswer:
    """A request that begins when the context is entered, and ends when it is left."""

    __slots__ = ("_body", "_connection", "_engine", "_head")

    def __init__(self, engine: OpenAIEngine, head: bytes, body: bytes) -> None:
        self._engine: Final = engine
        self._head: Final = head
        self._body: Final = body
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        self._connection = await self._ask()
        try:
            self._check()
        except EngineError:
            self._engine.client.give_back(self._connection)
            raise
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._engine.client.give_back(self._open)

    @property
    def status(self) -> int:
        """As the server sent it."""
        return self._open.status

    @property
    def content_type(self) -> str:
        """As the server sent it."""
        return self._header(b"content-type") or "application/octet-stream"

    @property
    def identity(self) -> EngineIdentity:
        """That of the engine: what a server computes it does not show."""
        return self._engine.identity

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """All of them, names in lower case."""
        return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._open.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `EngineTimeoutError` and `EngineBrokenAnswerError` where it breaks off."""
        read = self._open.read
        try:
            while chunk := await read():
                yield chunk
        except ExchangeError as error:
            self._engine.breaker.failed(Admission.NORMAL, time.monotonic())
            raise self._translated(error) from error

    @property
    def _open(self) -> ClientConnection:
        if self._connection is None:
            raise RuntimeError("the context of the answer was not entered")
        return self._connection

    def _header(self, wanted: bytes) -> str | None:
        for name, value in self._open.headers:
            if name == wanted:
                return value.decode("latin-1")
        return None

    async def _ask(self) -> ClientConnection:
        """Send it, again if that does no harm, until an answer comes whose head is there."""
        deadline_s = time.monotonic() + self._engine.options.retry_s
        attempt = 0
        while True:
            connection, failure, wait_s = await self._try(attempt)
            if wait_s is None or attempt >= RETRIES_MAX or time.monotonic() + wait_s > deadline_s:
                if connection is None:
                    raise failure or EngineUnavailableError(self._engine.options.name, "cannot be reached")
                return connection
            if connection is not None:
                self._engine.client.give_back(connection)
            await anyio.sleep(wait_s)
            attempt += 1

    async def _try(self, attempt: int) -> tuple[ClientConnection | None, EngineError | None, float | None]:
        """One try: its connection or its failure, and after which time another one does no harm."""
        engine = self._engine
        breaker = engine.breaker
        now_s = time.monotonic()
        admission = breaker.admit(now_s)
        if admission is Admission.REFUSED:
            wait_s = breaker.wait_s(now_s)
            raise EngineUnavailableError(engine.options.name, "failed again and again, and is left alone for a while", wait_s)
        try:
            connection = await engine.client.exchange(self._head, self._body)
        except ConnectError as error:
            breaker.failed(admission, time.monotonic())
            return None, self._translated(error), FIRST_RETRY_S * 2**attempt
        except ExchangeError as error:
            breaker.failed(admission, time.monotonic())
            raise self._translated(error) from error
        except BaseException:
            breaker.abandoned(admission)
            raise
        if connection.status in ILL:
            breaker.failed(admission, time.monotonic())
        else:
            breaker.succeeded()
        return connection, None, _retry_after_s(connection) if connection.status in COME_BACK else None

    def _check(self) -> None:
        """Refuse what cannot be passed on."""
        name, status = self._engine.options.name, self.status
        if 300 <= status < 400:
            raise EngineBrokenAnswerError(name, f"redirects its requests (status {status}); its URL must be the one where they end")
        coding = self._header(b"content-encoding")
        if coding is not None and coding.strip().lower() not in ("", "identity"):
            raise EngineBrokenAnswerError(name, f"sends its answers as {coding[:40]}, which nobody asked for")

    def _translated(self, error: ExchangeError) -> EngineError:
        name = self._engine.options.name
        match error:
            case ConnectError():
                return EngineUnavailableError(name, error.cause)
            case LateError():
                return EngineTimeoutError(name, error.cause)
            case BrokenExchangeError() | _:
                return EngineBrokenAnswerError(name, error.cause)


def _retry_after_s(connection: ClientConnection) -> float | None:
    """Seconds that the server wants to be left alone, if it says so in seconds. Source: RFC 9110, section 10.2.3."""
    for name, value in connection.headers:
        if name == b"retry-after":
            try:
                seconds = float(value)
            except ValueError:
                return None  # A date: longer than anyone waits here.
            return seconds if 0 <= seconds < float("inf") else None
    return None


class _ModelRow(msgspec.Struct):
    id: str
    owned_by: str | None = None
    max_model_len: int | None = None
    context_length: int | None = None


class _ModelList(msgspec.Struct):
    data: list[_ModelRow]


class _Version(msgspec.Struct):
    version: str
