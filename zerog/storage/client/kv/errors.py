"""What a user of key-value streams may not get; what goes wrong on the way to a node is a `PeerError`, as with files.

StorageClientError
├── BatchRejectedError           every node refuses a batch, in the same words; nothing of it took effect
│   ├── VersionConflictError     a key was written since it was read
│   ├── WriteDeniedError         the sender may not write the key, or nothing at all
│   ├── ControlDeniedError       the sender may not change the rights
│   ├── ItemInvalidError         what was stored is no batch
│   ├── TagsMismatchError        a stream that the transaction does not name
│   └── ItemMissingError         the node gave up on the data
├── StreamNotFollowedError       the node passes the stream by
├── ResultTimeoutError           there is no result yet
├── WriteTimeoutError            the batch is not stored yet
├── NoWriterError                nothing to upload with
├── NoChainError                 nothing to hold a proof against
├── BatchInvalidError            nothing that could be uploaded
├── ValueTooLargeError           more than the caller wants to have in memory
├── ValueChangedError            a value that does not stand still while it is read
└── ProofInvalidError            what the node says does not follow from the chain
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zerog.primitives import Hash32
from zerog.primitives.errors import DeadlineError
from zerog.storage.client.errors import StorageClientError, WaitTimeoutError

if TYPE_CHECKING:
    from zerog.storage.client.kv.batch import SealedBatch

__all__ = [
    "BatchInvalidError",
    "BatchRejectedError",
    "ControlDeniedError",
    "ItemInvalidError",
    "ItemMissingError",
    "NoChainError",
    "NoWriterError",
    "ProofInvalidError",
    "ResultTimeoutError",
    "StreamNotFollowedError",
    "TagsMismatchError",
    "ValueChangedError",
    "ValueTooLargeError",
    "VersionConflictError",
    "WriteDeniedError",
    "WriteTimeoutError",
    "rejection",
]

COMMIT: Final = "Commit"
"""The result of a batch that took effect. Source: 0gfoundation/0g-storage-kv, `node/stream/src/stream_manager`."""


@dataclass(eq=False)
class BatchRejectedError(StorageClientError):
    """A batch is stored, and by the rules of streams it has no effect."""

    tx_seq: int
    result: str
    """In the node's words."""

    code = "kv_rejected"
    remedy = "read the node's words"

    def __str__(self) -> str:
        return f"submission {self.tx_seq} has no effect: {self.result}"


class VersionConflictError(BatchRejectedError):
    """A key that the batch reads or writes has a version above that of the batch."""

    code = "kv_version_conflict"
    remedy = "read the keys again, and make a new batch with the version that was read"
    http_status = 409


class WriteDeniedError(BatchRejectedError):
    """The sender may not write a key, or may write none of the streams."""

    code = "kv_write_denied"
    remedy = "ask an administrator of the stream for `zerog kv grant STREAM ACCOUNT --writer`, or `--special KEY` for a special key"
    http_status = 403


class ControlDeniedError(BatchRejectedError):
    """The sender may not change rights as the batch would."""

    code = "kv_control_denied"
    remedy = "ask an administrator of the stream to do it, or to grant you that with `zerog kv grant STREAM ACCOUNT --admin`"
    http_status = 403


class ItemInvalidError(BatchRejectedError):
    """What was stored cannot be read as a batch; where nodes have keys, it was not encrypted for them."""

    code = "kv_item_invalid"
    remedy = "encode it with `Batch`, and encrypt it if and only if the nodes of the stream have the key"


class TagsMismatchError(BatchRejectedError):
    """The batch touches a stream that its transaction does not name, or that the node does not follow."""

    code = "kv_tags_mismatch"
    remedy = "let the node follow every stream that the batch reads"


class ItemMissingError(BatchRejectedError):
    """The node gave up looking for the data of the batch."""

    code = "kv_item_missing"
    remedy = "write the batch again, to storage nodes that the key-value node asks"


