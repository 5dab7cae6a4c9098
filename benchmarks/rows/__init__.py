"""The rows of the table, each measured by itself: a file a noun."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.rows.connections import connections
from benchmarks.rows.flows import batches, one_by_one
from benchmarks.rows.ledger import ledger
from benchmarks.rows.logs import logs
from benchmarks.rows.long_chain import long_chain_costs
from benchmarks.rows.mining import mining
from benchmarks.rows.reads import reads
from benchmarks.rows.snapshots import snapshots
from benchmarks.rows.start import start
from benchmarks.rows.tokens import tokens
from benchmarks.rows.trace import trace

__all__ = ["ROWS", "WRITING"]

ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "start": start,
    "one-by-one": one_by_one,
    "batches": batches,
    "tokens": tokens,
    "ledger": ledger,
    "reads": reads,
    "connections": connections,
    "logs": logs,
    "trace": trace,
    "mining": mining,
    "snapshots": snapshots,
    "long-chain": long_chain_costs,
}
"""By the name that `--only` takes, in the order of the table."""

WRITING: Final = frozenset({"start", "one-by-one", "batches", "ledger"})
"""Rows that wait for the disk again and again; the second table, with a slower one, has these alone."""
