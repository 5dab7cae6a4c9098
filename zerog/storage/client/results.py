"""What uploads, downloads and looks return."""

from dataclasses import dataclass
from pathlib import Path

from zerog.primitives import Hash32, Wei
from zerog.storage.protocol.manifest import DirectoryEntry
from zerog.storage.protocol.shards import Shard
from zerog.storage.wire.files import FileExpiry

__all__ = ["DirectoryUpload", "Download", "FileFacts", "NodeFacts", "StoredFragment", "Upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFragment:
    """A piece of a file that has its own root and its own submission."""

    root: Hash32
    tx_seq: int
    size_bytes: int
    transaction_hash: Hash32 | None
    """`None` if it had been submitted before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that is stored."""

    fragments: tuple[StoredFragment, ...]
    size_bytes: int
    """As it is stored: with the header, if it was encrypted."""
    fee_wei: Wei
    """Paid to the flow, without gas. Of files that were uploaded together: the share of this one."""
    sent_bytes: int
    """What was sent to nodes, counted for each; less than the size when something was there before."""

    @property
    def root(self) -> Hash32:
        """Of a file of one fragment. Raises `ValueError` for others: they need all their `roots`."""
        [fragment] = self.fragments
        return fragment.root

    @property
    def roots(self) -> tuple[Hash32, ...]:
        return tuple(fragment.root for fragment in self.fragments)

    @property
    def tx_seqs(self) -> tuple[int, ...]:
        return tuple(fragment.tx_seq for fragment in self.fragments)

    @property
    def transaction_hashes(self) -> tuple[Hash32, ...]:
        """Without those of fragments that were there before."""
        hashes = (fragment.transaction_hash for fragment in self.fragments)
        return tuple(dict.fromkeys(found for found in hashes if found is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryUpload:
    """A directory that is stored."""

    root: Hash32
    """Of its manifest: all that is needed to get it back."""
    directory: DirectoryEntry
    files: int
    size_bytes: int
    fee_wei: Wei
    sent_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that was fetched."""

    path: Path
    roots: tuple[Hash32, ...]
    size_bytes: int
    """Of what is at `path` now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What one node has of a file."""

    url: str
    shard: Shard
    held: int | None
    """Segments; `None` if the node does not tell."""
    required: int
    """Segments that its shard must hold."""
    finalized: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of a file."""

    root: Hash32
    tx_seq: int
    size_bytes: int
    segments: int
    start_sector: int
    """Where on the flow it begins."""
    finalized: bool
    """Whether every node that knows it has what it must hold."""
    nodes: tuple[NodeFacts, ...]
    expiry: FileExpiry | None = None
    """Until when the network must keep it; `None` where no node tells."""
