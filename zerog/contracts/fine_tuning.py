"""The contract of fine-tuning: services, accounts, models and settlements as its calls carry them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from zerog.contracts.compute import FINE_TUNING_SERVING, Refund, live_refunds
from zerog.contracts.interface import AbiValue
from zerog.primitives import Address, Wei

__all__ = ["Deliverable", "FineTuningAccount", "FineTuningService", "FineTuningSettlement", "FineTuningSummary", "Quota"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a provider's machine has; the units are the provider's."""

    cpu_count: int
    node_memory: int
    gpu_count: int
    node_storage: int
    gpu_type: str

    def to_abi(self) -> tuple[AbiValue, ...]:
        """As the ABI's `Quota`."""
        return self.cpu_count, self.node_memory, self.gpu_count, self.node_storage, self.gpu_type

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `Quota`."""
        cpus, memory, gpus, storage, gpu_type = value
        return cls(cpu_count=cpus, node_memory=memory, gpu_count=gpus, node_storage=storage, gpu_type=gpu_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningService:
    """A service that trains models."""

    provider: Address
    url: str
    quota: Quota
    price_per_token_wei: Wei
    is_occupied: bool
    models: tuple[str, ...]
    signer: Address
    is_signer_acknowledged: bool = False
    """Whether the contract's owner accepts the signer; not part of what a provider says."""

    def call(self) -> bytes:
        """Data of a call, by the provider, that offers the service or changes it. The first time it carries the stake."""
        return FINE_TUNING_SERVING.function("addOrUpdateService").encode(
            self.url, self.quota.to_abi(), self.price_per_token_wei, self.is_occupied, list(self.models), self.signer
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getService` returns. Raises `DecodeError`."""
        [value] = FINE_TUNING_SERVING.function("getService").decode_result(data)
        return cls.from_abi(value)

    @classmethod
    def decode_all(cls, data: bytes) -> list[Self]:
        """What `getAllServices` returns. Raises `DecodeError`."""
        [values] = FINE_TUNING_SERVING.function("getAllServices").decode_result(data)
        return [cls.from_abi(value) for value in values]

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `Service`."""
        provider, url, quota, price, occupied, models, signer, acknowledged = value
        return cls(
            provider=Address(provider),
            url=url,
            quota=Quota.from_abi(quota),
            price_per_token_wei=Wei(price),
            is_occupied=occupied,
            models=tuple(models),
            signer=Address(signer),
            is_signer_acknowledged=acknowledged,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverable:
    """A trained model that a provider announced to a user."""

    id: str
    model_root_hash: bytes
    encrypted_secret: bytes
    """The model's key, encrypted for the user; empty until the fee was paid."""
    is_acknowledged: bool
    timestamp: int
    """Seconds since 1970."""
    is_settled: bool

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getDeliverable` returns. Raises `DecodeError`."""
        [value] = FINE_TUNING_SERVING.function("getDeliverable").decode_result(data)
        return cls.from_abi(value)

    @classmethod
    def decode_all(cls, data: bytes) -> list[Self]:
        """What `getDeliverables` returns, the oldest first. Raises `DecodeError`."""
        [values] = FINE_TUNING_SERVING.function("getDeliverables").decode_result(data)
        return [cls.from_abi(value) for value in values]

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `Deliverable`."""
        name, root, secret, acknowledged, timestamp, settled = value
        return cls(
            id=name,
            model_root_hash=root,
            encrypted_secret=secret,
            is_acknowledged=acknowledged,
            timestamp=timestamp,
            is_settled=settled,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningAccount:
    """What a user has with one provider that trains models."""

    user: Address
    provider: Address
    nonce: int
    balance_wei: Wei
    """Money on its way back included."""
    pending_refund_wei: Wei
    refunds: tuple[Refund, ...]
    additional_info: str
    deliverables: tuple[Deliverable, ...]
    """The oldest first, at most 20."""
    is_acknowledged: bool
    """Whether the user accepts the provider's signer."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getAccount` returns. Raises `DecodeError`."""
        [value] = FINE_TUNING_SERVING.function("getAccount").decode_result(data)
        user, provider, nonce, balance, pending, refunds, info, deliverables, refund_count, _, _, acknowledged = value
        return cls(
            user=Address(user),
            provider=Address(provider),
            nonce=nonce,
            balance_wei=Wei(balance),
            pending_refund_wei=Wei(pending),
            refunds=live_refunds(refunds, refund_count),
            additional_info=info,
            deliverables=tuple(Deliverable.from_abi(deliverable) for deliverable in deliverables),
            is_acknowledged=acknowledged,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningSummary:
    """The same in a list, without refunds and models."""

    user: Address
    provider: Address
    nonce: int
    balance_wei: Wei
    pending_refund_wei: Wei
    additional_info: str
    refund_count: int
    deliverable_count: int
    is_acknowledged: bool

    @classmethod
    def decode_batch(cls, data: bytes) -> list[Self | None]:
        """What `getBatchAccountsByUsers` returns, with nothing where there is no account. Raises `DecodeError`."""
        [values] = FINE_TUNING_SERVING.function("getBatchAccountsByUsers").decode_result(data)
        return [cls.from_abi(value) if any(value[0]) else None for value in values]

    @classmethod
    def decode_page(cls, data: bytes) -> tuple[list[Self], int]:
        """What `getAllAccounts`, `getAccountsByUser` and `getAccountsByProvider` return: a page, and how many there are in all."""
        values, total = FINE_TUNING_SERVING.function("getAllAccounts").decode_result(data)
        return [cls.from_abi(value) for value in values], total

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `AccountSummary`."""
        user, provider, nonce, balance, pending, info, refunds, deliverables, acknowledged = value
        return cls(
            user=Address(user),
            provider=Address(provider),
            nonce=nonce,
            balance_wei=Wei(balance),
            pending_refund_wei=Wei(pending),
            additional_info=info,
            refund_count=refunds,
            deliverable_count=deliverables,
            is_acknowledged=acknowledged,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningSettlement:
    """What a user owes for a model, signed by the service's signer."""

    id: str
    encrypted_secret: bytes
    """Empty for a model that its user did not acknowledge."""
    model_root_hash: bytes
    nonce: int
    signature: bytes
    """r, s and 27 or 28."""
    task_fee_wei: Wei
    user: Address

    def call(self) -> bytes:
        """Data of a call, by the provider, that collects the fee."""
        values = (self.id, self.encrypted_secret, self.model_root_hash, self.nonce, self.signature, self.task_fee_wei, self.user)
        return FINE_TUNING_SERVING.function("settleFees").encode(values)
