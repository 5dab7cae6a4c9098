"""What can go wrong between a client of storage and those it talks to.

StorageClientError
├── PeerUnreachableError   no connection, or no answer in time
├── PeerAnswerError        an answer that no node or indexer gives; the peer's fault
├── PeerStatusError        an HTTP status that says no
└── PeerRefusedError       a JSON-RPC error, in the peer's own words
"""

from dataclasses import dataclass

from zerog.storage.protocol.errors import StorageError

__all__ = ["PeerAnswerError", "PeerError", "PeerRefusedError", "PeerStatusError", "PeerUnreachableError", "StorageClientError"]


class StorageClientError(StorageError):
    """Something that a client wanted and did not get."""


@dataclass(eq=False)
class PeerError(StorageClientError):
    """A node or an indexer did not do what it was asked; another one may."""

    url: str


@dataclass(eq=False)
class PeerUnreachableError(PeerError):
    """Nobody answers at the URL, or not quickly enough."""

    cause: str

    code = "storage_unreachable"
    remedy = "start the network with `zerog up`, or check the URL"
    http_status = 502

    def __str__(self) -> str:
        return f"no answer from {self.url}: {self.cause}"


@dataclass(eq=False)
class PeerAnswerError(PeerError):
    """What came back is not what a node or an indexer answers."""

    cause: str

    code = "storage_answer_invalid"
    remedy = "check that the URL is that of a storage node or an indexer; if it is, the program behind it is broken or hostile"
    http_status = 502

    def __str__(self) -> str:
        return f"{self.url} gave no valid answer: {self.cause}"


@dataclass(eq=False)
class PeerStatusError(PeerError):
    """An HTTP status other than success."""

    status: int
    cause: str

    code = "storage_status"
    remedy = "read the peer's message"
    http_status = 502

    def __str__(self) -> str:
        return f"{self.url} answered {self.status}: {self.cause}"


METHOD_NOT_FOUND = -32601
"""JSON-RPC 2.0, section 5.1."""


@dataclass(eq=False)
class PeerRefusedError(PeerError):
    """The peer answered with a JSON-RPC error."""

    method: str
    number: int
    """The JSON-RPC error code."""
    message: str
    data: object = None

    code = "storage_rpc_error"
    remedy = "read the peer's message"

    def __str__(self) -> str:
        more = f"; {self.data}" if self.data is not None and str(self.data) not in self.message else ""
        return f"{self.url}: {self.method}: {self.message}{more} ({self.number})"

    @property
    def method_is_unknown(self) -> bool:
        """Whether the peer does not have the method: an official node has none of ours."""
        return self.number == METHOD_NOT_FOUND
