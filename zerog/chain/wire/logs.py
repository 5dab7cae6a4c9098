"""Log queries as `eth_getLogs`, `eth_newFilter` and `eth_subscribe` take them. Source: ethereum/go-ethereum, eth/filters/api.go."""

from typing import Final, Self

from zerog.chain.protocol.constants import LOG_CRITERIA_MAX, LOG_TOPIC_POSITIONS
from zerog.chain.protocol.logs import LogCriteria, LogQuery
from zerog.chain.protocol.tags import BlockByHash, BlockSelector, Tag
from zerog.chain.wire.blocks import BlockNumber
from zerog.primitives import Address, Hash32
from zerog.primitives.types import wrong_kind

__all__ = ["LogQueryObject"]


class LogQueryObject:
    """`{fromBlock, toBlock, address, topics}` or `{blockHash, address, topics}`."""

    __slots__ = ("query",)

    def __init__(self, query: LogQuery) -> None:
        self.query: Final = query

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError` in geth's words."""
        if not isinstance(value, dict):
            raise wrong_kind(value, "filters.FilterCriteria")
        criteria = LogCriteria(_addresses(value.get("address")), _topics(value.get("topics")))
        first, last, block_hash = value.get("fromBlock"), value.get("toBlock"), value.get("blockHash")
        if block_hash is None:
            return cls(LogQuery(criteria, _block(first), _block(last)))
        if first is not None or last is not None:
            raise ValueError("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
        return cls(LogQuery(criteria, block=BlockByHash(Hash32.from_json(block_hash))))


def _block(value: object) -> BlockSelector:
    return Tag.LATEST if value is None else BlockNumber.from_json(value).selector


def _addresses(value: object) -> tuple[Address, ...]:
    match value:
        case None:
            return ()
        case str():
            return (Address.from_json(value),)
        case list():
            _check_count(value)
            return tuple(Address.from_json(item) for item in value)
        case _:
            raise ValueError("invalid addresses in query")


def _topics(value: object) -> tuple[tuple[Hash32, ...], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong_kind(value, "[]interface {}")
    if len(value) > LOG_TOPIC_POSITIONS:
        raise ValueError("exceed max topics")
    return tuple(_position(item) for item in value)


def _position(value: object) -> tuple[Hash32, ...]:
    """The topics that one position may have; `null` in a list, as alone, matches everything."""
    match value:
        case None:
            return ()
        case str():
            return (Hash32.from_json(value),)
        case list():
            _check_count(value)
            return () if None in value else tuple(Hash32.from_json(item) for item in value)
        case _:
            raise ValueError("invalid topic(s)")


def _check_count(items: list[object]) -> None:
    if len(items) > LOG_CRITERIA_MAX:
        raise ValueError("exceed max addresses or topics per search position")
