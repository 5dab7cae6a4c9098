"""State and block overrides of calls and simulated blocks. Source: ethereum/go-ethereum, internal/ethapi/override/override.go."""

from collections.abc import Mapping

import msgspec

from zerog._kernel import AccountOverride, BlockOverride
from zerog.primitives import Address, Data, Hash32, InvalidParametersError, Quantity, Uint64

__all__ = [
    "AccountOverrideObject",
    "BlockOverrideObject",
    "StateOverrides",
    "WithdrawalObject",
    "account_overrides",
    "block_override",
    "simulated_block_override",
]


class AccountOverrideObject(msgspec.Struct, frozen=True, rename="camel"):
    """What a call pretends about one account."""

    balance: Quantity | None = None
    nonce: Uint64 | None = None
    code: Data | None = None
    state: dict[Hash32, Hash32] | None = None
    state_diff: dict[Hash32, Hash32] | None = None
    move_precompile_to_address: Address | None = None


StateOverrides = dict[Address, AccountOverrideObject]


class WithdrawalObject(msgspec.Struct, frozen=True, rename="camel"):
    """Money that a simulated block brings from elsewhere (EIP-4895)."""

    index: Uint64
    validator_index: Uint64
    address: Address
    amount: Uint64
    """Gwei."""


class BlockOverrideObject(msgspec.Struct, frozen=True, rename="camel"):
    """What a call pretends about its block; the names of older geth versions stand beside today's."""

    number: Uint64 | None = None
    time: Uint64 | None = None
    gas_limit: Uint64 | None = None
    fee_recipient: Address | None = None
    coinbase: Address | None = None
    prev_randao: Hash32 | None = None
    random: Hash32 | None = None
    base_fee_per_gas: Uint64 | None = None
    base_fee: Uint64 | None = None
    blob_base_fee: Uint64 | None = None
    beacon_root: Hash32 | None = None
    withdrawals: list[WithdrawalObject] | None = None


def account_overrides(overrides: Mapping[Address, AccountOverrideObject] | None) -> list[AccountOverride]:
    """For the kernel. Raises `InvalidParametersError` for what cannot be pretended."""
    return [_account(address, wanted) for address, wanted in (overrides or {}).items()]


def _account(address: Address, wanted: AccountOverrideObject) -> AccountOverride:
    if wanted.state is not None and wanted.state_diff is not None:
        raise InvalidParametersError(f"account {address} has both 'state' and 'stateDiff'")
    return AccountOverride(
        address,
        balance=wanted.balance,
        nonce=wanted.nonce,
        code=wanted.code,
        state=None if wanted.state is None else list(wanted.state.items()),
        state_diff=None if wanted.state_diff is None else list(wanted.state_diff.items()),
        move_precompile_to=wanted.move_precompile_to_address,
    )


def block_override(wanted: BlockOverrideObject | None) -> BlockOverride | None:
    """For a call. Raises `InvalidParametersError` for what only a simulated block can have."""
    if wanted is None:
        return None
    for name, given in (("beaconRoot", wanted.beacon_root), ("withdrawals", wanted.withdrawals)):
        if given is not None:
            raise InvalidParametersError(f'block override "{name}" is not supported for this RPC method')
    return simulated_block_override(wanted, wanted.number, wanted.time)


def simulated_block_override(wanted: BlockOverrideObject, number: int | None, timestamp: int | None) -> BlockOverride:
    """For the kernel, with another number and time (seconds) than may be given."""
    withdrawals = wanted.withdrawals
    return BlockOverride(
        number=number,
        timestamp=timestamp,
        gas_limit=wanted.gas_limit,
        beneficiary=wanted.coinbase if wanted.fee_recipient is None else wanted.fee_recipient,
        prev_randao=wanted.random if wanted.prev_randao is None else wanted.prev_randao,
        base_fee_per_gas=wanted.base_fee if wanted.base_fee_per_gas is None else wanted.base_fee_per_gas,
        blob_base_fee=wanted.blob_base_fee,
        parent_beacon_block_root=wanted.beacon_root,
        withdrawals=None if withdrawals is None else [(it.index, it.validator_index, it.address, it.amount) for it in withdrawals],
    )
