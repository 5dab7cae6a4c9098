"""What the router's methods stand on."""

from dataclasses import dataclass

from zerog.storage.indexer.files import FileFinder
from zerog.storage.indexer.nodes import NodeDirectory
from zerog.storage.indexer.router.uploads import Uploads
from zerog.storage.indexer.segments import SegmentReader

__all__ = ["Router"]


@dataclass(frozen=True, slots=True)
class Router:
    """The nodes, and how to reach what they hold."""

    directory: NodeDirectory
    finder: FileFinder
    reader: SegmentReader
    uploads: Uploads
