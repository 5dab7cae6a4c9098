"""`additionalInfo`: what a service says of itself on chain beside the fields of the contract. The names of its members are exact.

Source: npm `@0gfoundation/0g-compute-ts-sdk` 0.9.0; 0gfoundation/0g-serving-broker, `api/inference`. `Simulated`, `ModelSha256`,
`ModelRoot`, `ReceiptsIndexer` and `ReceiptsDisperser` are ours.
"""

import json
from dataclasses import dataclass, field
from typing import Final

import msgspec

from zerog.compute.protocol.constants import ADDITIONAL_INFO_BYTES_MAX, ProviderType
from zerog.compute.protocol.errors import AdditionalInfoError, InvalidPriceError
from zerog.compute.protocol.fees import Prices, PriceTier
from zerog.primitives import Address, Hash32, is_nested_deeper

__all__ = ["SIMULATED_IMAGE", "AdditionalInfo"]

SIMULATED_IMAGE: Final = "SIMULATED/zerog-compute"
"""Name of the image of a simulated enclave: so that nobody takes it for one that could be pulled and checked."""
NESTING_MAX: Final = 8


class _Tier(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    max_input_tokens: int
    input_multiplier: int
    output_multiplier: int
    input_multiplier_denominator: int = 1
    output_multiplier_denominator: int = 1


class _TieredPricing(msgspec.Struct, frozen=True):
    tiers: tuple[_Tier, ...] = ()


class _CacheTokenBilling(msgspec.Struct, frozen=True):
    divisor: int = 1


class _Members(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="pascal"):
    """The JSON of it; every member may be missing."""

    verifier_url: str = msgspec.field(default="", name="VerifierURL")
    tee_verifier: str = msgspec.field(default="", name="TEEVerifier")
    target_separated: bool | None = None
    target_tee_address: str = ""
    provider_type: str = ""
    provider_identity: str = ""
    image_name: str = ""
    image_digest: str = ""
    tiered_pricing: _TieredPricing = msgspec.field(default=_TieredPricing(), name="tieredPricing")
    cache_token_billing: _CacheTokenBilling = msgspec.field(default=_CacheTokenBilling(), name="cacheTokenBilling")
    multi_model: bool = False
    price_denomination: str = msgspec.field(default="", name="priceDenomination")
    simulated: bool = False
    model_sha256: str = ""
    model_root: str = ""
    receipts_indexer: str = ""
    receipts_disperser: str = ""


_DECODER: Final = msgspec.json.Decoder(_Members)
_NAMES: Final = frozenset(struct_field.encode_name for struct_field in msgspec.structs.fields(_Members))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionalInfo:
    """A service's `additionalInfo`. Every change of it on chain takes the owner's acknowledgement away."""

    tee_verifier: str = "dstack"
    verifier_url: str = ""
    target_separated: bool = False
    """Whether the model runs in an enclave of its own, whose signer is `target_tee_address`."""
    target_tee_address: Address | None = None
    provider_type: ProviderType = ProviderType.DECENTRALIZED
    provider_identity: str = ""
    image_name: str = ""
    image_digest: str = ""
    tiers: tuple[PriceTier, ...] = ()
    cache_divisor: int = 1
    multi_model: bool = False
    price_denomination: str = ""
    is_simulated: bool = False
    """Whether the enclave is none. Ours; official clients do not look at it."""
    model_sha256: Hash32 | None = None
    """Of the file that the model is, where that is known. Ours, as is the next."""
    model_root: Hash32 | None = None
    """Of the same file in 0G Storage, by which anybody can fetch it."""
    receipts_indexer: str = ""
    """URL of the indexer of 0G Storage through which the leaves of settlements are found. Ours, as is the next."""
    receipts_disperser: str = ""
    """`host:port` of the disperser of 0G DA that has them too."""
    further: dict[str, object] = field(default_factory=dict)
    """Members that no client knows."""

    def __post_init__(self) -> None:
        """Raises `InvalidPriceError` for tiers and a divisor that cannot be."""
        self.prices(input_wei=0, output_wei=0)

    def prices(self, *, input_wei: int, output_wei: int) -> Prices:
        """The prices of the service that says this of itself and has these on chain. Raises `InvalidPriceError`."""
        return Prices(input_wei=input_wei, output_wei=output_wei, tiers=self.tiers, cache_divisor=self.cache_divisor)

    def to_json(self) -> str:
        """As it goes on chain. Raises `AdditionalInfoError` when it is longer than the contract takes."""
        members = _Members(
            verifier_url=self.verifier_url,
            tee_verifier=self.tee_verifier,
            target_separated=self.target_separated,
            target_tee_address=str(self.target_tee_address) if self.target_tee_address else "",
            provider_type=self.provider_type.value,
            provider_identity=self.provider_identity,
            image_name=self.image_name,
            image_digest=self.image_digest,
            tiered_pricing=_TieredPricing(tuple(map(_tier_members, self.tiers))),
            cache_token_billing=_CacheTokenBilling(self.cache_divisor),
            multi_model=self.multi_model,
            price_denomination=self.price_denomination,
            simulated=self.is_simulated,
            model_sha256=str(self.model_sha256) if self.model_sha256 else "",
            model_root=str(self.model_root) if self.model_root else "",
            receipts_indexer=self.receipts_indexer,
            receipts_disperser=self.receipts_disperser,
        )
        text = json.dumps({**msgspec.to_builtins(members), **self.further}, separators=(",", ":"), ensure_ascii=False)
        if len(text.encode()) > ADDITIONAL_INFO_BYTES_MAX:
            raise AdditionalInfoError(f"it has {len(text.encode())} bytes; the contract takes {ADDITIONAL_INFO_BYTES_MAX}")
        return text

    @classmethod
    def from_json(cls, text: str) -> "AdditionalInfo":
        """Read what stands on chain. Raises `AdditionalInfoError`."""
        content = text.encode(errors="surrogatepass")
        try:
            if len(content) > ADDITIONAL_INFO_BYTES_MAX or is_nested_deeper(content, NESTING_MAX):
                raise AdditionalInfoError("it is too long or too deeply nested")
            members, everything = _DECODER.decode(content), json.loads(content)
            return cls(
                tee_verifier=members.tee_verifier or "dstack",  # As the official client takes it.
                verifier_url=members.verifier_url,
                target_separated=members.target_separated is True,
                target_tee_address=_address(members.target_tee_address),
                provider_type=ProviderType(members.provider_type or ProviderType.DECENTRALIZED),
                provider_identity=members.provider_identity,
                image_name=members.image_name,
                image_digest=members.image_digest,
                tiers=tuple(map(_tier, members.tiered_pricing.tiers)),
                cache_divisor=members.cache_token_billing.divisor,
                multi_model=members.multi_model,
                price_denomination=members.price_denomination,
                is_simulated=members.simulated,
                model_sha256=_hash(members.model_sha256),
                model_root=_hash(members.model_root),
                receipts_indexer=members.receipts_indexer,
                receipts_disperser=members.receipts_disperser,
                further={name: value for name, value in everything.items() if name not in _NAMES},
            )
        except (msgspec.DecodeError, ValueError, InvalidPriceError) as error:
            raise AdditionalInfoError(str(error)) from None


def _tier_members(tier: PriceTier) -> _Tier:
    return _Tier(
        max_input_tokens=tier.max_input_tokens,
        input_multiplier=tier.input_multiplier,
        output_multiplier=tier.output_multiplier,
        input_multiplier_denominator=tier.input_denominator,
        output_multiplier_denominator=tier.output_denominator,
    )


def _tier(members: _Tier) -> PriceTier:
    return PriceTier(
        max_input_tokens=members.max_input_tokens,
        input_multiplier=members.input_multiplier,
        output_multiplier=members.output_multiplier,
        input_denominator=members.input_multiplier_denominator,
        output_denominator=members.output_multiplier_denominator,
    )


def _address(text: str) -> Address | None:
    return Address.from_json(text) if text else None


def _hash(text: str) -> Hash32 | None:
    return Hash32.from_json(text) if text else None
