"""Whether the chain has moved for somebody who follows a few contracts and whom all other blocks only wake."""

from collections.abc import Sequence
from typing import Final

from zerog._kernel import Ledger
from zerog.chain.protocol.blooms import bloom_mask, may_name
from zerog.primitives import Address

__all__ = ["BlockWatch", "has_block"]

BLOCKS_MAX: Final = 256
"""Whoever is further behind is told at once, and nothing is looked through."""


def has_block(ledger: Ledger, number: int, block_hash: bytes) -> bool:
    """Whether block `number` of the chain has this hash; none has a number below zero."""
    block = ledger.block(number) if number >= 0 else None
    return block is not None and block.hash == block_hash


class BlockWatch:
    """The blocks after one that a caller knows. Belongs to the event loop's thread, as the ledger's blocks do."""

    def __init__(self, ledger: Ledger, number: int, block_hash: bytes, addresses: Sequence[Address]) -> None:
        """The caller knows block `number` of this hash, and follows what `addresses` log."""
        self._ledger: Final = ledger
        self._masks: Final = [bloom_mask(address) for address in addresses]
        self._number, self._hash = number, block_hash

    def has_moved(self) -> bool:
        """Whether the newest block is another than the known one."""
        head = self._ledger.head()
        return head.number != self._number or head.hash != self._hash

    def is_quiet(self) -> bool:
        """Whether the chain went only forward since the last look, and no block since then logged anything of the addresses."""
        if not has_block(self._ledger, self._number, self._hash):
            return False
        head = self._ledger.head()
        if head.number - self._number > BLOCKS_MAX:
            return False
        for number in range(self._number + 1, head.number + 1):
            block = self._ledger.block(number)
            if block is None or any(may_name(block.logs_bloom, mask) for mask in self._masks):
                return False
        self._number, self._hash = head.number, head.hash
        return True
