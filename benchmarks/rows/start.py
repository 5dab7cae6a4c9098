"""How long a network takes to start in a folder where it was before."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.nodes import anvil, start_zerog, stop_zerog
from benchmarks.report import Row

__all__ = ["start"]

STARTS: Final = 5
TARGET_S: Final = 1.5


def start(bench: Bench) -> None:
    """`zerog up --only chain --wait` on a folder that was up before, beside anvil until it listens."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory(prefix="benchmark-start-") as folder:
        for run in range(STARTS + 1):
            started = time.perf_counter()
            start_zerog(Path(folder), bench.environment)
            if run:  # The first start makes the folder.
                ours.append(time.perf_counter() - started)
            stop_zerog(Path(folder))
    for _ in range(STARTS):
        started = time.perf_counter()
        with anvil(bench.environment):
            theirs.append(time.perf_counter() - started)
    seconds = statistics.median(ours)
    bench.details["start"] = {"zerog_s": ours, "anvil_s": theirs}
    what = "zerog up --only chain --wait, warm"
    bench.rows.append(Row(what, "s", seconds, statistics.median(theirs), "≤ 1.5 s", seconds <= TARGET_S))
