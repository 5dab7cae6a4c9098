"""Looking for logs in a chain of any length: backwards from its end, in as many blocks at a time as the node gives.

Public nodes refuse wide ranges, each with a limit and words of its own. So a search begins with a few thousand blocks, takes more while the
node lets it, and fewer when it refuses. It ends where enough is found, or where the contracts did not stand yet.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from zerog.chain.client import requests
from zerog.chain.client.errors import NodeSilentError, RpcError
from zerog.chain.client.requests import BlockName
from zerog.chain.client.steps import Steps, ask
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer
from zerog.runtime.deadlines import check_time

__all__ = ["Enough", "search_logs"]

FIRST_BLOCKS: Final = 5_000
"""Looked through at once to begin with: most public nodes give as much."""
GROWTH: Final = 2
LIMIT_EXCEEDED: Final = -32005
"""EIP-1474."""
LIMIT_TEXTS: Final = re.compile(r"range|limit|exceed|too (many|much|large|wide|long|big)|more than|time(d )?-?out", re.IGNORECASE)
"""What nodes say of a query that is too wide for them, in one way or another."""

Enough: TypeAlias = Callable[[Sequence[LogAnswer]], bool]
"""Whether logs, oldest first, are all that is wanted: older ones need not be looked for."""


def search_logs(criteria: LogCriteria, first: int, last: BlockName, enough: Enough | None = None) -> Steps[list[LogAnswer]]:
    """The logs that match in these blocks, oldest first; where `enough` is satisfied, only the newest that satisfy it, and some before.

    Raises `RpcError` where the node refuses for another reason than the width of the range.
    """
    end = yield from _height(last)
    found: list[LogAnswer] = []
    size, can_grow, knows_past = FIRST_BLOCKS, True, True
    while end >= first:
        start = max(first, end - size + 1)
        try:
            logs = yield from ask(requests.logs(criteria, start, end))
        except (RpcError, NodeSilentError) as error:
            check_time()
            size, can_grow = (end - start + 1) // 2, False
            if not size or not _is_too_wide(error, start, end):
                raise
            continue
        found = [*logs, *found]
        if start == first or (enough is not None and enough(found)):
            break
        if knows_past:
            knows_past, stood = yield from _stood(criteria, start)
            if not stood:
                break
        end = start - 1
        size *= GROWTH if can_grow else 1
    return found


def _height(block: BlockName) -> Steps[int]:
    if isinstance(block, int):
        return block
    if block == "latest":
        return int((yield from ask(requests.block_number())))
    named = yield from ask(requests.block(block))
    return -1 if named is None else int(named.number)


def _is_too_wide(error: RpcError | NodeSilentError, start: int, end: int) -> bool:
    """A node may also be silent over a range that takes it too long; one that does not answer to the first one is silent altogether."""
    if isinstance(error, NodeSilentError):
        return end - start + 1 > FIRST_BLOCKS
    return error.number == LIMIT_EXCEEDED or LIMIT_TEXTS.search(error.message) is not None


def _stood(criteria: LogCriteria, block: int) -> Steps[tuple[bool, bool]]:
    """Whether the node knows the state after a block, and whether any of the contracts stood then; precompiled ones are taken to.

    Many public nodes know the newest states alone: then a search ends with the first block.
    """
    try:
        for address in criteria.addresses:
            if (yield from ask(requests.code(address, block))):
                return True, True
            if not (yield from ask(requests.code(address, "latest"))):
                return False, True
    except RpcError:
        return False, True
    return True, not criteria.addresses
