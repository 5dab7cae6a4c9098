"""How long a network with storage takes to start, and a node that holds much."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.nodes import stop_zerog
from benchmarks.report import Row
from benchmarks.storage.network import start_network

__all__ = ["start_with_storage"]

STARTS: Final = 5
TARGET_S: Final = 2.0


def start_with_storage(bench: Bench) -> None:
    """`zerog up --wait` on a folder that was up before."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="benchmark-start-") as folder:
        for run in range(STARTS + 1):
            started = time.perf_counter()
            start_network(Path(folder), bench.environment)
            if run:  # The first start makes the folder and stores a first file.
                seconds.append(time.perf_counter() - started)
            stop_zerog(Path(folder))
    median = statistics.median(seconds)
    bench.details["start_with_storage"] = seconds
    bench.rows.append(Row("zerog up --wait with storage, warm", "s", median, None, "≤ 2 s", median <= TARGET_S))
