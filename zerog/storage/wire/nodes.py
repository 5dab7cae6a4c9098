"""What a node says of itself, and an indexer of nodes.

Source: 0gfoundation/0g-storage-node, `node/rpc/src/types.rs`; 0gfoundation/0g-storage-client, `common/shard/`.
"""

from typing import Self

import msgspec

from zerog.primitives import Address, Hash32
from zerog.storage.protocol.shards import Shard

__all__ = ["NetworkIdentity", "NodeStatus", "ProtocolVersion", "ShardConfig", "ShardedNode", "ShardedNodes"]


class ProtocolVersion(msgspec.Struct, frozen=True):
    """Of the official peer-to-peer protocol."""

    major: int = 0
    minor: int = 4
    build: int = 0


class NetworkIdentity(
    msgspec.Struct, frozen=True, rename={"chain_id": "chainId", "flow_address": "flowAddress", "version": "p2pProtocolVersion"}
):
    """Which network a node is of."""

    chain_id: int
    flow_address: Address
    version: ProtocolVersion = ProtocolVersion()


class NodeStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How far a node is."""

    connected_peers: int
    log_sync_height: int
    """Number of the newest block that was read."""
    log_sync_block: Hash32
    next_tx_seq: int
    network_identity: NetworkIdentity


class ShardConfig(msgspec.Struct, frozen=True, rename="camel"):
    """A shard in JSON."""

    shard_id: int
    num_shard: int

    @classmethod
    def of(cls, shard: Shard) -> Self:
        return cls(shard.id, shard.count)

    def to_shard(self) -> Shard:
        """Raises `ShardInvalidError`."""
        return Shard(self.num_shard, self.shard_id)


class ShardedNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node as an indexer lists it."""

    url: str
    config: ShardConfig
    latency: int = 0
    """Milliseconds."""
    since: int = 0
    """Seconds since 1970."""


class ShardedNodes(msgspec.Struct, frozen=True, kw_only=True):
    """All nodes of an indexer. Clients spread both lists, so neither is ever null."""

    trusted: list[ShardedNode]
    discovered: list[ShardedNode]
