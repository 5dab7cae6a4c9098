"""With which context each sector of the flow is sealed: that of the epoch in which it came."""

from bisect import bisect_right
from typing import Final

from zerog.contracts.storage import EpochRange
from zerog.primitives import Hash32
from zerog.storage.node.mining.contract import MiningContract

__all__ = ["SealingRanges"]


class SealingRanges:
    """All ranges from the beginning of the flow on, asked for once. They never change, unless the chain goes back."""

    def __init__(self, contract: MiningContract) -> None:
        self._contract: Final = contract
        self._ranges: list[EpochRange] = []

    @property
    def end(self) -> int:
        """The first sector of which nothing is known."""
        return self._ranges[-1].end if self._ranges else 0

    def forget(self) -> None:
        """Ask again: the chain went back."""
        self._ranges.clear()

    async def reach(self, sectors: int) -> None:
        """Know the ranges of so many sectors, or of as many as there are contexts for. Raises what the contract raises."""
        while self.end < sectors:
            found = await self._contract.range_at(self.end)
            if found.end <= self.end:
                return
            self._ranges.append(found)

    def digest_at(self, sector: int) -> Hash32 | None:
        """Of the context with which what ends at a sector is sealed; `None` while it is in none."""
        index = bisect_right(self._ranges, sector, key=lambda known: known.start) - 1
        if index < 0 or sector >= self._ranges[index].end:
            return None
        return self._ranges[index].context_digest
