"""Proof of random access: what a miner may search, when, for what, and how a seal is made.

Source: 0gfoundation/0g-storage-contracts, `PoraMine.sol`, `RecallRange.sol`; 0gfoundation/0g-storage-node, `node/miner`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from zerog import _kernel
from zerog.primitives import Hash32
from zerog.storage.protocol.errors import StorageError
from zerog.storage.protocol.merkle import ByteBuffer, segment_root
from zerog.storage.protocol.shards import Shard
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS

__all__ = [
    "EMPTY_DIGEST",
    "LOAD_BYTES",
    "LOAD_SEALS",
    "LOAD_SECTORS",
    "RANGE_SECTORS_MAX",
    "SEAL_BYTES",
    "SEAL_HEIGHT",
    "SEAL_SECTORS",
    "MiningWindow",
    "NothingToMineError",
    "RecallRange",
    "adjusted_target",
    "initial_target",
    "mining_window",
    "pricing_index",
    "quality_max",
    "recall_sector",
    "scale_x64",
    "seal",
    "seal_root",
    "seals_per_hit",
    "subtask_digest",
    "subtask_index",
    "unseal",
]

SEAL_SECTORS: Final = 16
"""What is sealed and proved at once."""
SEAL_HEIGHT: Final = 4
"""Height of a seal's root over its sectors."""
SEAL_BYTES: Final = SEAL_SECTORS * SECTOR_BYTES
LOAD_SECTORS: Final = SEGMENT_SECTORS
"""What a nonce picks at once: a segment of the flow."""
LOAD_BYTES: Final = SEGMENT_BYTES
LOAD_SEALS: Final = LOAD_SECTORS // SEAL_SECTORS
RANGE_SECTORS_MAX: Final = 1 << 35
"""8 TiB: the most that a shard may search at once."""
TARGET_MAX: Final = 2**256 - 1
TARGET_SHIFT: Final = 16
"""Targets are computed without their lowest bits, so that products stay within 256 bits."""
EMPTY_DIGEST: Final = Hash32(_kernel.keccak256(b""))
"""Digest of an epoch whose block the chain had forgotten when the epoch was made; nobody can mine in it."""


@dataclass(eq=False)
class NothingToMineError(StorageError):
    """A flow too short to be mined."""

    flow_sectors: int

    code = "nothing_to_mine"
    remedy = "mine when the flow has a segment at least"

    def __str__(self) -> str:
        return f"a flow of {self.flow_sectors} sectors has no whole segment to mine"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRange:
    """The part of the flow that a miner searches: from a sector on, and of its loads those of his shard."""

    start_sector: int
    sectors: int
    shard_id: int
    shard_mask: int
    """The bits of a load's index that the nonce decides."""

    @classmethod
    def of(cls, shard: Shard, flow_sectors: int, start_sector: int = 0, *, chunk_sectors: int = 1) -> Self:
        """The longest that the contract takes of a shard. Raises `NothingToMineError`.

        `start_sector` is where to begin on a flow that is longer than a range may be: moved down to a multiple of a pricing chunk, which
        has `chunk_sectors`, and to where the range ends with the flow.
        """
        end = flow_sectors // LOAD_SECTORS * LOAD_SECTORS
        longest = min(end, RANGE_SECTORS_MAX * shard.count)
        if not longest:
            raise NothingToMineError(flow_sectors)
        start_sector = min(start_sector, end - longest) // chunk_sectors * chunk_sectors
        return cls(start_sector=start_sector, sectors=longest, shard_id=shard.id, shard_mask=~(shard.count - 1) & (2**64 - 1))

    @property
    def shards(self) -> int:
        """How many miners share the range."""
        return 1 << (64 - self.shard_mask.bit_count())

    def digest(self) -> Hash32:
        """Keccak-256 of the four numbers, each as 256 bits."""
        numbers = (self.start_sector, self.sectors, self.shard_id, self.shard_mask)
        return Hash32(_kernel.keccak256(b"".join(number.to_bytes(32, "big") for number in numbers)))


def recall_sector(recall: RecallRange, recall_seed: Hash32) -> int | None:
    """Where the load begins that a seed picks; `None` if that is not in the range."""
    loads = recall.sectors // LOAD_SECTORS
    if not loads:
        return None
    index = int.from_bytes(recall_seed, "big") % loads & recall.shard_mask | recall.shard_id
    return recall.start_sector + index * LOAD_SECTORS if index < loads else None


