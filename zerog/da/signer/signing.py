"""Checks a blob's rows and signs for them, in the order and with the words of the official node.

Source: 0glabs/0g-da-node, `grpc/src/service.rs`. Beyond it: a node without rows signs nothing, and nobody signs for expired epochs.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from anyio import CapacityLimiter, to_thread

from zerog._kernel import AmtSetup, PointError, SliceError, amt_slice_parts, bls_sign, g1_from_flagless, g1_to_flagged
from zerog.da.protocol.constants import SLICE_BYTES
from zerog.da.protocol.messages import COMMITMENT_BYTES, blob_digest
from zerog.da.protocol.names import BlobName
from zerog.da.signer.assignments import Assignments
from zerog.da.signer.errors import (
    BLOB_UNKNOWN,
    BLOB_VERIFIED,
    COMMITMENT_NO_POINT,
    ROOT_LENGTH,
    SLICES_MISMATCH,
    BadRequestError,
    NodeFaultError,
    TooMuchError,
)
from zerog.da.signer.store import HeldRow, SignerStore
from zerog.da.wire.signer import SignBatch, SignHead, SignPart
from zerog.primitives import Hash32
from zerog.runtime.grpc.methods import Caller

__all__ = ["SignCounters", "Signing", "read_head"]

log = structlog.get_logger(__name__)

BASE_FIELD_MODULUS: Final = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""Source: EIP-196."""
WORD_BYTES: Final = 32
SLICES_IN_LOOP_MAX: Final = 4


@dataclass(slots=True)
class SignCounters:
    """Sums since the start."""

    signed: int = 0
    refused: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class _Parts:
    """Slices, taken apart."""

    rows: list[HeldRow] = field(repr=False)
    coset_roots: tuple[bytes, bytes, bytes] | None = None


class Signing:
    """Signs for one node. Belongs to one event loop; slices are checked in threads."""

    def __init__(
        self,
        setup: AmtSetup,
        secret: bytes,
        assignments: Assignments,
        store: SignerStore,
        *,
        requests_max: int,
        threads: int,
    ) -> None:
        """`secret` is the BLS secret, 32 big-endian bytes; `requests_max` bounds a batch."""
        self.counters: Final = SignCounters()
        self._setup: Final = setup
        self._secret: Final = secret
        self._assignments: Final = assignments
        self._store: Final = store
        self._requests_max: Final = requests_max
        self._threads: Final = CapacityLimiter(threads)

    async def batch(self, batch: SignBatch, _caller: Caller) -> Sequence[bytes]:
        """`BatchSign`: a signature for each request, or none at all. What was signed before one that fails stays signed, and kept."""
        if len(batch.requests) > self._requests_max:
            raise TooMuchError(f"a batch of {len(batch.requests)} blobs: this node takes {self._requests_max} at once")
        return [await self.sign(request.head, request.slices) for request in batch.requests]

    async def stream(self, parts: AsyncIterator[SignPart], _caller: Caller) -> bytes:
        """`SignStream`: the head is checked before the first slice comes, and no more slices are taken than there are rows."""
        slices: list[bytes] = []
        head: SignHead | None = None
        due = 0
        async for part in parts:
            if head is None:
                head = part.head
                if head is None:
                    raise BadRequestError("the first part has no head")
                blob, _ = read_head(head)
                self._check_standing(blob)
                due = len(await self._assignments.to_sign(blob.epoch, blob.quorum_id))
            elif part.head is not None:
                raise BadRequestError("only the first part has a head")
            slices.extend(part.slices)
            if len(slices) > due:
                raise BadRequestError(SLICES_MISMATCH)
        if head is None:
            raise BadRequestError("the first part has no head")
        return await self.sign(head, slices)

    async def sign(self, head: SignHead, slices: Sequence[bytes]) -> bytes:
        """The signature for a blob, 64 bytes with arkworks' flags, once all is checked and kept.

        Raises `BadRequestError`, `NodeFaultError`, `EpochExpiredError`, `StoreFailedError`.
        """
        try:
            signature = await self._sign(head, slices)
        except BaseException:
            self.counters.refused += 1
            raise
        self.counters.signed += 1
        self.counters.rows += len(slices)
        return signature

    async def _sign(self, head: SignHead, slices: Sequence[bytes]) -> bytes:
        blob, commitment = read_head(head)
        self._check_standing(blob)
        parts = await to_thread.run_sync(_take_apart, slices, limiter=self._threads)
        rows = await self._assignments.to_sign(blob.epoch, blob.quorum_id)
        if not rows or tuple(row.index for row in parts.rows) != rows:
            raise BadRequestError(SLICES_MISMATCH)
        await to_thread.run_sync(partial(self._verify, slices, blob.root, head.commitment), limiter=self._threads)
        signature = bls_sign(self._secret, blob_digest(blob.root, blob.epoch, blob.quorum_id, commitment))
        if parts.coset_roots is None:
            raise BadRequestError(SLICES_MISMATCH)
        keep = partial(self._store.keep, blob, commitment, parts.coset_roots, parts.rows, signature)
        await to_thread.run_sync(keep, limiter=self._threads)
        log.info("blob_signed", root=str(blob.root), epoch=blob.epoch, quorum=blob.quorum_id, rows=len(rows))
        return g1_to_flagged(signature)

    def _check_standing(self, blob: BlobName) -> None:
        """Raises `NodeFaultError` unless the blob waits for signatures."""
        standing = self._store.standing(blob)
        if standing.is_verified:
            raise NodeFaultError(BLOB_VERIFIED)
        if not standing.is_uploaded:
            raise NodeFaultError(BLOB_UNKNOWN)

    def _verify(self, slices: Sequence[bytes], root: Hash32, commitment: bytes) -> None:
        try:
            self._setup.verify_slices(slices, root, commitment)
        except SliceError as error:
            raise BadRequestError(str(error)) from None


def read_head(head: SignHead) -> tuple[BlobName, bytes]:
    """The blob's name, and its commitment as 64 big-endian bytes. Raises `BadRequestError`."""
    if len(head.data_root) != WORD_BYTES:
        raise BadRequestError(ROOT_LENGTH)
    if len(head.commitment) != COMMITMENT_BYTES:
        raise BadRequestError(f"failed to deserialize erasure commitment: {len(head.commitment)} bytes, not {COMMITMENT_BYTES}")
    coordinates = (head.commitment[:WORD_BYTES], head.commitment[WORD_BYTES:])
    if any(int.from_bytes(coordinate, "little") >= BASE_FIELD_MODULUS for coordinate in coordinates):
        raise BadRequestError("failed to deserialize erasure commitment: InvalidData")
    try:
        commitment = g1_from_flagless(head.commitment)
    except PointError:
        raise BadRequestError(COMMITMENT_NO_POINT) from None
    return BlobName(Hash32(head.data_root), head.epoch, head.quorum_id), commitment


def _take_apart(slices: Sequence[bytes]) -> _Parts:
    """Rows, paths and roots of slices. Raises `BadRequestError`."""
    rows: list[HeldRow] = []
    coset_roots: tuple[bytes, bytes, bytes] | None = None
    for piece in slices:
        if len(piece) != SLICE_BYTES:
            raise BadRequestError(f"failed to deserialize slice: {len(piece)} bytes, not {SLICE_BYTES}")
        try:
            index, data, path, coset_roots = amt_slice_parts(piece)
        except SliceError as error:
            raise BadRequestError(str(error)) from None
        rows.append(HeldRow(index=index, data=data, path=path))
    return _Parts(rows, coset_roots)
