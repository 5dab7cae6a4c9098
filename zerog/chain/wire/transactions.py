"""Transaction and call objects. Source: ethereum/go-ethereum, internal/ethapi/transaction_args.go."""

from collections.abc import Sequence

import msgspec

from zerog._kernel import AccountOverride, BlockOverride, CallRequest
from zerog.chain.protocol.constants import CALL_GAS_MAX
from zerog.chain.protocol.errors import CallRefusedError
from zerog.primitives import ZERO_ADDRESS, Address, Data, Hash32, Quantity, Uint64, Uint128

__all__ = ["AccessListItem", "AuthorizationObject", "TransactionObject", "call_request"]


class AccessListItem(msgspec.Struct, frozen=True, rename="camel"):
    """An account, and slots of it, that a transaction announces (EIP-2930)."""

    address: Address
    storage_keys: list[Hash32] = []


class AuthorizationObject(msgspec.Struct, frozen=True, rename="camel"):
    """Leave of an account to run the code of another one (EIP-7702)."""

    chain_id: Quantity
    address: Address
    nonce: Uint64
    r: Quantity
    s: Quantity
    y_parity: Uint64 | None = None
    v: Uint64 | None = None

    def for_kernel(self) -> tuple[int, bytes, int, int, int, int]:
        """(chain id, address, nonce, y parity, r, s)."""
        parity = self.y_parity if self.y_parity is not None else (self.v or 0) % 27
        return (self.chain_id, self.address, self.nonce, int(parity), self.r, self.s)


class TransactionObject(msgspec.Struct, frozen=True, rename="camel"):
    """What `eth_sendTransaction`, `eth_call` and `eth_estimateGas` take; everything may be left out."""

    sender: Address | None = msgspec.field(default=None, name="from")
    to: Address | None = None
    gas: Uint64 | None = None
    gas_price: Uint128 | None = None
    max_fee_per_gas: Uint128 | None = None
    max_priority_fee_per_gas: Uint128 | None = None
    value: Quantity | None = None
    nonce: Uint64 | None = None
    data: Data | None = None
    input: Data | None = None
    access_list: list[AccessListItem] | None = None
    authorization_list: list[AuthorizationObject] | None = None
    chain_id: Uint64 | None = None
    kind: Uint64 | None = msgspec.field(default=None, name="type")
    blob_versioned_hashes: list[Hash32] | None = None
    max_fee_per_blob_gas: Uint128 | None = None

    def payload(self) -> bytes:
        """The call data. Raises `CallRefusedError` when `data` and `input` contradict each other."""
        if self.data is not None and self.input is not None and self.data != self.input:
            raise CallRefusedError('both "data" and "input" are set and not equal. Please use "input" to pass transaction call data')
        return self.input if self.input is not None else self.data or b""

    def check_fees(self) -> None:
        """Raises `CallRefusedError` when the fee fields contradict each other."""
        cap, tip = self.max_fee_per_gas, self.max_priority_fee_per_gas
        if self.gas_price is not None and (cap is not None or tip is not None):
            raise CallRefusedError("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
        if cap is not None and tip is not None and cap < tip:
            raise CallRefusedError(f"maxFeePerGas ({cap:d}) < maxPriorityFeePerGas ({tip:d})")

    def check_blobs(self) -> None:
        """Raises `CallRefusedError` for a transaction with blobs: calls may have them, transactions of this chain may not."""
        if self.blob_versioned_hashes:
            raise CallRefusedError("blob transactions are not accepted by this chain")

    def access_list_for_kernel(self) -> list[tuple[bytes, list[bytes]]] | None:
        """(address, slots) each."""
        if self.access_list is None:
            return None
        return [(item.address, [*item.storage_keys]) for item in self.access_list]

    def authorizations_for_kernel(self) -> list[tuple[int, bytes, int, int, int, int]] | None:
        """As `AuthorizationObject.for_kernel` gives them."""
        if self.authorization_list is None:
            return None
        return [authorization.for_kernel() for authorization in self.authorization_list]


def call_request(
    wanted: TransactionObject,
    *,
    accounts: Sequence[AccountOverride] = (),
    block: BlockOverride | None = None,
    time_limit_s: float,
) -> CallRequest:
    """The kernel's form of a call object. Raises `CallRefusedError` when its fields contradict each other."""
    wanted.check_fees()
    return CallRequest(
        sender=wanted.sender or ZERO_ADDRESS,
        to=wanted.to,
        gas_limit=wanted.gas,
        gas_price=wanted.gas_price,
        max_fee_per_gas=wanted.max_fee_per_gas,
        max_priority_fee_per_gas=wanted.max_priority_fee_per_gas,
        value=wanted.value or 0,
        data=wanted.payload(),
        nonce=wanted.nonce,
        access_list=wanted.access_list_for_kernel(),
        authorization_list=wanted.authorizations_for_kernel(),
        blob_hashes=wanted.blob_versioned_hashes or None,
        max_fee_per_blob_gas=wanted.max_fee_per_blob_gas,
        state_overrides=accounts,
        block_overrides=block,
        gas_cap=CALL_GAS_MAX,
        time_limit_s=time_limit_s,
    )
