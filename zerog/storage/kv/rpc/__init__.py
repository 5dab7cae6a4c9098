"""The node's JSON-RPC: one file a part of a namespace."""

from typing import Final

from zerog.runtime.jsonrpc import Namespace
from zerog.storage.kv.rpc import admin, items, permissions, values

__all__ = ["NAMESPACES"]

NAMESPACES: Final[tuple[Namespace, ...]] = (values.kv, items.kv, permissions.kv, admin.admin)
