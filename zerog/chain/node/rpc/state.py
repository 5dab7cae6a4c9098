"""`eth_*`: what accounts hold, and calls that change nothing."""

from zerog.chain.node import calls
from zerog.chain.node.chain import Chain, State
from zerog.chain.node.soon import Soon, then
from zerog.chain.protocol.constants import STORAGE_VALUES_MAX
from zerog.chain.protocol.errors import LimitExceededError
from zerog.chain.protocol.tags import Tag
from zerog.chain.wire.blocks import LATEST, BlockId
from zerog.chain.wire.numbers import StorageSlot
from zerog.chain.wire.overrides import BlockOverrideObject, StateOverrides
from zerog.chain.wire.transactions import TransactionObject
from zerog.primitives import Address, Data, Hash32, InvalidParametersError, Quantity, encode_data
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

eth = Namespace("eth")


@eth.method("getBalance")
def get_balance(chain: Chain, address: Address, block: BlockId = LATEST) -> Soon[Quantity]:
    """Wei that an account holds."""
    return chain.read(block.selector, lambda state: Quantity(chain.ledger.balance(address, state)))


@eth.method("getTransactionCount")
def get_transaction_count(chain: Chain, address: Address, block: BlockId = LATEST) -> Soon[Quantity]:
    """Nonce of an account; on `pending`, the one after all its transactions in the pool that can run."""
    if block.selector is Tag.PENDING:
        return Quantity(chain.pool.next_nonce(chain.ledger, address))
    return chain.read(block.selector, lambda state: Quantity(chain.ledger.nonce(address, state)))


@eth.method("getCode")
def get_code(chain: Chain, address: Address, block: BlockId = LATEST) -> Soon[Data]:
    """Code of a contract."""
    return chain.read(block.selector, lambda state: Data(chain.ledger.code(address, state)))


@eth.method("getStorageAt")
def get_storage_at(chain: Chain, address: Address, slot: StorageSlot, block: BlockId = LATEST) -> Soon[Data]:
    """A word of a contract's storage."""
    return chain.read(block.selector, lambda state: Data(chain.ledger.storage(address, slot, state)))


@eth.method("getStorageValues")
def get_storage_values(chain: Chain, wanted: dict[Address, list[Hash32]], block: BlockId = LATEST) -> Soon[dict[str, list[Data]]]:
    """Words of several contracts' storage at one moment. Source: ethereum/execution-apis, tests/eth_getStorageValues."""
    count = sum(map(len, wanted.values()))
    if count == 0:
        raise InvalidParametersError("empty request")
    if count > STORAGE_VALUES_MAX:
        raise LimitExceededError(f"too many slots (max {STORAGE_VALUES_MAX})")
    return chain.read(
        block.selector,
        lambda state: {
            encode_data(address): [Data(chain.ledger.storage(address, slot, state)) for slot in slots] for address, slots in wanted.items()
        },
    )


@eth.method("getAccount")
def get_account(chain: Chain, address: Address, block: BlockId) -> Soon[dict[str, object] | None]:
    """Everything that the state says of an account itself; `null` when there is none. Source: paradigmxyz/reth, crates/rpc/rpc-eth-api."""

    def read(state: State) -> dict[str, object] | None:
        account = chain.ledger.account(address, state)
        if account is None:
            return None
        nonce, balance, code_hash, storage_root = account
        return {
            "balance": Quantity(balance),
            "codeHash": Data(code_hash),
            "nonce": Quantity(nonce),
            "storageRoot": Data(storage_root),
        }

    return chain.read(block.selector, read)


@eth.method("call")
def call(
    chain: Chain,
    transaction: TransactionObject,
    block: BlockId = LATEST,
    state_overrides: StateOverrides | None = None,
    block_overrides: BlockOverrideObject | None = None,
) -> Soon[Data]:
    """What a message call returns."""
    return then(calls.call(chain, calls.Call(transaction, block.selector, state_overrides, block_overrides)), Data)


@eth.method("estimateGas")
def estimate_gas(
    chain: Chain,
    transaction: TransactionObject,
    block: BlockId = LATEST,
    state_overrides: StateOverrides | None = None,
    block_overrides: BlockOverrideObject | None = None,
) -> Soon[Quantity]:
    """The smallest gas limit with which a transaction succeeds."""
    return then(calls.estimate(chain, calls.Call(transaction, block.selector, state_overrides, block_overrides)), Quantity)
