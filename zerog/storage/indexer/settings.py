"""What may differ between two indexers of one network."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from zerog.primitives.errors import RefusalError

__all__ = ["IndexerSettings", "IndexerSettingsError"]

MIB = 1 << 20


@dataclass(eq=False)
class IndexerSettingsError(RefusalError):
    """Settings of an indexer that cannot be."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class IndexerSettings:
    """Raises `IndexerSettingsError` when a value is out of its range."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 12345
    """Port of everything: JSON-RPC, REST and the router; 0 lets the system choose."""
    nodes: tuple[str, ...] = ()
    """URLs of the storage nodes that are trusted."""
    admin_urls: tuple[str, ...] = ()
    """URLs of nodes' `admin_*` methods; through the first that answers more nodes are discovered."""
    discover_ports: tuple[int, ...] = (5678,)
    """Ports at which a discovered address may have a node."""
    router: bool = True
    """Present all nodes as one that holds everything, at `/node`."""
    public_url: str | None = None
    """What clients are told to reach this indexer by; by default the address that it listens on."""
    allowed_hosts: str | None = None
    """Comma-separated host names and origins that may call, beside those of this machine."""
    hedge_s: float = 0.15
    """Seconds after which a second node is asked for the same data, where the first one's usual time is not yet known or longer."""
    buffer_bytes: int = 32 * MIB
    """Memory for files on their way to clients, all clients together."""
    body_bytes_max: int = 32 * MIB
    """Longest request."""
    folder_file_bytes_max: int = 100 * MIB
    """Longest file that is served from inside a folder."""

    def __post_init__(self) -> None:
        for url in (*self.nodes, *self.admin_urls, *((self.public_url,) if self.public_url else ())):
            _check_url(url)
        if len(set(self.nodes)) < len(self.nodes):
            raise IndexerSettingsError("a node is named twice in the setting `nodes`")
        if not 0 <= self.port < 2**16 or not all(0 < port < 2**16 for port in self.discover_ports):
            raise IndexerSettingsError("a port is a number below 65536")
        if not 0 < self.hedge_s < 60:
            raise IndexerSettingsError(f"{self.hedge_s} s is no time to wait before asking a second node")
        if min(self.buffer_bytes, self.body_bytes_max, self.folder_file_bytes_max) < MIB:
            raise IndexerSettingsError("the settings `buffer-bytes`, `body-bytes-max` and `folder-file-bytes-max` are at least 1 MiB")

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """`allowed_hosts`, one by one."""
        return tuple(name.strip() for name in (self.allowed_hosts or "").split(",") if name.strip())


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or not url.isascii() or any(map(str.isspace, url)):
        raise IndexerSettingsError(f"{url!r} is no URL: http://host[:port] or https://host[:port]")
