"""Proofs of storage in a few lines of Python, from the rules and with hashlib: sealing, scratchpad, what a nonce draws, how good it is.

Source: 0gfoundation/0g-storage-contracts, 0gfoundation/0g-storage-node (`zgs_seal`, `miner`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from tests.contracts.storage.model import SECTOR_BYTES, SENTINEL, zero_root
from zerog._kernel import keccak256, keccak256_many
from zerog.contracts.mine import PoraAnswer, RecallRange
from zerog.primitives import Hash32

SEAL_BYTES = 4096
SEAL_SECTORS = 16
LOAD_SECTORS = 1024
RANGE_SECTORS_MAX = 1 << 35
ALL_BITS = 2**64 - 1


def xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))


def seal(data: bytes, miner_id: bytes, context_digest: bytes, sector: int) -> bytes:
    """Cover each word of 4,096 bytes by the hash of the sealed word before it."""
    mask, words = keccak256(miner_id + context_digest + sector.to_bytes(32)), []
    for start in range(0, len(data), 32):
        words.append(xor(data[start : start + 32], mask))
        mask = keccak256(words[-1])
    return b"".join(words)


def range_digest(part: RecallRange) -> bytes:
    return keccak256(b"".join(number.to_bytes(32) for number in part.to_abi()))


def pad_seed(miner_id: bytes, nonce: bytes, subtask_digest: bytes, part: RecallRange) -> bytes:
    return blake2b(miner_id + nonce + subtask_digest + range_digest(part)).digest()


def scratchpad(seed: bytes) -> tuple[bytes, bytes]:
    """The pad of 16 KiB, and the seed that draws a load."""
    state, pad = seed, []
    for _ in range(256):
        first = keccak256(state)
        state = first + keccak256(first + state[32:])
        pad.append(state)
    return b"".join(pad), keccak256(state)


def drawn_load(part: RecallRange, recall_seed: bytes) -> int:
    """Number of the drawn load within the range; it may lie beyond the range's end."""
    return int.from_bytes(recall_seed) % (part.mine_length // LOAD_SECTORS) & part.shard_mask | part.shard_id


def quality(seed: bytes, pad: bytes, offset: int, sealed: bytes) -> int:
    """Of one sealed seal, the lower the better."""
    quarter = offset % 4 * SEAL_BYTES
    mixed = xor(sealed, pad[quarter : quarter + SEAL_BYTES])
    return int.from_bytes(blake2b(offset.to_bytes(32) + seed + bytes(32) + mixed).digest()[:32])


def quality_max(target: int, flow_sectors: int, shards: int) -> int:
    """The highest quality that is good enough for one of so many shards."""
    scale = (min(flow_sectors, RANGE_SECTORS_MAX) << 64) // min(flow_sectors // shards, RANGE_SECTORS_MAX)
    return target // scale << 64


def whole_flow(flow_sectors: int, shard_id: int = 0, shards: int = 1) -> RecallRange:
    """All loads of a short flow, or one of several shards of it."""
    length = flow_sectors // LOAD_SECTORS * LOAD_SECTORS
    return RecallRange(start_position=0, mine_length=length, shard_id=shard_id, shard_mask=ALL_BITS - (shards - 1))


@dataclass
class StoredFlow:
    """Files at their places on the flow, with the tree over all sectors."""

    length: int
    files: dict[int, bytes] = field(default_factory=dict)
    """Bytes of each file, padded, by its first sector."""

    def data(self, sector: int) -> bytes | None:
        """The seal that begins at a sector, if it lies within one file."""
        for start, content in self.files.items():
            if start <= sector and sector + SEAL_SECTORS <= start + len(content) // SECTOR_BYTES:
                return content[(sector - start) * SECTOR_BYTES :][:SEAL_BYTES]
        return None

    def levels(self) -> list[dict[int, bytes]]:
        """Nodes that are not all zero, by their index, from the sectors up to the root."""
        nodes = {0: SENTINEL}
        for start, content in self.files.items():
            hashes = keccak256_many([content[at : at + SECTOR_BYTES] for at in range(0, len(content), SECTOR_BYTES)])
            nodes |= dict(enumerate(hashes, start))
        levels = [nodes]
        for height in range((self.length - 1).bit_length()):
            zero, below = zero_root(height), levels[-1]
            parents = sorted({index // 2 for index in below})
            hashes = keccak256_many([below.get(2 * parent, zero) + below.get(2 * parent + 1, zero) for parent in parents])
            levels.append(dict(zip(parents, hashes, strict=True)))
        return levels

    def proof(self, levels: list[dict[int, bytes]], sector: int) -> tuple[Hash32, ...]:
        """Siblings of a seal, from its own height up to below the root."""
        return tuple(
            Hash32(levels[height].get(sector >> height ^ 1, zero_root(height))) for height in range(4, (self.length - 1).bit_length())
        )


@dataclass(frozen=True)
class Search:
    """All that a miner knows when it begins."""

    flow: StoredFlow
    miner_id: Hash32
    context_digest: Hash32
    subtask_digest: Hash32
    target: int
    """For the whole flow."""
    part: RecallRange
    sealed_in: Mapping[int, Hash32]
    """Digest of the epoch that added a file, by the file's first sector."""

    def answers(self, first_nonce: int = 0, nonces: int = 10**6) -> Iterator[PoraAnswer]:
        """All answers that are good enough, nonce by nonce."""
        levels = self.flow.levels()
        highest = quality_max(self.target, self.flow.length, 1 << (64 - self.part.shard_mask.bit_count()))
        for nonce in range(first_nonce, first_nonce + nonces):
            seed = pad_seed(self.miner_id, nonce.to_bytes(32), self.subtask_digest, self.part)
            pad, recall_seed = scratchpad(seed)
            load = drawn_load(self.part, recall_seed)
            if load >= self.part.mine_length // LOAD_SECTORS:
                continue
            for offset in range(64):
                sector = self.part.start_position + load * LOAD_SECTORS + offset * SEAL_SECTORS
                sealed = self.sealed(sector)
                if sealed is not None and quality(seed, pad, offset, sealed) <= highest:
                    yield self.answer(nonce, sector, offset, sealed, levels)

    def sealed(self, sector: int) -> bytes | None:
        data = self.flow.data(sector)
        return None if data is None else seal(data, self.miner_id, self._sealed_in(sector), sector)

    def answer(self, nonce: int, sector: int, offset: int, sealed: bytes, levels: list[dict[int, bytes]]) -> PoraAnswer:
        """The answer of a nonce, whatever its quality."""
        return PoraAnswer(
            context_digest=self.context_digest,
            nonce=Hash32(nonce.to_bytes(32)),
            miner_id=self.miner_id,
            range=self.part,
            recall_position=sector,
            seal_offset=offset,
            sealed_context_digest=self._sealed_in(sector),
            sealed_data=sealed,
            merkle_proof=self.flow.proof(levels, sector),
        )

    def _sealed_in(self, sector: int) -> Hash32:
        return self.sealed_in[max(start for start in self.sealed_in if start <= sector)]
