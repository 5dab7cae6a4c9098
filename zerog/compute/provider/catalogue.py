"""The models that a provider offers, with their prices: one from its settings, or several from a file.

```toml
[[model]]
id = "llama"                     # the public name
service_type = "chatbot"
input_price = "10000000000"      # wei for a token of a prompt; text, because amounts may be longer than a TOML number
output_price = "20000000000"
upstream_model = "llama-3.1-8b"  # if the engine has another name for it
engine = "http://127.0.0.1:8000/v1"
expires = 2027-01-31             # the first day on which it is not served any more
cache_divisor = 4
tiers = [{ max_input_tokens = 0, input_multiplier = 2, output_multiplier = 2 }]
```
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.fees import Prices, PriceTier
from zerog.compute.provider.engines import NoEngineError
from zerog.compute.provider.errors import ModelExpiredError, ModelMismatchError, ProviderSettingsError
from zerog.compute.provider.settings import ComputeProviderSettings

__all__ = ["Catalogue", "OfferedModel", "read_catalogue", "today"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedModel:
    """A model that can be asked for."""

    id: str
    service_type: ServiceType
    prices: Prices
    upstream_model: str | None = None
    engine: str | None = None
    """URL of the server that has it, if not every one does."""
    expires: date | None = None
    context_tokens: int = 131_072
    description: str = ""

    def info(self, provider: str) -> dict[str, object]:
        """The entry of `/v1/models`; prices are neuron (wei) in decimal."""
        prices = self.prices
        pricing: dict[str, object] = {"prompt": str(prices.input_wei), "completion": str(prices.output_wei)}
        if self.service_type in (ServiceType.TEXT_TO_IMAGE, ServiceType.IMAGE_EDITING):
            pricing = {"prompt": str(prices.input_wei), "image": str(prices.output_wei)}
        if prices.tiers:
            pricing["tiered_pricing"] = [_tier_info(tier) for tier in prices.tiers]
        if prices.cache_divisor > 1:
            pricing["cache_token_billing"] = {"divisor": prices.cache_divisor}
        found: dict[str, object] = {
            "id": self.id,
            "object": "model",
            "created": 0,
            "owned_by": provider,
            "provider": provider,
            "name": self.id,
            "type": self.service_type.value,
            "context_length": self.context_tokens,
            "pricing": pricing,
        }
        if self.description:
            found["description"] = self.description
        if self.expires is not None:
            found["expiration_date"] = self.expires.isoformat()
        return found


class Catalogue:
    """All models of one provider, the one that stands on chain first."""

    def __init__(self, models: Sequence[OfferedModel]) -> None:
        """Raises `ProviderSettingsError` when there is none, or two have one name."""
        if not models:
            raise ProviderSettingsError("models: the file names no model")
        if len({model.id for model in models}) < len(models):
            raise ProviderSettingsError("models: two models have the same id")
        self.models: Final = tuple(models)
        self._by_id: Final = {model.id: model for model in models}

    @property
    def first(self) -> OfferedModel:
        """The model that stands on chain."""
        return self.models[0]

    @property
    def is_multiple(self) -> bool:
        """Whether there is more than one."""
        return len(self.models) > 1

    def find(self, name: str | None, service_types: Sequence[ServiceType], today: date) -> OfferedModel:
        """The model `name`, or the first of its kind for `None`.

        Raises `NoEngineError` where none of its kind is offered, `ModelMismatchError` and `ModelExpiredError`.
        """
        if not self.serves(service_types):
            raise NoEngineError(service_types[0].value)
        if name is None:
            model = next((model for model in self.models if model.service_type in service_types), None)
        else:
            model = self._by_id.get(name)
        if model is None or model.service_type not in service_types:
            raise ModelMismatchError(name or "", tuple(each.id for each in self.models if each.service_type in service_types))
        if model.expires is not None and today >= model.expires:
            raise ModelExpiredError(model.id, model.expires.isoformat())
        return model

    def serves(self, service_types: Sequence[ServiceType]) -> bool:
        """Whether there is a model of one of these kinds."""
        return any(model.service_type in service_types for model in self.models)

    def ceiling(self) -> Prices:
        """What stands on chain: the highest price of all models, which none goes beyond. One model's own tiers stay beside it."""
        if not self.is_multiple:
            return self.first.prices
        highest_input = max(_highest(model.prices, is_input=True) for model in self.models)
        highest_output = max(_highest(model.prices, is_input=False) for model in self.models)
        return Prices(input_wei=highest_input, output_wei=highest_output)


