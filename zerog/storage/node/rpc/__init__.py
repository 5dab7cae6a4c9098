"""The node's JSON-RPC: one file a namespace, or a part of a large one."""

from typing import Final

from zerog.runtime.jsonrpc import Namespace
from zerog.storage.node.rpc import admin, downloads, expiry, files, flow, miner, uploads

__all__ = ["ADMIN_NAMESPACES", "MINER_NAMESPACE", "NAMESPACES"]

NAMESPACES: Final[tuple[Namespace, ...]] = (files.zgs, expiry.zgs, uploads.zgs, downloads.zgs, flow.zgs)
ADMIN_NAMESPACES: Final[tuple[Namespace, ...]] = (admin.admin,)
MINER_NAMESPACE: Final = miner.miner
"""Beside those, on a node that mines."""
