"""One call on the server's side, from its head to its status."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, NoReturn, TypeAlias

import anyio
import grpc
import structlog
from anyio import to_thread
from grpc import aio

from zerog.primitives.errors import ZerogError
from zerog.runtime.grpc.errors import (
    MessageMalformedError,
    MessageMissingError,
    MessageStalledError,
    PoolFullError,
    status_name,
)
from zerog.runtime.grpc.memory import MessageMemory
from zerog.runtime.grpc.methods import SMALL_BYTES, Caller, CallPool, MethodCounters, Served

__all__ = ["Refuse", "call_handler", "plain_refusal"]

log = structlog.get_logger(__name__)

Context: TypeAlias = "aio.ServicerContext[Any, Any]"
Refuse: TypeAlias = Callable[[ZerogError], tuple[str, str]]
"""From an expected error to the name of its status and its words."""
END: Final = getattr(aio, "EOF")  # noqa: B009 - the published types do not have it.
"""What grpcio reads at the end of a stream."""
IN_THREAD_BYTES: Final = 256 << 10
"""Longer messages are read and written in a thread."""


def plain_refusal(error: ZerogError) -> tuple[str, str]:
    """The status of the error's type, and its text."""
    return status_name(error), str(error)


def call_handler(method: Served, memory: MessageMemory, counters: MethodCounters, refuse: Refuse) -> "grpc.RpcMethodHandler[Any, Any]":
    """The handler that grpcio calls with the head of each call."""

    async def serve(_requests: object, context: Context) -> bytes | None:
        counters.calls += 1
        begun_s = time.perf_counter()
        try:
            async with _answered(context, method.shape.name, refuse):
                with _counted(method.pool):
                    return await _Call(method, memory, counters, context).carry_out()
        except BaseException:
            counters.failures += 1
            raise
        finally:
            counters.seconds += time.perf_counter() - begun_s

    make = grpc.stream_stream_rpc_method_handler if method.shape.streams_replies else grpc.stream_unary_rpc_method_handler
    return make(serve)


class _Call:
    """Reads what was sent, has it answered, and writes that."""

    def __init__(self, method: Served, memory: MessageMemory, counters: MethodCounters, context: Context) -> None:
        self._method: Final = method
        self._shape: Final = method.shape
        self._memory: Final = memory
        self._counters: Final = counters
        self._context: Final = context

    async def carry_out(self) -> bytes | None:
        if self._method.memory_bytes <= SMALL_BYTES:
            return await self._answer()
        async with self._memory.share(self._method.memory_bytes):
            return await self._answer()

    async def _answer(self) -> bytes | None:
        caller = _caller(self._context)
        request = self._requests() if self._shape.streams_requests else await self._only_request()
        if not self._shape.streams_replies:
            return bytes(await _quickly(self._shape.encode_reply, await self._method.answer(request, caller)))
        async for reply in self._method.answer(request, caller):
            await self._context.write(await _quickly(self._shape.encode_reply, reply))
        return None

    async def _only_request(self) -> Any:
        raw = await self._read()
        if raw is None:
            raise MessageMissingError
        return await self._decoded(raw)

    async def _requests(self) -> AsyncIterator[Any]:
        while (raw := await self._read()) is not None:
            yield await self._decoded(raw)

    async def _read(self) -> bytes | None:
        """The next message, `None` at the end of the stream."""
        try:
            with anyio.fail_after(self._method.seconds_max):
                raw = await self._context.read()
        except TimeoutError:
            raise MessageStalledError(self._method.seconds_max) from None
        if raw is END:
            return None
        self._counters.request_bytes += len(raw)
        return bytes(raw)

    async def _decoded(self, raw: bytes) -> Any:
        try:
            return await _quickly(self._shape.decode_request, raw, size_bytes=len(raw))
        except ValueError as error:
            raise MessageMalformedError(str(error)) from None


async def _quickly(convert: Callable[[Any], Any], value: Any, *, size_bytes: int | None = None) -> Any:
    """Convert here what is small, and in a thread what would keep the loop."""
    size_bytes = getattr(value, "wire_bytes", 0) if size_bytes is None else size_bytes
    return await to_thread.run_sync(convert, value) if size_bytes > IN_THREAD_BYTES else convert(value)


@contextmanager
def _counted(pool: CallPool | None) -> Iterator[None]:
    if pool is None:
        yield
        return
    if pool.calls >= pool.calls_max:
        raise PoolFullError(pool.text)
    pool.calls += 1
    try:
        yield
    finally:
        pool.calls -= 1


@asynccontextmanager
async def _answered(context: Context, method: str, refuse: Refuse) -> AsyncIterator[None]:
    """Failures as statuses: an expected one in its own words, of a bug only a reference to the log."""
    try:
        yield
    except ZerogError as error:
        status, words = refuse(error)
        await _abort(context, status, words)
    except aio.AbortError:
        raise
    except Exception as error:
        reference = secrets.token_hex(4)
        log.exception("grpc_method_failed", method=method, reference=reference, exc_info=error)
        await _abort(context, "INTERNAL", f"internal error (reference {reference} in the log)")


async def _abort(context: Context, status: str, words: str) -> NoReturn:
    await context.abort(grpc.StatusCode[status], words)


def _caller(context: Context) -> Caller:
    metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    return Caller(context.peer(), metadata, context.time_remaining())
