"""Fees: each unit, cached tokens, tiers, and that no request costs more than was reserved for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.errors import InvalidPriceError
from zerog.compute.protocol.fees import Fee, Prices, PriceTier, Usage, fee_of, highest_fee, prices_of_tier

PRICES = Prices(input_wei=100, output_wei=400)
TIERED = Prices(
    input_wei=100,
    output_wei=400,
    tiers=(
        PriceTier(max_input_tokens=1000),
        PriceTier(max_input_tokens=2000, input_multiplier=3, input_denominator=2, output_multiplier=2),
        PriceTier(max_input_tokens=0, input_multiplier=4, output_multiplier=5, output_denominator=2),
    ),
)
prices = st.builds(
    lambda input_wei, output_wei, divisor, tiers: Prices(input_wei=input_wei, output_wei=output_wei, cache_divisor=divisor, tiers=tiers),
    st.integers(0, 10**18),
    st.integers(0, 10**18),
    st.integers(1, 20),
    st.lists(st.integers(1, 500), max_size=4, unique=True)
    .map(sorted)
    .flatmap(
        lambda limits: st.tuples(
            *(
                st.builds(
                    PriceTier,
                    max_input_tokens=st.just(limit),
                    input_multiplier=st.integers(0, 9),
                    output_multiplier=st.integers(0, 9),
                    input_denominator=st.integers(1, 9),
                    output_denominator=st.integers(1, 9),
                )
                for limit in limits
            )
        )
    ),
)
counts = st.integers(0, 600)
usages = st.builds(Usage, prompt_tokens=counts, cached_tokens=counts, completion_tokens=counts, images=counts, seconds=counts)


@pytest.mark.parametrize(
    ("service_type", "usage", "fee"),
    [
        (ServiceType.CHATBOT, Usage(prompt_tokens=30, completion_tokens=10), (3000, 4000)),
        (ServiceType.EMBEDDING, Usage(prompt_tokens=30, completion_tokens=10), (3000, 0)),
        (ServiceType.TEXT_TO_IMAGE, Usage(prompt_tokens=30, images=2), (0, 800)),
        (ServiceType.IMAGE_EDITING, Usage(prompt_tokens=30, images=1), (0, 400)),
        (ServiceType.SPEECH_TO_TEXT, Usage(seconds=7), (700, 0)),
        (ServiceType.SPEECH_TO_TEXT, Usage(prompt_tokens=5, completion_tokens=2), (500, 800)),
        (ServiceType.TEXT_TO_SPEECH, Usage(prompt_tokens=12), (1200, 0)),
        (ServiceType.VIDEO_GENERATION, Usage(seconds=3), (0, 1200)),
    ],
)
def test_each_service_has_its_unit(service_type: ServiceType, usage: Usage, fee: tuple[int, int]) -> None:
    result = fee_of(service_type, PRICES, usage)
    assert (result.input_wei, result.output_wei) == fee
    assert result.total_wei == sum(fee)


@pytest.mark.parametrize(
    ("prompt", "cached", "fee"),
    [(1000, 0, 100_000), (1000, 200, 82_000), (1000, 1500, 10_000)],
)
def test_cached_tokens_cost_a_part(prompt: int, cached: int, fee: int) -> None:
    """Source: 0gfoundation/0g-serving-broker, `cache_billing_test.go`."""
    discounted = Prices(input_wei=100, output_wei=0, cache_divisor=10)
    assert fee_of(ServiceType.CHATBOT, discounted, Usage(prompt_tokens=prompt, cached_tokens=cached)).input_wei == fee


@pytest.mark.parametrize(("prompt", "input_wei", "output_wei"), [(0, 100, 400), (1000, 100, 400), (1001, 150, 800), (2001, 400, 1000)])
def test_the_first_tier_that_is_long_enough_sets_the_prices(prompt: int, input_wei: int, output_wei: int) -> None:
    tier = prices_of_tier(TIERED, prompt)
    assert (tier.input_wei, tier.output_wei) == (input_wei, output_wei)


def test_a_prompt_beyond_all_tiers_pays_the_plain_prices() -> None:
    assert prices_of_tier(Prices(input_wei=7, output_wei=8, tiers=(PriceTier(max_input_tokens=5, input_multiplier=9),)), 6).input_wei == 7


@given(st.sampled_from(ServiceType), prices, usages, usages)
def test_no_request_costs_more_than_the_highest_fee(service_type: ServiceType, price: Prices, highest: Usage, used: Usage) -> None:
    within = Usage(
        prompt_tokens=min(used.prompt_tokens, highest.prompt_tokens),
        cached_tokens=used.cached_tokens,
        completion_tokens=min(used.completion_tokens, highest.completion_tokens),
        images=min(used.images, highest.images),
        seconds=min(used.seconds, highest.seconds),
    )
    if service_type is ServiceType.SPEECH_TO_TEXT and bool(within.seconds) != bool(highest.seconds):
        return  # By the second or by the token: the service decides, not the request.
    assert fee_of(service_type, price, within).total_wei <= highest_fee(service_type, price, highest).total_wei


@given(st.sampled_from(ServiceType), prices, usages)
def test_a_fee_is_whole_and_not_below_zero(service_type: ServiceType, price: Prices, usage: Usage) -> None:
    fee = fee_of(service_type, price, usage)
    assert isinstance(fee, Fee)
    assert type(fee.total_wei) is int
    assert min(fee.input_wei, fee.output_wei) >= 0


def test_what_cannot_be_a_price_is_refused() -> None:
    for wrong in (
        lambda: Prices(input_wei=-1, output_wei=0),
        lambda: Prices(input_wei=0, output_wei=2**256),
        lambda: Prices(input_wei=0, output_wei=0, cache_divisor=0),
        lambda: PriceTier(max_input_tokens=-1),
        lambda: PriceTier(max_input_tokens=1, output_denominator=0),
        lambda: Prices(input_wei=0, output_wei=0, tiers=(PriceTier(max_input_tokens=0), PriceTier(max_input_tokens=9))),
        lambda: Usage(seconds=-1),
    ):
        with pytest.raises(InvalidPriceError):
            wrong()
