"""What a block's header tells of its logs: 2,048 bits, of which each address and topic sets three.

Source: the yellow paper, §4.3.1 (the function M3:2048); ethereum/go-ethereum, core/types/bloom9.go.
"""

from typing import Final

from zerog._kernel import keccak256

__all__ = ["bloom_mask", "may_name"]

BITS: Final = 2_048


def bloom_mask(item: bytes) -> int:
    """The bits of an address or a topic, in a bloom read as a big-endian number."""
    digest = keccak256(item)
    mask = 0
    for at in (0, 2, 4):
        mask |= 1 << int.from_bytes(digest[at : at + 2]) % BITS
    return mask


def may_name(bloom: bytes, mask: int) -> bool:
    """Whether a bloom has all bits of an item. If not, no log names it; if so, one may."""
    return int.from_bytes(bloom) & mask == mask
