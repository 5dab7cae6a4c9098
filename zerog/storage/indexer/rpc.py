"""`indexer_*`: which nodes there are, and where a file is. Source: 0gfoundation/0g-storage-client, `indexer/indexer_api.go`."""

from typing import Final

from zerog.primitives import Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.indexer.locations import Locations
from zerog.storage.wire.nodes import ShardedNode, ShardedNodes

__all__ = ["indexer"]

indexer: Final = Namespace("indexer")


@indexer.method("getShardedNodes")
async def get_sharded_nodes(locations: Locations) -> ShardedNodes:
    """All nodes that answer now."""
    return await locations.nodes()


@indexer.method("getSelectedNodes")
async def get_selected_nodes(
    locations: Locations, expected_replica: int, method: str = "min", full_trusted: bool = True, dropped: list[str] | None = None
) -> ShardedNodes:
    """Nodes that together hold everything `expected_replica` times."""
    return await locations.select(expected_replica, method, full_trusted=full_trusted, dropped=dropped or ())


@indexer.method("getFileLocations")
async def get_file_locations(locations: Locations, root: Hash32) -> list[ShardedNode] | None:
    """Nodes that together have a file."""
    return await locations.file(root)


@indexer.method("getNodeLocations")
def get_node_locations(_locations: Locations) -> dict[str, dict[str, str]]:
    """Where on earth nodes are: nobody here knows, for that takes a service that maps addresses to cities."""
    return {}
