"""Seals what the node holds, load by load, and forgets what it no longer holds or what the chain took back."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from zerog._kernel import SealedLoads
from zerog.primitives import ZERO_HASH, Hash32
from zerog.storage.node.flow_reads import FlowReads
from zerog.storage.node.mining.counters import MiningCounters
from zerog.storage.node.mining.ranges import SealingRanges
from zerog.storage.node.mining.settings import MinerSettings
from zerog.storage.protocol.pora import LOAD_SEALS, LOAD_SECTORS, SEAL_BYTES, SEAL_SECTORS, seal
from zerog.storage.protocol.shards import Shard

__all__ = ["Sealing"]


class Sealing:
    """One miner's sealed loads. Belongs to one thread at a time."""

    def __init__(
        self,
        reads: FlowReads,
        loads: SealedLoads,
        ranges: SealingRanges,
        settings: MinerSettings,
        *,
        miner_id: Hash32,
        counters: MiningCounters,
    ) -> None:
        self._reads: Final = reads
        self._loads_max: Final = settings.loads_max
        self.loads: Final = loads
        self._ranges: Final = ranges
        self._miner_id: Final = miner_id
        self._counters: Final = counters
        self._held: dict[int, int] = dict(loads.held())
        """The seals that are present of each load."""
        self._checked = bytearray()
        """By load: whether its context digests were compared since the chain went back."""
        self._sectors = 0
        self._left: Iterator[int] = iter(())
        """Loads that the round has not come to."""
        self._seals = sum(present.bit_count() for present in self._held.values())

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another load."""
        return len(self._held) >= self._loads_max

    @property
    def load_count(self) -> int:
        """Loads of which a seal is present."""
        return len(self._held)

    @property
    def seal_count(self) -> int:
        """Seals that can be searched."""
        return self._seals

    @property
    def held(self) -> Sequence[int]:
        """Places of the loads on the flow."""
        return tuple(self._held)

    def doubt(self) -> None:
        """Compare everything again: the chain went back."""
        self._checked = bytearray(len(self._checked))

    def drop(self, load: int) -> None:
        """Forget a load, so that it is sealed again."""
        self.loads.remove(load)
        self._seals -= self._held.pop(load, 0).bit_count()

    def begin(self, shard: Shard, sectors: int) -> None:
        """Look at all loads of the first `sectors` of the flow from now on, and forget those of other shards."""
        count = -(-sectors // LOAD_SECTORS)
        self._checked.extend(bytes(max(0, count - len(self._checked))))
        for load in [load for load in self._held if load >= count or not shard.holds(load)]:
            self.drop(load)
        self._sectors, self._left = sectors, iter(range(shard.id, count, shard.count))

    def work(self, *, budget_s: float) -> bool:
        """Go on with that, for a time. Whether there is more to do. For a thread."""
        until_s = time.monotonic() + budget_s
        for load in self._left:
            self._look_at(load, self._sectors)
            if time.monotonic() >= until_s:
                return True
        return False

    def _look_at(self, load: int, sectors: int) -> None:
        wanted = self._wanted(load, sectors, self._reads.missing_in(load))
        present = self._held.get(load, 0)
        if wanted == present and (self._checked[load] or self._is_current(load, present)):
            self._checked[load] = 1
            return
        self.drop(load)
        if wanted and len(self._held) < self._loads_max:
            self._seal(load, sectors)

    def _wanted(self, load: int, sectors: int, missing: Sequence[range]) -> int:
        """A bit for each seal whose data is here and in a context. The first one of the flow holds a sector that has no data."""
        wanted = 0
        for place in range(LOAD_SEALS):
            first = load * LOAD_SECTORS + place * SEAL_SECTORS
            end = first + SEAL_SECTORS
            is_here = all(part.stop <= first or part.start >= end for part in missing)
            if first and end <= sectors and is_here and self._ranges.digest_at(end - 1) is not None:
                wanted |= 1 << place
        return wanted

    def _digests(self, load: int) -> list[Hash32]:
        ends = range(load * LOAD_SECTORS + SEAL_SECTORS - 1, (load + 1) * LOAD_SECTORS, SEAL_SECTORS)
        return [self._ranges.digest_at(end) or ZERO_HASH for end in ends]

    def _is_current(self, load: int, present: int) -> bool:
        """Whether all seals were made with the contexts that the chain has now."""
        head = self.loads.head(load)
        if head is None:
            return present == 0
        digests = self._digests(load)
        return all(head[2][place] == digests[place] for place in range(LOAD_SEALS) if present >> place & 1)

    def _seal(self, load: int, sectors: int) -> None:
        data, missing = self._reads.laid_out(load)
        present = self._wanted(load, sectors, missing)
        if not present:
            return
        digests = self._digests(load)
        sealed = seal(self._miner_id, load * LOAD_SECTORS, digests, data)
        if len(sealed) != LOAD_SEALS * SEAL_BYTES or not self.loads.put(load, present, digests, sealed):
            return
        self._held[load] = present
        self._seals += present.bit_count()
        self._checked[load] = 1
        self._counters.loads_sealed += 1
        self._counters.seals_sealed += present.bit_count()
