"""`eth_*`: what accounts hold, and calls that change nothing."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from zerog.chain.node import calls
from zerog.chain.node.chain import Chain
from zerog.chain.protocol.tags import Tag
from zerog.chain.wire.blocks import LATEST, BlockId
from zerog.chain.wire.numbers import StorageSlot
from zerog.chain.wire.overrides import BlockOverrideObject, StateOverrides
from zerog.chain.wire.transactions import TransactionObject
from zerog.primitives import Address, Data, Quantity
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

T = TypeVar("T")
A = TypeVar("A")

eth = Namespace("eth")


@eth.method("getBalance")
def get_balance(chain: Chain, address: Address, block: BlockId = LATEST) -> Quantity:
    """Wei that an account holds."""
    return Quantity(chain.read(lambda state: chain.ledger.balance(address, state), block.selector))


@eth.method("getTransactionCount")
def get_transaction_count(chain: Chain, address: Address, block: BlockId = LATEST) -> Quantity:
    """Nonce of an account; on `pending`, the one after all its transactions in the pool that can run."""
    if block.selector is Tag.PENDING:
        return Quantity(chain.pool.next_nonce(chain.ledger, address))
    return Quantity(chain.read(lambda state: chain.ledger.nonce(address, state), block.selector))


@eth.method("getCode")
def get_code(chain: Chain, address: Address, block: BlockId = LATEST) -> Data:
    """Code of a contract."""
    return Data(chain.read(lambda state: chain.ledger.code(address, state), block.selector))


@eth.method("getStorageAt")
def get_storage_at(chain: Chain, address: Address, slot: StorageSlot, block: BlockId = LATEST) -> Data:
    """A word of a contract's storage."""
    return Data(chain.read(lambda state: chain.ledger.storage(address, slot, state), block.selector))


@eth.method("call")
def call(
    chain: Chain,
    transaction: TransactionObject,
    block: BlockId = LATEST,
    state_overrides: StateOverrides | None = None,
    block_overrides: BlockOverrideObject | None = None,
) -> Data | Coroutine[Any, Any, Data]:
    """What a message call returns."""
    returned = calls.call(chain, calls.Call(transaction, block.selector, state_overrides, block_overrides))
    return _later(returned, Data) if isinstance(returned, Coroutine) else Data(returned)


@eth.method("estimateGas")
def estimate_gas(
    chain: Chain,
    transaction: TransactionObject,
    block: BlockId = LATEST,
    state_overrides: StateOverrides | None = None,
    block_overrides: BlockOverrideObject | None = None,
) -> Quantity | Coroutine[Any, Any, Quantity]:
    """The smallest gas limit with which a transaction succeeds."""
    gas = calls.estimate(chain, calls.Call(transaction, block.selector, state_overrides, block_overrides))
    return _later(gas, Quantity) if isinstance(gas, Coroutine) else Quantity(gas)


async def _later(value: Coroutine[Any, Any, T], answer: Callable[[T], A]) -> A:
    return answer(await value)
