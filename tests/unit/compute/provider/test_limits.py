"""How much a user may ask of a provider, by a clock that the test holds."""

from dataclasses import dataclass
from typing import Any

import pytest

from zerog.compute.provider.errors import ProviderBusyError, RateLimitedError, TooManyRequestsError
from zerog.compute.provider.limits import USERS_MAX, WINDOW_S, LimitRules, Limits
from zerog.primitives import Address

ALICE, BOB = Address(b"\1" * 20), Address(b"\2" * 20)


@dataclass
class HeldClock:
    now_s: float = 1_000.0

    def unix_s(self) -> float:
        return 1_700_000_000 + self.now_s

    def monotonic_s(self) -> float:
        return self.now_s


def make(clock: HeldClock, **rules: Any) -> Limits:
    values = {"requests_per_minute": 0, "tokens_per_minute": 0, "images_per_minute": 0, "concurrent_max": 0, "concurrent_per_user_max": 0}
    return Limits(LimitRules(**{**values, **rules}), clock)


def test_a_minute_begins_with_a_users_first_request() -> None:
    clock = HeldClock()
    limits = make(clock, requests_per_minute=2)
    limits.admit(ALICE)
    clock.now_s += WINDOW_S - 1
    limits.admit(ALICE)
    with pytest.raises(RateLimitedError) as refused:
        limits.admit(ALICE)
    assert refused.value.retry_after_s == 1
    limits.admit(BOB)
    clock.now_s += 1
    limits.admit(ALICE)
    assert dict(limits.headers(ALICE))[b"x-ratelimit-remaining-requests"] == b"1"


def test_tokens_that_an_answer_took_count_for_the_next_request() -> None:
    clock = HeldClock()
    limits = make(clock, tokens_per_minute=100)
    limits.admit(ALICE)
    limits.count_tokens(ALICE, 250)
    assert dict(limits.headers(ALICE)) == {
        b"x-ratelimit-limit-tokens": b"100",
        b"x-ratelimit-remaining-tokens": b"0",
        b"x-ratelimit-reset-tokens": b"60s",
    }
    with pytest.raises(RateLimitedError):
        limits.admit(ALICE)


def test_pictures_count_by_number_and_a_refused_request_counts_for_nothing() -> None:
    limits = make(HeldClock(), images_per_minute=3)
    limits.admit(ALICE, images=2)
    with pytest.raises(RateLimitedError):
        limits.admit(ALICE, images=2)
    limits.admit(ALICE, images=1)
    limits.admit(ALICE)


def test_the_headers_of_anthropic_tell_when_and_not_how_soon() -> None:
    limits = make(HeldClock(), requests_per_minute=5)
    limits.admit(ALICE)
    assert dict(limits.headers(ALICE, is_anthropic=True)) == {
        b"anthropic-ratelimit-requests-limit": b"5",
        b"anthropic-ratelimit-requests-remaining": b"4",
        b"anthropic-ratelimit-requests-reset": b"2023-11-14T22:31:00Z",
    }


def test_slots_come_back_also_after_a_failure() -> None:
    limits = make(HeldClock(), concurrent_max=2, concurrent_per_user_max=1)
    with limits.slot(ALICE):
        with pytest.raises(TooManyRequestsError), limits.slot(ALICE):
            raise AssertionError
        with limits.slot(BOB), pytest.raises(ProviderBusyError), limits.slot(Address(b"\3" * 20)):
            raise AssertionError
    with pytest.raises(ValueError, match="inside"), limits.slot(ALICE):
        raise ValueError("inside")
    with limits.slot(ALICE):
        assert limits.concurrent == 1


def test_users_are_forgotten_but_not_those_who_are_being_answered() -> None:
    limits = make(HeldClock(), requests_per_minute=1, concurrent_per_user_max=1)
    with limits.slot(ALICE):
        for number in range(USERS_MAX + 10):
            limits.admit(Address(number.to_bytes(20, "big")))
        with pytest.raises(TooManyRequestsError), limits.slot(ALICE):
            raise AssertionError
