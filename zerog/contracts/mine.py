"""The mine of 0G Storage: what proofs of storage are made of, what is told in events, and why an answer is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Self

from zerog.contracts.interface import AbiValue, load_interface
from zerog.contracts.storage import MineContext
from zerog.primitives import Address, Hash32

__all__ = [
    "CALLER_OF_CALLS",
    "MINE",
    "SEAL_BYTES",
    "MineParams",
    "MineRefusal",
    "NewMinerId",
    "NewSubmission",
    "PoraAnswer",
    "RecallRange",
    "UpdateMinerId",
    "WorkerContext",
]

MINE: Final = load_interface("storage", "PoraMine")
CALLER_OF_CALLS: Final = Address(bytes(19) + b"\x0a")
"""Sender of calls of `computeWorkerContext`, which nobody can send a transaction from."""
SEAL_BYTES: Final = 4096


class MineRefusal(StrEnum):
    """The texts by which the mine refuses, in the order in which an answer is checked."""

    ZERO_MINER = "MinerId cannot be zero"
    UNKNOWN_MINER = "MinerId does not registered"
    TOO_EARLY = "Earlier than expected subtask start block."
    TOO_LATE = "Mine deadline exceed"
    OTHER_CONTEXT = "Inconsistent mining digest"
    EMPTY_CONTEXT = "Empty digest can not mine"
    EPOCH_FULL = "Epoch has enough submissions"
    UNALIGNED_START = "Start position is not aligned"
    RANGE_OVERFLOW = "Mining range overflow"
    RANGE_TOO_LONG = "Mining range too long"
    RANGE_TOO_SHORT = "Mining range too short"
    MASKED_SHARD = "Masked bits should be zero"
    OTHER_SEAL_CONTEXT = "Invalid sealed context digest"
    TOO_MANY_SHARDS = "Exceeding the allowed number of shards"
    EMPTY_SEAL_CONTEXT = "Seal digest cannot be empty"
    OTHER_DATA = "Inconsistent merkle root"
    OUT_OF_BOUND = "Recall position out of bound"
    OTHER_POSITION = "Incorrect recall position"
    POOR_QUALITY = "Do not reach target quality"
    REPEATED = "Answer has been submitted"
    NOT_A_CALL = "Only authorized caller can compute worker context"
    MINER_TAKEN = "MinerId has registered"
    NOT_THE_BENEFICIARY = "Sender does not own minerId"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRange:
    """The part of the flow that a miner says to store: of its loads of 1,024 sectors those with `shard_id` in the bits beside the mask."""

    start_position: int
    """In sectors, a multiple of a pricing chunk."""
    mine_length: int
    """In sectors."""
    shard_id: int
    shard_mask: int

    def to_abi(self) -> tuple[int, int, int, int]:
        """As the ABI's `RecallRange`."""
        return self.start_position, self.mine_length, self.shard_id, self.shard_mask


@dataclass(frozen=True, slots=True, kw_only=True)
class PoraAnswer:
    """A proof that a miner stores what a nonce made it look up."""

    context_digest: Hash32
    nonce: Hash32
    miner_id: Hash32
    range: RecallRange
    recall_position: int
    """Sector of the flow at which the seal begins."""
    seal_offset: int
    """Number of the seal within its load, below 64."""
    sealed_context_digest: Hash32
    """Digest of the epoch that added the seal's last sector."""
    sealed_data: bytes
    """4,096 bytes."""
    merkle_proof: tuple[Hash32, ...]
    """From the seal's sibling up to below the flow's root."""

    def to_abi(self) -> tuple[AbiValue, ...]:
        """As the ABI's `PoraAnswer`."""
        words = [self.sealed_data[start : start + 32] for start in range(0, SEAL_BYTES, 32)]
        head = (self.context_digest, self.nonce, self.miner_id, self.range.to_abi(), self.recall_position, self.seal_offset)
        return (*head, self.sealed_context_digest, words, list(self.merkle_proof))

    def submit_call(self) -> bytes:
        """Data of a call that submits it."""
        return MINE.function("submit").encode(self.to_abi())


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What a miner has to do now."""

    context: MineContext
    pora_target: int
    """The highest quality for the whole flow; 0 where there is nothing to do."""
    subtask_digest: Hash32
    """Zero outside of the miner's window."""
    max_shards: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `computeWorkerContext` returns. Raises `DecodeError`."""
        [(context, target, digest, max_shards)] = MINE.function("computeWorkerContext").decode_result(data)
        return cls(MineContext.from_abi(context), target, Hash32(digest), max_shards)


@dataclass(frozen=True, slots=True, kw_only=True)
class MineParams:
    """How mining begins."""

    difficulty: int
    target_mine_blocks: int
    target_submissions: int
    max_shards: int
    subtasks: int
    subtask_interval_blocks: int

    def initialize_call(self, flow: Address, reward: Address) -> bytes:
        """Data of the call that sets a mine up."""
        blocks = (self.target_mine_blocks, self.target_submissions, self.max_shards, self.subtasks, self.subtask_interval_blocks)
        return MINE.function("initialize").encode(flow, reward, (self.difficulty, *blocks))


@dataclass(frozen=True, slots=True)
class NewMinerId:
    """Somebody got an id to mine with."""

    TOPIC: ClassVar[Hash32] = MINE.event("NewMinerId").topic

    miner_id: Hash32
    beneficiary: Address

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        miner_id, beneficiary = MINE.event("NewMinerId").decode(topics, data)
        return cls(Hash32(miner_id), Address(beneficiary))


@dataclass(frozen=True, slots=True)
class UpdateMinerId:
    """Answers of a miner are credited to somebody else from now on."""

    TOPIC: ClassVar[Hash32] = MINE.event("UpdateMinerId").topic

    miner_id: Hash32
    before: Address
    beneficiary: Address

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        miner_id, before, beneficiary = MINE.event("UpdateMinerId").decode(topics, data)
        return cls(Hash32(miner_id), Address(before), Address(beneficiary))


@dataclass(frozen=True, slots=True)
class NewSubmission:
    """An answer was taken."""

    TOPIC: ClassVar[Hash32] = MINE.event("NewSubmission").topic

    epoch: int
    miner_id: Hash32
    epoch_index: int
    """How many answers the epoch had before."""
    recall_position: int

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        epoch, miner_id, index, position = MINE.event("NewSubmission").decode(topics, data)
        return cls(epoch, Hash32(miner_id), index, position)
