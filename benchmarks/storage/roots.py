"""How fast the root of a file is computed on each path of the processor, beside the official SDK."""

import re
import statistics
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.report import Row
from benchmarks.storage.sdk import run_sdk

__all__ = ["roots"]

ROOT: Final = Path(__file__).parents[2]
SDK_BYTES: Final = 32 << 20
RUNS: Final = 3
MEBIBYTES_A_GIBIBYTE: Final = 1024
TARGETS: Final = {"AVX-512": (1.8 * MEBIBYTES_A_GIBIBYTE, 200), "AVX2": (700.0, 100)}
"""MiB/s, and how many times the SDK's pace of 6.7 MB/s where the target was set."""
SDK_PACE_SET: Final = 6.7e6 / (1 << 20)


def roots(bench: Bench) -> None:
    """The kernel's own example prints the pace of each path, on one thread and on all."""
    command = ["cargo", "run", "--quiet", "--release", "--locked", "-p", "zerog-kernel", "--example", "file_root"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paces = {
        (match["path"], int(match["threads"])): float(match["pace"]) * MEBIBYTES_A_GIBIBYTE
        for match in re.finditer(
            r"^(?P<path>\S+) +file of 1 GiB, (?P<threads>\d+) thread\(s\) +(?P<pace>[\d.]+) GiB/s", printed, re.MULTILINE
        )
    }
    seconds = [run_sdk("root", size=SDK_BYTES, salt=run)["seconds"] for run in range(RUNS)]
    sdk = SDK_BYTES / (1 << 20) / statistics.median(seconds)
    bench.details["roots"] = {"printed": printed, "sdk_s": seconds}
    for (path, threads), pace in paces.items():
        what = f"root of 1 GiB, {path}, {threads} thread{'s' if threads > 1 else ''}"
        target = TARGETS.get(path) if threads == 1 else None
        if target is None:
            bench.rows.append(Row(what, "MiB/s", pace, sdk, "reported", None))
        else:
            least, times = target
            needed = max(least, times * SDK_PACE_SET)
            note = f"{pace / sdk:,.0f} times the SDK here, {pace / SDK_PACE_SET:,.0f} times the 6.7 MB/s that the target names"
            bench.rows.append(Row(what, "MiB/s", pace, sdk, f"≥ {least:,.0f} MiB/s, ≥ {times}× 6.7 MB/s", pace >= needed, note))
