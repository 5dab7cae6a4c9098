"""A channel to a server of gRPC: calls with a deadline, that end when whoever waits is cancelled. Importing it loads grpcio."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Self, TypeVar

import grpc
from anyio import to_thread
from anyio.lowlevel import checkpoint_if_cancelled
from grpc import aio

from zerog.runtime.grpc.errors import GrpcCallError, GrpcTimeoutError, GrpcUnreachableError
from zerog.runtime.grpc.methods import Shape

__all__ = ["MESSAGE_BYTES_MAX", "GrpcChannel"]

Q = TypeVar("Q")
A = TypeVar("A")

MESSAGE_BYTES_MAX: Final = 1 << 30
"""What DA's programs take from each other. Source: 0glabs/0g-da-client, common/; 0glabs/0g-da-node, node/src (1 GiB both ways)."""
END: Final = getattr(aio, "EOF")  # noqa: B009 - the published types do not have it.
"""What grpcio reads at the end of a stream."""
IN_THREAD_BYTES: Final = 256 << 10
RECONNECT_MS_MIN: Final = 100
RECONNECT_MS_MAX: Final = 2_000
"""A server that comes back is found again within this time; gRPC's own limit is two minutes."""


class GrpcChannel:
    """Calls to one address. Belongs to one event loop; connects with the first call, and again when the connection breaks."""

    def __init__(self, address: str, *, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        """`address` is `host:port`; `http://` before it is taken off. Plain text: there is no TLS."""
        self.address: Final = address.removeprefix("http://").rstrip("/")
        # Typed loosely: the published types know neither the defaults of its methods nor the end of a stream.
        self._channel: Final[Any] = aio.insecure_channel(
            self.address,
            options=[
                ("grpc.max_receive_message_length", message_bytes_max),
                ("grpc.max_send_message_length", -1),
                ("grpc.enable_http_proxy", 0),
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS_MIN),
                ("grpc.min_reconnect_backoff_ms", RECONNECT_MS_MAX),
                ("grpc.max_reconnect_backoff_ms", RECONNECT_MS_MAX),
            ],
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all calls and the connection."""
        await self._channel.close()

    async def call(self, shape: Shape[Q, A], request: Q, *, timeout_s: float) -> A:
        """The reply to one request. Raises `GrpcUnreachableError`, `GrpcTimeoutError`, `GrpcCallError`."""
        raw = await _in_thread_if_large(shape.encode_request, request)
        async with self._worded(shape):
            reply = await self._channel.unary_unary(shape.path)(raw, timeout=timeout_s)
        return await self._decoded(shape, reply)

    def stream(self, shape: Shape[Q, A], request: Q, *, timeout_s: float) -> AbstractAsyncContextManager[AsyncIterator[A]]:
        """The replies to one request, within a context whose end ends the call. Raises as `call`, there and while they are read."""
        return self._stream(shape, request, timeout_s)

    @asynccontextmanager
    async def _stream(self, shape: Shape[Q, A], request: Q, timeout_s: float) -> AsyncIterator[AsyncIterator[A]]:
        raw = await _in_thread_if_large(shape.encode_request, request)
        call = self._channel.unary_stream(shape.path)(raw, timeout=timeout_s)
        try:
            yield self._replies(shape, call)
        finally:
            call.cancel()

    async def _replies(self, shape: Shape[Q, A], call: Any) -> AsyncIterator[A]:
        while True:
            async with self._worded(shape):
                raw = await call.read()
            if raw is END:
                return
            yield await self._decoded(shape, raw)

    async def upload(self, shape: Shape[Q, A], requests: AsyncIterator[Q], *, timeout_s: float) -> A:
        """The reply to a stream of requests, of which the next is made when the server has room for it. Raises as `call`.

        A server that refuses early ends the stream: the rest is not made.
        """
        call = self._channel.stream_unary(shape.path)(timeout=timeout_s)
        try:
            async with self._worded(shape):
                await self._write_all(call, shape, requests)
                raw = await call
        finally:
            call.cancel()
        return await self._decoded(shape, raw)

    async def _write_all(self, call: Any, shape: Shape[Q, A], requests: AsyncIterator[Q]) -> None:
        """Write until the end, or until the server has answered.

        Past grpcio's own `write`, which puts a status of its own in the place of the one that a server sent while it was writing.
        """
        await call.wait_for_connection()
        async for request in requests:
            raw = await _in_thread_if_large(shape.encode_request, request)
            if call.done():
                return
            try:
                await call._cython_call.send_serialized_message(raw)  # noqa: SLF001 - see above.
            except aio.InternalError:
                return
        await call.done_writing()

    async def _decoded(self, shape: Shape[Q, A], raw: bytes) -> A:
        try:
            return await to_thread.run_sync(shape.decode_reply, raw) if len(raw) > IN_THREAD_BYTES else shape.decode_reply(raw)
        except ValueError as error:
            raise GrpcCallError(self.address, shape.name, "UNKNOWN", f"a reply that cannot be read: {error}") from None

    @asynccontextmanager
    async def _worded(self, shape: Shape[Any, Any]) -> AsyncIterator[None]:
        """grpcio's error as one of ours, and a cancellation as it was before grpcio passed it through a task of its own."""
        try:
            yield
        except asyncio.CancelledError:
            await checkpoint_if_cancelled()
            raise
        except aio.AioRpcError as error:
            status = error.code()
            kind = {grpc.StatusCode.UNAVAILABLE: GrpcUnreachableError, grpc.StatusCode.DEADLINE_EXCEEDED: GrpcTimeoutError}.get(
                status, GrpcCallError
            )
            raise kind(self.address, shape.name, status.name, error.details() or "") from None


async def _in_thread_if_large(encode: Any, request: Any) -> bytes:
    """What says that it is large (`wire_bytes`) is written in a thread."""
    if getattr(request, "wire_bytes", 0) > IN_THREAD_BYTES:
        return bytes(await to_thread.run_sync(encode, request))
    return bytes(encode(request))
