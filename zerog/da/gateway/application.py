"""All that is served on the gateway's port, behind one guard: rollups' puts and gets, Nitro's JSON-RPC, samples, lists and pages."""

from dataclasses import replace
from typing import Final

from zerog.da.gateway.alt_da import GET_PATH, PUT_PATH, AltDaRoutes
from zerog.da.gateway.routes import BLOBS_PATH, SAMPLE_PATH, ReadRoutes
from zerog.da.gateway.settings import DaGatewaySettings
from zerog.runtime.http.asgi import AsgiApplication
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.limits import BULK_LIMITS, HttpLimits
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Dispatcher, JsonRpcApplication

__all__ = ["http_limits", "make_application"]

HEX_FACTOR: Final = 2
"""JSON-RPC carries a payload as hex digits."""
ENVELOPE_BYTES: Final = 64 << 10


def make_application(
    nitro: Dispatcher, rollups: AltDaRoutes, reads: ReadRoutes, settings: DaGatewaySettings, pages: RolePages
) -> JsonRpcApplication:
    """JSON-RPC at `/`, everything else at its path."""
    guard = Guard(AccessRules(bind_host=settings.host, allowed_hosts=settings.allowed_host_names, dev_methods=False))
    mounts: dict[str, Dispatcher | AsgiApplication] = {
        PUT_PATH: rollups.answer_put,
        GET_PATH: rollups.answer_get,
        SAMPLE_PATH: reads.answer_sample,
        BLOBS_PATH: reads.answer_blobs,
    }
    return JsonRpcApplication(nitro, guard, pages=pages, limits=http_limits(settings), mounts=mounts)


def http_limits(settings: DaGatewaySettings) -> HttpLimits:
    """One payload in the longest form that it may have; further ones wait until there is room for them."""
    body_bytes_max = HEX_FACTOR * settings.payload_bytes_max + ENVELOPE_BYTES
    return replace(BULK_LIMITS, body_bytes_max=body_bytes_max, requests_bytes_max=body_bytes_max)
