"""An item on its way: segments in their order become its bytes, decrypted if they must be, in memory or in a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from zerog.storage.protocol.encryption import HEADER_BYTES_MAX, FileKeys, cipher_of_file
from zerog.storage.protocol.errors import EncryptedFileDamagedError, EncryptionKeyError, NotEncryptedError, WrongKeyError
from zerog.storage.protocol.file_cipher import DecryptStream
from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.units import SEGMENT_BYTES

__all__ = ["Arriving"]

SMALL_BYTES_MAX: Final = 64 << 10
UNDECODABLE: Final = (EncryptedFileDamagedError, EncryptionKeyError, NotEncryptedError, WrongKeyError)


class Arriving:
    """Belongs to one thread at a time. Holds no more than `item_bytes_in_memory` in memory, and no file open between two calls."""

    def __init__(self, size_bytes: int, path: Path, keys: FileKeys | None, *, bytes_in_memory: int) -> None:
        """`path` is where the item is collected if it is longer than `bytes_in_memory`; nothing is there yet."""
        self.size_bytes: Final = size_bytes
        self.segments: Final = segments_of(size_bytes)
        self.next_segment = 0
        """The segments before this one have been taken."""
        self.is_undecodable = False
        """Whether it is not encrypted as expected; then nothing more of it is needed."""
        self._keys: Final = keys
        self._stream: DecryptStream | None = None
        self._memory: bytearray | None = bytearray() if size_bytes <= bytes_in_memory else None
        self._path: Final = path

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is needed."""
        return self.is_undecodable or self.next_segment == self.segments

    @property
    def is_small(self) -> bool:
        """Whether to take all of it is a matter of microseconds: it is copied to memory, and not decrypted."""
        return self._memory is not None and self._keys is None and self.size_bytes <= SMALL_BYTES_MAX

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory."""
        return 0 if self._memory is None else len(self._memory)

    def take(self, segments: Sequence[memoryview]) -> None:
        """The next segments, as storage nodes send them: in whole sectors. Raises `OSError`."""
        begin = self.next_segment * SEGMENT_BYTES
        pieces = []
        for data in segments:
            pieces.append(data[: self.size_bytes - begin])
            begin += SEGMENT_BYTES
        try:
            decrypted = [self._decrypted(piece) for piece in pieces]
            if self._stream is not None and begin >= self.size_bytes:
                decrypted.append(self._stream.finish())
        except UNDECODABLE:
            self.is_undecodable = True
            self.discard()
            return
        self._write(decrypted)
        self.next_segment += len(segments)

    def finish(self) -> bytes | Path:
        """The item: its bytes, or the file that they are in. An undecodable one is empty, which no valid item is."""
        if self.is_undecodable:
            return b""
        return bytes(self._memory) if self._memory is not None else self._path

    def discard(self) -> None:
        """Throw away what is here."""
        if self._memory is not None:
            self._memory.clear()
        else:
            self._path.unlink(missing_ok=True)

    def _decrypted(self, piece: memoryview) -> memoryview | bytes:
        if self._keys is None:
            return piece
        if self._stream is None:
            self._stream = DecryptStream(cipher_of_file(bytes(piece[:HEADER_BYTES_MAX]), self._keys))
        return self._stream.update(piece)

    def _write(self, pieces: Sequence[memoryview | bytes]) -> None:
        if self._memory is not None:
            for piece in pieces:
                self._memory += piece
            return
        with self._path.open("ab" if self.next_segment else "wb") as file:
            _write_all(file, pieces)


def _write_all(file: IO[bytes], pieces: Sequence[memoryview | bytes]) -> None:
    for piece in pieces:
        file.write(piece)
