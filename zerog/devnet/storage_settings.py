"""What may differ between the storage of two local networks."""

from dataclasses import dataclass
from typing import Final

from zerog.primitives.errors import RefusalError

__all__ = ["PORTS_PER_NODE", "StorageServiceSettings", "StorageServiceSettingsError"]

PORTS_PER_NODE: Final = 3
"""For `zgs_*`, for `admin_*`, and for gRPC."""


@dataclass(eq=False)
class StorageServiceSettingsError(RefusalError):
    """Settings that contradict themselves."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class StorageServiceSettings:
    """Raises `StorageServiceSettingsError` when a value is out of its range.

    All else of each node, of the indexer and of the key-value node is taken from where they take it when they run alone: the environment,
    and the tables `[storage.run]`, `[storage.indexer]` and `[kv.run]` of the network's settings.
    """

    host: str = "127.0.0.1"
    """Address to listen on."""
    indexer_port: int = 12345
    """Port of the indexer; 0 lets the system choose, as for the others."""
    kv_port: int = 6789
    """Port of the key-value node."""
    rpc_port: int = 5678
    """Port of the first node's `zgs_*` methods."""
    admin_port: int = 5679
    """Port of its `admin_*` methods."""
    grpc_port: int = 50051
    """Port of its gRPC."""
    further_ports: tuple[int, ...] = ()
    """The same three of each further node; what is missing the system chooses."""
    shards: int = 1
    """Into how many parts the files are cut: a power of two."""
    replicas: int = 1
    """Nodes that hold each part."""
    mine: bool = False
    """Let the first node mine what it holds."""
    chain_url: str | None = None
    """JSON-RPC of a node of the chain; by default the one that runs in this folder."""

    def __post_init__(self) -> None:
        if self.shards.bit_count() != 1:
            raise StorageServiceSettingsError(f"the number of shards is a power of two, not {self.shards}")
        if self.replicas < 1:
            raise StorageServiceSettingsError(f"each shard is held by at least one node, not by {self.replicas}")
        if len(self.further_ports) > (self.node_count - 1) * PORTS_PER_NODE:
            raise StorageServiceSettingsError(f"{self.node_count} nodes have no use for {len(self.further_ports)} further ports")

    @property
    def node_count(self) -> int:
        """Nodes, all replicas together."""
        return self.shards * self.replicas
