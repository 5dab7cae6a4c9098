"""The chain node: one role that makes blocks and answers the Ethereum JSON-RPC."""

from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings

__all__ = ["ChainNode", "ChainNodeSettings"]
