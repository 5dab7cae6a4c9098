"""The rows of the table of upkeep, each measured by itself: a file a noun."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.upkeep.compaction import compaction
from benchmarks.upkeep.repair import repair
from benchmarks.upkeep.scrub import scrubbing

__all__ = ["UPKEEP_ROWS"]

UPKEEP_ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "compaction": compaction,
    "scrubbing": scrubbing,
    "repair": repair,
}
"""By the name that `--only` takes, in the order of the table."""
