"""The contract through which inference is offered and paid: what is called, what is told in events, and why a call is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from zerog.contracts.interface import load_interface
from zerog.primitives import Address, Hash32, Wei
from zerog.primitives.errors import RefusalError

__all__ = [
    "ACCOUNT_EVENTS",
    "INFERENCE_SERVING",
    "SERVICE_EVENTS",
    "InferenceAccount",
    "InferenceRefusedError",
    "InferenceService",
    "Refund",
    "ServiceParams",
    "TeeSettlementResult",
    "inference_refusal",
    "user_of_event",
]

INFERENCE_SERVING: Final = load_interface("compute", "InferenceServing")

ACCOUNT_EVENTS: Final = tuple(
    INFERENCE_SERVING.event(name)
    for name in ("BalanceUpdated", "RefundRequested", "AccountDeleted", "TokenRevoked", "TokensRevoked", "AllTokensRevoked")
)
"""What tells of a change of one user's account with one provider, who are their first two topics."""
SERVICE_EVENTS: Final = tuple(
    INFERENCE_SERVING.event(name) for name in ("ServiceUpdated", "ServiceRemoved", "ProviderTEESignerAcknowledged", "ProviderStaked")
)
"""What tells of a change of one provider's service; the provider is their first topic."""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that a user wants back, which the lock time holds."""

    index: int
    amount_wei: Wei
    created_at_s: int
    processed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceAccount:
    """What a user has with a provider."""

    user: Address
    provider: Address
    nonce: int
    """Of the newest settlement."""
    balance_wei: Wei
    pending_refund_wei: Wei
    """The part of the balance that the user wants back. A settlement may still take it."""
    refunds: tuple[Refund, ...]
    """Those that live."""
    additional_info: str
    acknowledged: bool
    """Whether the user trusts the provider's signer."""
    generation: int
    """Of tokens: those of former ones are worthless."""
    revoked_bitmap: int
    """Bit n is set if token n of this generation is worthless."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getAccount` returns. Raises `DecodeError`."""
        [value] = INFERENCE_SERVING.function("getAccount").decode_result(data)
        return cls.from_abi(value)

    @classmethod
    def decode_batch(cls, data: bytes) -> list[Self]:
        """What `getBatchAccountsByUsers` returns; a missing account is all zero. Raises `DecodeError`."""
        [values] = INFERENCE_SERVING.function("getBatchAccountsByUsers").decode_result(data)
        return [cls.from_abi(value) for value in values]

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `Account`."""
        user, provider, nonce, balance, pending, refunds, info, acknowledged, live, generation, bitmap = value
        return cls(
            user=Address(user),
            provider=Address(provider),
            nonce=nonce,
            balance_wei=Wei(balance),
            pending_refund_wei=Wei(pending),
            refunds=tuple(Refund(index, Wei(amount), created_at_s, processed) for index, amount, created_at_s, processed in refunds[:live]),
            additional_info=info,
            acknowledged=acknowledged,
            generation=generation,
            revoked_bitmap=bitmap,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParams:
    """What a provider says of its service."""

    service_type: str
    url: str
    model: str
    verifiability: str
    input_price_wei: Wei
    output_price_wei: Wei
    additional_info: str
    signer: Address

    def to_abi(self) -> tuple[str, str, str, str, int, int, str, bytes]:
        """As the ABI's `ServiceParams`, whose order is another than that of `Service`."""
        texts = (self.service_type, self.url, self.model, self.verifiability)
        return (*texts, self.input_price_wei, self.output_price_wei, self.additional_info, self.signer)

    def call(self) -> bytes:
        """Data of the call that offers the service, or changes it."""
        return INFERENCE_SERVING.function("addOrUpdateService").encode(self.to_abi())


@dataclass(frozen=True, slots=True)
class InferenceService:
    """A service as it stands on chain."""

    provider: Address
    params: ServiceParams
    updated_at_s: int
    acknowledged: bool
    """Whether the contract's owner has acknowledged the signer."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getService` returns. Raises `DecodeError`."""
        [value] = INFERENCE_SERVING.function("getService").decode_result(data)
        return cls.from_abi(value)

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `Service`."""
        provider, service_type, url, input_price, output_price, updated_at_s, model, verifiability, info, signer, acknowledged = value
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
        return cls(Address(provider), params, updated_at_s, acknowledged)


@dataclass(frozen=True, slots=True)
class TeeSettlementResult:
    """What became of one entry of a settlement."""

    TOPIC: ClassVar[Hash32] = INFERENCE_SERVING.event("TEESettlementResult").topic

    user: Address
    status: int
    unsettled_wei: Wei
    """What of the entry was not paid."""

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        user, status, unsettled = INFERENCE_SERVING.event("TEESettlementResult").decode(topics, data)
        return cls(Address(user), status, Wei(unsettled))


def user_of_event(topics: Sequence[bytes], provider: Address) -> Address | None:
    """Whose account with `provider` an account event tells of; `None` if it is another provider's."""
    if len(topics) < 3 or topics[2][12:] != provider:
        return None
    return Address(topics[1][12:])


@dataclass(eq=False)
class InferenceRefusedError(RefusalError):
    """The contract refused a call, with an error of its own."""

    error: str
    """Its name."""
    arguments: tuple[Any, ...]

    code = "inference_refused"
    remedy = "see what the contract's error of this name says"

    def __str__(self) -> str:
        told = ", ".join(_told(argument) for argument in self.arguments)
        return f"the contract of inference refused: {self.error}({told})"


def inference_refusal(data: bytes) -> InferenceRefusedError | None:
    """What a revert's data means, if it is one of the contract's own errors. Raises `DecodeError` when its arguments are cut off."""
    for signature, error in INFERENCE_SERVING.errors.items():
        if data[:4] == error.selector:
            return InferenceRefusedError(signature.split("(", 1)[0], error.decode(data))
    return None


def _told(value: object) -> str:
    match value:
        case bytes() if len(value) == Address.LENGTH:
            return str(Address(value))
        case bytes():
            return "0x" + value.hex()
        case _:
            return str(value)
