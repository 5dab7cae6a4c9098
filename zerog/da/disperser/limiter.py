"""The limit on clients: so many calls a minute, as a least time between two. Source: 0glabs/0g-da-client, common/ratelimit."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from zerog.runtime.clock import Clock

__all__ = ["SpacingLimiter", "client_address"]

CLIENTS_MAX: Final = 10_000
"""That are remembered; the one that called longest ago is forgotten."""
MINUTE_S: Final = 60.0
PROXIES: Final = 2


class SpacingLimiter:
    """Lets a client call again when its last call that was let is long enough ago."""

    def __init__(self, calls_per_minute: int, clock: Clock) -> None:
        self._spacing_s: Final = MINUTE_S / calls_per_minute
        self._clock: Final = clock
        self._last_s: Final[OrderedDict[str, float]] = OrderedDict()

    def lets(self, client: str) -> bool:
        """Whether a client may call now; if so, that counts as a call."""
        now_s = self._clock.monotonic_s()
        last_s = self._last_s.get(client)
        if last_s is not None and now_s - last_s < self._spacing_s:
            return False
        self._last_s[client] = now_s
        self._last_s.move_to_end(client)
        if len(self._last_s) > CLIENTS_MAX:
            self._last_s.popitem(last=False)
        return True


def client_address(peer: str, metadata: Mapping[str, str], header: str | None) -> str:
    """Whom a call counts for: the last value but one of a header, as two proxies write it, or whoever has the connection.

    `peer` is as gRPC names it (`ipv4:ADDRESS:PORT`).
    """
    values = metadata.get(header.lower(), "").split(",") if header else []
    if len(values) >= PROXIES:
        return values[-PROXIES].strip()
    return peer.rpartition(":")[0].removeprefix("ipv4:").removeprefix("ipv6:")
