"""How everybody else talks to storage: to one node, to an indexer, and to a network of both."""

from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.errors import (
    PeerAnswerError,
    PeerError,
    PeerRefusedError,
    PeerStatusError,
    PeerUnreachableError,
    StorageClientError,
)
from zerog.storage.client.indexer import IndexerClient
from zerog.storage.client.node import NodeClient, Segment

__all__ = [
    "IndexerClient",
    "NodeClient",
    "PeerAnswerError",
    "PeerError",
    "PeerLimits",
    "PeerRefusedError",
    "PeerStatusError",
    "PeerUnreachableError",
    "Segment",
    "StorageClientError",
]
