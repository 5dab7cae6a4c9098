"""`eth_*`: logs, and filters that are polled."""

from functools import partial
from typing import Final, Self

import msgspec
from anyio import to_thread

from zerog.chain.node.chain import Chain
from zerog.chain.protocol.errors import ChainError, FilterNotFoundError, UnknownLogsBlockError
from zerog.chain.protocol.filters import BlockFilter, LogFilter, PendingFilter
from zerog.chain.protocol.logs import LogQuery, check_range
from zerog.chain.protocol.tags import BlockByHash, BlockByNumber, BlockSelector, Tag, tag_number
from zerog.chain.wire.logs import LogQueryObject
from zerog.primitives import InvalidParametersError, Quantity, encode_data
from zerog.primitives.types import wrong_kind
from zerog.runtime.jsonrpc import Namespace

__all__ = ["FilterId", "eth"]

eth = Namespace("eth")

INLINE_BLOCKS_MAX: Final = 64
"""Log queries over more blocks go to a thread."""
EMPTY: Final = msgspec.Raw(b"[]")


class FilterId(int):
    """An id as we gave it out; whatever else a caller sends names no filter."""

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `FilterNotFoundError` for text that is no id, `ValueError` for what is no text."""
        if not isinstance(value, str):
            raise wrong_kind(value, "rpc.ID")
        try:
            return cls(int(value, 16))
        except ValueError:
            raise FilterNotFoundError from None


@eth.method("getLogs")
async def get_logs(chain: Chain, query: LogQueryObject) -> msgspec.Raw:
    """The logs of a range of blocks, or of one block."""
    return await _query(chain, query.query)


@eth.method("newFilter")
def new_filter(chain: Chain, query: LogQueryObject) -> Quantity:
    """Report new logs that match, from now on."""
    return Quantity(chain.filters.install(LogFilter(query.query), chain.head_number + 1, chain.clock.monotonic_s()))


@eth.method("newBlockFilter")
def new_block_filter(chain: Chain) -> Quantity:
    """Report new blocks, from now on."""
    return Quantity(chain.filters.install(BlockFilter(), chain.head_number + 1, chain.clock.monotonic_s()))


@eth.method("newPendingTransactionFilter")
def new_pending_transaction_filter(chain: Chain, full: bool = False) -> Quantity:
    """Report transactions that arrive at the pool, from now on."""
    return Quantity(chain.filters.install(PendingFilter(full), chain.feed.arrival_count, chain.clock.monotonic_s()))


@eth.method("getFilterChanges")
async def get_filter_changes(chain: Chain, filter_id: FilterId) -> object:
    """What is new since the last look."""
    now_s = chain.clock.monotonic_s()
    match chain.filters.look(filter_id, now_s):
        case BlockFilter():
            end = chain.head_number + 1
            begin = chain.filters.advance(filter_id, end, now_s)
            return [encode_data(block.hash) for number in range(begin, end) if (block := chain.ledger.block(number)) is not None]
        case PendingFilter(full):
            end = chain.feed.arrival_count
            hashes = chain.feed.arrivals(chain.filters.advance(filter_id, end, now_s), end)
            if not full:
                return [encode_data(transaction_hash) for transaction_hash in hashes]
            return [whole for transaction_hash in hashes if (whole := _transaction(chain, transaction_hash)) is not None]
        case LogFilter() as wanted:
            end = chain.head_number + 1
            heights = wanted.heights(range(chain.filters.advance(filter_id, end, now_s), end))
            gone = chain.filters.gone(filter_id)
            fresh = await _logs(chain, wanted.query, heights.start, heights.stop - 1) if heights else EMPTY
            return [*gone, *msgspec.json.decode(fresh, type=list[msgspec.Raw])] if gone else fresh


@eth.method("getFilterLogs")
async def get_filter_logs(chain: Chain, filter_id: FilterId) -> msgspec.Raw:
    """All logs that a log filter matches, also those it reported."""
    wanted = chain.filters.look(filter_id, chain.clock.monotonic_s())
    if not isinstance(wanted, LogFilter):
        raise FilterNotFoundError
    return await _query(chain, wanted.query)


@eth.method("uninstallFilter")
def uninstall_filter(chain: Chain, filter_id: FilterId) -> bool:
    """Forget a filter; false when there is none."""
    return chain.filters.uninstall(filter_id)


async def _query(chain: Chain, query: LogQuery) -> msgspec.Raw:
    if query.block is not None:
        block = chain.ledger.block(query.block.hash)
        if block is None:
            raise UnknownLogsBlockError
        return await _logs(chain, query, block.number, block.number)
    head = chain.head_number
    first, last = _height(query.first, head), _height(query.last, head)
    check_range(first, last, head)
    return await _logs(chain, query, first, last)


async def _logs(chain: Chain, query: LogQuery, first: int, last: int) -> msgspec.Raw:
    criteria = query.criteria
    if last - first < INLINE_BLOCKS_MAX:
        return msgspec.Raw(chain.ledger.logs_json(first, last, criteria.addresses, criteria.topics))
    query_logs = partial(chain.ledger.logs_json, first, last, criteria.addresses, criteria.topics)
    return msgspec.Raw(await to_thread.run_sync(query_logs, limiter=chain.call_threads))


def _height(selector: BlockSelector, head: int) -> int:
    match selector:
        case Tag.PENDING:
            raise PendingLogsError
        case Tag():
            return tag_number(selector, head) or 0
        case BlockByNumber(number):
            return number
        case BlockByHash():
            raise InvalidParametersError("a range of blocks is given by heights")


def _transaction(chain: Chain, transaction_hash: bytes) -> msgspec.Raw | None:
    """A transaction as it is now; nothing when it waits no more and is in no block."""
    whole = chain.pool.transaction_json(transaction_hash) or chain.ledger.transaction_json(transaction_hash)
    return None if whole is None else msgspec.Raw(whole)


class PendingLogsError(ChainError):
    """Logs exist once their block does."""

    code = "pending_logs"
    remedy = "ask for `latest`, or subscribe to logs"

    def __str__(self) -> str:
        return "pending logs are not supported"
