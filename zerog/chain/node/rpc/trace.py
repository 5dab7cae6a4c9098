"""`trace_*`: calls, state differences and steps in OpenEthereum's form, and `eth_createAccessList`, which is found by a trace.

Source of the shapes: openethereum.github.io, JSONRPC-trace-module.
"""

from zerog.chain.node.chain import Chain
from zerog.chain.node.soon import Soon
from zerog.chain.node.traces import Trace, request_of, sealed, trace, trace_on
from zerog.chain.wire.blocks import LATEST, BlockId, BlockNumber
from zerog.chain.wire.numbers import LooseNumber
from zerog.chain.wire.overrides import StateOverrides
from zerog.chain.wire.traces import RawTransaction, TraceFilterObject
from zerog.chain.wire.transactions import TransactionObject
from zerog.primitives import ZERO_ADDRESS, Hash32, InvalidParametersError
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth", "namespace"]

eth = Namespace("eth")
namespace = Namespace("trace")


@eth.method("createAccessList")
def create_access_list(
    chain: Chain, transaction: TransactionObject, block: BlockId = LATEST, state_overrides: StateOverrides | None = None
) -> Soon[Trace]:
    """Which accounts and slots a transaction should announce, and the gas that it then uses."""
    request = request_of(chain, transaction, state_overrides)
    sender = transaction.sender or ZERO_ADDRESS
    return trace_on(chain, block.selector, lambda state: chain.ledger.access_list_json(request, state), sender=sender)


@namespace.method("block")
async def block_calls(chain: Chain, block: BlockId) -> Trace:
    """The calls of all transactions of a block."""
    number = sealed(chain, block.selector)
    return await trace(chain, lambda: chain.ledger.block_calls(number))


@namespace.method("transaction")
async def transaction_calls(chain: Chain, transaction_hash: Hash32) -> Trace:
    """The calls of a transaction; null when there is none."""
    return await trace(chain, lambda: chain.ledger.transaction_calls(transaction_hash))


@namespace.method("get")
async def get(chain: Chain, transaction_hash: Hash32, trace_address: list[LooseNumber]) -> Trace:
    """The call of a transaction at a trace address; null when there is none."""
    path = [int(position) for position in trace_address]
    return await trace(chain, lambda: chain.ledger.transaction_calls(transaction_hash, path))


@namespace.method("filter")
async def filter_calls(chain: Chain, wanted: TraceFilterObject) -> Trace:
    """The calls in a range of blocks between certain addresses."""
    first, last = (chain.head_number if it is None else sealed(chain, it.selector) for it in (wanted.from_block, wanted.to_block))
    if first > last:
        raise InvalidParametersError("invalid block range params")
    senders, recipients = wanted.from_address or (), wanted.to_address or ()
    return await trace(chain, lambda: chain.ledger.filter_calls(first, last, senders, recipients, wanted.after, wanted.count))


@namespace.method("replayTransaction")
async def replay_transaction(chain: Chain, transaction_hash: Hash32, types: list[str]) -> Trace:
    """What a transaction did: its calls, the difference that it made, or each of its steps."""
    return await trace(chain, lambda: chain.ledger.replay_transaction(transaction_hash, types))


@namespace.method("replayBlockTransactions")
async def replay_block_transactions(chain: Chain, block: BlockNumber, types: list[str]) -> Trace:
    """The same for every transaction of a block."""
    number = sealed(chain, block.selector)
    return await trace(chain, lambda: chain.ledger.replay_block(number, types))


@namespace.method("call")
def call(chain: Chain, transaction: TransactionObject, types: list[str], block: BlockId = LATEST) -> Soon[Trace]:
    """What a call would do."""
    request = request_of(chain, transaction)
    sender = transaction.sender or ZERO_ADDRESS
    return trace_on(chain, block.selector, lambda state: chain.ledger.replay_call(request, types, state), sender=sender)


@namespace.method("callMany")
def call_many(chain: Chain, calls: list[tuple[TransactionObject, list[str]]], block: BlockId = LATEST) -> Soon[Trace]:
    """What calls would do, each after the ones before it."""
    requests = [(request_of(chain, transaction), types) for transaction, types in calls]
    return trace_on(chain, block.selector, lambda state: chain.ledger.replay_calls(requests, state))


@namespace.method("rawTransaction")
async def raw_transaction(chain: Chain, raw: RawTransaction, types: list[str]) -> Trace:
    """What a signed transaction would do on the newest state."""
    return await trace(chain, lambda: chain.ledger.replay_raw_transaction(raw, types))
