"""All parts of a running storage node, as its methods see them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zerog.primitives import Address, Hash32
from zerog.storage.node.counters import Counters
from zerog.storage.node.files import Files
from zerog.storage.node.flow_reads import FlowReads
from zerog.storage.node.peers import Peers
from zerog.storage.node.reads import Reads
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.node.store import Store, StoredSubmission
from zerog.storage.node.sync import FlowFollower
from zerog.storage.node.upkeep import Upkeep
from zerog.storage.node.uploads import Uploads
from zerog.storage.protocol.shards import Shard
from zerog.storage.wire.files import FileInfo
from zerog.storage.wire.nodes import NetworkIdentity, NodeStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerog.storage.node.mining import Miner

__all__ = ["Keeper"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps files."""

    settings: StorageNodeSettings
    chain_id: int
    flow: Address
    store: Store
    files: Files
    uploads: Uploads
    reads: Reads
    flow_reads: FlowReads
    follower: FlowFollower
    peers: Peers
    upkeep: Upkeep
    counters: Counters
    miner: "Miner | None" = None
    """Only on a node that mines."""
    stop: "Callable[[], None]"
    """Ends the node, as after a signal."""

    @property
    def shard(self) -> Shard:
        """The segments that this node holds."""
        return self.files.shard

    def status(self) -> NodeStatus:
        """Which network this is, and how far the chain was read."""
        read = self.follower.read
        return NodeStatus(
            connected_peers=self.peers.connected_count,
            log_sync_height=0 if read is None else read.number,
            log_sync_block=Hash32(bytes(32)) if read is None else read.hash,
            next_tx_seq=self.store.next_seq,
            network_identity=NetworkIdentity(chain_id=self.chain_id, flow_address=self.flow),
        )

    def info(self, submission: StoredSubmission) -> FileInfo:
        """What is told of a file."""
        return self.files.info(submission, is_cached=submission.root in self.uploads.cache)
