"""`zerog_*`: what nodes of zerog hand to each other: the genesis, blocks with the developer edits before them, and news of blocks."""

from typing import Final

import anyio

from zerog.chain.node.chain import Chain
from zerog.chain.node.watching import BlockWatch, has_block
from zerog.chain.protocol.errors import RolesBehindError
from zerog.chain.wire.numbers import LooseNumber
from zerog.primitives import Address, Data, Hash32, InvalidParametersError, Quantity, Uint64
from zerog.runtime.control import ControlFaultError, RoleNotRunningError, connect
from zerog.runtime.jsonrpc import Namespace
from zerog.runtime.report import ReportedError

__all__ = ["zerog"]

zerog = Namespace("zerog")

BLOCKS_MAX: Final = 256
ANSWER_BYTES_MAX: Final = 4 << 20
"""Blocks that one answer holds, and bytes of them after which no more are added."""
WAIT_MS_MAX: Final = 20_000
ADDRESSES_MAX: Final = 16
"""Each is looked for in every block while somebody waits; nobody follows so many contracts."""
AT_ONCE: Final = LooseNumber(0)
ROLES_S_MAX: Final = 30.0
"""Each role gives up earlier by itself, with a reason."""


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
        while not chain.feed.has_ended and has_block(chain.ledger, first - 1, parent) and chain.head_number < first:
            await chain.feed.next_block.wait()
    head = chain.ledger.head()
    is_known = has_block(chain.ledger, first - 1, parent)
    return {
        "head": {"number": Quantity(head.number), "hash": Data(head.hash)},
        "isKnown": is_known,
        "blocks": _blocks(chain, first, count) if is_known else [],
    }


@zerog.method("waitForBlock")
async def wait_for_block(
    chain: Chain,
    number: LooseNumber,
    block_hash: Hash32,
    wait_ms: LooseNumber,
    quiet_ms: LooseNumber = AT_ONCE,
    addresses: list[Address] | None = None,
) -> dict[str, object]:
    """Number and hash of the newest block, as soon as that is another one than block `number` of this hash.

    Where it is not, the answer waits up to `wait_ms`, or until the node stops. So the caller also hears of blocks that were taken back.
    Of blocks in which none of `addresses` logged anything it hears only when `quiet_ms` have gone by since the call.
    """
    if addresses is not None and len(addresses) > ADDRESSES_MAX:
        raise InvalidParametersError(f"at most {ADDRESSES_MAX} addresses are watched, not {len(addresses)}")
    quiet_until_s = anyio.current_time() + quiet_ms / 1_000
    watch = BlockWatch(chain.ledger, number, block_hash, addresses or ())
    with anyio.move_on_after(min(wait_ms, WAIT_MS_MAX) / 1_000):
        while not chain.feed.has_ended and not watch.has_moved():
            await chain.feed.next_block.wait()
        with anyio.move_on_at(quiet_until_s):
            while not chain.feed.has_ended and watch.is_quiet():
                await chain.feed.next_block.wait()
    head = chain.ledger.head()
    return {"number": Quantity(head.number), "hash": Data(head.hash)}


@zerog.method("waitForRoles", dev=True)
async def wait_for_roles(chain: Chain) -> bool:
    """Return once every role that is supervised with this node has seen the newest block.

    After a rollback storage, DA and compute tell nothing from then on that was taken back. Raises `RolesBehindError`.
    """
    if chain.supervisor is None:
        return True
    try:
        async with connect(chain.supervisor) as supervisor:
            await supervisor.ask("follow", timeout_s=ROLES_S_MAX)
    except RoleNotRunningError:
        return True  # Whoever follows the chain is nobody's that we know.
    except (ReportedError, ControlFaultError) as error:
        raise RolesBehindError(str(error)) from error
    except TimeoutError:
        raise RolesBehindError(f"they did not say so within {ROLES_S_MAX:g} seconds") from None
    return True


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
