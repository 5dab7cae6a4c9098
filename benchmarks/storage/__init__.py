"""The rows of the table of storage, each measured by itself: a file a noun."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.storage.held import node_with_much
from benchmarks.storage.many import many_files
from benchmarks.storage.roots import roots
from benchmarks.storage.starts import start_with_storage
from benchmarks.storage.transfers import large_file, sdk_upload

__all__ = ["STORAGE_ROWS"]

STORAGE_ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "roots": roots,
    "large-file": large_file,
    "sdk-upload": sdk_upload,
    "many-files": many_files,
    "node-with-much": node_with_much,
    "start-with-storage": start_with_storage,
}
"""By the name that `--only` takes, in the order of the table."""
