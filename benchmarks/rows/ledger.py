"""The ledger without a network; the peer has no such part."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.ledger_alone import LedgerFigures
from benchmarks.report import Row

__all__ = ["ledger"]

ROOT: Final = Path(__file__).parents[2]
RUNS: Final = 3
TARGET_PER_SECOND: Final = 25_000


def ledger(bench: Bench) -> None:
    """Signed transfers executed and durable, the median of some runs."""
    runs = [run(bench.environment) for _ in range(RUNS)]
    rates = [each.transfers / each.seconds for each in runs]
    rate = statistics.median(rates)
    bench.details["ledger"] = [asdict(each) for each in runs]
    what = f"the ledger alone: {runs[0].transfers:,} transfers, durable"
    note = "runs: " + ", ".join(f"{each:,.0f}/s" for each in rates)
    bench.rows += [
        Row(what, "/s", rate, None, "≥ 25,000/s", rate >= TARGET_PER_SECOND, note),
        Row("  bytes written a block of 1,000", "bytes", runs[0].written_bytes / runs[0].blocks, None, "reported", None),
    ]


def run(environment: Mapping[str, str]) -> LedgerFigures:
    """One run in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="benchmark-ledger-") as folder:
        command = [sys.executable, "-m", "benchmarks.ledger_alone", str(Path(folder) / "ledger")]
        ended = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True)
    return LedgerFigures(**json.loads(ended.stdout))
