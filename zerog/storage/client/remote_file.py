"""A file in storage, opened for reading: its fragments one after the other, decrypted if it is encrypted."""

import math
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from zerog.primitives import Hash32
from zerog.primitives.errors import DeadlineError
from zerog.runtime.deadlines import check_time, left_s
from zerog.storage.client.downloading import Copy, Downloading, Window, windows_of
from zerog.storage.client.errors import RangeError
from zerog.storage.client.progress import Tally
from zerog.storage.client.waiting import in_parallel
from zerog.storage.protocol.encryption import HEADER_BYTES_MAX, FileKeys, cipher_of_file
from zerog.storage.protocol.file_cipher import FileCipher

__all__ = ["Part", "RemoteFile"]

DECRYPTED_AT_ONCE_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of the file that are fetched at once."""

    start: int
    end: int
    copy: Copy | None = None
    """The fragment that they lie in; of an encrypted file a part may lie in two."""
    window: Window | None = None
    """Where in the fragment."""


class RemoteFile:
    """Reads a file of one or more fragments. Offsets and sizes count bytes of the plain file."""

    def __init__(self, downloading: Downloading, fragments: Sequence[Copy], *, threads: int) -> None:
        self._downloading: Final = downloading
        self._threads: Final = threads
        self.fragments: Final = tuple(fragments)
        self.stored_bytes: Final = sum(fragment.size_bytes for fragment in fragments)
        self._starts: Final = tuple(accumulate((fragment.size_bytes for fragment in fragments), initial=0))[:-1]
        self._cipher: FileCipher | None = None
        self.size_bytes = self.stored_bytes

    @property
    def roots(self) -> tuple[Hash32, ...]:
        """Of its fragments."""
        return tuple(fragment.root for fragment in self.fragments)

    @property
    def is_encrypted(self) -> bool:
        """Whether it is being decrypted."""
        return self._cipher is not None

    def decrypt_with(self, keys: FileKeys) -> None:
        """From now on what is read is decrypted. Raises as `cipher_of_file`."""
        head = self._stored(0, min(HEADER_BYTES_MAX, self.stored_bytes))
        self._cipher = cipher_of_file(bytes(head), keys)
        self.size_bytes = self._cipher.plain_bytes_of(self.stored_bytes)

    def range_of(self, offset: int, length: int | None) -> tuple[int, int]:
        """First byte and end of what was asked for, which may reach beyond the end of the file. Raises `RangeError`."""
        if offset < 0 or (length is not None and length < 0) or offset > self.size_bytes:
            raise RangeError(offset, self.size_bytes)
        return offset, self.size_bytes if length is None else min(offset + length, self.size_bytes)

    def read(self, offset: int = 0, length: int | None = None, tally: Tally | None = None) -> bytes:
        """Bytes from `offset` on. Raises `RangeError`, `SegmentMissingError`, and what decryption refuses."""
        start, end = self.range_of(offset, length)
        content = bytearray(end - start)

        def take(part: Part) -> None:
            position = part.start - start
            for piece in self.part(part):
                content[position : position + len(piece)] = piece
                position += len(piece)
            if tally is not None:
                tally.add(done_bytes=part.end - part.start)

        in_parallel(self.parts(start, end), take, threads=self._threads)
        return bytes(content)

    def stream(self, offset: int = 0, length: int | None = None, tally: Tally | None = None) -> Generator[memoryview, None, None]:
        """The same piece by piece, in order. Some 4 MiB for each thread are fetched ahead."""
        start, end = self.range_of(offset, length)
        ahead: deque[Future[list[memoryview]]] = deque()
        pool, is_late = ThreadPoolExecutor(self._threads, thread_name_prefix="zerog-storage"), False
        try:
            for part in self.parts(start, end):
                ahead.append(pool.submit(self.part, part))
                if len(ahead) > self._threads:
                    yield from _counted(_in_time(ahead.popleft()), tally)
            while ahead:
                yield from _counted(_in_time(ahead.popleft()), tally)
        except DeadlineError:
            is_late = True  # What is on its way ends by itself, within the limits of its peer.
            raise
        finally:
            pool.shutdown(wait=not is_late, cancel_futures=True)

    def parts(self, start: int, end: int) -> Iterator[Part]:
        """How bytes `start` to `end` are fetched. Where parts begin depends on `start` for the first one only."""
        if self._cipher is not None:
            position = start
            while position < end:
                stop = min((position // DECRYPTED_AT_ONCE_BYTES + 1) * DECRYPTED_AT_ONCE_BYTES, end)
                yield Part(position, stop)
                position = stop
            return
        for base, fragment in zip(self._starts, self.fragments, strict=True):
            first, last = max(start - base, 0), min(end - base, fragment.size_bytes)
            for window in windows_of(first, last, fragment.window_segments):
                yield Part(base + window.start, base + window.end, fragment, window)

    def part(self, part: Part) -> list[memoryview]:
        """Its bytes, in order. Raises `SegmentMissingError`, and what decryption refuses."""
        if part.copy is not None and part.window is not None:
            return self._downloading.window(part.copy, part.window)
        if self._cipher is None:
            raise ValueError("a part without a window is one of an encrypted file")
        window = self._cipher.window(part.start, part.end, self.stored_bytes)
        stored = self._stored(window.start, window.stop)
        plain = self._cipher.decrypt_range(stored, part.start, part.end, self.stored_bytes)
        return [memoryview(plain)]

    def _stored(self, start: int, end: int) -> bytearray:
        """Stored bytes, on this thread."""
        content = bytearray()
        for base, fragment in zip(self._starts, self.fragments, strict=True):
            first, last = max(start - base, 0), min(end - base, fragment.size_bytes)
            for window in windows_of(first, last, fragment.window_segments):
                content += b"".join(self._downloading.window(fragment, window))
        return content


def _in_time(pieces: Future[list[memoryview]]) -> list[memoryview]:
    """Raises `DeadlineError` when the time of the caller is over, and what the thread has raised."""
    allowed_s = left_s(math.inf)
    try:
        return pieces.result(None if allowed_s == math.inf else allowed_s)
    except TimeoutError:
        check_time()
        raise


def _counted(pieces: list[memoryview], tally: Tally | None) -> Iterator[memoryview]:
    for piece in pieces:
        yield piece
        if tally is not None:
            tally.add(done_bytes=len(piece))
