"""The words for a transaction or call that cannot run: geth's, because viem, ethers, web3.py and hardhat match them.

Sources: ethereum/go-ethereum, core/error.go, core/txpool/errors.go, core/txpool/validation.go, core/state_transition.go.
"""

from collections.abc import Mapping
from typing import Final

from zerog._kernel import Rejection
from zerog.chain.protocol.errors import CallRefusedError, TransactionRefusedError
from zerog.primitives import Address

__all__ = ["CALL_FAILED", "call_refusal", "call_text", "pool_refusal"]

POOL_TEXTS: Final[Mapping[str, str]] = {
    "already_known": "already known",
    "nonce_too_low": "nonce too low: next nonce {next_nonce}, tx nonce {tx_nonce}",
    "nonce_too_high": "nonce too high: next nonce {next_nonce}, tx nonce {tx_nonce}",
    "nonce_maximum": "nonce has max value",
    "replacement_underpriced": "replacement transaction underpriced",
    "underpriced": "transaction underpriced: gas tip cap {tip}, minimum needed {tip_needed}",
    "insufficient_funds": "insufficient funds for gas * price + value: balance {balance}, {queued}tx cost {cost}, overshot {overshot}",
    "intrinsic_gas": "intrinsic gas too low: gas {gas_limit}, minimum needed {needed}",
    "floor_gas": "insufficient gas for floor data gas cost: gas {gas_limit}, minimum needed {needed}",
    "exceeds_block_gas_limit": "exceeds block gas limit: gas {gas_limit}, limit {block_gas_limit}",
    "exceeds_transaction_gas_limit": "transaction gas limit too high (cap: {maximum}, tx: {gas_limit})",
    "fee_cap_below_base_fee": "max fee per gas less than block base fee: maxFeePerGas: {max_fee}, baseFee: {base_fee}",
    "tip_above_fee_cap": "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}",
    "wrong_chain_id": "invalid sender: invalid chain id for signer: have {have} want {want}",
    "unprotected": "only replay-protected (EIP-155) transactions allowed over RPC",
    "unsupported_type": "transaction type not supported",
    "bad_encoding": "{detail}",
    "bad_signature": "invalid sender: invalid transaction v, r, s values",
    "initcode_too_large": "max initcode size exceeded: code size {size}, limit {maximum}",
    "signer_not_listed": "only listed test keys may sign on a clone of a public network, and {signer} is none of them",
    "sender_has_code": "sender not an eoa: address {sender}",
    "empty_authorization_list": "set code tx must have at least one authorization tuple",
    "authorization_creates": "EIP-7702 transaction cannot be used to create contract",
    "pool_full": "txpool is full",
    "account_limit": "account limit exceeded: pooled {limit} txs",
    "oversized": "oversized data: transaction size {size}, limit {maximum}",
    "gas_overflow": "gas uint64 overflow",
    "fees_before_london": "maxFeePerGas and maxPriorityFeePerGas are not valid before London is active",
    "insufficient_transfer": "insufficient funds for transfer",
    "not_a_precompile": "account {address} is not a precompile",
    "precompile_moved_to_itself": "account {address} is moved to itself",
    "already_overridden": "account {address} is already overridden",
    "other": "{detail}",
}
"""What the pool answers, by kind of rejection; the names in braces are the rejection's facts."""

CALL_TEXTS: Final[Mapping[str, str]] = {
    **POOL_TEXTS,
    "insufficient_funds": "insufficient funds for gas * price + value: address {caller} have {balance} want {cost}",
    "intrinsic_gas": "intrinsic gas too low: have {gas_limit}, want {needed}",
    "floor_gas": "insufficient gas for floor data gas cost: have {gas_limit}, want {needed}",
    "fee_cap_below_base_fee": "max fee per gas less than block base fee: address {caller}, maxFeePerGas: {max_fee}, baseFee: {base_fee}",
    "tip_above_fee_cap": (
        "max priority fee per gas higher than max fee per gas: address {caller}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}"
    ),
    "initcode_too_large": "max initcode size exceeded: code size {size} limit {maximum}",
    "nonce_maximum": f"nonce has max value: address {{caller}}, nonce: {2**64 - 1}",
    "unsupported_type": "transaction type not supported: {kind_name} tx (sender {caller})",
    "nonce_too_low": "nonce too low: address {caller}, tx: {tx_nonce} state: {next_nonce}",
    "nonce_too_high": "nonce too high: address {caller}, tx: {tx_nonce} state: {next_nonce}",
}
"""What `eth_call` and `eth_estimateGas` answer; geth words some differently there."""


KIND_NAMES: Final = {1: "access list", 3: "blob", 4: "setcode"}
"""What geth calls the types of transactions that some forks do not know."""
PLAIN_KINDS: Final = frozenset(
    {"not_a_precompile", "precompile_moved_to_itself", "already_overridden", "fees_before_london", "insufficient_transfer"}
)
"""Faults that show before anything is run, of overrides for example; no gas is named then."""


def pool_refusal(rejection: Rejection) -> TransactionRefusedError:
    """The error that answers a transaction which the pool refused."""
    return TransactionRefusedError(rejection.kind, POOL_TEXTS[rejection.kind].format_map(_facts(rejection)))


CALL_FAILED: Final = "err: "
"""How geth begins to say that a call could not begin."""


def call_refusal(rejection: Rejection, *, sender: bytes, supplied_gas: int | None = None, opening: str = CALL_FAILED) -> CallRefusedError:
    """The error that answers a call which could not begin."""
    return CallRefusedError(call_text(rejection, sender=sender, supplied_gas=supplied_gas, opening=opening))


def call_text(rejection: Rejection, *, sender: bytes, supplied_gas: int | None = None, opening: str = CALL_FAILED) -> str:
    """Why a call could not begin; with the gas that it was given, or that an estimate tried, where that is known."""
    text = CALL_TEXTS[rejection.kind].format_map(_facts(rejection) | {"caller": str(Address(sender))})
    if rejection.kind in PLAIN_KINDS:
        return text
    if rejection.gas_limit is not None:
        return f"failed with {rejection.gas_limit} gas: {text}"
    return opening + text if supplied_gas is None else f"{opening}{text} (supplied gas {supplied_gas})"


def _facts(rejection: Rejection) -> dict[str, str]:
    """The facts as text, with what follows from them."""
    facts = {name: str(Address(value)) if isinstance(value, bytes) else str(value) for name, value in rejection.facts.items()}
    match rejection.facts:
        case {"kind": int(kind)}:
            facts["kind_name"] = KIND_NAMES.get(kind, f"type {kind}")
        case {"balance": int(balance), "cost": int(cost), "queued_cost": int(queued_cost)}:
            facts["overshot"] = str(queued_cost + cost - balance)
            facts["queued"] = f"queued cost {queued_cost}, " if queued_cost else ""
    return facts
