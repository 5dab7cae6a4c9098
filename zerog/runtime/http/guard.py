"""Who may talk to a role at all: the rules for `Host` and `Origin`, applied before anything is executed, whatever the content type.

A web page that a user visits can send requests to 127.0.0.1. What stops it is the `Origin` (or `Sec-Fetch-Site`) that every browser sends
along, and against a page whose own name was made to point here (DNS rebinding) the `Host`. Programs that are no browsers send neither
`Origin` nor `Sec-Fetch-Site`; they are served. Source of the headers: Fetch standard, section 3.2; Fetch Metadata, section 2.
"""

import hmac
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from zerog.primitives.errors import RefusalError

__all__ = ["AccessRules", "ForbiddenHostError", "ForbiddenOriginError", "Guard", "HostHeaderError", "Verdict", "is_loopback_name"]

EXTENSION_SCHEMES: Final = frozenset({"chrome-extension", "moz-extension", "safari-web-extension"})
"""Pages of browser extensions (wallets), which a web page cannot pretend to be."""

CACHE_MAX: Final = 1_024
"""Verdicts that are remembered, so that a request costs one look-up."""

_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(?::(?P<port>\d{1,5}))?")
_ORIGIN: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#@\s]+)", re.IGNORECASE)

Headers = Sequence[tuple[bytes, bytes]]
"""Pairs of lower-case name and value, as ASGI has them."""


@dataclass(eq=False)
class HostHeaderError(RefusalError):
    """No `Host` header, or several. Source: RFC 9112, section 3.2."""

    count: int

    code = "bad_host_header"
    remedy = "send exactly one Host header"
    http_status = 400
    rpc_code = -32600

    def __str__(self) -> str:
        return f"{self.count or 'no'} Host header{'s' if self.count else ''} in the request"


@dataclass(eq=False)
class ForbiddenHostError(RefusalError):
    """The request names a host that is not ours, as after DNS rebinding."""

    host: str

    code = "forbidden_host"
    remedy = "use 127.0.0.1 or localhost, or add the name to the role's allowed hosts"
    http_status = 403
    rpc_code = -32600

    def __str__(self) -> str:
        return f"the Host {self.host!r} is not served here"


@dataclass(eq=False)
class ForbiddenOriginError(RefusalError):
    """A web page from elsewhere wants to use this role through its visitor's browser."""

    origin: str

    code = "forbidden_origin"
    remedy = "open the page from localhost, or add its host to the role's allowed hosts"
    http_status = 403
    rpc_code = -32600

    def __str__(self) -> str:
        return f"the Origin {self.origin!r} may not use this server"


@dataclass(frozen=True, kw_only=True)
class AccessRules:
    """What an operator decides about access to one role."""

    bind_host: str = "127.0.0.1"
    """The address that the role listens on."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that pass as `Host` and as the host of an `Origin`, on any port; a whole origin (`https://app.example`) counts for `Origin`
    alone, and `*` lets everybody in."""
    dev_methods: bool = True
    """Whether developer's methods and unlocked accounts exist at all."""
    token: str | None = field(default=None, repr=False)
    """On an address that is not loopback, developer's methods are for those who send `Authorization: Bearer` with this one.

    Without a token they are there for nobody.
    """

    everybody: ClassVar[str] = "*"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request."""

    refusal: RefusalError | None
    cors_headers: tuple[tuple[bytes, bytes], ...] = ()
    """What lets the page at the request's (permitted) origin read the answer. Source: Fetch standard, section 3.3.3."""


class Guard:
    """Applies the rules to the headers of a request."""

    def __init__(self, rules: AccessRules) -> None:
        self.rules: Final = rules
        self._is_local: Final = is_loopback_name(rules.bind_host)
        self._is_wildcard: Final = rules.bind_host in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound.
        allowed = [entry.lower().rstrip("/") for entry in rules.allowed_hosts]
        self._allows_all: Final = rules.everybody in allowed
        self._hosts: Final = frozenset(entry for entry in allowed if "://" not in entry)
        self._origins: Final = frozenset(entry for entry in allowed if "://" in entry or entry == "null")
        self._bearer: Final = f"Bearer {rules.token}".encode() if rules.token else None
        self._verdicts: Final[dict[tuple[bytes | None, bytes | None, bytes | None], Verdict]] = {}

    def verdict(self, headers: Headers) -> Verdict:
        """Whether a request with these headers is served."""
        by_name = dict(headers)
        if len(by_name) != len(headers):
            names = [name for name, _ in headers]
            if names.count(b"host") > 1:
                return Verdict(HostHeaderError(names.count(b"host")))
            if names.count(b"origin") > 1:
                return Verdict(ForbiddenOriginError("several at once"))
        key = (by_name.get(b"host"), by_name.get(b"origin"), by_name.get(b"sec-fetch-site"))
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._judge(*key)
            if len(self._verdicts) >= CACHE_MAX:
                self._verdicts.clear()
            self._verdicts[key] = verdict
        return verdict

    def may_use_dev(self, headers: Headers) -> bool:
        """Whether developer's methods exist for a request with these headers."""
        if not self.rules.dev_methods:
            return False
        if self._is_local:
            return True
        if self._bearer is None:
            return False
        return any(name == b"authorization" and hmac.compare_digest(value, self._bearer) for name, value in headers)

    def _judge(self, host: bytes | None, origin: bytes | None, fetch_site: bytes | None) -> Verdict:
        if host is None:
            return Verdict(HostHeaderError(0))
        host_text = host.decode("latin-1").strip()
        if not self._host_passes(host_text):
            return Verdict(ForbiddenHostError(host_text))
        if origin is None:
            # A browser leaves `Origin` out where a page only embeds something (an image), but says whose page it is.
            foreign = fetch_site == b"cross-site" and not self._allows_all
            return Verdict(ForbiddenOriginError("of another site") if foreign else None)
        if not self._origin_passes(origin.decode("latin-1").strip()):
            return Verdict(ForbiddenOriginError(origin.decode("latin-1")))
        return Verdict(None, ((b"access-control-allow-origin", origin), (b"vary", b"origin")))

    def _host_passes(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match["name"].lower().rstrip(".")
        if self._allows_all or is_loopback_name(name) or name in self._hosts or host.lower() in self._hosts:
            return True
        address = _address(name)
        # Who reaches us by a bare address was not led here by a name, so on all interfaces every address of ours will do.
        return address is not None and (self._is_wildcard or address == _address(self.rules.bind_host))

    def _origin_passes(self, origin: str) -> bool:
        lowered = origin.lower()
        if self._allows_all or lowered in self._origins:
            return True
        match = _ORIGIN.fullmatch(lowered)
        if match is None:
            return False
        if match["scheme"] in EXTENSION_SCHEMES:
            return True
        if match["scheme"] not in ("http", "https"):
            return False
        host = _HOST.fullmatch(match["host"])
        if host is None:
            return False
        name = host["name"].rstrip(".")
        return is_loopback_name(name) or name in self._hosts or match["host"] in self._hosts


def is_loopback_name(name: str) -> bool:
    """Whether a host name or address always means this machine. Source: RFC 6761, section 6.3; RFC 1122, section 3.2.1.3; RFC 4291."""
    lowered = name.lower()
    if lowered == "localhost" or lowered.endswith(".localhost"):
        return True
    address = _address(lowered)
    return address is not None and address.is_loopback


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
