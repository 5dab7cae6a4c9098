"""The durable store of a storage node: segments in append-only files, everything else in SQLite."""

from zerog.storage.node.store.errors import StoreDamagedError, StoreFailedError, StoreFormatError, StoreFullError
from zerog.storage.node.store.held import Held
from zerog.storage.node.store.records import BlockMark, SegmentWrite, StoredSegment, StoredSubmission, StoreOptions
from zerog.storage.node.store.shedding import ShedCursor
from zerog.storage.node.store.store import Store, nobody

__all__ = [
    "BlockMark",
    "Held",
    "SegmentWrite",
    "ShedCursor",
    "Store",
    "StoreDamagedError",
    "StoreFailedError",
    "StoreFormatError",
    "StoreFullError",
    "StoreOptions",
    "StoredSegment",
    "StoredSubmission",
    "nobody",
]
