"""What a request costs, in wei: by tokens, pictures or seconds, with tiers and a discount for cached tokens.

Source: 0gfoundation/0g-serving-broker, `api/inference/internal/ctrl` (the fees) and `config` (tiers, `cacheTokenBilling`). Divisions round
down, each part on its own, as there.
"""

from dataclasses import dataclass, replace
from typing import Final

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.errors import InvalidPriceError
from zerog.primitives import Wei

__all__ = ["Fee", "PriceTier", "Prices", "Usage", "fee_of", "highest_fee", "prices_of_tier"]

PRICE_WEI_MAX: Final = 2**256 - 1
SECONDS_BILLED_MIN: Final = 1
"""A shorter recording costs as much as one second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """Prices for prompts of up to `max_input_tokens` (0: of any length): multiples of the service's."""

    max_input_tokens: int
    input_multiplier: int = 1
    output_multiplier: int = 1
    input_denominator: int = 1
    output_denominator: int = 1

    def __post_init__(self) -> None:
        if self.max_input_tokens < 0 or min(self.input_multiplier, self.output_multiplier) < 0:
            raise InvalidPriceError("a tier has a limit or a multiplier below zero")
        if min(self.input_denominator, self.output_denominator) < 1:
            raise InvalidPriceError("a tier's denominator is below one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices of a service in wei a unit; which unit, `ServiceType` decides. Raises `InvalidPriceError`."""

    input_wei: int
    output_wei: int
    tiers: tuple[PriceTier, ...] = ()
    """By growing limit; the one without a limit last."""
    cache_divisor: int = 1
    """Cached tokens of a prompt cost a so manieth of the others."""

    def __post_init__(self) -> None:
        if not (0 <= self.input_wei <= PRICE_WEI_MAX and 0 <= self.output_wei <= PRICE_WEI_MAX):
            raise InvalidPriceError("a price is not a number of the contract")
        if self.cache_divisor < 1:
            raise InvalidPriceError("cacheTokenBilling's divisor is below one")
        limits = [tier.max_input_tokens or float("inf") for tier in self.tiers]
        if limits != sorted(set(limits)):
            raise InvalidPriceError("the limits of the tiers do not grow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a request used. `cached_tokens` are part of `prompt_tokens`; `seconds` are of sound, rounded to whole ones."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    images: int = 0
    seconds: int = 0

    def __post_init__(self) -> None:
        if min(self.prompt_tokens, self.cached_tokens, self.completion_tokens, self.images, self.seconds) < 0:
            raise InvalidPriceError("a usage below zero")


@dataclass(frozen=True, slots=True)
class Fee:
    """What a request costs."""

    input_wei: Wei
    output_wei: Wei

    @property
    def total_wei(self) -> Wei:
        return Wei(self.input_wei + self.output_wei)


def fee_of(service_type: ServiceType, prices: Prices, usage: Usage) -> Fee:
    """What `usage` costs.

    Pictures are paid by number. A recording is paid by the second if `usage` has seconds, by tokens otherwise; speech by the tokens of its
    text and, if `usage` has some, of its sound.
    """
    match service_type:
        case ServiceType.TEXT_TO_IMAGE | ServiceType.IMAGE_EDITING:
            return Fee(Wei(0), Wei(prices.output_wei * usage.images))
        case ServiceType.VIDEO_GENERATION:
            return Fee(Wei(0), Wei(prices.output_wei * usage.seconds))
        case ServiceType.SPEECH_TO_TEXT if usage.seconds:
            return Fee(Wei(prices.input_wei * max(usage.seconds, SECONDS_BILLED_MIN)), Wei(0))
        case ServiceType.EMBEDDING:
            return Fee(_input_fee(prices_of_tier(prices, usage.prompt_tokens), usage), Wei(0))
        case _:
            tier = prices_of_tier(prices, usage.prompt_tokens)
            return Fee(_input_fee(tier, usage), Wei(tier.output_wei * usage.completion_tokens))


def _input_fee(prices: Prices, usage: Usage) -> Wei:
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    return Wei(prices.input_wei * (usage.prompt_tokens - cached) + prices.input_wei * cached // prices.cache_divisor)


def prices_of_tier(prices: Prices, prompt_tokens: int) -> Prices:
    """The prices for a prompt of this length: of the first tier that is long enough, the plain ones if none is."""
    if not prices.tiers:
        return prices
    for tier in prices.tiers:
        if tier.max_input_tokens == 0 or tier.max_input_tokens >= prompt_tokens:
            return Prices(
                input_wei=min(prices.input_wei * tier.input_multiplier // tier.input_denominator, PRICE_WEI_MAX),
                output_wei=min(prices.output_wei * tier.output_multiplier // tier.output_denominator, PRICE_WEI_MAX),
                cache_divisor=prices.cache_divisor,
            )
    return Prices(input_wei=prices.input_wei, output_wei=prices.output_wei, cache_divisor=prices.cache_divisor)


def highest_fee(service_type: ServiceType, prices: Prices, highest: Usage) -> Fee:
    """The most that a request can cost that uses at most `highest`: a shorter prompt may fall into a dearer tier, and nothing be cached."""
    if not prices.tiers:
        return fee_of(service_type, prices, replace(highest, cached_tokens=0) if highest.cached_tokens else highest)
    limits = {highest.prompt_tokens, *(tier.max_input_tokens for tier in prices.tiers if 0 < tier.max_input_tokens < highest.prompt_tokens)}
    just_above = {tokens + 1 for tokens in limits if tokens < highest.prompt_tokens}
    fees = [
        fee_of(
            service_type,
            prices,
            Usage(prompt_tokens=tokens, completion_tokens=highest.completion_tokens, images=highest.images, seconds=highest.seconds),
        )
        for tokens in limits | just_above
    ]
    return Fee(max(fee.input_wei for fee in fees), max(fee.output_wei for fee in fees))
