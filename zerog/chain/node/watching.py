"""Whether the chain has moved for somebody who follows a few contracts and whom all other blocks only wake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog._kernel import Ledger
from zerog.chain.protocol.blooms import bloom_mask, may_name
from zerog.primitives import Address

__all__ = ["BlockPlace", "BlockWatch"]

BLOCKS_MAX: Final = 256
"""Whoever is further behind is told at once, and nothing is looked through."""


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """One block of one chain."""

    number: int
    hash: bytes


class BlockWatch:
    """The blocks after one that a caller knows. Belongs to the event loop's thread, as the ledger's blocks do."""

    def __init__(self, ledger: Ledger, known: BlockPlace, addresses: Sequence[Address]) -> None:
        self._ledger: Final = ledger
        self._masks: Final = [bloom_mask(address) for address in addresses]
        self._seen = known

    def has_moved(self) -> bool:
        """Whether the newest block is another than the known one."""
        head = self._ledger.head()
        return head.number != self._seen.number or head.hash != self._seen.hash

    def is_quiet(self) -> bool:
        """Whether the chain went only forward since the last look, and no block since then logged anything of the addresses."""
        if not self._still_stands():
            return False
        head = self._ledger.head()
        if head.number - self._seen.number > BLOCKS_MAX:
            return False
        for number in range(self._seen.number + 1, head.number + 1):
            block = self._ledger.block(number)
            if block is None or any(may_name(block.logs_bloom, mask) for mask in self._masks):
                return False
        self._seen = BlockPlace(head.number, head.hash)
        return True

    def _still_stands(self) -> bool:
        block = self._ledger.block(self._seen.number) if self._seen.number >= 0 else None
        return block is not None and block.hash == self._seen.hash