def scale_x64(flow_sectors: int, shards: int) -> int:
    """By how much a target is divided, times 2^64: a miner of one of many shards has his share of the data and, so, of the chances."""
    whole = min(flow_sectors, RANGE_SECTORS_MAX)
    return (whole << 64) // max(min(flow_sectors // shards, RANGE_SECTORS_MAX), 1)


def quality_max(target: int, flow_sectors: int, shards: int) -> int:
    """The highest quality that is an answer: the smaller, the rarer."""
    return target // scale_x64(flow_sectors, shards) << 64


def seals_per_hit(highest: int) -> float:
    """How many seals are weighed, on average, until one has at most the quality `highest`."""
    return 2.0**256 / (highest + 1)


def pricing_index(recall_position: int, pricing_chunk_sectors: int) -> int:
    """The pricing chunk from whose reward an answer is paid."""
    return recall_position // pricing_chunk_sectors


@dataclass(frozen=True, slots=True)
class MiningWindow:
    """The blocks in which a miner may answer: after `start`, whose hash his search needs, and up to `last`."""

    start: int
    last: int

    def holds(self, block_number: int) -> bool:
        """Whether an answer in this block is neither too early nor too late."""
        return self.start < block_number <= self.last


def subtask_index(context_digest: Hash32, miner_id: Hash32, subtasks: int) -> int:
    """Which of an epoch's windows is a miner's."""
    return int.from_bytes(_kernel.keccak256(context_digest + miner_id), "big") % subtasks


def mining_window(
    context_digest: Hash32, miner_id: Hash32, *, mine_start: int, subtasks: int, subtask_interval_blocks: int, target_mine_blocks: int
) -> MiningWindow:
    """The window of a miner in the epoch whose context this is. `mine_start` is the block with which the epoch ended."""
    start = mine_start + subtask_index(context_digest, miner_id, subtasks) * subtask_interval_blocks
    return MiningWindow(start, start + target_mine_blocks)


def subtask_digest(context_digest: Hash32, block_hash: Hash32) -> Hash32:
    """What a miner cannot know before his window opens: `block_hash` is that of its start."""
    return Hash32(_kernel.keccak256(context_digest + block_hash))


def initial_target(difficulty: int) -> int:
    """The target of a contract that was made with a difficulty."""
    return TARGET_MAX // difficulty


def adjusted_target(target: int, *, submissions: int, target_submissions: int, adjust_ratio: int, difficulty_min: int) -> int:
    """The target of the next epoch, after one with so many answers: a step of 1/`adjust_ratio` towards the one that would have given
    as many as wanted, and never more than half or double."""
    now = target >> TARGET_SHIFT
    wanted = now * target_submissions // submissions if submissions else TARGET_MAX >> TARGET_SHIFT
    moved = (now * (adjust_ratio - 1) + wanted) // adjust_ratio
    moved = min(max(moved, now // 2), now * 2, TARGET_MAX >> TARGET_SHIFT)
    return min(moved << TARGET_SHIFT, TARGET_MAX // difficulty_min)


def seal(miner_id: Hash32, start_sector: int, context_digests: Sequence[Hash32], data: ByteBuffer) -> bytes:
    """Seal what begins at a sector of the flow: 4096 bytes for each digest, of the context that made the last sector of the 16 provable.

    Raises `ValueError` if `data` has not that length, or begins within a seal.
    """
    return _kernel.pora_seal(miner_id, start_sector, context_digests, data)


def unseal(miner_id: Hash32, start_sector: int, context_digests: Sequence[Hash32], data: ByteBuffer) -> bytes:
    """Undo `seal`. Raises `ValueError` likewise."""
    return _kernel.pora_unseal(miner_id, start_sector, context_digests, data)


def seal_root(data: ByteBuffer, sector: int, siblings: Sequence[Hash32]) -> Hash32:
    """Root of the flow to which a seal's data (not sealed) leads, with the siblings from its own height up, from the bottom."""
    node = segment_root(data, SEAL_SECTORS)
    index = sector // SEAL_SECTORS
    for sibling in siblings:
        node = Hash32(_kernel.keccak256(sibling + node if index & 1 else node + sibling))
        index >>= 1
    return node
