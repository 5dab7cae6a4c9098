"""The rows of the table of compute, each measured by itself: a file a noun."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.compute.chats import chats, relay
from benchmarks.compute.settlement import settlement

__all__ = ["COMPUTE_ROWS"]

COMPUTE_ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "chats": chats,
    "relay": relay,
    "settlement": settlement,
}
"""By the name that `--only` takes, in the order of the table."""
