"""A client of an encoder. Importing it loads grpcio."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final, Self

from zerog.da.wire.encoder import ENCODE_BLOB, ENCODE_BLOB_STREAM, GET_SETUP, EncodedPart, EncodeReply, EncodeRequest, SetupReply
from zerog.runtime.grpc.channel import GrpcChannel

__all__ = ["AsyncEncoderClient"]

QUICK_S: Final = 10.0


class AsyncEncoderClient:
    """Talks to one encoder. Every method raises `GrpcUnreachableError`, `GrpcTimeoutError` or `GrpcCallError`."""

    def __init__(self, address: str) -> None:
        self._channel: Final = GrpcChannel(address)
        self.address: Final = self._channel.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._channel.close()

    async def encode(self, data: bytes, *, require_data: bool = False, timeout_s: float = 300.0) -> EncodeReply:
        """An encoded blob in one message, as the official programs take it: more than a hundred megabytes."""
        return await self._channel.call(ENCODE_BLOB, EncodeRequest(data, require_data), timeout_s=timeout_s)

    def encode_stream(self, data: bytes, *, timeout_s: float = 300.0) -> AbstractAsyncContextManager[AsyncIterator[EncodedPart]]:
        """The same in parts, the first of which has the head."""
        return self._channel.stream(ENCODE_BLOB_STREAM, EncodeRequest(data), timeout_s=timeout_s)

    async def setup(self, *, timeout_s: float = QUICK_S) -> SetupReply:
        """What the encoder computes with."""
        return await self._channel.call(GET_SETUP, None, timeout_s=timeout_s)
