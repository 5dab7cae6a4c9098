"""`debug_*`: traces in geth's form, and a contract's storage in the midst of a block."""

from typing import Final

from zerog.chain.node.chain import Chain
from zerog.chain.node.soon import Soon
from zerog.chain.node.traces import Trace, request_of, sealed, trace, trace_on
from zerog.chain.wire.blocks import LATEST, BlockId, BlockNumber
from zerog.chain.wire.numbers import StorageSlot
from zerog.chain.wire.traces import NO_OPTIONS, TraceOptions
from zerog.chain.wire.transactions import TransactionObject
from zerog.primitives import ZERO_ADDRESS, Address, Data, Hash32, Uint64
from zerog.runtime.jsonrpc import Namespace

__all__ = ["debug"]

debug = Namespace("debug")

TRACE_FAILED: Final = "tracing failed: "
"""How geth begins to say that a call to be traced could not begin. Source: ethereum/go-ethereum, eth/tracers/api.go."""


@debug.method("traceTransaction")
async def trace_transaction(chain: Chain, transaction_hash: Hash32, options: TraceOptions = NO_OPTIONS) -> Trace:
    """A transaction of a block, run again under a tracer."""
    return await trace(chain, lambda: chain.ledger.trace_transaction(transaction_hash, options.json))


@debug.method("traceBlockByNumber")
async def trace_block_by_number(chain: Chain, block: BlockNumber, options: TraceOptions = NO_OPTIONS) -> Trace:
    """Every transaction of a block under a tracer."""
    number = sealed(chain, block.selector)
    return await trace(chain, lambda: chain.ledger.trace_block(number, options.json))


@debug.method("traceBlockByHash")
async def trace_block_by_hash(chain: Chain, block_hash: Hash32, options: TraceOptions = NO_OPTIONS) -> Trace:
    """Every transaction of a block under a tracer."""
    return await trace(chain, lambda: chain.ledger.trace_block(block_hash, options.json))


@debug.method("traceBlock")
async def trace_block(chain: Chain, rlp: Data, options: TraceOptions = NO_OPTIONS) -> Trace:
    """Every transaction of a block that is given as RLP; its parent must be in the chain."""
    return await trace(chain, lambda: chain.ledger.trace_raw_block(rlp, options.json))


@debug.method("traceCall")
def trace_call(chain: Chain, transaction: TransactionObject, block: BlockId = LATEST, options: TraceOptions = NO_OPTIONS) -> Soon[Trace]:
    """A call under a tracer, after a block or, with `txIndex`, before a transaction of it."""
    wanted = options.call
    request = request_of(chain, transaction, wanted.state_overrides, wanted.block_overrides)
    return trace_on(
        chain,
        block.selector,
        lambda state: chain.ledger.trace_call(request, options.json, state, wanted.tx_index),
        sender=transaction.sender or ZERO_ADDRESS,
        opening=TRACE_FAILED,
    )


@debug.method("storageRangeAt")
async def storage_range_at(chain: Chain, block_hash: Hash32, index: Uint64, address: Address, start: StorageSlot, count: Uint64) -> Trace:
    """Slots of a contract before a transaction of a block, in the order of their hashes."""
    return await trace(chain, lambda: chain.ledger.storage_range_json(block_hash, index, address, start, count))
