"""What a storage node refuses, in the words that the official clients look for.

Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/impl.rs`.

StorageError (protocol)
├── UploadRefusedError               a segment that cannot be taken (-32000)
├── InvalidMemberError               a parameter that does not fit the file (-32602), by name
│   └── AlreadyFinalizedError        clients count it as success
├── InternalRefusalError             -32603
├── TooManyDataError                 the cache is full; clients try again
├── ReadRefusedError                 a read beyond the file
├── FileUnknownError                 no submission of this root was read (HTTP 404)
├── MalformedBodyError               a body that is not what the route takes
├── NodeStoppedError                 the node does not run, or not yet
├── NotKeptError                     the node keeps nothing that could be copied
└── FlowMismatchError                our tree of the flow is not the contract's
"""

from dataclasses import dataclass

from zerog.primitives import Address, Hash32
from zerog.storage.protocol.errors import StorageError

__all__ = [
    "AlreadyFinalizedError",
    "FileUnknownError",
    "FlowMismatchError",
    "InternalRefusalError",
    "InvalidMemberError",
    "MalformedBodyError",
    "NodeStoppedError",
    "NotKeptError",
    "ReadRefusedError",
    "TooManyDataError",
    "UploadRefusedError",
]


@dataclass(eq=False)
class UploadRefusedError(StorageError):
    """A segment that cannot be taken."""

    cause: str

    code = "upload_refused"
    remedy = "cut the file as the official clients do, and send each segment to the submission that it belongs to"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class InvalidMemberError(StorageError):
    """A parameter, or a member of one, that does not fit the file it names."""

    member: str
    cause: str

    code = "invalid_member"
    remedy = "correct the member that the message names"
    rpc_code = -32602

    def __str__(self) -> str:
        return f"Invalid params: {self.member}"

    @property
    def rpc_data(self) -> str:
        return self.cause


class AlreadyFinalizedError(InvalidMemberError):
    """This node has all that it must hold of the file.

    The text is one that each official client takes for success: TypeScript looks into `data`, Go joins `message` and `data`, and Python
    reads `message` alone.
    """

    code = "already_finalized"
    remedy = "nothing is left to do"

    def __init__(self) -> None:
        super().__init__("root", "already uploaded and finalized")

    def __str__(self) -> str:
        return "Invalid params: root; data: already uploaded and finalized"


@dataclass(eq=False)
class InternalRefusalError(StorageError):
    """What the reference calls an internal error, though it is the caller's."""

    cause: str

    code = "mismatch"
    remedy = "look the submission up again; the chain may have taken it back"
    rpc_code = -32603

    def __str__(self) -> str:
        return "Internal error"

    @property
    def rpc_data(self) -> str:
        return self.cause


@dataclass(eq=False)
class TooManyDataError(StorageError):
    """There is no room for more data that no block announces yet."""

    files: int

    code = "too_many_data"
    remedy = "wait until the block that announces the file is read, and try again"

    def __str__(self) -> str:
        return f"too many data writing: {self.files}"


@dataclass(eq=False)
class ReadRefusedError(StorageError):
    """A read beyond the end of a file, or of a flow that is not the newest."""

    cause: str

    code = "read_refused"
    remedy = "ask for what the file has"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class FileUnknownError(StorageError):
    """No submission of this root was read."""

    root: Hash32

    code = "file_unknown"
    remedy = "check the root, or wait until the block is read that announces the file"
    http_status = 404

    def __str__(self) -> str:
        return f"there is no file {self.root}"


@dataclass(eq=False)
class MalformedBodyError(StorageError):
    """A body that is not what the route takes."""

    cause: str

    code = "malformed_body"
    remedy = "send a MessagePack array of uploads"

    def __str__(self) -> str:
        return f"the body cannot be read: {self.cause}"


class NodeStoppedError(StorageError):
    """The node does not run, or not yet."""

    code = "node_stopped"
    remedy = "start the node and wait until it reports its URL"

    def __str__(self) -> str:
        return "the storage node is not running"


class NotKeptError(StorageError):
    """A node in a temporary folder leaves nothing to copy."""

    code = "storage_not_kept"
    remedy = "give the node a data folder"

    def __str__(self) -> str:
        return "the files are kept in a temporary folder only"


@dataclass(eq=False)
class FlowMismatchError(StorageError):
    """Our tree of the flow and the contract's have different roots, so proofs of ours would be worth nothing."""

    flow: Address
    seq: int
    ours: Hash32
    theirs: Hash32

    code = "flow_mismatch"
    remedy = (
        "check that --flow names the contract whose log this node has read from its first submission on; else begin with a new data folder"
    )
    http_status = 500

    def __str__(self) -> str:
        return f"after submission {self.seq} the root of the flow {self.flow} is {self.theirs}, and ours is {self.ours}"
