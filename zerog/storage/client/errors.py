"""What can go wrong between a client of storage and those it talks to.

StorageClientError
├── PeerError                    of one node or indexer; another may do better
│   ├── PeerUnreachableError     no connection, or no answer in time
│   ├── PeerAnswerError          an answer that no node or indexer gives; the peer's fault
│   ├── PeerStatusError          an HTTP status that says no
│   └── PeerRefusedError         a JSON-RPC error, in the peer's own words
├── NoNodesError                 the nodes that answer do not hold everything
├── WrongNetworkError            chain and nodes do not belong together
├── KeyMissingError              nobody pays
├── SubmissionRevertedError      the transaction did nothing
├── NonceTakenError              others send for the same account
├── WaitTimeoutError             what should have happened has not
├── UploadRefusedError           no nodes take the segments
├── FileUnknownError             no node knows the file
│   └── FilePrunedError          its time is over
├── SegmentMissingError          no node gives a segment, or none the true one
├── RangeError                   beyond the end of the file
├── LocalFileError               of this machine
├── TargetExistsError
└── UnsafeEntryError             a directory's entry that leads out of it
"""

from dataclasses import dataclass

from zerog.chain.client.errors import NoKeyError
from zerog.primitives import Address, Hash32
from zerog.primitives.errors import DeadlineError
from zerog.storage.protocol.errors import StorageError

__all__ = [
    "FilePrunedError",
    "FileUnknownError",
    "KeyMissingError",
    "LocalFileError",
    "NoNodesError",
    "NonceTakenError",
    "PeerAnswerError",
    "PeerError",
    "PeerRefusedError",
    "PeerStatusError",
    "PeerUnreachableError",
    "RangeError",
    "SegmentMissingError",
    "StorageClientError",
    "SubmissionRevertedError",
    "TargetExistsError",
    "UnsafeEntryError",
    "UploadRefusedError",
    "WaitTimeoutError",
    "WrongNetworkError",
    "reason_of",
]


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


@dataclass(eq=False)
class NoNodesError(StorageClientError):
    """There is no set of nodes that together hold every segment as often as was asked for."""

    replicas: int
    causes: tuple[str, ...] = ()
    """What became of the nodes that do not count."""

    code = "storage_no_nodes"
    remedy = "start more nodes, or ask for fewer replicas"
    http_status = 503

    def __str__(self) -> str:
        why = f" ({'; '.join(self.causes)})" if self.causes else ""
        return f"the nodes that answer do not hold every segment {self.replicas} time(s){why}"


@dataclass(eq=False)
class WrongNetworkError(StorageClientError):
    """Chain and storage nodes are of different networks."""

    url: str
    node_chain_id: int
    chain_id: int

    code = "storage_wrong_network"
    remedy = "give the indexer and the chain of one network"

    def __str__(self) -> str:
        return f"{self.url} is of the network of chain {self.node_chain_id}, and the chain has the id {self.chain_id}"


class KeyMissingError(StorageClientError, NoKeyError):
    """An upload needs an account that pays for it."""

    code = "storage_key_missing"
    remedy = "give a private key (`--key`, or ZEROG_KEY); on a local network a test account is taken"

    def __str__(self) -> str:
        return "there is no account to pay with"


@dataclass(eq=False)
class SubmissionRevertedError(StorageClientError):
    """The transaction that submitted files is in a block and did nothing."""

    transaction_hash: Hash32
    cause: str

    code = "submission_reverted"
    remedy = "read the cause; nothing was stored and nothing but gas was paid"

    def __str__(self) -> str:
        return f"transaction {self.transaction_hash} was reverted: {self.cause}"


@dataclass(eq=False)
class NonceTakenError(StorageClientError):
    """Others send transactions for the same account all the time."""

    account: Address

    code = "nonce_taken"
    remedy = "pay with an account that nobody else sends with"

    def __str__(self) -> str:
        return f"another program sends transactions for {self.account} and always takes the next nonce"


@dataclass(eq=False)
class WaitTimeoutError(DeadlineError, StorageClientError):
    """Something that should have happened has not, within the time that the caller gave."""

    what: str
    timeout_s: float
    known: tuple[str, ...] = ()
    """What was done until then, such as a transaction that was sent, and what was waited for at the end."""

    code = "storage_timeout"
    remedy = "do it again, with a larger `timeout_s`: what was done of an upload is found and kept, and a download to a file goes on"
    http_status = 504

    def __str__(self) -> str:
        return "; ".join((f"{self.what} within {self.timeout_s:g} s", *self.known))


@dataclass(eq=False)
class UploadRefusedError(StorageClientError):
    """A file was submitted, and no set of nodes has taken its segments."""

    root: Hash32
    causes: tuple[str, ...]

    code = "storage_upload_refused"
    remedy = "upload again later: what was done so far is found and kept"
    http_status = 502

    def __str__(self) -> str:
        return f"segments of {self.root} found no place: {'; '.join(self.causes)}"


@dataclass(eq=False)
class FileUnknownError(StorageClientError):
    """No node knows the file."""

    name: Hash32 | int

    code = "storage_file_unknown"
    remedy = "check the root or the number; a file can be read once its submission is in a block and nodes have read it"
    http_status = 404

    def __str__(self) -> str:
        what = f"submission {self.name}" if isinstance(self.name, int) else f"a file with the root {self.name}"
        return f"no node knows {what}"


@dataclass(eq=False)
class FilePrunedError(FileUnknownError):
    """The time that was paid for is over, and the nodes give the file no more."""

    code = "storage_file_pruned"
    remedy = "store the file again; before its time is over, `extend` of the flow's contract keeps it for another period"
    http_status = 410

    def __str__(self) -> str:
        return f"the time of submission {self.name} is over: the nodes have pruned it"


@dataclass(eq=False)
class SegmentMissingError(StorageClientError):
    """No node gives a segment, or none gives the true one."""

    root: Hash32
    index: int
    causes: tuple[str, ...]

    code = "storage_segment_missing"
    remedy = "wait until the upload of the file is done, or ask nodes that have it"
    http_status = 502

    def __str__(self) -> str:
        why = "; ".join(self.causes) or "no node of its shard is known"
        return f"segment {self.index} of {self.root} cannot be had: {why}"


@dataclass(eq=False)
class RangeError(StorageClientError):
    """Bytes were asked for that the file does not have."""

    offset: int
    size_bytes: int

    code = "storage_range"
    remedy = "begin within the file"
    http_status = 416

    def __str__(self) -> str:
        return f"nothing begins at byte {self.offset} of a file of {self.size_bytes} bytes"


@dataclass(eq=False)
class LocalFileError(StorageClientError):
    """A file on this machine cannot be read or written."""

    path: str
    cause: str

    code = "local_file"
    remedy = "check the path, its permissions and the space on the disk"

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


@dataclass(eq=False)
class TargetExistsError(StorageClientError):
    """A download would replace what is there."""

    path: str

    code = "target_exists"
    remedy = "name another place, or allow it to be replaced (`--force`)"
    http_status = 409

    def __str__(self) -> str:
        return f"{self.path} is there already"


@dataclass(eq=False)
class UnsafeEntryError(StorageClientError):
    """An entry of a stored directory that would be made at, or lead to, a place outside of it."""

    path: str
    cause: str

    code = "unsafe_entry"
    remedy = "download the files you need one by one, or allow links that lead outside"

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


def reason_of(error: Exception) -> str:
    """What the system says, without the number and the path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
