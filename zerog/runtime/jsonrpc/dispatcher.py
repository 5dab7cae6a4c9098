"""From the bytes of a body to the bytes of its answer: finds the methods, calls them in order, and turns every failure into an error."""

import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio.lowlevel
import msgspec
import structlog

from zerog.primitives.errors import ZerogError
from zerog.runtime.jsonrpc.envelope import (
    ABSENT,
    BrokenEntry,
    Entry,
    Request,
    encode_error,
    encode_result,
    encode_value,
    join_batch,
    parse_body,
)
from zerog.runtime.jsonrpc.errors import (
    InternalError,
    JsonRpcError,
    MethodNotFoundError,
    NotificationsUnsupportedError,
    ResponseTooLargeError,
)
from zerog.runtime.jsonrpc.namespace import BatchHandler, Method, Namespace
from zerog.runtime.jsonrpc.parameters import ParameterDecoder, parameter_decoder

if TYPE_CHECKING:
    from zerog.runtime.jsonrpc.connection import Connection

__all__ = ["ANYBODY", "Caller", "Dispatcher", "MethodStatistics", "QuickAnswer", "RpcLimits"]

log = structlog.get_logger(__name__)

NO_ANSWER: Final = b""
"""What a notification gets."""


@dataclass(frozen=True, kw_only=True)
class RpcLimits:
    """How much one body may ask for. The defaults are geth's. Source: ethereum/go-ethereum v1.17.5, node/defaults.go."""

    batch_calls_max: int = 1_000
    batch_answer_bytes_max: int = 25_000_000
    turn_s: float = 0.005
    """Seconds after which a batch lets others have the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """On whose behalf a body is answered."""

    may_use_dev: bool = False
    connection: "Connection | None" = None
    """Where to push to; `None` over HTTP."""


ANYBODY: Final = Caller()
"""A caller over HTTP without any rights."""


@dataclass(slots=True)
class MethodStatistics:
    """What a method did since the start."""

    calls: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class BoundMethod:
    """A method with its decoder."""

    name: str
    handler: Any
    decoder: ParameterDecoder
    batch_handler: BatchHandler | None
    is_open: bool
    """Neither restricted nor in need of a connection: the quick way."""
    is_dev: bool
    needs_connection: bool
    statistics: MethodStatistics = field(default_factory=MethodStatistics)


QuickAnswer: TypeAlias = Callable[[bytes], tuple[str, bytes] | None]
"""Method and answer of a body that needs no decoding here; `None` for every other, and for every error. Open methods only."""


class Dispatcher:
    """All methods of an application, bound to the object that they serve."""

    def __init__(
        self,
        context: object,
        namespaces: Iterable[Namespace],
        *,
        limits: RpcLimits | None = None,
        quick_answer: QuickAnswer | None = None,
    ) -> None:
        """`quick_answer` is asked before a body is decoded.

        Raises `TypeError` when a handler's signature is unfit, `ValueError` when two namespaces declare one method."""
        self._context: Final = context
        self._limits: Final = limits or RpcLimits()
        self._quick_answer: Final = quick_answer
        self._methods: Final[dict[str, BoundMethod]] = {}
        self._unknown: Final = MethodStatistics()
        for namespace in namespaces:
            for method in namespace.methods.values():
                if method.name in self._methods:
                    raise ValueError(f"{method.name} is declared by two namespaces")
                self._methods[method.name] = _bind(method)

    @property
    def method_names(self) -> list[str]:
        """Every method, in alphabetical order."""
        return sorted(self._methods)

    def statistics(self) -> Mapping[str, MethodStatistics]:
        """By method; calls of what does not exist are under the empty name."""
        return {"": self._unknown} | {name: method.statistics for name, method in self._methods.items() if method.statistics.calls}

    def count(self, method: str, calls: int, seconds: float) -> None:
        """Add calls of a method that were answered elsewhere."""
        statistics = self._methods[method].statistics
        statistics.calls += calls
        statistics.seconds += seconds

    def answer(self, body: bytes, caller: Caller) -> bytes | Awaitable[bytes]:
        """The answer to a body; empty if none is due. At once where no method has to wait, else something to await."""
        if self._quick_answer is not None:
            started = time.perf_counter()
            found = self._quick_answer(body)
            if found is not None:
                statistics = self._methods[found[0]].statistics
                statistics.calls += 1
                statistics.seconds += time.perf_counter() - started
                return found[1]
        try:
            entry = parse_body(body, calls_max=self._limits.batch_calls_max)
        except JsonRpcError as error:
            return encode_error(b"null", error)
        if isinstance(entry, list):
            return self._answer_batch(entry, caller)
        return self._answer_entry(entry, caller)

    def _answer_entry(self, entry: Entry, caller: Caller) -> bytes | Awaitable[bytes]:
        if isinstance(entry, BrokenEntry):
            return encode_error(entry.id, entry.error)
        method = self._methods.get(entry.method)
        if method is not None and method.is_open:
            return self._call(method, entry)
        try:
            method = self._permitted(entry, caller)
        except JsonRpcError as error:
            return _answer_error(entry, error)
        return self._call(method, entry, caller.connection) if method.needs_connection else self._call(method, entry)

    def _call(self, method: BoundMethod, request: Request, *given: object) -> bytes | Awaitable[bytes]:
        """Nothing here waits, unless the method is a coroutine function or finds that it has to wait and returns a coroutine."""
        started = time.perf_counter()
        try:
            result = method.handler(self._context, *given, *method.decoder.decode(request.params))
            if type(result) is CoroutineType:
                return self._finish(method, request.without_parameters(), result, started)
            answer = _answer(request, result)
        except Exception as error:  # noqa: BLE001 - a bug in a method must not take the connection along; it is logged.
            answer = _failure(request, method, error)
        statistics = method.statistics
        statistics.calls += 1
        statistics.seconds += time.perf_counter() - started
        return answer

    async def _finish(self, method: BoundMethod, request: Request, result: Awaitable[object], started: float) -> bytes:
        try:
            answer = _answer(request, await result)
        except Exception as error:  # noqa: BLE001 - as above.
            answer = _failure(request, method, error)
        method.statistics.calls += 1
        method.statistics.seconds += time.perf_counter() - started
        return answer

    def _permitted(self, request: Request, caller: Caller) -> BoundMethod:
        """Raises `MethodNotFoundError` and `NotificationsUnsupportedError`."""
        method = self._methods.get(request.method)
        if method is None or (method.is_dev and not caller.may_use_dev):
            self._unknown.calls += 1
            self._unknown.errors += 1
            raise MethodNotFoundError(request.method)
        if method.needs_connection and caller.connection is None:
            raise NotificationsUnsupportedError
        return method

    async def _answer_batch(self, entries: list[Entry], caller: Caller) -> bytes:
        """Entries one after the other, in order. Once the answers are too large, the rest is not executed, as in geth."""
        answers: list[bytes] = []
        size_bytes = 0
        turn_ends = time.perf_counter() + self._limits.turn_s
        for method, run in self._runs(entries, caller):
            if size_bytes > self._limits.batch_answer_bytes_max:
                answers += (_answer_error(entry, ResponseTooLargeError()) for entry in run)
                continue
            if method is None:
                answer = self._answer_entry(run[0], caller)
                fresh = [answer if isinstance(answer, bytes) else await answer]
            else:
                fresh = await self._answer_run(method, run)
            size_bytes += sum(map(len, fresh))
            answers += fresh
            if time.perf_counter() > turn_ends:
                await anyio.lowlevel.checkpoint()
                turn_ends = time.perf_counter() + self._limits.turn_s
        return join_batch([answer for answer in answers if answer])

    def _runs(self, entries: list[Entry], caller: Caller) -> Iterator[tuple[BoundMethod | None, list[Entry]]]:
        """Consecutive calls of a method that takes them together; everything else by itself."""
        for method, group in itertools.groupby(entries, lambda entry: self._batch_method(entry, caller)):
            if method is None:
                yield from ((None, [entry]) for entry in group)
            else:
                yield method, list(group)

    def _batch_method(self, entry: Entry, caller: Caller) -> BoundMethod | None:
        method = self._methods.get(entry.method) if isinstance(entry, Request) else None
        if method is None or method.batch_handler is None or (method.is_dev and not caller.may_use_dev):
            return None
        return method

    async def _answer_run(self, method: BoundMethod, run: list[Entry]) -> list[bytes]:
        """Calls of one method, handed over together; those with bad parameters are answered without troubling the method."""
        requests = [entry for entry in run if isinstance(entry, Request)]
        started = time.perf_counter()
        outcomes: dict[int, object] = {}
        arguments: dict[int, tuple[object, ...]] = {}
        try:
            for index, request in enumerate(requests):
                try:
                    arguments[index] = method.decoder.decode(request.params)
                except ZerogError as error:
                    outcomes[index] = error
            if arguments and method.batch_handler is not None:
                results = await method.batch_handler(self._context, list(arguments.values()))
                outcomes.update(zip(arguments, results, strict=True))
            answers = [_outcome(request, method, outcomes[index]) for index, request in enumerate(requests)]
        except Exception as error:  # noqa: BLE001 - as above; one failure answers all of them.
            answers = [_failure(request, method, error) for request in requests]
        method.statistics.calls += len(requests)
        method.statistics.seconds += time.perf_counter() - started
        return answers


