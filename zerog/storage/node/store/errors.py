"""Why a store does not take something.

StorageError
├── StoreFailedError                 the disk failed: the store reads on, and writes nothing more until it is opened again
│   └── StoreFullError               no room: nothing was written, and writing goes on when there is room again
├── StoreFormatError                 a folder of another version, or of another program
└── StoreDamagedError                the catalogue cannot be read; it is made anew when the store is opened again
"""

from dataclasses import dataclass
from pathlib import Path

from zerog.storage.protocol.errors import StorageError

__all__ = ["StoreDamagedError", "StoreFailedError", "StoreFormatError", "StoreFullError"]


@dataclass(eq=False)
class StoreFailedError(StorageError):
    """The disk did not carry out a write or could not promise that it lasts. What was acknowledged before is safe."""

    cause: str

    code = "store_failed"
    remedy = "check the disk and the system's log, then start the node again: it goes on from what is durable"
    http_status = 503

    def __str__(self) -> str:
        return f"the store cannot write: {self.cause}"


@dataclass(eq=False)
class StoreFullError(StoreFailedError):
    """There is no room for what was to be written. None of it is held, and the store goes on as soon as there is room."""

    code = "store_full"
    remedy = "make room on the disk, raise the limit of the store, or prune files; then send again"
    http_status = 507


@dataclass(eq=False)
class StoreFormatError(StorageError):
    """The folder was written by another version of the store, or is not a store."""

    folder: Path
    found: int
    wanted: int

    code = "store_format"
    remedy = "use the version of zerog that wrote it, or choose another folder with --dir"
    http_status = 500

    def __str__(self) -> str:
        return f"{self.folder} has format {self.found} of the store, and this program reads {self.wanted}"


@dataclass(eq=False)
class StoreDamagedError(StorageError):
    """The catalogue of the store cannot be read."""

    folder: Path
    cause: str

    code = "store_damaged"
    remedy = "start the node again: the catalogue is made anew from the segments and the chain's log"
    http_status = 500

    def __str__(self) -> str:
        return f"the catalogue in {self.folder} is damaged: {self.cause}"
