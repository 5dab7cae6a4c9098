"""Pictures by the addresses that answers gave out.

No token is asked for: the key in an address is the secret, as pages that show pictures send no headers. So what one network address may
fetch in a minute is bounded. Source: 0gfoundation/0g-serving-broker, `api/inference/internal/proxy/proxy.go` (2026).
"""

from collections import OrderedDict
from typing import Final

from zerog.compute.provider.desk import Desk
from zerog.compute.provider.errors import PictureNotFoundError, RateLimitedError
from zerog.compute.provider.pictures import PICTURES_PATH, content_type_of
from zerog.compute.provider.routes.exchange import Exchange

__all__ = ["PictureRoutes", "picture_at"]

WINDOW_S: Final = 60.0
HOSTS_MAX: Final = 10_000
"""Network addresses whose windows are remembered; of more, the one goes that came first."""
NUMBER_DIGITS_MAX: Final = 3


def picture_at(path: str) -> tuple[str, int] | None:
    """Key and number in a picture's path; `None` for other paths."""
    key, slash, number = path.removeprefix(PICTURES_PATH).partition("/")
    if not path.startswith(PICTURES_PATH) or not key or not slash or not (number.isascii() and number.isdigit()):
        return None
    return (key, int(number)) if len(number) <= NUMBER_DIGITS_MAX else None


class PictureRoutes:
    """Answers `GET /v1/proxy/images/{key}/{index}`."""

    def __init__(self, desk: Desk) -> None:
        self._desk: Final = desk
        self._windows: Final[OrderedDict[str, tuple[float, int]]] = OrderedDict()

    async def picture(self, exchange: Exchange, key: str, number: int) -> None:
        """One picture. Raises `RateLimitedError` and `PictureNotFoundError`."""
        self._admit((exchange.scope.get("client") or ("",))[0])
        rules = self._desk.picture_rules
        body = await self._desk.book.picture(key, number, kept_s=rules.kept_s)
        if body is None:
            raise PictureNotFoundError(rules.kept_s)
        await exchange.answer(
            200,
            body,
            (b"content-type", content_type_of(body)),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"private, max-age=3600, immutable"),
        )

    def _admit(self, host: str) -> None:
        now_s = self._desk.clock.monotonic_s()
        since_s, count = self._windows.get(host, (now_s, 0))
        if now_s - since_s >= WINDOW_S:
            since_s, count = now_s, 0
        limit = self._desk.picture_rules.per_minute
        if limit and count >= limit:
            raise RateLimitedError("pictures", limit, retry_after_s=since_s + WINDOW_S - now_s)
        self._windows[host] = (since_s, count + 1)
        if len(self._windows) > HOSTS_MAX:
            self._windows.popitem(last=False)
