"""`net_*`: the network, seen from one node."""

from zerog.chain.node.chain import Chain
from zerog.runtime.jsonrpc import Namespace

__all__ = ["net"]

net = Namespace("net")


@net.method("version")
def version(chain: Chain) -> str:
    """The chain id in decimal digits."""
    return str(chain.ledger.chain_id)


@net.method("listening")
def listening(_chain: Chain) -> bool:
    """Whether the node takes connections: it took this one."""
    return True


@net.method("peerCount")
def peer_count(_chain: Chain) -> str:
    """Other nodes that we are connected to: a chain with one producer has none."""
    return "0x0"
