"""Why the store of a key-value node does not take or give something.

StorageError
├── StoreFailedError                 the disk failed: the store reads on, and writes nothing more until it is opened again
│   └── StoreFullError               no room: nothing was written, and writing goes on when there is room again
├── StoreFormatError                 a folder of another version, or of another program
└── StoreDamagedError                the catalogue cannot be read; it is made anew when the store is opened again
"""

import errno
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from zerog.storage.protocol.errors import StorageError

__all__ = ["StoreDamagedError", "StoreFailedError", "StoreFormatError", "StoreFullError", "refusal_of"]


@dataclass(eq=False)
class StoreFailedError(StorageError):
    """The disk did not carry out a write or could not promise that it lasts. What was acknowledged before is safe."""

    cause: str

    code = "kv_store_failed"
    remedy = "check the disk and the system's log, then start the key-value node again: it goes on from what is durable"
    http_status = 503

    def __str__(self) -> str:
        return f"the key-value store cannot write: {self.cause}"


@dataclass(eq=False)
class StoreFullError(StoreFailedError):
    """There is no room for what was to be written. None of it is held, and the store goes on as soon as there is room."""

    code = "kv_store_full"
    remedy = "make room on the disk: the key-value node goes on by itself"
    http_status = 507


@dataclass(eq=False)
class StoreFormatError(StorageError):
    """The folder was written by another version of the store, or is not a store."""

    folder: Path
    found: int
    wanted: int

    code = "kv_store_format"
    remedy = "use the version of zerog that wrote it, or choose another folder with --dir"
    http_status = 500

    def __str__(self) -> str:
        return f"{self.folder} has format {self.found} of the key-value store, and this program reads {self.wanted}"


@dataclass(eq=False)
class StoreDamagedError(StorageError):
    """The catalogue of the store cannot be read. All in it comes from the chain and from the items beside it."""

    folder: Path
    cause: str

    code = "kv_store_damaged"
    remedy = "start the key-value node again: it makes its catalogue anew from the chain's log and the items that it holds"
    http_status = 500

    def __str__(self) -> str:
        return f"the catalogue in {self.folder} is damaged: {self.cause}"


def refusal_of(error: OSError | sqlite3.Error) -> StoreFailedError:
    """What a failed write means: only a lack of room is sure to have left nothing behind."""
    if isinstance(error, sqlite3.Error):
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        return StoreFullError("no space left for the catalogue") if full else StoreFailedError(f"catalogue: {error}")
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return StoreFullError(error.strerror or "no space left") if full else StoreFailedError(str(error))