def today(unix_s: float) -> date:
    """The day in UTC."""
    return datetime.fromtimestamp(unix_s, UTC).date()


def _highest(prices: Prices, *, is_input: bool) -> int:
    base = prices.input_wei if is_input else prices.output_wei
    factors = [
        (tier.input_multiplier, tier.input_denominator) if is_input else (tier.output_multiplier, tier.output_denominator)
        for tier in prices.tiers
    ]
    return max([base, *(base * over // under for over, under in factors)])


def _tier_info(tier: PriceTier) -> dict[str, object]:
    told: dict[str, object] = {
        "max_input_tokens": tier.max_input_tokens,
        "input_multiplier": tier.input_multiplier,
        "output_multiplier": tier.output_multiplier,
    }
    if tier.input_denominator != 1:
        told["input_multiplier_denominator"] = tier.input_denominator
    if tier.output_denominator != 1:
        told["output_multiplier_denominator"] = tier.output_denominator
    return told


class _TierRow(msgspec.Struct, forbid_unknown_fields=True):
    max_input_tokens: int = 0
    input_multiplier: int = 1
    output_multiplier: int = 1
    input_denominator: int = 1
    output_denominator: int = 1


class _ModelRow(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    service_type: ServiceType = ServiceType.CHATBOT
    input_price: int | str = 0
    output_price: int | str = 0
    upstream_model: str | None = None
    engine: str | None = None
    expires: date | None = None
    cache_divisor: int = 1
    context_tokens: int = 131_072
    description: str = ""
    tiers: list[_TierRow] = []


class _ModelFile(msgspec.Struct, forbid_unknown_fields=True):
    model: list[_ModelRow]


def read_catalogue(settings: ComputeProviderSettings) -> Catalogue:
    """The models of `settings`. Raises `ProviderSettingsError`, or `InvalidPriceError`."""
    if settings.models is None:
        if settings.model is None:
            raise ProviderSettingsError("model: a name is needed")
        prices = Prices(input_wei=settings.input_price, output_wei=settings.output_price, cache_divisor=settings.cache_divisor)
        only = OfferedModel(
            id=settings.model,
            service_type=ServiceType(settings.service_type),
            prices=prices,
            upstream_model=settings.upstream_model,
            context_tokens=settings.context_tokens,
        )
        return Catalogue([only])
    try:
        rows = msgspec.convert(tomllib.loads(settings.models.read_text(encoding="utf-8")), _ModelFile).model
        return Catalogue([_offered(row) for row in rows])
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ProviderSettingsError(f"models: {settings.models}: {error}") from error


def _offered(row: _ModelRow) -> OfferedModel:
    return OfferedModel(
        id=row.id,
        service_type=row.service_type,
        prices=Prices(
            input_wei=int(row.input_price),
            output_wei=int(row.output_price),
            cache_divisor=row.cache_divisor,
            tiers=tuple(
                PriceTier(
                    max_input_tokens=tier.max_input_tokens,
                    input_multiplier=tier.input_multiplier,
                    output_multiplier=tier.output_multiplier,
                    input_denominator=tier.input_denominator,
                    output_denominator=tier.output_denominator,
                )
                for tier in row.tiers
            ),
        ),
        upstream_model=row.upstream_model,
        engine=row.engine,
        expires=row.expires,
        context_tokens=row.context_tokens,
        description=row.description,
    )
