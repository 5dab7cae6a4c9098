"""What every HTTP role answers beside its own job: is it alive, is it ready, how is it doing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from zerog.primitives.errors import ZerogError
from zerog.runtime.report import report_of

__all__ = ["Page", "RolePages"]

JSON = b"application/json"
PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """A complete answer to a GET."""

    status: int
    content_type: bytes
    body: bytes


@dataclass(frozen=True, kw_only=True)
class RolePages:
    """`/healthz`, `/readyz` and `/metrics` of one role."""

    probe: Callable[[], Awaitable[Mapping[str, object]]] | None = None
    """Does the role's job once and says what it did; raises a `ZerogError` if it cannot."""
    metrics: Callable[[], bytes] | None = None
    """Everything that the role measures, in Prometheus' text format."""

    async def page(self, path: str) -> Page | None:
        """The page at `path`, or `None`."""
        match path:
            case "/healthz":
                return Page(200, JSON, b'{"status":"ok"}')
            case "/readyz" if self.probe is not None:
                return await self._readiness(self.probe)
            case "/metrics" if self.metrics is not None:
                return Page(200, PROMETHEUS, self.metrics())
        return None

    async def _readiness(self, probe: Callable[[], Awaitable[Mapping[str, object]]]) -> Page:
        try:
            found = await probe()
        except ZerogError as error:
            return Page(503, JSON, msgspec.json.encode({"status": "not ready", "error": report_of(error)}))
        return Page(200, JSON, msgspec.json.encode({"status": "ready", "found": found}))
