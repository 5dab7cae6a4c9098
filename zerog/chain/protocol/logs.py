"""Which logs a query wants, and the range of blocks it covers. Source: ethereum/go-ethereum, eth/filters/{api,filter}.go."""

from dataclasses import dataclass

from zerog.chain.protocol.tags import BlockByHash, BlockSelector, Tag
from zerog.primitives import Address, Hash32, InvalidParametersError

__all__ = ["LogCriteria", "LogQuery", "check_range"]


@dataclass(frozen=True, slots=True)
class LogCriteria:
    """What a log must have: one of `addresses`, and at each position one of the topics; empty matches everything."""

    addresses: tuple[Address, ...] = ()
    topics: tuple[tuple[Hash32, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Criteria and the blocks to look in: from and to, or one block by its hash."""

    criteria: LogCriteria
    first: BlockSelector = Tag.LATEST
    last: BlockSelector = Tag.LATEST
    block: BlockByHash | None = None


def check_range(first: int, last: int, head: int) -> None:
    """Raises `InvalidParametersError` when the range is empty or ends beyond the newest block.

    Source: ethereum/execution-apis, tests/eth_getLogs.
    """
    if first > last:
        raise InvalidParametersError("invalid block range params")
    if last > head:
        raise InvalidParametersError("block range extends beyond current head block")
