"""Moments of the chain that can be gone back to. Taking one costs nothing: the ledger and the pool share what has not changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zerog._kernel import PoolSnapshot
from zerog.chain.node.producer.solo import NextBlock
from zerog.chain.protocol.block_clock import BlockClock
from zerog.primitives import Address

__all__ = ["Snapshot", "Snapshots"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that `evm_revert` brings back. Impersonations and keys stay as they are."""

    block: int
    edit_count: int
    """Developer edits on top of the block."""
    pool: PoolSnapshot
    block_clock: BlockClock
    next_block: NextBlock
    filter_cursors: Mapping[int, int]
    gas_limit: int
    coinbase: Address


@dataclass(slots=True)
class Snapshots:
    """Snapshots by id; ids grow and are never used twice."""

    last_id: int = 0
    entries: dict[int, Snapshot] = field(default_factory=dict)

    def keep(self, snapshot: Snapshot) -> int:
        """Keep a snapshot; returns its id."""
        self.last_id += 1
        self.entries[self.last_id] = snapshot
        return self.last_id

    def take(self, snapshot_id: int) -> Snapshot | None:
        """The snapshot, which is forgotten with all later ones; `None` when there is none."""
        snapshot = self.entries.get(snapshot_id)
        if snapshot is not None:
            self.entries = {key: value for key, value in self.entries.items() if key < snapshot_id}
        return snapshot
