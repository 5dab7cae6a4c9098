"""What a key-value node refuses, in the words that the official clients look for.

Source: 0gfoundation/0g-storage-kv, `node/rpc/src/kv_rpc_server/impl.rs`.

StorageError (protocol)
├── ParameterRefusedError            a parameter that does not fit (-32602), by name
├── ValueMissingError                the data of a value is lost (-32603)
├── ProofUnavailableError            nobody gives what a proof is made of
├── KeyValueNodeStoppedError         the node does not run, or not yet
└── StreamsNotKeptError              the node keeps nothing that could be copied
"""

from dataclasses import dataclass

from zerog.storage.protocol.errors import StorageError

__all__ = [
    "KeyValueNodeStoppedError",
    "ParameterRefusedError",
    "ProofUnavailableError",
    "StreamsNotKeptError",
    "ValueMissingError",
]


@dataclass(eq=False)
class ParameterRefusedError(StorageError):
    """A parameter that the method does not take."""

    member: str
    cause: str

    code = "invalid_member"
    remedy = "correct the parameter that the message names"
    rpc_code = -32602

    def __str__(self) -> str:
        return f"Invalid params: {self.member}"

    @property
    def rpc_data(self) -> str:
        return self.cause


class ValueMissingError(StorageError):
    """The bytes of a value cannot be read back."""

    code = "value_missing"
    remedy = "look into the node's log for the fault of its disk; the data is fetched again"
    rpc_code = -32603

    def __str__(self) -> str:
        return "Internal error"

    @property
    def rpc_data(self) -> str:
        return "key data is missing"


@dataclass(eq=False)
class ProofUnavailableError(StorageError):
    """No storage node gives what the proof is made of, or none the true one."""

    cause: str

    code = "proof_unavailable"
    remedy = "try again once the storage nodes hold the item"
    http_status = 503

    def __str__(self) -> str:
        return self.cause


class KeyValueNodeStoppedError(StorageError):
    """The node does not run, or not yet."""

    code = "node_stopped"
    remedy = "start the node and wait until it reports its URL"

    def __str__(self) -> str:
        return "the key-value node is not running"


class StreamsNotKeptError(StorageError):
    """A node in a temporary folder leaves nothing to copy."""

    code = "streams_not_kept"
    remedy = "give the node a data folder"

    def __str__(self) -> str:
        return "the streams are kept in a temporary folder only"
