"""What may differ between two key-value nodes of one network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zerog.primitives import Address, Hash32, decode_data
from zerog.primitives.errors import RefusalError
from zerog.storage.protocol.encryption import FileKeys, SecretKey, recipient_key_of
from zerog.storage.protocol.errors import EncryptionKeyError

__all__ = ["ALL_STREAMS", "KeyValueNodeSettings", "KeyValueSettingsError"]

PORTS: Final = range(2**16)
ALL_STREAMS: Final = "all"
"""In place of a stream: follow each one that the log tells of."""
INDEXER_URL: Final = "http://127.0.0.1:12345"
SECRET_BYTES: Final = 32


@dataclass(eq=False)
class KeyValueSettingsError(RefusalError):
    """Settings that contradict themselves."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class KeyValueNodeSettings:
    """Raises `KeyValueSettingsError` when a value is out of its range."""

    data_dir: Path | None = None
    """Folder of the streams' data; none keeps it in a temporary folder."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 6789
    """Port of everything: `kv_*`, `admin_addStream` and the pages; 0 lets the system choose."""
    chain_url: str = "http://127.0.0.1:8545"
    """JSON-RPC of a node of the chain."""
    flow: str | None = None
    """Address of the flow's contract; by default that of the network whose chain id the chain has."""
    first_block: int = 0
    """Where to begin to read the log: the block of the contract's creation saves the look through older ones."""
    confirmations: int = 0
    """Blocks that must stand on top of one before it is read; 0 follows the chain to its tip."""
    sync_interval_s: float = 1.0
    """Seconds between two looks at a chain node that cannot tell of new blocks by itself."""
    page_blocks: int = 999
    """Most blocks of one look into the log; fewer are asked for where the chain node refuses."""
    stream: tuple[str, ...] = ()
    """Streams to follow, by their ids, or `all`; what `admin_addStream` named is followed too."""
    indexer: str | None = None
    """URL of the indexer that tells which storage nodes there are; by default the one of this machine."""
    nodes: tuple[str, ...] = ()
    """URLs of storage nodes from which to fetch, instead of those that an indexer lists."""
    fetches: int = 8
    """Items that are fetched at once; each takes at most 8 MiB of memory."""
    item_bytes_in_memory: int = 1 << 20
    """A longer item goes through a file."""
    encryption_key: str | None = field(default=None, repr=False)
    """A key of 32 bytes in hex that the writers share: every item is expected to be encrypted with it."""
    private_key: str | None = field(default=None, repr=False)
    """A private key in hex: every item is expected to be encrypted for its account."""
    whole_values: bool = True
    """Answer a read of the first 256 KiB of a value with all of it, up to 4 MiB: the official TypeScript client cannot read on."""
    allowed_hosts: str | None = None
    """Comma-separated host names and origins that may call, beside those of this machine."""
    token: str | None = field(default=None, repr=False)
    """What callers of `admin_*` send as `Authorization: Bearer …` when the address is not loopback."""

    def __post_init__(self) -> None:
        if self.port not in PORTS:
            raise KeyValueSettingsError(f"port: {self.port} is no port")
        for url in (self.chain_url, *self.nodes, *(() if self.indexer is None else (self.indexer,))):
            if not url.startswith(("http://", "https://")):
                raise KeyValueSettingsError(f"{url!r} is no URL of a node: it begins with http:// or https://")
        if self.indexer is not None and self.nodes:
            raise KeyValueSettingsError("data comes from the nodes of an indexer or from named nodes, not from both: leave one out")
        if not 0 < self.sync_interval_s < 1e6:
            raise KeyValueSettingsError(f"sync_interval_s must be more than 0 and less than a million seconds, not {self.sync_interval_s}")
        for name in ("page_blocks", "fetches"):
            if getattr(self, name) < 1:
                raise KeyValueSettingsError(f"{name} must be at least 1, not {getattr(self, name)}")
        if min(self.first_block, self.confirmations, self.item_bytes_in_memory) < 0:
            raise KeyValueSettingsError("numbers of blocks and bytes are not negative")
        self._check_forms()

    def _check_forms(self) -> None:
        try:
            for stream in self.stream:
                if stream != ALL_STREAMS:
                    Hash32.from_json(stream)
        except ValueError as error:
            raise KeyValueSettingsError(f"stream: {error}; a stream is `{ALL_STREAMS}`, or 0x and 64 hex digits") from None
        try:
            if self.flow is not None:
                Address.from_json(self.flow)
            keys = self.keys
            if keys is not None and keys.private is not None:
                recipient_key_of(keys.private)
        except (ValueError, EncryptionKeyError) as error:
            raise KeyValueSettingsError(str(error)) from None

    @property
    def follows_all(self) -> bool:
        """Whether each stream is followed that the log tells of."""
        return ALL_STREAMS in self.stream

    @property
    def streams(self) -> tuple[Hash32, ...]:
        """The named streams."""
        return tuple(Hash32.from_json(stream) for stream in self.stream if stream != ALL_STREAMS)

    @property
    def indexer_url(self) -> str | None:
        """Who tells of nodes; `None` where they are named."""
        return None if self.nodes else self.indexer or INDEXER_URL

    @property
    def flow_address(self) -> Address | None:
        """`flow` as a value."""
        return None if self.flow is None else Address.from_json(self.flow)

    @property
    def keys(self) -> FileKeys | None:
        """What items are decrypted with; `None` where they are plain. Raises `KeyValueSettingsError`."""
        if self.encryption_key is None and self.private_key is None:
            return None
        return FileKeys(shared=_secret("encryption_key", self.encryption_key), private=_secret("private_key", self.private_key))

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """`allowed_hosts` one by one."""
        return tuple(name for part in (self.allowed_hosts or "").split(",") if (name := part.strip()))


def _secret(name: str, text: str | None) -> SecretKey | None:
    """The value is a secret, so it is not repeated."""
    if text is None:
        return None
    try:
        key = decode_data(text if text[:2] in ("0x", "0X") else f"0x{text}")
    except ValueError:
        raise KeyValueSettingsError(f"{name} is not in hex") from None
    if len(key) != SECRET_BYTES:
        raise KeyValueSettingsError(f"{name} has {len(key)} bytes, not {SECRET_BYTES}")
    return SecretKey(key)
