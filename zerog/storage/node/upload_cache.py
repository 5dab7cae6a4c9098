"""Segments of files that no block announces yet: bounded in bytes, in number and in time. No clock and no disk."""

from dataclasses import dataclass, field, replace
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.node.errors import TooManyDataError, UploadRefusedError
from zerog.storage.node.store import SegmentWrite

__all__ = ["CachedFile", "UploadCache"]

HASH_COST_BYTES: Final = 96
ENTRY_COST_BYTES: Final = 1_024
"""What a hash and a segment cost in memory beside the data."""


@dataclass(slots=True)
class CachedFile:
    """Segments of one file, all of which have led to its root."""

    size_bytes: int
    expires_s: float
    segments: dict[int, SegmentWrite] = field(default_factory=dict)
    cost_bytes: int = 0


class UploadCache:
    """Keeps what came before its block, by root."""

    def __init__(self, *, bytes_max: int, files_max: int, kept_s: float) -> None:
        self._bytes_max: Final = bytes_max
        self._files_max: Final = files_max
        self._kept_s: Final = kept_s
        self._files: Final[dict[Hash32, CachedFile]] = {}
        self.cost_bytes = 0
        """Memory that all of it takes."""

    def __contains__(self, root: object) -> bool:
        return root in self._files

    def __len__(self) -> int:
        return len(self._files)

    def add(self, segment: SegmentWrite, now_s: float) -> None:
        """Keep a verified segment until `kept_s` after the file's last new one.

        Raises `TooManyDataError` when there is no room, `UploadRefusedError` when the file was said to have another size before.
        """
        file = self._files.get(segment.root)
        if file is not None and file.size_bytes != segment.size_bytes:
            raise UploadRefusedError(f"file size does not match the {file.size_bytes} bytes of earlier segments")
        if file is not None and segment.index in file.segments:
            return
        cost = len(segment.data) + ENTRY_COST_BYTES + HASH_COST_BYTES * len(segment.siblings)
        if self.cost_bytes + cost > self._bytes_max or (file is None and len(self._files) >= self._files_max):
            self.expire(now_s)
            file = self._files.get(segment.root)
        if self.cost_bytes + cost > self._bytes_max or (file is None and len(self._files) >= self._files_max):
            raise TooManyDataError(len(self._files))
        if file is None:
            file = self._files[segment.root] = CachedFile(segment.size_bytes, now_s)
        # A copy, since the data may lie within a whole request that would else stay in memory.
        file.segments[segment.index] = replace(segment, data=bytes(segment.data))
        file.expires_s = now_s + self._kept_s
        file.cost_bytes += cost
        self.cost_bytes += cost

    def get(self, root: Hash32) -> CachedFile | None:
        """What is kept of a file."""
        return self._files.get(root)

    def drop(self, root: Hash32) -> None:
        """Forget a file."""
        file = self._files.pop(root, None)
        if file is not None:
            self.cost_bytes -= file.cost_bytes

    def expire(self, now_s: float) -> int:
        """Forget the files whose time is over; says how many."""
        expired = [root for root, file in self._files.items() if file.expires_s <= now_s]
        for root in expired:
            self.drop(root)
        return len(expired)
