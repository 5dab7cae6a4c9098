"""How everybody else talks to key-value streams: reads of one node, and writes through storage."""

from zerog.storage.client.kv.asynchronous import AsyncKvClient
from zerog.storage.client.kv.batch import Batch, SealedBatch
from zerog.storage.client.kv.client import KvClient, WriteOptions
from zerog.storage.client.kv.errors import (
    BatchInvalidError,
    BatchRejectedError,
    ControlDeniedError,
    ItemInvalidError,
    ItemMissingError,
    NoChainError,
    NoWriterError,
    ProofInvalidError,
    ResultTimeoutError,
    StreamNotFollowedError,
    TagsMismatchError,
    ValueChangedError,
    ValueTooLargeError,
    VersionConflictError,
    WriteDeniedError,
    WriteTimeoutError,
)
from zerog.storage.client.kv.names import StreamName, stream_id
from zerog.storage.client.kv.reading import KvNodeClient
from zerog.storage.client.kv.results import Entry, Part, ProvedValue, Value, Written

__all__ = [
    "AsyncKvClient",
    "Batch",
    "BatchInvalidError",
    "BatchRejectedError",
    "ControlDeniedError",
    "Entry",
    "ItemInvalidError",
    "ItemMissingError",
    "KvClient",
    "KvNodeClient",
    "NoChainError",
    "NoWriterError",
    "Part",
    "ProofInvalidError",
    "ProvedValue",
    "ResultTimeoutError",
    "SealedBatch",
    "StreamName",
    "StreamNotFollowedError",
    "TagsMismatchError",
    "Value",
    "ValueChangedError",
    "ValueTooLargeError",
    "VersionConflictError",
    "WriteDeniedError",
    "WriteOptions",
    "WriteTimeoutError",
    "Written",
    "stream_id",
]
