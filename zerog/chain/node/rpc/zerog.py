"""`zerog_*`: what nodes of zerog hand to each other: the genesis, blocks with the developer edits before them, and news of blocks."""

from typing import Final

import anyio

from zerog.chain.node.chain import Chain
from zerog.chain.wire.numbers import LooseNumber
from zerog.primitives import Data, Hash32, InvalidParametersError, Quantity, Uint64
from zerog.runtime.jsonrpc import Namespace

__all__ = ["zerog"]

zerog = Namespace("zerog")

BLOCKS_MAX: Final = 256
ANSWER_BYTES_MAX: Final = 4 << 20
"""Blocks that one answer holds, and bytes of them after which no more are added."""
WAIT_MS_MAX: Final = 20_000


@zerog.method("getGenesis")
def get_genesis(chain: Chain) -> Data:
    """The document that the chain began with."""
    return Data(chain.genesis)


@zerog.method("getBlocks")
async def get_blocks(chain: Chain, first: Uint64, parent: Hash32, count: LooseNumber, wait_ms: LooseNumber) -> dict[str, object]:
    """Blocks from number `first` on for a node whose newest one is `parent`.

    Where there is none yet, the answer waits up to `wait_ms`, or until the node stops. `isKnown` is false when `parent` is not, or no
    longer, block `first` - 1.
    """
    if not 1 <= count <= BLOCKS_MAX:
        raise InvalidParametersError(f"between 1 and {BLOCKS_MAX} blocks in one answer, not {count:d}")
    with anyio.move_on_after(min(wait_ms, WAIT_MS_MAX) / 1_000):
        while not chain.feed.has_ended and _is_block(chain, first - 1, parent) and chain.head_number < first:
            await chain.feed.next_block.wait()
    head = chain.ledger.head()
    is_known = _is_block(chain, first - 1, parent)
    return {
        "head": {"number": Quantity(head.number), "hash": Data(head.hash)},
        "isKnown": is_known,
        "blocks": _blocks(chain, first, count) if is_known else [],
    }


@zerog.method("waitForBlock")
async def wait_for_block(chain: Chain, number: LooseNumber, block_hash: Hash32, wait_ms: LooseNumber) -> dict[str, object]:
    """Number and hash of the newest block, as soon as that is another one than block `number` of this hash.

    Where it is not, the answer waits up to `wait_ms`, or until the node stops. So the caller also hears of blocks that were taken back.
    """
    with anyio.move_on_after(min(wait_ms, WAIT_MS_MAX) / 1_000):
        while not chain.feed.has_ended and chain.head_number == number and _is_block(chain, number, block_hash):
            await chain.feed.next_block.wait()
    head = chain.ledger.head()
    return {"number": Quantity(head.number), "hash": Data(head.hash)}


def _is_block(chain: Chain, number: int, block_hash: bytes) -> bool:
    block = chain.ledger.block(number) if number >= 0 else None
    return block is not None and block.hash == block_hash


def _blocks(chain: Chain, first: int, count: int) -> list[dict[str, Data]]:
    """All of one chain: nothing changes it meanwhile, as this runs on the event loop without a pause."""
    blocks, size = [], 0
    for number in range(first, first + count):
        found = chain.ledger.block_with_edits(number)
        if found is None or size >= ANSWER_BYTES_MAX:
            break
        block, edits = found
        blocks.append({"block": Data(block), "edits": Data(edits)})
        size += len(block) + len(edits)
    return blocks
