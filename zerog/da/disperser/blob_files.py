"""Blobs as files, and between the encoder and the signers their slices. Every function blocks."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from zerog.da.protocol.constants import ENCODED_ROWS, SLICE_BYTES
from zerog.runtime.files import make_private_folder, write_atomically

__all__ = ["BlobFiles", "SliceDraft"]

BLOBS: Final = "blobs"
SLICES: Final = "slices"


class BlobFiles:
    """A blob's data is on disk before its id is answered, and stays until it is forgotten. Slices come again from the encoder."""

    def __init__(self, folder: Path) -> None:
        self._blobs: Final = folder / BLOBS
        self._slices: Final = folder / SLICES

    def open(self, kept: Collection[int]) -> None:
        """Make the folders. What a process left that died goes: slices, and data of blobs that are not in the books.

        `kept` are the times of receipt of those that are.
        """
        for folder in (self._blobs, self._slices):
            make_private_folder(folder)
        for path in self._slices.iterdir():
            path.unlink()
        for path in self._blobs.iterdir():
            if not path.stem.isdigit() or path.suffix or int(path.stem) not in kept:
                path.unlink()

    def path(self, received_ns: int) -> Path:
        """Where a blob's data is."""
        return self._blobs / str(received_ns)

    def keep(self, received_ns: int, data: bytes) -> None:
        """Write a blob's data; it is on disk when this returns."""
        write_atomically(self.path(received_ns), data)

    def read(self, received_ns: int) -> bytes:
        """A blob's data. Raises `FileNotFoundError`."""
        return self.path(received_ns).read_bytes()

    def remove(self, received_ns: int) -> None:
        """Remove a blob's data and slices."""
        self.path(received_ns).unlink(missing_ok=True)
        self.remove_slices(received_ns)

    def draft_slices(self, received_ns: int) -> "SliceDraft":
        """A file for slices that are on their way."""
        return SliceDraft(self._slices / str(received_ns))

    def has_slices(self, received_ns: int) -> bool:
        return (self._slices / str(received_ns)).exists()

    def remove_slices(self, received_ns: int) -> None:
        (self._slices / str(received_ns)).unlink(missing_ok=True)

    def read_slices(self, received_ns: int, rows: Sequence[int]) -> list[bytes]:
        """Slices of some rows. Raises `FileNotFoundError`."""
        with (self._slices / str(received_ns)).open("rb", buffering=0) as file:
            return [os.pread(file.fileno(), SLICE_BYTES, row * SLICE_BYTES) for row in rows]

    def link_to(self, directory: Path) -> None:
        """Leave all blobs in another folder on the same disk, without copying them."""
        make_private_folder(directory / BLOBS)
        for path in self._blobs.iterdir():
            if path.name.isdigit():
                (directory / BLOBS / path.name).hardlink_to(path)

    def slices_bytes(self) -> int:
        """What slices take on disk now."""
        return sum(path.stat().st_size for path in self._slices.iterdir())


class SliceDraft:
    """Takes slices in row order. What is not finished is removed."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._draft: Final = path.with_name(f".{path.name}")
        self._file: BinaryIO | None = self._draft.open("wb")
        self.count = 0

    def write(self, slices: Sequence[bytes]) -> None:
        """Raises `ValueError` for slices of another length, or too many."""
        if any(len(each) != SLICE_BYTES for each in slices) or self.count + len(slices) > ENCODED_ROWS:
            raise ValueError(f"an encoded blob has {ENCODED_ROWS} slices of {SLICE_BYTES} bytes")
        if self._file is None:
            raise RuntimeError("the file is closed")
        self._file.writelines(slices)
        self.count += len(slices)

    def finish(self) -> None:
        """Give the file its name. Raises `ValueError` where slices are missing."""
        if self.count != ENCODED_ROWS:
            raise ValueError(f"an encoded blob has {ENCODED_ROWS} slices, and {self.count} came")
        self._close()
        self._draft.replace(self._path)

    def discard(self) -> None:
        """Remove what is not finished."""
        self._close()
        self._draft.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
