"""The contracts of 0G Compute: ledgers, accounts, services and settlements as calls and events carry them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final, Self

from zerog.contracts.interface import AbiValue, load_interface
from zerog.primitives import Address, Hash32, Wei

__all__ = [
    "FINE_TUNING_SERVING",
    "INFERENCE_SERVING",
    "LEDGER_MANAGER",
    "AccountDeleted",
    "AllTokensRevoked",
    "BalanceUpdated",
    "FundSpent",
    "InferenceAccount",
    "InferenceService",
    "LedgerAccount",
    "Refund",
    "RegisteredService",
    "ServiceParams",
    "ServiceRemoved",
    "ServiceUpdated",
    "SettlementData",
    "SettlementPreview",
    "SettlementResult",
    "SettlementStatus",
    "SignerAcknowledged",
    "TokenRevoked",
    "TokensRevoked",
    "live_refunds",
]

LEDGER_MANAGER: Final = load_interface("compute", "LedgerManager")
INFERENCE_SERVING: Final = load_interface("compute", "InferenceServing")
FINE_TUNING_SERVING: Final = load_interface("compute", "FineTuningServing")


# The ledger.


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAccount:
    """What a user has deposited."""

    user: Address
    available_wei: Wei
    total_wei: Wei
    """What lies in sub-accounts included."""
    additional_info: str

    @property
    def locked_wei(self) -> Wei:
        """What lies in sub-accounts with providers."""
        return Wei(self.total_wei - self.available_wei)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getLedger` returns. Raises `DecodeError`."""
        [value] = LEDGER_MANAGER.function("getLedger").decode_result(data)
        return cls.from_abi(value)

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `Ledger`."""
        user, available, total, info = value
        return cls(user=Address(user), available_wei=Wei(available), total_wei=Wei(total), additional_info=info)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredService:
    """A serving contract that the ledger moves money to."""

    address: Address
    service_type: str
    version: str
    full_name: str
    """Type and version, such as `inference-v1.0`: what `transferFund` takes."""
    description: str
    is_recommended: bool
    registered_at: int
    """Seconds since 1970."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getServiceInfo` returns. Raises `DecodeError`."""
        [value] = LEDGER_MANAGER.function("getServiceInfo").decode_result(data)
        return cls.from_abi(value)

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `ServiceInfo`, which has the address twice."""
        address, _, service_type, version, full_name, description, is_recommended, registered_at = value
        return cls(
            address=Address(address),
            service_type=service_type,
            version=version,
            full_name=full_name,
            description=description,
            is_recommended=is_recommended,
            registered_at=registered_at,
        )


@dataclass(frozen=True, slots=True)
class FundSpent:
    """A service took a user's money out of a sub-account, to pay a provider."""

    TOPIC: ClassVar[Hash32] = LEDGER_MANAGER.event("FundSpent").topic

    user: Address
    service: Address
    amount_wei: Wei

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        user, service, amount = LEDGER_MANAGER.event("FundSpent").decode(topics, data)
        return cls(Address(user), Address(service), Wei(amount))


# Sub-accounts of both serving contracts.


@dataclass(frozen=True, slots=True)
class Refund:
    """Money of a sub-account on its way back."""

    amount_wei: Wei
    created_at: int
    """Seconds since 1970; the lock time later it can be taken."""


def live_refunds(refunds: Sequence[Sequence[Any]], count: int) -> tuple[Refund, ...]:
    """Only the first `count` entries count: the official contracts keep used ones behind them."""
    return tuple(Refund(Wei(amount), created_at) for _, amount, created_at, _ in refunds[:count])


@dataclass(frozen=True, slots=True)
class BalanceUpdated:
    """A sub-account was filled, emptied or charged. Both serving contracts tell it alike."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("BalanceUpdated").topic

    user: Address
    provider: Address
    balance_wei: Wei
    pending_refund_wei: Wei

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        user, provider, balance, pending = INFERENCE_SERVING.event("BalanceUpdated").decode(topics, data)
        return cls(Address(user), Address(provider), Wei(balance), Wei(pending))


@dataclass(frozen=True, slots=True)
class AccountDeleted:
    """A sub-account is gone; its nonce and its generation of tokens stay. Both serving contracts tell it alike."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("AccountDeleted").topic

    user: Address
    provider: Address
    refunded_wei: Wei

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        user, provider, refunded = INFERENCE_SERVING.event("AccountDeleted").decode(topics, data)
        return cls(Address(user), Address(provider), Wei(refunded))