REJECTIONS: Final[dict[str, type[BatchRejectedError]]] = {
    "VersionConfliction": VersionConflictError,
    "SenderNoWritePermission": WriteDeniedError,
    "WritePermissionDenied": WriteDeniedError,
    "AccessControlPermissionDenied": ControlDeniedError,
    "DataParseError": ItemInvalidError,
    "TagsMismatch": TagsMismatchError,
    "DownloadFailed": ItemMissingError,
}
"""By how the result begins."""


def rejection(tx_seq: int, result: str) -> BatchRejectedError | None:
    """What a result means; `None` of a batch that took effect."""
    if result == COMMIT:
        return None
    return REJECTIONS.get(result.partition(":")[0], BatchRejectedError)(tx_seq, result)


@dataclass(eq=False)
class StreamNotFollowedError(StorageClientError):
    """The node has passed the submission without a result, since it does not follow all of its streams."""

    url: str
    tx_seq: int
    streams: tuple[Hash32, ...]

    code = "kv_not_followed"
    remedy = "ask the node with `zerog kv follow STREAM`, or start it with `--stream all`; the batch itself is stored and holds"
    http_status = 404

    def __str__(self) -> str:
        return f"{self.url} follows not all of the streams of submission {self.tx_seq}: {', '.join(map(str, self.streams))}"


@dataclass(eq=False)
class ResultTimeoutError(DeadlineError, StorageClientError):
    """A batch is stored, and the node has not told its result within the time that the caller gave."""

    url: str
    tx_seq: int
    timeout_s: float

    code = "kv_result_timeout"
    remedy = (
        "ask again with `zerog kv result`; do not write it again, it is stored"
        " (where `zerog kv streams` says `waits for data`, who wrote an earlier batch has yet to upload its bytes)"
    )
    http_status = 504

    def __str__(self) -> str:
        return f"{self.url} has no result of submission {self.tx_seq} within {self.timeout_s:g} s"


@dataclass(eq=False)
class WriteTimeoutError(WaitTimeoutError):
    """A batch is not stored within the time that the caller gave. It may be announced on chain: then its streams wait for its bytes."""

    batch: "SealedBatch" = field(kw_only=True, repr=False)
    """What was to be written."""

    code = "kv_write_timeout"
    remedy = "write the same batch again (`kv.write(error.batch)`): it is not paid twice, and until its bytes are stored its streams wait"


class NoWriterError(StorageClientError):
    """A client without storage behind it can only read."""

    code = "kv_no_writer"
    remedy = "name where to store (`--indexer` or `--node` of the commands), or make the client with `storage=StorageClient(…)`"

    def __str__(self) -> str:
        return "this client has no storage to write to"


class NoChainError(StorageClientError):
    """A proof is held against a chain that the caller trusts."""

    code = "kv_no_chain"
    remedy = "make the client with `chain=ChainClient(…)` and `flow=` the address of the flow's contract, or take `zerog.connect(…).kv`"

    def __str__(self) -> str:
        return "this client knows no chain to hold a proof against"


@dataclass(eq=False)
class BatchInvalidError(StorageClientError):
    """A batch that no node would take."""

    cause: str

    code = "kv_batch_invalid"
    remedy = "change what the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class ValueTooLargeError(StorageClientError):
    """A value has more bytes than the caller wants to have in memory."""

    size_bytes: int
    limit_bytes: int

    code = "kv_value_too_large"
    remedy = "take it piece by piece with `stream`, or raise the limit"
    http_status = 413

    def __str__(self) -> str:
        return f"the value has {self.size_bytes} bytes, and at most {self.limit_bytes} are wanted"


@dataclass(eq=False)
class ValueChangedError(StorageClientError):
    """A value of one version came out with another size or another version in between: the chain went back while it was read."""

    url: str

    code = "kv_value_changed"
    remedy = "read it again"
    http_status = 409

    def __str__(self) -> str:
        return f"the value changed while {self.url} gave it"


@dataclass(eq=False)
class ProofInvalidError(StorageClientError):
    """What the node says of a value does not follow from the chain."""

    url: str
    cause: str

    code = "kv_proof_invalid"
    remedy = "ask another node: this one is broken or hostile, or it follows another chain"
    http_status = 502

    def __str__(self) -> str:
        return f"{self.url} does not prove its answer: {self.cause}"
