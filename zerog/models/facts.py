"""What names a model's file: its SHA-256 and its root on 0G Storage, reckoned once as long as the file stays the same."""

import mmap
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from zerog.models.errors import ModelCacheError
from zerog.primitives import Hash32
from zerog.runtime.files import write_atomically
from zerog.storage.protocol.merkle import file_root

__all__ = ["ModelFacts", "facts"]

NOTE_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The two names of a file."""

    sha256: Hash32
    root: Hash32
    """Root over the file as it lies on the flow."""


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was reckoned, and of which file."""

    path: str
    stamp: tuple[int, int, int, int, int]
    sha256: str
    root: str


def facts(path: Path) -> ModelFacts:
    """Of the file at `path`; some tenths of a second for a hundred megabytes, and nothing when it was asked before.

    A file counts as the same while device, inode, size and both times of change do. Raises `ModelCacheError`.
    """
    path = path.resolve()
    try:
        with path.open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            note = _note_of(path)
            if (known := _noted(note, path, stamp)) is not None:
                return known
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
                found = ModelFacts(Hash32(sha256(data).digest()), file_root(data))
            if _stamp(os.fstat(file.fileno())) == stamp:
                _write(note, _Note(str(path), stamp, found.sha256.hex(), found.root.hex()))
    except (OSError, ValueError) as error:  # An empty file cannot be mapped.
        raise ModelCacheError(path, getattr(error, "strerror", None) or str(error)) from None
    return found


def _stamp(found: os.stat_result) -> tuple[int, int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _note_of(path: Path) -> Path:
    """Beside the cache's models, whichever folder the file is in: its own may not be ours to write."""
    from zerog.models.cache import models_folder

    return models_folder() / ".facts" / f"{sha256(os.fsencode(path)).hexdigest()[:32]}.json"


def _noted(note: Path, path: Path, stamp: tuple[int, int, int, int, int]) -> ModelFacts | None:
    with suppress(OSError, msgspec.MsgspecError, ValueError):  # A note that cannot be read is reckoned again.
        read = msgspec.json.decode(note.read_bytes()[:NOTE_BYTES_MAX], type=_Note)
        if (read.path, read.stamp) == (str(path), stamp):
            return ModelFacts(Hash32(bytes.fromhex(read.sha256)), Hash32(bytes.fromhex(read.root)))
    return None


def _write(note: Path, content: _Note) -> None:
    with suppress(OSError):  # A folder that cannot be written costs the reckoning again, no more.
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, msgspec.json.encode(content))
