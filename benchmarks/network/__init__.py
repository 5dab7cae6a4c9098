"""A whole network: how soon it is there, what it holds and takes while nothing happens, and what a transfer feels of the rest."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.network.commands import commands
from benchmarks.network.holding import holding
from benchmarks.network.starts import starts
from benchmarks.network.transfers import beside_all

__all__ = ["NETWORK_ROWS"]

NETWORK_ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "starts": starts,
    "commands": commands,
    "holding": holding,
    "beside-all": beside_all,
}
"""By the name that `--only` takes, in the order of the table."""
