"""Block parameters: tags, numbers and the objects of EIP-1898."""

from typing import Final, Self

from zerog.chain.protocol.tags import BlockByHash, BlockByNumber, BlockSelector, Tag
from zerog.primitives import Hash32, Quantity
from zerog.primitives.types import wrong_kind

__all__ = ["LATEST", "BlockId", "BlockNumber"]

BLOCK_NUMBER_MAX: Final = 2**63 - 1
"""geth keeps heights in a signed word."""
HASH_TEXT_LENGTH: Final = 66
TAGS: Final = {tag.value: tag for tag in Tag}


class BlockNumber:
    """A tag or a height. A plain class, because msgspec would read a dataclass field by field."""

    __slots__ = ("selector",)

    def __init__(self, selector: BlockSelector) -> None:
        self.selector: Final = selector

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a tag, a hex quantity or a bare number. Raises `ValueError` in geth's words."""
        return cls(_tag_or_number(value))


class BlockId:
    """A tag, a height or a block hash."""

    __slots__ = ("selector",)

    def __init__(self, selector: BlockSelector) -> None:
        self.selector: Final = selector

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a tag, a number, 32 bytes of hash, or an object of EIP-1898. Raises `ValueError` in geth's words."""
        if isinstance(value, dict):
            return cls(_from_object(value))
        if isinstance(value, str) and len(value) == HASH_TEXT_LENGTH:
            return cls(BlockByHash(Hash32.from_json(value)))
        return cls(_tag_or_number(value))


LATEST: Final = BlockId(Tag.LATEST)


def _tag_or_number(value: object) -> BlockSelector:
    if isinstance(value, str):
        if tag := TAGS.get(value):
            return tag
    elif not isinstance(value, int) or isinstance(value, bool):
        raise wrong_kind(value, "rpc.BlockNumber")
    number = Quantity.from_json(value)
    if number > BLOCK_NUMBER_MAX:
        raise ValueError("block number larger than int64")
    return BlockByNumber(int(number))


def _from_object(value: dict[str, object]) -> BlockSelector:
    number, block_hash = value.get("blockNumber"), value.get("blockHash")
    if number is not None and block_hash is not None:
        raise ValueError("cannot specify both BlockHash and BlockNumber, choose one or the other")
    if number is not None:
        return _tag_or_number(number)
    if block_hash is not None:
        return BlockByHash(Hash32.from_json(block_hash))
    raise ValueError("invalid arguments; neither block nor hash specified")
