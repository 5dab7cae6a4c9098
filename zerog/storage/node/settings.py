"""What may differ between two storage nodes of one network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zerog.primitives import Address
from zerog.primitives.errors import RefusalError
from zerog.storage.protocol.shards import Shard, ShardInvalidError
from zerog.storage.protocol.units import SEGMENT_BYTES

__all__ = ["StorageNodeSettings", "StorageSettingsError"]

PORTS: Final = range(2**16)


@dataclass(eq=False)
class StorageSettingsError(RefusalError):
    """Settings that contradict themselves."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class StorageNodeSettings:
    """Raises `StorageSettingsError` when a value is out of its range."""

    data_dir: Path | None = None
    """Folder of the files' data; none keeps it in a temporary folder."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    rpc_port: int = 5678
    """Port of the `zgs_*` methods and the binary routes; 0 lets the system choose."""
    admin_port: int = 5679
    """Port of the `admin_*` methods, on this machine only; the number of `rpc_port` puts them there, and 0 lets the system choose."""
    grpc_port: int = 50051
    """Port of gRPC; 0 lets the system choose."""
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
    root_check_submissions: int = 64
    """Submissions after which the root of the flow is held against the contract's."""
    shard: str = "0/1"
    """Which segments this node holds: `id/count`, where count is a power of two."""
    peers: tuple[str, ...] = ()
    """URLs of nodes from which to fetch what is missing of this node's segments."""
    peer_interval_s: float = 5.0
    """Seconds between two looks for segments that peers may have by now."""
    peer_timeout_s: float = 20.0
    """Longest that one answer of a peer may take, whatever its size."""
    disk_bytes_max: int | None = None
    """Most bytes of data on the disk; without it, as many as there are."""
    keep_expired: bool = False
    """Keep also files whose time is over."""
    prune_grace_s: float = 600.0
    """How long the data of a file whose time is over is kept, in case that the chain takes time back."""
    clock_skew_s: float | None = None
    """Most seconds between the chain's time and this machine's for files to expire; by default 3,600, and any on networks of our own."""
    pricing_chunk_sectors: int | None = None
    """Sectors of a pricing chunk, whose files expire together; by default what the flow's contract says, or 2^25."""
    shard_bytes_max: int | None = None
    """Room for segments, proofs included: when nine tenths are taken, the shard splits and one half is forgotten; without it, never."""
    upkeep_interval_s: float = 10.0
    """Seconds between two looks whether something can be forgotten or room be given back."""
    dead_share: float = 0.5
    """Share of a data file that was dropped, from which on the rest is rewritten so that the space comes back."""
    compaction_bytes_s: int = 32 << 20
    """Most bytes a second that are rewritten for it."""
    scrub_mib_s: float = 16.0
    """Mebibytes a second at which stored segments are held against their roots, so that damage is found before it is met; 0 for never."""
    scrub_interval_s: float = 86_400.0
    """Seconds from the beginning of one pass through the store to that of the next, if it has ended by then."""
    orphans_kept_s: float = 3_600.0
    """Seconds for which segments are kept of a file whose submission the chain took back, in case that it comes again."""
    cache_bytes_max: int = 16 << 20
    """Most bytes in memory of files that no block announces yet."""
    cache_files_max: int = 4_096
    """Most of such files."""
    cache_s: float = 300.0
    """How long after its last new segment such a file is kept."""
    cached_file_bytes_max: int = 10 << 20
    """Largest of such files."""
    verify_threads: int = 2
    """Threads that check proofs at once."""
    mine: bool = False
    """Prove to the chain what is stored, and be paid for it."""
    mine_key_file: Path | None = None
    """File with the private key, in hex, of the account that mines: it pays for transactions and is paid for answers."""
    mine_contract: str | None = None
    """Address of the contract that checks answers; by default that of the network whose chain id the chain has."""
    mine_threads: int = 1
    """Threads that search, at the lowest priority."""
    mine_share: float = 1.0
    """How much of its time such a thread searches: above 0 and up to 1."""
    sealed_bytes_max: int = 1 << 30
    """Most bytes on the disk of what is sealed for mining, beside the files themselves."""
    allowed_hosts: str | None = None
    """Comma-separated host names and origins that may call, beside those of this machine."""
    token: str | None = field(default=None, repr=False)
    """What callers of `admin_*` send as `Authorization: Bearer …` when the address is not loopback."""

    def __post_init__(self) -> None:
        for name in ("rpc_port", "admin_port", "grpc_port"):
            if getattr(self, name) not in PORTS:
                raise StorageSettingsError(f"{name.removesuffix('_port')}: {getattr(self, name)} is no port")
        for url in (self.chain_url, *self.peers):
            if not url.startswith(("http://", "https://")):
                raise StorageSettingsError(f"{url!r} is no URL of a node: it begins with http:// or https://")
        for name in ("sync_interval_s", "peer_interval_s", "peer_timeout_s", "cache_s", "upkeep_interval_s", "orphans_kept_s"):
            if not 0 < getattr(self, name) < 1e6:
                raise StorageSettingsError(f"{name} must be more than 0 and less than a million seconds, not {getattr(self, name)}")
        for name in ("page_blocks", "root_check_submissions", "verify_threads", "cache_files_max", "mine_threads", "compaction_bytes_s"):
            if getattr(self, name) < 1:
                raise StorageSettingsError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.scrub_mib_s < 1e6 or not 0 < self.scrub_interval_s < 1e9:
            raise StorageSettingsError("scrub_mib_s is from 0 to a million, scrub_interval_s more than 0 and less than a billion")
        if self.first_block < 0 or self.confirmations < 0:
            raise StorageSettingsError("numbers of blocks are not negative")
        if self.disk_bytes_max is not None and self.disk_bytes_max < SEGMENT_BYTES:
            raise StorageSettingsError(f"the disk needs room for one segment of {SEGMENT_BYTES} bytes")
        if self.cache_bytes_max < SEGMENT_BYTES:
            raise StorageSettingsError(f"the cache needs room for one segment of {SEGMENT_BYTES} bytes")
        if not 0 <= self.prune_grace_s < 1e9 or (self.clock_skew_s is not None and not self.clock_skew_s >= 0):
            raise StorageSettingsError("prune_grace_s and clock_skew_s are not negative")
        if self.pricing_chunk_sectors is not None and self.pricing_chunk_sectors < 1:
            raise StorageSettingsError("a pricing chunk has at least one sector")
        if self.shard_bytes_max is not None and self.shard_bytes_max < SEGMENT_BYTES:
            raise StorageSettingsError(f"a shard needs room for one segment of {SEGMENT_BYTES} bytes")
        if not 0 < self.dead_share <= 1:
            raise StorageSettingsError(f"dead_share is a share, more than 0 and at most 1, not {self.dead_share}")
        if not 0 < self.mine_share <= 1:
            raise StorageSettingsError(f"mine_share is above 0 and up to 1, not {self.mine_share}")
        if self.sealed_bytes_max < SEGMENT_BYTES:
            raise StorageSettingsError(f"sealing needs room for one segment of {SEGMENT_BYTES} bytes")
        self._check_forms()

    def _check_forms(self) -> None:
        try:
            Shard.parse(self.shard)
            for address in (self.flow, self.mine_contract):
                if address is not None:
                    Address.from_json(address)
        except (ShardInvalidError, ValueError) as error:
            raise StorageSettingsError(str(error)) from None

    @property
    def own_shard(self) -> Shard:
        """`shard` as a value."""
        return Shard.parse(self.shard)

    @property
    def flow_address(self) -> Address | None:
        """`flow` as a value."""
        return None if self.flow is None else Address.from_json(self.flow)

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """`allowed_hosts` one by one."""
        return tuple(name for part in (self.allowed_hosts or "").split(",") if (name := part.strip()))
