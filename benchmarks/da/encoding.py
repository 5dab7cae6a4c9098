"""What the kernel does for DA: encoding, verifying and recovering a blob, each in a process of its own so that its memory can be told."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.da.arkworks import unit_s
from benchmarks.report import Row

__all__ = ["encoding", "recovering", "verifying"]

ROOT: Final = Path(__file__).parents[2]
FULL: Final = 32_505_852
SMALL: Final = 128 << 10
MEGABYTE: Final = 10**6
MADE: Final = Path(tempfile.gettempdir()) / "zerog-benchmark-made-setup"
"""Parameters whose τ nobody uses; making them takes a minute, so runs share them."""
UNITS_REFERENCE: Final = 36
"""Multiplications that the reference algorithm takes for a blob, whatever its size. Source: 0glabs/0g-da-encoder, crates/amt."""
UNITS_OF_ROWS: Final = 3
"""What the sums over the rows of all cosets are at least, without the proofs of the trees."""
LIMIT_S: Final = 600
RUNS: Final = 3


def run(task: str, **job: object) -> dict[str, Any]:
    """What a process prints for a job."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump({"task": task, **job}, file)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.da.ours", file.name]
        printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True).stdout
    found: dict[str, Any] = json.loads(printed)
    return found


def made_setup(bench: Bench) -> str:
    """The folder of a setup without τ."""
    if not (MADE / "done").exists():
        MADE.mkdir(exist_ok=True)
        bench.details["made_setup_s"] = run("make", folder=str(MADE))["seconds"]
        (MADE / "done").touch()
    return str(MADE)


def encoding(bench: Bench) -> None:
    """A full blob with and without τ, and a small one without."""
    folder = made_setup(bench)
    known = middle("encode", size=FULL)
    drawn = run("encode", size=FULL, folder=folder)
    small = middle("encode", size=SMALL, folder=folder)
    again = run("encode", size=FULL)
    if not known["root"] == drawn["root"] == again["root"]:
        raise SystemExit("the setups give one blob two roots")
    peer = UNITS_REFERENCE * unit_s()
    bench.details["encoding"] = {"known": known, "drawn": drawn, "small": small, "arkworks_unit_s": unit_s()}
    note = f"peer: {UNITS_REFERENCE} of arkworks' multiplications of 2^20 points, the reference algorithm's; its whole encoder took 129.8 s"
    megabytes = known["peak_bytes"] / MEGABYTE
    bench.rows += [
        Row("full blob, τ known", "s", known["seconds"], peer, "≤ 1.5 s", known["seconds"] <= 1.5, note),
        Row("  most memory for that", "MB", megabytes, None, "≤ 400 MB", megabytes <= 400, "the reference: 2,400 MB of parameters"),
        Row("full blob, τ thrown away", "s", drawn["seconds"], peer, "≤ 20 s", drawn["seconds"] <= 20),
        Row("  most memory for that", "MB", drawn["peak_bytes"] / MEGABYTE, None, "≤ 600 MB", drawn["peak_bytes"] <= 600 * MEGABYTE),
        Row("blob of 128 KiB, τ thrown away", "s", small["seconds"], peer, "≤ 3 s", small["seconds"] <= 3),
    ]


def verifying(bench: Bench) -> None:
    """All 3,072 slices of a full blob, in one call."""
    known = middle("verify", size=FULL)
    drawn = run("verify", size=FULL, folder=made_setup(bench))
    bench.details["verifying"] = {"known": known, "drawn": drawn}
    peer = UNITS_OF_ROWS * unit_s()
    note = "peer: the sums over the rows alone, by arkworks; 30,720 pairs of pairings come on top"
    bench.rows += [
        Row("verify all 3,072 slices, τ known", "s", known["seconds"], peer, "≤ 1.5 s", known["seconds"] <= 1.5, note),
        Row("verify all 3,072 slices by pairings", "s", drawn["seconds"], peer, "≤ 12 s", drawn["seconds"] <= 12),
    ]


def recovering(bench: Bench) -> None:
    """A full blob from its own rows and from rows of parity."""
    runs = [run("recover", size=FULL) for _ in range(RUNS)]
    took = {name: median(each[name] for each in runs) for name in ("by_roots", "by_encoding", "parity", "parity_peak_bytes")}
    bench.details["recovering"] = runs
    by_roots, by_encoding = (FULL / MEGABYTE / took[name] for name in ("by_roots", "by_encoding"))
    peak = took["parity_peak_bytes"] / MEGABYTE
    reference = "the reference takes 16.6 s and 1,800 MB for every retrieval"
    bench.rows += [
        Row("own rows, checked by the other cosets' roots", "MB/s", by_roots, None, "≥ 100 MB/s", by_roots >= 100, reference),
        Row("own rows, checked by encoding them again", "MB/s", by_encoding, None, "≥ 20 MB/s", by_encoding >= 20),
        Row("a blob from rows of parity alone", "s", took["parity"], None, "≤ 2 s", took["parity"] <= 2),
        Row("  most memory for that", "MB", peak, None, "≤ 300 MB", peak <= 300),
    ]


def middle(task: str, **job: object) -> dict[str, Any]:
    """The run whose seconds are the median."""
    return sorted((run(task, **job) for _ in range(RUNS)), key=lambda each: each["seconds"])[RUNS // 2]
