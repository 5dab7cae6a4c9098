"""Which addresses of strangers may be called: what stands on chain must not lead into the network of the one who reads it there."""

import ipaddress
import socket
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from zerog.networks import public_name
from zerog.runtime.http.guard import is_loopback_name

__all__ = ["Reach", "reach_of"]

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

PRIVATE: Final = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""Of organisations, not of one machine or one link (where clouds keep their secrets). Source: RFC 1918, RFC 6598, RFC 4193."""


class Reach(Enum):
    """Where services may be."""

    EVERYWHERE = "everywhere"
    """The chain is on this machine, and so are its services."""
    NEAR = "near"
    """The chain is a network of our own at a private address: its services may be at private addresses too, but not on this machine."""
    PUBLIC = "public"
    """Everybody can write on the chain."""

    def permits(self, address: IpAddress) -> bool:
        """Whether a service at this address may be called."""
        match self:
            case Reach.EVERYWHERE:
                return True
            case Reach.NEAR:
                return _is_near(address) or address.is_global
            case Reach.PUBLIC:
                return address.is_global


def reach_of(chain_url: str, chain_id: int | None) -> Reach:
    """Where services of a chain may be, by where its node is and by what chain it is; `chain_id` is `None` where nobody knows it."""
    host = urlsplit(chain_url).hostname or ""
    if is_loopback_name(host):
        return Reach.EVERYWHERE
    if chain_id is None or public_name(chain_id) is not None:
        return Reach.PUBLIC
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return Reach.PUBLIC
    return Reach.NEAR if all(_is_near(ipaddress.ip_address(str(where[0]).split("%", 1)[0])) for *_, where in found) else Reach.PUBLIC


def _is_near(address: IpAddress) -> bool:
    return any(address in network for network in PRIVATE if network.version == address.version)