def _bind(method: Method) -> BoundMethod:
    return BoundMethod(
        name=method.name,
        handler=method.handler,
        decoder=parameter_decoder(method.handler, skipped=2 if method.needs_connection else 1),
        batch_handler=method.batch_handler,
        is_open=not (method.is_dev or method.needs_connection),
        is_dev=method.is_dev,
        needs_connection=method.needs_connection,
    )


def _answer(request: Request, result: object) -> bytes:
    if request.id is ABSENT:
        return NO_ANSWER
    return encode_result(request.id, result if type(result) is msgspec.Raw else encode_value(result))


def _answer_error(request: Entry, error: ZerogError) -> bytes:
    return NO_ANSWER if request.id is ABSENT else encode_error(request.id, error)


def _outcome(request: Request, method: BoundMethod, outcome: object) -> bytes:
    return _failure(request, method, outcome) if isinstance(outcome, ZerogError) else _answer(request, outcome)


def _failure(request: Request, method: BoundMethod, error: Exception) -> bytes:
    """An expected error in its own words; of a bug only a reference to the log, so that no traceback leaves the house."""
    method.statistics.errors += 1
    if not isinstance(error, ZerogError):
        reference = secrets.token_hex(4)
        log.error("rpc_method_failed", method=method.name, reference=reference, exc_info=error)
        error = InternalError(reference)
    return _answer_error(request, error)
