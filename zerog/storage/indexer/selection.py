"""Which of the nodes that an indexer lists hold everything so often as a client wants.

Source: 0gfoundation/0g-storage-client, `common/shard/select.go` and `indexer/indexer_api.go`. The same algorithm runs in the clients.
"""

import random
from collections.abc import Collection, Sequence
from typing import Final

from zerog.storage.indexer.errors import SelectionError
from zerog.storage.protocol.shards import choose_replicas
from zerog.storage.wire.nodes import ShardedNode, ShardedNodes

__all__ = ["select_nodes"]

DISCOVERED_SHARE: Final = (3, 5)
"""Of the replicas, at most so many are with nodes that nobody vouches for."""


def select_nodes(
    nodes: ShardedNodes, replicas: int, method: str, *, full_trusted: bool, dropped: Collection[str], dice: random.Random
) -> ShardedNodes:
    """Choose by `method`: `min`, `max`, `random`, or a number, which takes only nodes with so many shards. Raises `SelectionError`.

    `dropped` are URLs that are not chosen. Unless `full_trusted`, three fifths of the replicas come from discovered nodes, if these can
    hold so many.
    """
    trusted = [node for node in nodes.trusted if node.url not in dropped]
    discovered = [node for node in nodes.discovered if node.url not in dropped]
    from_discovered: list[ShardedNode] = []
    share = 0 if full_trusted else replicas * DISCOVERED_SHARE[0] // DISCOVERED_SHARE[1]
    if share:
        chosen = _choose(discovered, share, method, dice)
        from_discovered, share = (chosen, share) if chosen is not None else ([], 0)
    from_trusted = _choose(trusted, replicas - share, method, dice)
    if from_trusted is None:
        raise SelectionError
    return ShardedNodes(trusted=from_trusted, discovered=from_discovered)


def _choose(nodes: Sequence[ShardedNode], replicas: int, method: str, dice: random.Random) -> list[ShardedNode] | None:
    ordered = _ordered(nodes, method, dice)
    return choose_replicas(ordered, lambda node: node.config.to_shard(), replicas)


def _ordered(nodes: Sequence[ShardedNode], method: str, dice: random.Random) -> list[ShardedNode]:
    match method:
        case "min":
            return sorted(nodes, key=lambda node: (node.config.num_shard, node.config.shard_id))
        case "max":
            return sorted(nodes, key=lambda node: -node.config.num_shard)
        case "random":
            return dice.sample(nodes, len(nodes))
        case _ if method.isascii() and method.isdigit():
            return [node for node in nodes if node.config.num_shard == int(method)]
        case _:
            return []
