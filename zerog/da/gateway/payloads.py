"""Payloads of rollups: cut into blobs on their way in, put together again and held against their roots on their way out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
from anyio import to_thread

from zerog.da.client.asynchronous import AsyncDaClient
from zerog.da.client.errors import BlobNotFoundError, BlobWrongError
from zerog.da.client.failures import first_failure
from zerog.da.gateway.book import Book
from zerog.da.gateway.errors import PayloadEmptyError, PayloadForeignError, PayloadLostError, PayloadTooLargeError, PayloadUnknownError
from zerog.da.gateway.settings import DaGatewaySettings
from zerog.da.protocol.commitments import Commitment, GenericCommitment, KeccakCommitment, split_payload
from zerog.da.protocol.names import BlobName

__all__ = ["PayloadCounters", "Payloads"]

BLOBS_AT_ONCE: Final = 2
"""Of one payload: while the quorum signs one, the next is encoded."""


@dataclass(slots=True)
class PayloadCounters:
    """Since the start."""

    stored: int = 0
    stored_bytes: int = 0
    given: int = 0
    given_bytes: int = 0
    failed: int = 0


class Payloads:
    """The gateway's work, whatever protocol it is asked in."""

    def __init__(
        self,
        da: AsyncDaClient,
        book: Book,
        settings: DaGatewaySettings,
        is_signed: Callable[[BlobName], Awaitable[bool]],
    ) -> None:
        """`is_signed` says whether the chain has a quorum's word for a blob."""
        self._da: Final = da
        self._book: Final = book
        self._settings: Final = settings
        self._is_signed: Final = is_signed
        self.counters: Final = PayloadCounters()

    @property
    def bytes_max(self) -> int:
        return self._settings.payload_bytes_max

    async def put(self, payload: bytes) -> GenericCommitment:
        """Once quorums have all of it.

        Raises `PayloadEmptyError`, `PayloadTooLargeError`, and what the client of DA raises.
        """
        if not payload:
            raise PayloadEmptyError
        if len(payload) > self.bytes_max:
            raise PayloadTooLargeError(len(payload), self.bytes_max)
        parts = split_payload(payload, self._settings.blob_bytes_max)
        names: dict[int, BlobName] = {}
        places = anyio.CapacityLimiter(BLOBS_AT_ONCE)

        async def disperse(index: int, part: memoryview) -> None:
            async with places:
                data = payload if len(parts) == 1 else bytes(part)
                settings = self._settings
                done = await self._da.put(data, wait_until=settings.wait_until, timeout_s=settings.put_timeout_s)
                names[index] = BlobName(done.root, done.epoch, done.quorum_id)

        try:
            async with anyio.create_task_group() as work:
                for index, part in enumerate(parts):
                    work.start_soon(disperse, index, part, name=f"gateway.blob.{index}")
        except BaseExceptionGroup as failures:
            self.counters.failed += 1
            raise first_failure(failures) from None
        self.counters.stored += 1
        self.counters.stored_bytes += len(payload)
        return GenericCommitment(tuple(names[index] for index in range(len(parts))))

    async def put_as(self, commitment: KeccakCommitment, payload: bytes) -> None:
        """The same under a digest, which must be the payload's: where its blobs are is on disk before this returns.

        Raises `PayloadForeignError`, and as `put`.
        """
        if not payload:
            raise PayloadEmptyError
        found = await to_thread.run_sync(KeccakCommitment.of, payload)
        if found != commitment:
            raise PayloadForeignError(commitment.digest, found.digest)
        generic = await self.put(payload)
        await to_thread.run_sync(self._book.note_payload, commitment.digest, generic)

    async def get(self, commitment: Commitment) -> bytes:
        """Every byte is held against the roots of the blobs, and all against the digest.

        Raises `PayloadUnknownError`, `PayloadLostError`, `BlobWrongError`.
        """
        if isinstance(commitment, GenericCommitment):
            payload = await self._get_blobs(commitment)
        else:
            known = await to_thread.run_sync(self._book.find_payload, commitment.digest)
            if known is None:
                raise PayloadUnknownError(f"no payload with the digest {commitment.digest} was put here")
            payload = await self._get_blobs(known)
            found = await to_thread.run_sync(KeccakCommitment.of, payload)
            if found != commitment:
                raise PayloadForeignError(commitment.digest, found.digest)
        self.counters.given += 1
        self.counters.given_bytes += len(payload)
        return payload

    async def _get_blobs(self, commitment: GenericCommitment) -> bytes:
        parts: list[bytes] = []
        size_bytes = 0
        for name in commitment.blobs:
            part = await self._get_blob(name)
            size_bytes += len(part)
            if size_bytes > self.bytes_max:
                raise PayloadTooLargeError(size_bytes, self.bytes_max)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _get_blob(self, name: BlobName) -> bytes:
        try:
            return await self._da.get(name)
        except (BlobNotFoundError, BlobWrongError) as error:
            if await self._is_signed(name):
                raise PayloadLostError(str(error)) from None
            raise PayloadUnknownError(f"no quorum has signed {name}: {error}") from None
