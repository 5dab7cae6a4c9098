"""`eth_*` of unlocked accounts: the node signs with the keys that it holds for developers."""

from typing import Any

import msgspec

from zerog._kernel import Rejection, keccak256, typed_data_hash
from zerog.chain.node.chain import Chain
from zerog.chain.node.drafts import draft, fill
from zerog.chain.node.rpc.transactions import receipt_in_time
from zerog.chain.node.soon import now
from zerog.chain.protocol.pool_errors import pool_refusal
from zerog.chain.wire.numbers import LooseNumber
from zerog.chain.wire.transactions import TransactionObject
from zerog.primitives import Address, Data, InvalidParametersError
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth", "message_digest"]

eth = Namespace("eth")


def message_digest(message: bytes) -> bytes:
    """What is signed for a message, so that it can never be a transaction. Source: ERC-191, version 0x45."""
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)


@eth.method("accounts")
def accounts(chain: Chain) -> list[str]:
    """Accounts that can send without a wallet; ethers looks an impersonated one up here before it sends."""
    return [str(address).lower() for address in chain.accounts.addresses]


@eth.method("requestAccounts", dev=True)
def request_accounts(chain: Chain) -> list[str]:
    """As `eth_accounts`, for pages that speak to a wallet. Source: EIP-1102."""
    return accounts(chain)


@eth.method("coinbase", dev=True)
def coinbase(chain: Chain) -> Address:
    """Who gets the tips of the blocks to come."""
    return chain.producer.coinbase


@eth.method("sendTransaction", dev=True)
async def send_transaction(chain: Chain, transaction: TransactionObject) -> Data:
    """Fill in, sign and send a transaction of an unlocked or impersonated account."""
    async with chain.drafting:  # Two drafts at once would take the same nonce.
        raw, is_impersonated = (await draft(chain, transaction)).sign(chain)
        (outcome,) = await now(chain.producer.submit([raw], impersonated=is_impersonated))
    if isinstance(outcome, Rejection):
        raise pool_refusal(outcome)
    return Data(outcome)


@eth.method("sendUnsignedTransaction", dev=True)
async def send_unsigned_transaction(chain: Chain, transaction: TransactionObject) -> Data:
    """As `eth_sendTransaction`, in the name of whom it names. Source: foundry-rs/foundry, crates/anvil/core/src/eth/mod.rs."""
    async with chain.drafting:
        sender = transaction.sender or chain.accounts.first()
        raw = (await fill(chain, transaction, sender)).impersonate(sender)
        (outcome,) = await now(chain.producer.submit([raw], impersonated=True))
    if isinstance(outcome, Rejection):
        raise pool_refusal(outcome)
    return Data(outcome)


@eth.method("sendTransactionSync", dev=True)
async def send_transaction_sync(chain: Chain, transaction: TransactionObject, timeout_ms: LooseNumber | None = None) -> msgspec.Raw:
    """As `eth_sendTransaction`, and answer with the receipt."""
    return await receipt_in_time(chain, await send_transaction(chain, transaction), timeout_ms)


@eth.method("signTransaction", dev=True)
async def sign_transaction(chain: Chain, transaction: TransactionObject) -> Data:
    """Fill in and sign a transaction; returns the bytes to send. Source: ethereum/execution-apis, src/eth/sign.yaml."""
    raw, _ = (await draft(chain, transaction)).sign(chain)
    return Data(raw)


@eth.method("sign", dev=True)
def sign(chain: Chain, address: Address, message: Data) -> Data:
    """Sign a message."""
    return Data(chain.accounts.sign_digest(address, message_digest(message)))


@eth.method("signTypedData_v4", dev=True)
def sign_typed_data(chain: Chain, address: Address, document: Any) -> Data:
    """Sign a typed document, given as an object or as its JSON text. Source: EIP-712."""
    chain.accounts.key(address)
    try:
        parsed = msgspec.json.decode(document) if isinstance(document, str) else document
    except msgspec.DecodeError as error:
        raise InvalidParametersError(f"invalid argument 1: {error}") from None
    return Data(chain.accounts.sign_digest(address, typed_data_hash(msgspec.json.encode(_large_numbers_as_text(parsed)))))


def _large_numbers_as_text(value: Any) -> Any:
    """Numbers beyond 64 bits, which some clients write as JSON numbers, in the decimal text that all others write."""
    match value:
        case dict():
            return {name: _large_numbers_as_text(item) for name, item in value.items()}
        case list():
            return [_large_numbers_as_text(item) for item in value]
        case int() if not -(2**63) <= value < 2**64:
            return str(value)
        case _:
            return value
