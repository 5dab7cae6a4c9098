"""Reads one by one on one connection."""

from dataclasses import asdict
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.measurements import measure_reads
from benchmarks.report import Row
from benchmarks.transfers import sender

__all__ = ["reads"]

READS: Final = 20_000
KINDS: Final = {"block_number": "eth_blockNumber", "balance": "eth_getBalance", "call": "eth_call"}


def reads(bench: Bench) -> None:
    """Three kinds of reads, in turn and alone."""
    ours, theirs = bench.both(partial(measure_reads, account=sender(0), count=READS))
    bench.details["reads"] = {"zerog": asdict(ours), "anvil": asdict(theirs)}
    what = "reads one by one, three kinds in turn"
    bench.rows.append(Row(what, "/s", ours.mixed, theirs.mixed, "≥ anvil", ours.mixed >= theirs.mixed))
    for kind, method in KINDS.items():
        bench.rows.append(Row(f"  {method}", "/s", getattr(ours, kind), getattr(theirs, kind), "", None))
