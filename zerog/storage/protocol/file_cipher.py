"""How the bytes of an encrypted file are computed once its key is known: any range alone, or one after another.

What is stored begins with a header. Plain bytes are encrypted in steps: a byte in counter mode, a block with a tag where blocks are sealed;
the header counts as the beginning of the first. Offsets count bytes of the plain file unless they are called stored.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Final

from zerog._kernel import SealBrokenError, aes256_ctr, open_blocks, seal_blocks
from zerog.storage.protocol.errors import EncryptedFileDamagedError
from zerog.storage.protocol.merkle import ByteBuffer

__all__ = ["SEALED_BLOCK_BYTES", "CounterCipher", "DecryptStream", "EncryptStream", "FileCipher", "SealedCipher"]

SEALED_BLOCK_BYTES: Final = 64 * 1024
"""What is stored in sealed blocks is cut into so many bytes, so that four are a segment. Only the last may be shorter."""
TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCipher(ABC):
    """The key of one encrypted file and its header. Make one with the functions of `encryption`."""

    header: bytes
    key: bytes = field(repr=False)

    stored_step: ClassVar[int]
    """Bytes of a whole step as they are stored."""
    payload_step: ClassVar[int]
    """Bytes of header and plain file that a whole step holds."""

    @abstractmethod
    def encrypt_steps(self, plain: ByteBuffer, first: int, ends: bool) -> bytes:
        """What is stored of `plain`, which fills whole steps from `first` on, or up to the last if `ends`; with the header at the front."""

    @abstractmethod
    def decrypt_steps(self, stored: ByteBuffer, first: int, ends: bool) -> bytes:
        """The plain bytes of whole steps from `first` on, or up to the last if `ends`. Raises `EncryptedFileDamagedError`."""

    def stored_bytes_of(self, plain_bytes: int) -> int:
        """Size of the stored file of a plain one."""
        payload = len(self.header) + plain_bytes
        return payload + -(-payload // self.payload_step) * (self.stored_step - self.payload_step)

    def plain_bytes_of(self, stored_bytes: int) -> int:
        """Size of the plain file of a stored one. Raises `EncryptedFileDamagedError` if none is stored in so many bytes."""
        tags = -(-stored_bytes // self.stored_step) * (self.stored_step - self.payload_step)
        plain_bytes = stored_bytes - tags - len(self.header)
        if plain_bytes < 0 or self.stored_bytes_of(plain_bytes) != stored_bytes:
            raise EncryptedFileDamagedError(f"no file is stored in {stored_bytes} bytes")
        return plain_bytes

    def encrypt(self, plain: ByteBuffer) -> bytes:
        """The stored file."""
        return self.encrypt_steps(plain, 0, True)

    def encrypt_range(self, plain: ByteBuffer, start: int, end: int) -> bytes:
        """Stored bytes `start` to `end` of the whole file `plain`, which may be mapped: only what is needed is read.

        Raises `ValueError` if the stored file has no such bytes.
        """
        stored_bytes = self.stored_bytes_of(len(plain))
        if not 0 <= start <= end <= stored_bytes:
            raise ValueError(f"a stored file of {stored_bytes} bytes has none from {start} to {end}")
        if start == end:
            return b""
        first, last = start // self.stored_step, -(-end // self.stored_step)
        begin, ends = first * self.stored_step, last * self.stored_step >= stored_bytes
        own = memoryview(plain)[self._plain_offset(first) : self._plain_offset(last)]
        return self.encrypt_steps(own, first, ends)[start - begin : end - begin]

    def decrypt(self, stored: ByteBuffer) -> bytes:
        """The plain file. Raises `EncryptedFileDamagedError`."""
        self.plain_bytes_of(len(stored))
        return self.decrypt_steps(stored, 0, True)

    def window(self, start: int, end: int, stored_bytes: int) -> range:
        """The stored bytes that bytes `start` to `end` of the plain file take. `stored_bytes`: size of the stored file.

        Raises `EncryptedFileDamagedError` for an impossible size, `ValueError` if the file has no such bytes.
        """
        plain_bytes = self.plain_bytes_of(stored_bytes)
        if not 0 <= start <= end <= plain_bytes:
            raise ValueError(f"a file of {plain_bytes} bytes has none from {start} to {end}")
        if start == end:
            return range(0)
        first, last = (len(self.header) + start) // self.payload_step, -(-(len(self.header) + end) // self.payload_step)
        return range(first * self.stored_step, min(last * self.stored_step, stored_bytes))

    def decrypt_range(self, window: ByteBuffer, start: int, end: int, stored_bytes: int) -> bytes:
        """Bytes `start` to `end` from the stored bytes of their `window`.

        That a file was cut off shows only where its end is read. Raises `EncryptedFileDamagedError`; `ValueError` as `window` does, and
        for other bytes than the window's.
        """
        place = self.window(start, end, stored_bytes)
        if len(window) != len(place):
            raise ValueError(f"bytes {place.start} to {place.stop} are needed, not {len(window)} bytes")
        if start == end:
            return b""
        first = place.start // self.stored_step
        begin = self._plain_offset(first)
        return self.decrypt_steps(window, first, place.stop == stored_bytes)[start - begin : end - begin]

    def _plain_offset(self, step: int) -> int:
        """Where in the plain file a step begins."""
        return max(0, step * self.payload_step - len(self.header))


class CounterCipher(FileCipher):
    """AES-256 in counter mode, as in versions 1 and 2: nobody reads the file without the key, but whoever can change the stored file can
    change the plain one bit by bit."""

    __slots__ = ()
    stored_step = 1
    payload_step = 1

    @property
    def _nonce(self) -> bytes:
        return self.header[-16:]

    def encrypt_steps(self, plain: ByteBuffer, first: int, ends: bool) -> bytes:  # noqa: ARG002  # A byte is a step, the last as any.
        body = aes256_ctr(self.key, self._nonce, self._plain_offset(first), plain)
        return self.header[first:] + body if first < len(self.header) else body

    def decrypt_steps(self, stored: ByteBuffer, first: int, ends: bool) -> bytes:  # noqa: ARG002  # A byte is a step, the last as any.
        body = memoryview(stored)[max(0, len(self.header) - first) :]
        return aes256_ctr(self.key, self._nonce, self._plain_offset(first), body)


class SealedCipher(FileCipher):
    """Blocks sealed with AES-256-GCM, as in version 3: what was changed, moved or cut off is refused."""

    __slots__ = ()
    stored_step = SEALED_BLOCK_BYTES
    payload_step = SEALED_BLOCK_BYTES - TAG_BYTES

    def encrypt_steps(self, plain: ByteBuffer, first: int, ends: bool) -> bytes:
        return seal_blocks(self.key, first, b"" if first else self.header, plain, ends)

    def decrypt_steps(self, stored: ByteBuffer, first: int, ends: bool) -> bytes:
        try:
            return open_blocks(self.key, first, 0 if first else len(self.header), stored, ends)
        except SealBrokenError as error:
            raise EncryptedFileDamagedError(f"block {error.args[0]} is not what was encrypted") from None


class EncryptStream:
    """A file encrypted as it comes, in bounded memory. Feed pieces of any size; large ones are faster."""

    def __init__(self, cipher: FileCipher) -> None:
        self._cipher = cipher
        self._waiting = bytearray()
        self._step = 0

    def update(self, plain: ByteBuffer) -> bytes:
        """What can be stored now. The last step is kept back until it is known to be the last."""
        self._waiting += plain
        header = 0 if self._step else len(self._cipher.header)
        steps = max(0, header + len(self._waiting) - 1) // self._cipher.payload_step
        taken = steps * self._cipher.payload_step - header
        return self._encrypt(steps, taken, False) if taken > 0 else b""

    def finish(self) -> bytes:
        """The rest. The stream is used up."""
        return self._encrypt(1, len(self._waiting), True)

    def _encrypt(self, steps: int, taken: int, ends: bool) -> bytes:
        with memoryview(self._waiting) as waiting, waiting[:taken] as own:
            stored = self._cipher.encrypt_steps(own, self._step, ends)
        del self._waiting[:taken]
        self._step += steps
        return stored


class DecryptStream:
    """A stored file decrypted as it comes, in bounded memory, from its header on. What comes out of sealed blocks has been checked, but for
    the end of the file: that is known only when `finish` returns."""

    def __init__(self, cipher: FileCipher) -> None:
        self._cipher = cipher
        self._waiting = bytearray()
        self._step = 0

    def update(self, stored: ByteBuffer) -> bytes:
        """What can be read now. Raises `EncryptedFileDamagedError`."""
        self._waiting += stored
        steps = max(0, len(self._waiting) - 1) // self._cipher.stored_step
        return self._decrypt(steps, steps * self._cipher.stored_step, False) if steps else b""

    def finish(self) -> bytes:
        """The rest. Raises `EncryptedFileDamagedError` if the file does not end here."""
        self._cipher.plain_bytes_of(self._step * self._cipher.stored_step + len(self._waiting))
        return self._decrypt(1, len(self._waiting), True)

    def _decrypt(self, steps: int, taken: int, ends: bool) -> bytes:
        with memoryview(self._waiting) as waiting, waiting[:taken] as own:
            plain = self._cipher.decrypt_steps(own, self._step, ends)
        del self._waiting[:taken]
        self._step += steps
        return plain