@dataclass(frozen=True, slots=True)
class SignerAcknowledged:
    """The contract's owner accepted a provider's signer, or took that back. Both serving contracts tell it alike."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("ProviderTEESignerAcknowledged").topic

    provider: Address
    signer: Address
    is_acknowledged: bool

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        provider, signer, acknowledged = INFERENCE_SERVING.event("ProviderTEESignerAcknowledged").decode(topics, data)
        return cls(Address(provider), Address(signer), acknowledged)


# Inference.


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceAccount:
    """What a user has with one provider."""

    user: Address
    provider: Address
    nonce: int
    """Of the last settlement; the next one's is higher."""
    balance_wei: Wei
    """Money on its way back included: settlements may take that too."""
    pending_refund_wei: Wei
    refunds: tuple[Refund, ...]
    additional_info: str
    is_acknowledged: bool
    """Whether the user accepts the provider's signer."""
    generation: int
    """Tokens of other generations are worthless."""
    revoked_bitmap: int
    """Bit n is set where token n of this generation is revoked."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getAccount` returns. Raises `DecodeError`."""
        [value] = INFERENCE_SERVING.function("getAccount").decode_result(data)
        return cls.from_abi(value)

    @classmethod
    def decode_batch(cls, data: bytes) -> list[Self | None]:
        """What `getBatchAccountsByUsers` returns, with nothing where there is no account. Raises `DecodeError`."""
        [values] = INFERENCE_SERVING.function("getBatchAccountsByUsers").decode_result(data)
        return [cls.from_abi(value) if any(value[0]) else None for value in values]

    @classmethod
    def decode_page(cls, data: bytes) -> tuple[list[Self], int]:
        """What `getAllAccounts`, `getAccountsByUser` and `getAccountsByProvider` return: a page, and how many there are in all."""
        values, total = INFERENCE_SERVING.function("getAllAccounts").decode_result(data)
        return [cls.from_abi(value) for value in values], total

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `Account`."""
        user, provider, nonce, balance, pending, refunds, info, acknowledged, refund_count, generation, bitmap = value
        return cls(
            user=Address(user),
            provider=Address(provider),
            nonce=nonce,
            balance_wei=Wei(balance),
            pending_refund_wei=Wei(pending),
            refunds=live_refunds(refunds, refund_count),
            additional_info=info,
            is_acknowledged=acknowledged,
            generation=generation,
            revoked_bitmap=bitmap,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParams:
    """What a provider says of its service."""

    service_type: str
    """Such as `chatbot`, `text-to-image` or `speech-to-text`."""
    url: str
    model: str
    verifiability: str
    """`TeeML`, `OpML` or `ZKML`; another word, such as `standard`, for services whose answers are not signed."""
    input_price_wei: Wei
    """For a token."""
    output_price_wei: Wei
    """For a token, an image or a second of sound."""
    additional_info: str
    """JSON."""
    signer: Address
    """Who signs answers and settlements."""

    def to_abi(self) -> tuple[AbiValue, ...]:
        """As the ABI's `ServiceParams`."""
        prices = (self.input_price_wei, self.output_price_wei)
        return (self.service_type, self.url, self.model, self.verifiability, *prices, self.additional_info, self.signer)

    def call(self) -> bytes:
        """Data of a call that offers the service, or changes it. The first time it carries the stake, later no value."""
        return INFERENCE_SERVING.function("addOrUpdateService").encode(self.to_abi())


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceService:
    """A service, as the contract tells it."""

    provider: Address
    params: ServiceParams
    updated_at: int
    """Seconds since 1970."""
    is_signer_acknowledged: bool
    """Whether the contract's owner accepts the signer."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getService` returns. Raises `DecodeError`."""
        [value] = INFERENCE_SERVING.function("getService").decode_result(data)
        return cls.from_abi(value)

    @classmethod
    def decode_page(cls, data: bytes) -> tuple[list[Self], int]:
        """What `getAllServices` returns: a page, and how many there are in all. Raises `DecodeError`."""
        values, total = INFERENCE_SERVING.function("getAllServices").decode_result(data)
        return [cls.from_abi(value) for value in values], total

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `Service`, whose order is not that of `ServiceParams`."""
        provider, service_type, url, input_price, output_price, updated_at, model, verifiability, info, signer, acknowledged = value
        params = ServiceParams(
            service_type=service_type,
            url=url,
            model=model,
            verifiability=verifiability,
            input_price_wei=Wei(input_price),
            output_price_wei=Wei(output_price),
            additional_info=info,
            signer=Address(signer),
        )
        return cls(provider=Address(provider), params=params, updated_at=updated_at, is_signer_acknowledged=acknowledged)


class SettlementStatus(IntEnum):
    """What became of a settlement. After the first two the money moved and the nonce is used; the others changed nothing."""

    SUCCESS = 0
    PARTIAL = 1
    PROVIDER_MISMATCH = 2
    NO_TEE_SIGNER = 3
    INVALID_NONCE = 4
    INVALID_SIGNATURE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementData:
    """What a user owes a provider, signed by the service's signer."""

    user: Address
    provider: Address
    total_fee_wei: Wei
    requests_hash: Hash32
    nonce: int
    signature: bytes
    """r, s and 27 or 28."""

    def to_abi(self) -> tuple[AbiValue, ...]:
        """As the ABI's `TEESettlementData`."""
        return self.user, self.provider, self.total_fee_wei, self.requests_hash, self.nonce, self.signature

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `TEESettlementData`."""
        user, provider, fee, requests_hash, nonce, signature = value
        return cls(
            user=Address(user),
            provider=Address(provider),
            total_fee_wei=Wei(fee),
            requests_hash=Hash32(requests_hash),
            nonce=nonce,
            signature=signature,
        )

    @staticmethod
    def settle_call(entries: Sequence["SettlementData"]) -> bytes:
        """Data of a call that settles 1 to 50 entries."""
        return INFERENCE_SERVING.function("settleFeesWithTEE").encode([entry.to_abi() for entry in entries])

    @staticmethod
    def preview_call(entries: Sequence["SettlementData"]) -> bytes:
        """Data of a call, from the provider, that tells what settling would do."""
        return INFERENCE_SERVING.function("previewSettlementResults").encode([entry.to_abi() for entry in entries])

    @classmethod
    def decode_settle_call(cls, data: bytes) -> list[Self]:
        """The entries in a transaction that settled them. Raises `DecodeError`."""
        [values] = INFERENCE_SERVING.function("settleFeesWithTEE").decode_call(data)
        return [cls.from_abi(value) for value in values]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementPreview:
    """What settling entries would do, each seen by itself: entries of one user are not added up."""

    failed: tuple[tuple[Address, SettlementStatus], ...]
    partial: tuple[tuple[Address, Wei], ...]
    """Users whose balance is too low, with what would stay unpaid."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `previewSettlementResults` returns. Raises `DecodeError`."""
        users, reasons, partial_users, amounts = INFERENCE_SERVING.function("previewSettlementResults").decode_result(data)
        failed = tuple((Address(user), SettlementStatus(reason)) for user, reason in zip(users, reasons, strict=True))
        partial = tuple((Address(user), Wei(amount)) for user, amount in zip(partial_users, amounts, strict=True))
        return cls(failed=failed, partial=partial)


