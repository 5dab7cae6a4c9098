"""What a DA node refuses, with the statuses and words of the official one.

DaError (protocol)
├── SignerSettingsError
├── SignerStoppedError
├── StoreError
│   ├── StoreFailedError             the disk does not do what it should
│   └── StoreForeignError            the folder is that of another chain, signer or version
├── BadRequestError                  INVALID_ARGUMENT, the asker's fault
├── NodeFaultError                   INTERNAL, as the official node says what it does not know or have
├── EpochExpiredError                FAILED_PRECONDITION
└── TooMuchError                     RESOURCE_EXHAUSTED

Source: 0glabs/0g-da-node, `grpc/src/service.rs`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zerog.da.protocol.errors import DaError

__all__ = [
    "BLOB_UNKNOWN",
    "BLOB_VERIFIED",
    "COMMITMENT_NO_POINT",
    "INVALID_ROWS",
    "ROOT_LENGTH",
    "SLICES_MISMATCH",
    "SLICE_MISSING",
    "BadRequestError",
    "EpochExpiredError",
    "NodeFaultError",
    "SignerSettingsError",
    "SignerStoppedError",
    "StoreError",
    "StoreFailedError",
    "StoreForeignError",
    "TooMuchError",
]

ROOT_LENGTH: Final = "storage root"
COMMITMENT_NO_POINT: Final = "Incorrect commitment: commitment is not in group"
BLOB_VERIFIED: Final = "blob verified already"
BLOB_UNKNOWN: Final = "blob not found"
SLICES_MISMATCH: Final = "received slices and assigned slices are mismatch"
INVALID_ROWS: Final = "invalid row indexes"
SLICE_MISSING: Final = "slice is missing"


@dataclass(eq=False)
class _WordedError(DaError):
    text: str

    def __str__(self) -> str:
        return self.text


class BadRequestError(_WordedError):
    """A request that nobody should sign or answer."""

    code = "da_request_invalid"
    remedy = "send the rows of the quorum's owner, as the encoder made them"
    grpc_status = "INVALID_ARGUMENT"


class NodeFaultError(_WordedError):
    """What this node does not know, does not have, or cannot find out."""

    code = "da_node_fault"
    remedy = "try again once the node has read the chain, or ask another one"
    http_status = 500
    grpc_status = "INTERNAL"


@dataclass(eq=False)
class EpochExpiredError(DaError):
    """Rows of an epoch that nobody keeps any more."""

    epoch: int
    window: int

    code = "da_epoch_expired"
    remedy = "disperse the blob again"
    grpc_status = "FAILED_PRECONDITION"

    def __str__(self) -> str:
        return f"epoch {self.epoch} has expired: rows are kept for {self.window} epochs"


class TooMuchError(_WordedError):
    """More than this node does at once."""

    code = "da_too_much"
    remedy = "ask for less at once"
    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"


@dataclass(eq=False)
class SignerSettingsError(DaError):
    """Settings that contradict themselves."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


class SignerStoppedError(DaError):
    """The node does not run, or not yet."""

    code = "da_signer_stopped"
    remedy = "start the node and wait until it reports its address"
    http_status = 503

    def __str__(self) -> str:
        return "the DA node is not running"


class StoreError(DaError):
    """What a node keeps cannot be used."""


@dataclass(eq=False)
class StoreFailedError(StoreError):
    """The disk does not do what it should."""

    cause: str

    code = "da_store_failed"
    remedy = "see whether the disk is full or broken; nothing was signed that is not kept"
    http_status = 507
    grpc_status = "INTERNAL"

    def __str__(self) -> str:
        return f"put slice error: {self.cause}"


@dataclass(eq=False)
class StoreForeignError(StoreError):
    """A folder that belongs to somebody else."""

    path: Path
    cause: str

    code = "da_store_foreign"
    remedy = "name another data folder"
    http_status = 409

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"
