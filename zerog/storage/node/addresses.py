"""The address behind a peer's URL, as the official indexer wants it."""

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

import anyio

__all__ = ["address_of"]

LOOKUP_S_MAX: Final = 2.0


async def address_of(url: str) -> str:
    """IP address of a URL's host; the host's name where it has none at the moment."""
    host = urlsplit(url).hostname or ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        with anyio.fail_after(LOOKUP_S_MAX):
            found = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # `TimeoutError` is an `OSError`.
        return host
    return str(found[0][4][0])
