"""What an indexer refuses.

StorageError (protocol)
└── IndexerError
    ├── FileUnknownError        no node knows the file
    ├── SelectionError          the nodes cannot hold the file as often as asked
    ├── NoNodeError             no node that could answer does
    ├── SegmentsMissingError    a part of a file that no node gives as its root says
    └── RelayedError            a node's own refusal, word for word
"""

from dataclasses import dataclass

from zerog.storage.protocol.errors import StorageError

__all__ = ["FileUnknownError", "IndexerError", "NoNodeError", "RelayedError", "SegmentsMissingError", "SelectionError"]


class IndexerError(StorageError):
    """A refusal of an indexer."""


class FileUnknownError(IndexerError):
    """No node knows the file. Source of the wording: 0gfoundation/0g-storage-client, `indexer/`."""

    code = "file_not_found"
    remedy = "upload the file, or wait until the nodes have seen its submission"
    http_status = 404

    def __str__(self) -> str:
        return "file not found"


class SelectionError(IndexerError):
    """Source of the wording: 0gfoundation/0g-storage-client, `indexer/indexer_api.go`."""

    code = "replicas_unavailable"
    remedy = "ask for fewer replicas, or add nodes"

    def __str__(self) -> str:
        return "cannot select a subset from the returned nodes that meets the replication requirement"


@dataclass(eq=False)
class NoNodeError(IndexerError):
    """Nobody who could do it answers."""

    what: str

    code = "no_storage_node"
    remedy = "start the missing nodes, or look at the indexer's list of nodes with indexer_getShardedNodes"
    http_status = 503

    def __str__(self) -> str:
        return f"no storage node answers for {self.what}"


@dataclass(eq=False)
class SegmentsMissingError(IndexerError):
    """Segments of a file that no node gives, or none as its root says."""

    root: bytes
    index: int

    code = "segment_missing"
    remedy = "wait until the nodes have fetched it, or upload it again"
    http_status = 503

    def __str__(self) -> str:
        return f"no node has segment {self.index} of 0x{self.root.hex()} as its root says"


class RelayedError(IndexerError):
    """What a node answered, with its own code, message and data."""

    code = "refused_by_node"

    def __init__(self, rpc_code: int, message: str, data: object) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return self.message

    @property
    def rpc_data(self) -> object | None:
        return self.data