@dataclass(frozen=True, slots=True)
class SettlementResult:
    """What became of one entry of a settlement; there is an event for each, in their order."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("TEESettlementResult").topic

    user: Address
    status: SettlementStatus
    unsettled_wei: Wei

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        user, status, unsettled = INFERENCE_SERVING.event("TEESettlementResult").decode(topics, data)
        return cls(Address(user), SettlementStatus(status), Wei(unsettled))


@dataclass(frozen=True, slots=True)
class ServiceUpdated:
    """A service began, or what it offers changed. The event has not all of it: ask `getService`."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("ServiceUpdated").topic

    provider: Address
    service_type: str
    url: str
    input_price_wei: Wei
    output_price_wei: Wei
    updated_at: int
    model: str
    verifiability: str

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        provider, kind, url, input_price, output_price, *rest = INFERENCE_SERVING.event("ServiceUpdated").decode(topics, data)
        return cls(Address(provider), kind, url, Wei(input_price), Wei(output_price), *rest)


@dataclass(frozen=True, slots=True)
class ServiceRemoved:
    """A provider withdrew its service. Both serving contracts tell it alike."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("ServiceRemoved").topic

    provider: Address

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        [provider] = INFERENCE_SERVING.event("ServiceRemoved").decode(topics, data)
        return cls(Address(provider))


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """One session token of a user is worthless from now on."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("TokenRevoked").topic

    user: Address
    provider: Address
    token_id: int

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        user, provider, token_id = INFERENCE_SERVING.event("TokenRevoked").decode(topics, data)
        return cls(Address(user), Address(provider), token_id)


@dataclass(frozen=True, slots=True)
class TokensRevoked:
    """Several session tokens of a user are worthless from now on."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("TokensRevoked").topic

    user: Address
    provider: Address
    token_ids: tuple[int, ...]

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        user, provider, token_ids = INFERENCE_SERVING.event("TokensRevoked").decode(topics, data)
        return cls(Address(user), Address(provider), tuple(token_ids))


@dataclass(frozen=True, slots=True)
class AllTokensRevoked:
    """All session tokens of a user are worthless from now on: a new generation began."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("AllTokensRevoked").topic

    user: Address
    provider: Address
    generation: int

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        user, provider, generation = INFERENCE_SERVING.event("AllTokensRevoked").decode(topics, data)
        return cls(Address(user), Address(provider), generation)
