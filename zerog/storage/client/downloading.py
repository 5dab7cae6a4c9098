"""The way of segments back from their nodes: a window at a time, from whichever node gives them, each byte held against the root."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.client.errors import (
    FilePrunedError,
    FileUnknownError,
    PeerAnswerError,
    PeerError,
    SegmentMissingError,
    StorageClientError,
)
from zerog.storage.client.node import Segment
from zerog.storage.client.selection import KnownNode, Nodes
from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.units import SEGMENT_BYTES, SEGMENT_SECTORS

__all__ = ["Copy", "DownloadOptions", "Downloading", "Holder", "Window", "windows_of"]

BULK_SEGMENTS: Final = 16
"""4 MiB: what a node gives in one answer."""
WINDOW_SEGMENTS_MAX: Final = 64
BELIEVED_BYTES_MAX: Final = 64 << 20
"""Of a file that one length is told of: a wrong one of so many bytes shows early enough, when its end is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """How files are downloaded."""

    verify: bool = True
    """Hold every segment against the root; without it the nodes are believed."""
    threads: int = 4
    """Requests that are under way at once."""


@dataclass(frozen=True, slots=True)
class Window:
    """Segments that are asked for together: those from `first` on, and the bytes of the file that are wanted of them."""

    first: int
    count: int
    start: int
    end: int


def windows_of(start: int, end: int, segments: int) -> Iterator[Window]:
    """Cut bytes `start` to `end` of a file into windows of so many segments, at places that do not depend on `start`."""
    step = segments * SEGMENT_BYTES
    position = start
    while position < end:
        stop = min((position // step + 1) * step, end)
        first = position // SEGMENT_BYTES
        yield Window(first, -(-stop // SEGMENT_BYTES) - first, position, stop)
        position = stop


@dataclass(frozen=True, slots=True)
class Holder:
    """A node, and under which submission it has a file; one root may have several."""

    node: KnownNode
    tx_seq: int
    start_sector: int

    def holds(self, index: int) -> bool:
        """Whether the node's shard has segment `index` of the file."""
        return self.node.shard.holds(self.start_sector // SEGMENT_SECTORS + index)


@dataclass(eq=False)
class Copy:
    """A file as the nodes have it."""

    root: Hash32
    size_bytes: int
    holders: list[Holder]
    """Nodes that may have some of it; first those that have all of their shard."""
    failures: dict[str, int] = field(default_factory=dict)
    """How often a node at a URL failed; those that did are asked last."""

    @property
    def tx_seq(self) -> int:
        """A submission of it."""
        return self.holders[0].tx_seq

    def of(self, index: int) -> list[Holder]:
        """Whoever should have a segment, the best first."""
        return sorted((holder for holder in self.holders if holder.holds(index)), key=lambda holder: self.failures.get(holder.node.url, 0))

    @property
    def window_segments(self) -> int:
        """So many that a request to a node brings what an answer can hold, though its shard has only some of them."""
        most = max(holder.node.shard.count for holder in self.holders)
        return min(BULK_SEGMENTS * most, WINDOW_SEGMENTS_MAX)


class Downloading:
    """Downloads from the nodes of one network."""

    def __init__(self, nodes: Nodes, options: DownloadOptions) -> None:
        self._nodes: Final = nodes
        self._options: Final = options
        self._turn = 0

    def find(self, name: Hash32 | int) -> Copy:
        """A file by its root or by the number of its submission. Raises `FileUnknownError`, and `NoNodesError` if nobody answers.

        A root does not tell how long its file is, to the byte. Where nodes differ, or tell of a large file, its end must be there and fit
        the root; of several lengths that do, the one that most nodes tell is taken. Raises `SegmentMissingError` if there is no such end.
        """
        nodes = self._nodes.holding(name) if isinstance(name, Hash32) else self._nodes.known()
        found: dict[tuple[Hash32, int], list[Holder]] = {}
        failure: StorageClientError | None = None
        for node in nodes:
            try:
                info = node.client.file_info(name) if isinstance(name, Hash32) else node.client.file_info_by_seq(name)
            except PeerError as error:
                failure = error
                continue
            if info is not None and info.pruned:
                failure = FilePrunedError(name)
            if info is None or info.pruned or info.tx.size < 1 or (isinstance(name, Hash32) and info.tx.data_merkle_root != name):
                continue
            holders = found.setdefault((info.tx.data_merkle_root, info.tx.size), [])
            holders.insert(0 if info.finalized else len(holders), Holder(node, info.tx.seq, info.tx.start_entry_index))
        if not found:
            raise failure or FileUnknownError(name)
        copies = [Copy(root, size_bytes, holders) for (root, size_bytes), holders in found.items()]
        return self._believed(sorted(copies, key=lambda copy: -len(copy.holders)))

    def _believed(self, copies: Sequence[Copy]) -> Copy:
        """The first whose end is what its root says."""
        missing: SegmentMissingError | None = None
        for copy in copies:
            if len(copies) == 1 and copy.size_bytes <= BELIEVED_BYTES_MAX:
                return copy
            last = segments_of(copy.size_bytes) - 1
            try:
                self.window(copy, Window(last, 1, last * SEGMENT_BYTES, copy.size_bytes))
            except SegmentMissingError as error:
                missing = error
            else:
                return copy
        raise missing or FileUnknownError(copies[0].root)

    def window(self, copy: Copy, window: Window) -> list[memoryview]:
        """The bytes of a window, in order. Raises `SegmentMissingError` when no node gives one of its segments."""
        missing = set(range(window.first, window.first + window.count))
        found: dict[int, memoryview] = {}
        tried: dict[int, set[str]] = {}
        causes: list[str] = []
        while missing:
            first = min(missing)
            holder = self._next(copy, first, tried.setdefault(first, set()))
            if holder is None:
                raise SegmentMissingError(copy.root, first, tuple(dict.fromkeys(causes)))
            url = holder.node.url
            tried[first].add(url)
            try:
                segments = self._ask(holder, copy, first, window.first + window.count - first)
            except PeerError as error:
                copy.failures[url] = copy.failures.get(url, 0) + 1
                causes.append(str(error))
                continue
            if not segments:
                causes.append(f"{url} does not have it")
            for segment in segments:
                found[segment.index] = segment.data
                missing.discard(segment.index)
        return [self._wanted(found[index], index, window) for index in sorted(found)]

    def _next(self, copy: Copy, index: int, tried: set[str]) -> Holder | None:
        """Nodes that did not fail take turns."""
        left = [holder for holder in copy.of(index) if holder.node.url not in tried]
        if not left:
            return None
        fewest = copy.failures.get(left[0].node.url, 0)
        best = [holder for holder in left if copy.failures.get(holder.node.url, 0) == fewest]
        self._turn += 1
        return best[self._turn % len(best)]

    def _ask(self, holder: Holder, copy: Copy, first: int, count: int) -> list[Segment]:
        client = holder.node.client
        segments = client.segments(
            copy.root, size_bytes=copy.size_bytes, first=first, count=count, tx_seq=holder.tx_seq, verify=self._options.verify
        )
        for segment in segments:
            beyond = copy.size_bytes - segment.index * SEGMENT_BYTES
            if any(segment.data[beyond:]):
                raise PeerAnswerError(client.url, f"bytes follow after the {copy.size_bytes} that the file is said to have")
        return segments

    @staticmethod
    def _wanted(data: memoryview, index: int, window: Window) -> memoryview:
        place = index * SEGMENT_BYTES
        return data[max(window.start - place, 0) : max(window.end - place, 0)]
