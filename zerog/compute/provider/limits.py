"""How much one user may ask of a provider in a minute, and how many requests are answered at once.

Rates are counted in windows of a minute that begin with a user's first request. Source: 0gfoundation/0g-serving-broker,
`api/inference/internal/ctrl/` (2026); the headers are those of the OpenAI and the Anthropic API.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from zerog.compute.provider.errors import ProviderBusyError, RateLimitedError, TooManyRequestsError
from zerog.primitives import Address
from zerog.runtime.clock import Clock

__all__ = ["LimitRules", "Limits", "RateUnit"]

WINDOW_S: Final = 60.0
USERS_MAX: Final = 10_000
"""Users whose windows are remembered: of more, those go whose last request is longest ago."""

Header = tuple[bytes, bytes]


class RateUnit(StrEnum):
    """What is counted in a window."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    IMAGES = "images"


@dataclass(frozen=True, kw_only=True)
class LimitRules:
    """Bounds on what users ask; 0 is no bound."""

    requests_per_minute: int
    tokens_per_minute: int
    images_per_minute: int
    concurrent_max: int
    """Requests of all users that are answered at once."""
    concurrent_per_user_max: int

    def per_minute(self, unit: RateUnit) -> int:
        """The bound of a window."""
        match unit:
            case RateUnit.REQUESTS:
                return self.requests_per_minute
            case RateUnit.TOKENS:
                return self.tokens_per_minute
            case RateUnit.IMAGES:
                return self.images_per_minute


@dataclass(slots=True)
class _Window:
    """What one user has asked for since `since_s`."""

    since_s: float
    used: dict[RateUnit, int] = field(default_factory=lambda: dict.fromkeys(RateUnit, 0))
    concurrent: int = 0


class Limits:
    """Counts for each user of one provider."""

    def __init__(self, rules: LimitRules, clock: Clock) -> None:
        self.rules: Final = rules
        self.concurrent = 0
        self._clock: Final = clock
        self._windows: Final[OrderedDict[Address, _Window]] = OrderedDict()
        self._limited: Final = tuple(unit for unit in RateUnit if rules.per_minute(unit))

    def admit(self, user: Address, images: int = 0) -> None:
        """Count a request of `user`, for `images` pictures. Raises `RateLimitedError`, and then counts nothing."""
        if not self._limited:
            return
        window = self._window(user)
        wanted = {RateUnit.REQUESTS: 1, RateUnit.TOKENS: 1, RateUnit.IMAGES: images}
        for unit in self._limited:
            limit = self.rules.per_minute(unit)
            if wanted[unit] and window.used[unit] + wanted[unit] > limit:
                raise RateLimitedError(unit.value, limit, retry_after_s=self._reset_s(window), headers=self.headers(user))
        window.used[RateUnit.REQUESTS] += 1
        window.used[RateUnit.IMAGES] += images

    def count_tokens(self, user: Address, tokens: int) -> None:
        """Count what an answer took; how much that is nobody knows before, so a window may end beyond its bound."""
        if self.rules.tokens_per_minute:
            self._window(user).used[RateUnit.TOKENS] += tokens

    @contextmanager
    def slot(self, user: Address) -> Iterator[None]:
        """Be one of the requests that are answered. Raises `ProviderBusyError` and `TooManyRequestsError`."""
        rules = self.rules
        window = self._window(user)
        if rules.concurrent_max and self.concurrent >= rules.concurrent_max:
            raise ProviderBusyError(rules.concurrent_max)
        if rules.concurrent_per_user_max and window.concurrent >= rules.concurrent_per_user_max:
            raise TooManyRequestsError(rules.concurrent_per_user_max)
        self.concurrent += 1
        window.concurrent += 1
        try:
            yield
        finally:
            self.concurrent -= 1
            window.concurrent -= 1

    def headers(self, user: Address, *, is_anthropic: bool = False) -> tuple[Header, ...]:
        """What tells a client how much of its minute is left, in the form of the API that it speaks."""
        if not self._limited:
            return ()
        window = self._window(user)
        reset_s = self._reset_s(window)
        found: list[Header] = []
        for unit in self._limited:
            limit = self.rules.per_minute(unit)
            remaining = max(0, limit - window.used[unit])
            found += (
                _anthropic(unit, limit, remaining, self._clock.unix_s() + reset_s)
                if is_anthropic
                else _openai(unit, limit, remaining, reset_s)
            )
        return tuple(found)

    def _window(self, user: Address) -> _Window:
        """The user's window, a new one if the minute is over; requests that are being answered go along."""
        now_s = self._clock.monotonic_s()
        window = self._windows.get(user)
        if window is None:
            window = self._windows[user] = _Window(now_s)
            self._forget_some()
        else:
            self._windows.move_to_end(user)
            if now_s - window.since_s >= WINDOW_S:
                window.since_s = now_s
                window.used = dict.fromkeys(RateUnit, 0)
        return window

    def _forget_some(self) -> None:
        if len(self._windows) <= USERS_MAX:
            return
        for user, window in self._windows.items():
            if not window.concurrent:
                del self._windows[user]
                return

    def _reset_s(self, window: _Window) -> float:
        return max(0.0, window.since_s + WINDOW_S - self._clock.monotonic_s())


def _openai(unit: RateUnit, limit: int, remaining: int, reset_s: float) -> list[Header]:
    name = unit.value.encode()
    return [
        (b"x-ratelimit-limit-" + name, b"%d" % limit),
        (b"x-ratelimit-remaining-" + name, b"%d" % remaining),
        (b"x-ratelimit-reset-" + name, f"{reset_s:.0f}s".encode()),
    ]


def _anthropic(unit: RateUnit, limit: int, remaining: int, reset_unix_s: float) -> list[Header]:
    name = b"anthropic-ratelimit-" + unit.value.encode()
    reset = datetime.fromtimestamp(reset_unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return [(name + b"-limit", b"%d" % limit), (name + b"-remaining", b"%d" % remaining), (name + b"-reset", reset.encode())]
