"""The rows of the table of key-value streams, each measured by itself: a file a noun."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.streams.reads import stream_reads
from benchmarks.streams.replay import stream_replay

__all__ = ["STREAM_ROWS"]

STREAM_ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {"stream-replay": stream_replay, "stream-reads": stream_reads}
"""By the name that `--only` takes, in the order of the table."""
