"""The durable store of a key-value node: items in append-only files, and in SQLite what follows from them and from the chain's log."""

from zerog.storage.kv.store.errors import StoreDamagedError, StoreFailedError, StoreFormatError, StoreFullError
from zerog.storage.kv.store.store import KvStore

__all__ = ["KvStore", "StoreDamagedError", "StoreFailedError", "StoreFormatError", "StoreFullError"]
