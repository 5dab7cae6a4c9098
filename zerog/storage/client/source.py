"""What is uploaded: a mapped file or bytes, encrypted if it is to be; where it is cut into fragments, and which small ones go together."""

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, TypeAlias

from zerog.storage.client.errors import LocalFileError, reason_of
from zerog.storage.protocol.errors import EmptyFileError
from zerog.storage.protocol.file_cipher import FileCipher
from zerog.storage.protocol.units import SECTOR_BYTES

__all__ = ["Content", "Source", "encrypted", "fragment_ranges", "groups_of", "open_source"]

Content: TypeAlias = Path | bytes | bytearray | memoryview
"""What can be uploaded."""

SMALL_FILE_BYTES_MAX: Final = 1 << 20
"""A larger file travels alone."""
GROUP_FILES_MAX: Final = 1_000
GROUP_BYTES_MAX: Final = 32 << 20
"""Of small files that travel together; they are read into memory."""
ENCRYPTED_AT_ONCE_BYTES: Final = 4 << 20


def fragment_ranges(size_bytes: int, fragment_bytes: int) -> list[range]:
    """Where a file is cut: fragments have the power of two from `fragment_bytes` up, at least a sector, as official clients round it."""
    step = 1 << (max(fragment_bytes, SECTOR_BYTES) - 1).bit_length()
    return [range(start, min(start + step, size_bytes)) for start in range(0, size_bytes, step)]


@dataclass(slots=True)
class Source:
    """The bytes to upload."""

    view: memoryview
    file: IO[bytes] | None = None
    path: Path | None = None
    _state: tuple[int, int] = field(init=False, default=(0, 0))

    def __post_init__(self) -> None:
        self._state = self._look()

    def check(self) -> None:
        """Raises `LocalFileError` if the file has been changed since it was opened: what is sent must be what was submitted."""
        if self._look() != self._state:
            raise LocalFileError(str(self.path), "it changed while it was uploaded")

    def _look(self) -> tuple[int, int]:
        if self.file is None:
            return (len(self.view), 0)
        status = os.fstat(self.file.fileno())
        return (status.st_size, status.st_mtime_ns)


@contextmanager
def open_source(content: Content) -> Iterator[Source]:
    """The bytes of `content`. Raises `EmptyFileError` and `LocalFileError`."""
    if not isinstance(content, Path):
        view = memoryview(content).cast("B")
        if not view:
            raise EmptyFileError
        yield Source(view)
        return
    try:
        file = content.open("rb")
    except OSError as error:
        raise LocalFileError(str(content), reason_of(error)) from error
    with file:
        yield Source(_mapped(file, content), file, content)


def _mapped(file: IO[bytes], path: Path) -> memoryview:
    """The mapping lives as long as its views do: whoever still holds a piece of it must find it there."""
    try:
        if not os.fstat(file.fileno()).st_size:
            raise EmptyFileError
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise LocalFileError(str(path), reason_of(error)) from error


@contextmanager
def encrypted(plain: Source, cipher: FileCipher | None) -> Iterator[Source]:
    """What is stored of `plain`. The root is known only when all is encrypted, so it lies in a file without a name until it is sent."""
    if cipher is None:
        yield plain
        return
    stored_bytes = cipher.stored_bytes_of(len(plain.view))
    try:
        with tempfile.TemporaryFile() as file:
            for start in range(0, stored_bytes, ENCRYPTED_AT_ONCE_BYTES):
                file.write(cipher.encrypt_range(plain.view, start, min(start + ENCRYPTED_AT_ONCE_BYTES, stored_bytes)))
            file.flush()
            plain.check()
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise LocalFileError(tempfile.gettempdir(), reason_of(error)) from error
    yield Source(view)


def groups_of(contents: Iterable[Content]) -> Iterator[list[tuple[int, Content]]]:
    """Numbered contents, small ones together and read. Raises `LocalFileError` where one cannot be read."""
    group: list[tuple[int, Content]] = []
    size_bytes = 0
    for number, content in enumerate(contents):
        small = _small(content)
        if small is None:
            yield [(number, content)]
            continue
        group.append((number, small))
        size_bytes += len(small)
        if len(group) == GROUP_FILES_MAX or size_bytes >= GROUP_BYTES_MAX:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


def _small(content: Content) -> bytes | bytearray | memoryview | None:
    """The bytes of a small file; `None` for a large one, which is mapped later."""
    if not isinstance(content, Path):
        return content if len(content) <= SMALL_FILE_BYTES_MAX else None
    try:
        with content.open("rb", buffering=0) as file:
            head = file.read(SMALL_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise LocalFileError(str(content), reason_of(error)) from error
    return head if len(head) <= SMALL_FILE_BYTES_MAX else None
