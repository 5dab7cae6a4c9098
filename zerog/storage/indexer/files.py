"""What the nodes together know of a file: where it lies on the flow, and whether all of it is there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

import anyio
import msgspec

from zerog.primitives import Hash32
from zerog.storage.client import calls
from zerog.storage.client.errors import PeerUnreachableError
from zerog.storage.indexer.asking import ask_all
from zerog.storage.indexer.errors import NoNodeError
from zerog.storage.indexer.nodes import Node, NodeDirectory, covers
from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.shards import Shard, choose_replicas, segments_of_shard
from zerog.storage.protocol.units import SEGMENT_SECTORS
from zerog.storage.wire.files import FileInfo, FilePage

__all__ = ["FileFinder", "FoundFile", "Name", "Place"]

Name: TypeAlias = Hash32 | int
"""A file by its root, or by the number of its submission."""

PLACES_MAX: Final = 100_000
PLACE_S: Final = 60.0
"""How long a place on the flow is believed; a reorganisation of the chain may move a file."""
BEHIND_S: Final = 1.0
"""How long a node that does not know a file yet is waited for, where another one knows it already."""
BEHIND_PAUSE_S: Final = 0.02
LAGGARD_S: Final = 15.0
"""A node that came too late is not waited for again before this."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file on the flow: all that it takes to know who holds which of its segments."""

    root: Hash32
    seq: int
    start_sector: int
    size_bytes: int

    @property
    def segments(self) -> int:
        return segments_of(self.size_bytes)

    def global_segment(self, index: int) -> int:
        """Number on the flow of the file's segment `index`."""
        return self.start_sector // SEGMENT_SECTORS + index

    def is_held_by(self, shard: Shard, index: int) -> bool:
        """Whether a node of this shard has to hold the file's segment `index`."""
        return shard.holds(self.global_segment(index))

    def held_by(self, shard: Shard) -> range:
        """Segments of the file that a node of this shard has to hold."""
        return segments_of_shard(shard, start_sector=self.start_sector, size_bytes=self.size_bytes)

    @classmethod
    def of(cls, info: FileInfo) -> "Place":
        tx = info.tx
        return cls(tx.data_merkle_root, tx.seq, tx.start_entry_index, tx.size)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as all nodes together have it."""

    info: FileInfo
    """As one node that holds everything would say it."""
    nodes: tuple[tuple[Node, FileInfo], ...]
    """Who knows it, and how each has it."""

    @property
    def place(self) -> Place:
        return Place.of(self.info)

    @property
    def holders(self) -> list[Node]:
        """Nodes that have all of it that they have to hold."""
        return [node for node, info in self.nodes if info.finalized]


class FileFinder:
    """Asks nodes for files."""

    def __init__(self, directory: NodeDirectory) -> None:
        self._directory: Final = directory
        self._places: Final[dict[Name, tuple[float, Place]]] = {}
        self._laggards: Final[dict[str, float]] = {}

    async def find(
        self, name: Name, *, need_available: bool = True, nodes: Sequence[Node] | None = None, in_part: bool = False
    ) -> FoundFile | None:
        """What `nodes` (by default all trusted ones that live) say of a file; `None` if they do not know it, or not enough of them.

        A file counts as known once the nodes that know it hold every segment among them; `in_part` once any knows it. Raises
        `NoNodeError` if nobody answers.
        """
        asked = await self._directory.live() if nodes is None else list(nodes)
        known, unknown = await _ask(asked, name, need_available=need_available)
        if nodes is None and not known and not unknown:
            raise NoNodeError("files")
        if known and nodes is None:
            known += await self._wait_for(unknown, name, need_available=need_available)
        if not known or not (in_part or nodes is not None or covers(node for node, _ in known)):
            return None
        found = await self._agreed(known)
        self._remember(name, found.place)
        return found

    async def place(self, name: Name) -> Place | None:
        """Where a file lies, remembered for a while; `None` if no node knows it. Raises `NoNodeError`."""
        remembered = self._places.get(name)
        if remembered is not None and anyio.current_time() < remembered[0]:
            return remembered[1]
        known, unknown = await _ask(await self._directory.live(), name, need_available=False)
        if not known:
            if not unknown:
                raise NoNodeError("files")
            return None
        place = Place.of(known[0][1])
        self._remember(name, place)
        return place

    def merged_page(self, pages: Sequence[tuple[Node, FilePage]]) -> FilePage:
        """One page of what several nodes list: the files that as many nodes know as hold everything."""
        known: dict[int, list[tuple[Node, FileInfo]]] = {}
        for node, page in pages:
            for info in page.files:
                known.setdefault(info.tx.seq, []).append((node, info))
        files = [_merged(known[seq]).info for seq in sorted(known) if covers(node for node, _ in known[seq])]
        cursors = [page.next for _, page in pages if isinstance(page.next, int)]
        return FilePage(files=files, next=min(cursors, default=None))

    def forget(self, name: Name) -> None:
        """What was remembered of a file turned out to be wrong."""
        self._places.pop(name, None)

    def _remember(self, name: Name, place: Place) -> None:
        if len(self._places) >= PLACES_MAX:
            self._places.pop(next(iter(self._places)))
        until_s = anyio.current_time() + PLACE_S
        self._places[name] = (until_s, place)

    async def _wait_for(self, nodes: Sequence[Node], name: Name, *, need_available: bool) -> list[tuple[Node, FileInfo]]:
        """The same block reaches nodes one after the other. A client that is told of a file sends its segments to all of them at once, so
        those that are behind get a moment; who needs longer is not waited for again soon."""
        now_s = anyio.current_time()
        left = [node for node in nodes if self._laggards.get(node.url, 0.0) <= now_s]
        came: list[tuple[Node, FileInfo]] = []
        with anyio.move_on_after(BEHIND_S):
            while left:
                await anyio.sleep(BEHIND_PAUSE_S)
                known, left = await _ask(left, name, need_available=need_available)
                came += known
        for node in left:
            self._laggards[node.url] = anyio.current_time() + LAGGARD_S
        return came

    async def _agreed(self, known: list[tuple[Node, FileInfo]]) -> FoundFile:
        """One submission for all: a root may have several, and each node names the first that it has completely."""
        by_seq = sorted(known, key=lambda pair: pair[1].tx.seq)
        merged = [_merged(list(group)) for _, group in groupby(by_seq, key=lambda pair: pair[1].tx.seq)]
        best = next((found for found in merged if found.info.finalized), merged[0])
        others = [node for node, info in known if info.tx.seq != best.info.tx.seq]
        if not others:
            return best
        more, _ = await _ask(others, best.info.tx.seq, need_available=False)
        return _merged([*best.nodes, *more])


async def _ask(nodes: Sequence[Node], name: Name, *, need_available: bool) -> tuple[list[tuple[Node, FileInfo]], list[Node]]:
    """Those that know a file, with what they know, and those that do not. Who does not answer is in neither list, and counts as dead."""
    call = calls.file_info_by_seq(int(name)) if isinstance(name, int) else calls.file_info(name, need_available=need_available)

    async def ask(node: Node) -> FileInfo | None:
        return await node.upstream.call(call)

    outcomes = await ask_all(nodes, ask)
    for outcome in outcomes:
        if isinstance(outcome.error, PeerUnreachableError):
            outcome.node.gone(outcome.error)
    answered = [outcome for outcome in outcomes if outcome.error is None]
    return (
        [(outcome.node, outcome.answer) for outcome in answered if outcome.answer is not None],
        [outcome.node for outcome in answered if outcome.answer is None],
    )


def _merged(known: Sequence[tuple[Node, FileInfo]]) -> FoundFile:
    """As one node would say it that holds what all of them hold.

    It is finalized once those that are hold every segment among them, so also while a replica is still fetching its part.
    """
    first = known[0][1]
    finalized = covers(node for node, info in known if info.finalized)
    info = msgspec.structs.replace(
        first,
        finalized=finalized,
        is_cached=all(info.is_cached for _, info in known),
        pruned=any(info.pruned for _, info in known) and not finalized,
        uploaded_seg_num=segments_of(first.tx.size) if finalized else _uploaded(known),
    )
    return FoundFile(info, tuple(known))


def _uploaded(known: Iterable[tuple[Node, FileInfo]]) -> int:
    """Segments that are there, as far as it can be told: of the nodes that hold everything among them, those that have most."""
    counts = [(node.shard, _uploaded_to(info, node.shard)) for node, info in known if node.shard is not None]
    chosen = choose_replicas(sorted(counts, key=lambda pair: -pair[1]), lambda pair: pair[0], 1)
    return sum(count for _, count in chosen or ())


def _uploaded_to(info: FileInfo, shard: Shard) -> int:
    """Segments of its shard that a node has; one that is done counts all of the file's."""
    wanted = len(Place.of(info).held_by(shard))
    return wanted if info.finalized or info.pruned else min(wanted, info.uploaded_seg_num)
