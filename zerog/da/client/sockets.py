"""Where a signer listens, as it wrote on chain: `host:port`, looked up and held against where we may connect to.

Source of the form: 0glabs/0g-da-client, `disperser/batcher/`; 0glabs/0g-da-retriever (an optional `http://` in front).
"""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final

import anyio

from zerog.da.protocol.errors import DaError

__all__ = ["SocketError", "SocketMalformedError", "SocketPrivateError", "SocketUnknownError", "grpc_target", "parse_socket"]

SOCKET_LENGTH_MAX: Final = 300
LOOKUP_S_MAX: Final = 5.0
PORTS: Final = range(1, 2**16)
SCHEME: Final = "http://"


class SocketError(DaError):
    """A signer's socket that is of no use."""


@dataclass(eq=False)
class SocketMalformedError(SocketError):
    """It is no host and port."""

    text: str

    code = "da_socket_malformed"
    remedy = "the signer has to write host:port with `updateSocket`"

    def __str__(self) -> str:
        return f"{self.text[:SOCKET_LENGTH_MAX]!r} is no host and port"


@dataclass(eq=False)
class SocketUnknownError(SocketError):
    """Its name leads nowhere."""

    text: str
    cause: str

    code = "da_socket_unknown"
    remedy = "the signer has to write a name that the public DNS knows, or an address"
    http_status = 502

    def __str__(self) -> str:
        return f"the name in {self.text!r} is unknown: {self.cause}"


@dataclass(eq=False)
class SocketPrivateError(SocketError):
    """It leads into a private network, where a stranger must not send us."""

    text: str
    address: str

    code = "da_socket_private"
    remedy = "the signer has to write a public address; private ones are called on networks of our own only"
    http_status = 403

    def __str__(self) -> str:
        return f"{self.text!r} leads to {self.address}, which is no public address"


def parse_socket(text: str) -> tuple[str, int]:
    """Host and port, an IPv6 host without its brackets. Raises `SocketMalformedError`."""
    host, separator, port = text.removeprefix(SCHEME).removesuffix("/").rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise SocketMalformedError(text)
    is_plain = host.isascii() and all(letter.isalnum() or letter in "-._:%" for letter in host)
    if not (separator and host and is_plain and port.isascii() and port.isdigit() and len(text) <= SOCKET_LENGTH_MAX):
        raise SocketMalformedError(text)
    if len(port) > len(str(PORTS.stop)) or int(port) not in PORTS:
        raise SocketMalformedError(text)
    return host, int(port)


async def grpc_target(text: str, *, allow_private: bool) -> str:
    """The address to connect to, in the form that gRPC does not look up again: between a check and the connection a name may change.

    Raises `SocketError`s.
    """
    host, port = parse_socket(text)
    try:
        with anyio.fail_after(LOOKUP_S_MAX):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise SocketUnknownError(text, f"no answer within {LOOKUP_S_MAX:g} s") from None
    except (OSError, UnicodeError) as error:
        raise SocketUnknownError(text, str(error)) from None
    addresses = [ipaddress.ip_address(str(address[0]).split("%", 1)[0]) for *_, address in found]
    if not addresses:
        raise SocketUnknownError(text, "it has no address")
    if not allow_private:
        for address in addresses:
            if not _is_public(address):
                raise SocketPrivateError(text, str(address))
    first = addresses[0]
    return f"ipv4:{first}:{port}" if first.version == 4 else f"ipv6:[{first}]:{port}"


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return False  # Whoever means an IPv4 address can write one.
    return address.is_global and not address.is_multicast
