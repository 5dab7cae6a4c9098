"""DA beside plain arkworks: the work of the reference algorithm in units, one multiplication of 2^20 points, timed in the same run."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.da.arkworks import arkworks_version
from benchmarks.da.encoding import encoding, recovering, verifying
from benchmarks.da.network import beside, dispersing

__all__ = ["DA_ROWS", "arkworks_version"]

DA_ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "encoding": encoding,
    "verifying": verifying,
    "recovering": recovering,
    "dispersing": dispersing,
    "beside": beside,
}
"""By the name that `--only` takes, in the order of the table."""
