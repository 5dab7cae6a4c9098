"""How a block is named in a request, and which block a name means on a chain whose blocks are final at once."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from zerog.primitives import Hash32

__all__ = ["BlockByHash", "BlockByNumber", "BlockSelector", "Tag", "tag_number"]


class Tag(Enum):
    """Names of blocks that move, or that need no number."""

    EARLIEST = "earliest"
    LATEST = "latest"
    SAFE = "safe"
    FINALIZED = "finalized"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class BlockByNumber:
    """The block at a height."""

    number: int


@dataclass(frozen=True, slots=True)
class BlockByHash:
    """The block with a hash. Source: EIP-1898; every block we know is canonical, so `requireCanonical` changes nothing."""

    hash: Hash32


BlockSelector: TypeAlias = Tag | BlockByNumber | BlockByHash


def tag_number(tag: Tag, head: int) -> int | None:
    """The height that a tag means when the newest block is `head`; `None` for the pending block, which has none yet.

    Blocks are final when they are committed, so `safe` and `finalized` do not trail.
    """
    match tag:
        case Tag.PENDING:
            return None
        case Tag.EARLIEST:
            return 0
        case Tag.LATEST | Tag.SAFE | Tag.FINALIZED:
            return head
