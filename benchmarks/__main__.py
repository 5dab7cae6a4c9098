"""`make bench`: every row of the table on zerog and on anvil in the same run, printed and written to `results/`.

Usage: `python -m benchmarks [--only ROW …] [--no-slow-sync]`. Only a run of all rows writes the result files.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.ledger_alone import LedgerFigures
from benchmarks.measurements import Flow, measure_batches, measure_one_by_one, measure_reads
from benchmarks.nodes import Node, anvil, ensure_anvil, start_zerog, stop_zerog, zerog
from benchmarks.report import Row, describe_machine, print_table, write_results
from benchmarks.slow_sync import DELAY_MS, slow_sync
from benchmarks.transfers import sender
from zerog import __version__

ROOT: Final = Path(__file__).parents[1]
WARM_STARTS: Final = 5
ONE_BY_ONE: Final = 5_000
BATCHED: Final = 40_000
BATCH: Final = 100
BATCH_SENDERS: Final = 10
READS: Final = 20_000
LEDGER_RUNS: Final = 3
START_TARGET_S: Final = 1.5
ONE_BY_ONE_TARGET_RATIO: Final = 3
ONE_BY_ONE_TARGET_P95_MS: Final = 1.5
BATCHED_TARGET_RATIO: Final = 1.5
BATCHED_TARGET_PER_SECOND: Final = 10_000
LEDGER_TARGET_PER_SECOND: Final = 25_000

Starter = Callable[[Mapping[str, str]], AbstractContextManager[Node]]


@dataclass(slots=True)
class Bench:
    """One pass over the table, with these variables in the environment of every node."""

    environment: Mapping[str, str]
    rows: list[Row] = field(default_factory=list)
    details: dict[str, object] = field(default_factory=dict)

    def run(self, names: Sequence[str]) -> None:
        """Measure the named rows, in the order of the table."""
        for name, measure in ROWS.items():
            if name in names:
                print(f"measuring {name} …", file=sys.stderr, flush=True)
                measure(self)

    def both(self, measure: Callable[[Node], Flow]) -> tuple[Flow, Flow]:
        """The same flow on a fresh node of each kind, ours first."""
        with zerog(self.environment) as node:
            ours = measure(node)
        with anvil(self.environment) as node:
            theirs = measure(node)
        return ours, theirs

    def start(self) -> None:
        """`zerog up --only chain --wait` on a folder that was up before, beside anvil until it listens."""
        ours, theirs = [], []
        with tempfile.TemporaryDirectory(prefix="benchmark-start-") as folder:
            for run in range(WARM_STARTS + 1):
                started = time.perf_counter()
                start_zerog(Path(folder), self.environment)
                if run:  # The first start makes the folder.
                    ours.append(time.perf_counter() - started)
                stop_zerog(Path(folder))
        for _ in range(WARM_STARTS):
            started = time.perf_counter()
            with anvil(self.environment):
                theirs.append(time.perf_counter() - started)
        seconds = statistics.median(ours)
        self.details["start"] = {"zerog_s": ours, "anvil_s": theirs}
        self.rows.append(
            Row("zerog up --only chain --wait, warm", "s", seconds, statistics.median(theirs), "≤ 1.5 s", seconds <= START_TARGET_S)
        )

    def one_by_one(self) -> None:
        """Transfers one a request."""
        ours, theirs = self.both(partial(measure_one_by_one, senders=[sender(0)], count=ONE_BY_ONE))
        self.details["one_by_one"] = {"zerog": asdict(ours), "anvil": asdict(theirs)}
        fast = ours.per_second >= ONE_BY_ONE_TARGET_RATIO * theirs.per_second and not ours.stalled
        what = f"{ONE_BY_ONE:,} transfers, one a request"
        self.rows += [
            Row(what, "/s", ours.per_second, theirs.per_second, "≥ 3× anvil", fast, flow_note(ours, theirs)),
            Row("  time of a request, p50", "ms", ours.request_ms_p50, theirs.request_ms_p50, "", None),
            Row(
                "  time of a request, p95",
                "ms",
                ours.request_ms_p95,
                theirs.request_ms_p95,
                "≤ 1.5 ms",
                ours.request_ms_p95 <= ONE_BY_ONE_TARGET_P95_MS,
            ),
            written_row(ours, theirs),
        ]

    def batches(self) -> None:
        """Transfers in batches."""
        senders = [sender(number) for number in range(BATCH_SENDERS)]
        ours, theirs = self.both(partial(measure_batches, senders=senders, count=BATCHED, batch=BATCH))
        self.details["batches"] = {"zerog": asdict(ours), "anvil": asdict(theirs)}
        needed = max(BATCHED_TARGET_RATIO * theirs.per_second, BATCHED_TARGET_PER_SECOND)
        what = f"{BATCHED:,} transfers in batches of {BATCH}"
        met = ours.per_second >= needed and not ours.stalled
        self.rows += [
            Row(what, "/s", ours.per_second, theirs.per_second, "≥ 1.5× anvil, ≥ 10,000/s", met, flow_note(ours, theirs)),
            written_row(ours, theirs),
        ]

    def ledger(self) -> None:
        """The ledger without a network; the peer has no such part."""
        runs = [self.ledger_run() for _ in range(LEDGER_RUNS)]
        rates = [run.transfers / run.seconds for run in runs]
        rate = statistics.median(rates)
        self.details["ledger"] = [asdict(run) for run in runs]
        what = f"the ledger alone: {runs[0].transfers:,} transfers, durable"
        self.rows += [
            Row(
                what,
                "/s",
                rate,
                None,
                "≥ 25,000/s",
                rate >= LEDGER_TARGET_PER_SECOND,
                "runs: " + ", ".join(f"{each:,.0f}/s" for each in rates),
            ),
            Row("  bytes written a block of 1,000", "bytes", runs[0].written_bytes / runs[0].blocks, None, "reported", None),
        ]

    def ledger_run(self) -> LedgerFigures:
        with tempfile.TemporaryDirectory(prefix="benchmark-ledger-") as folder:
            command = [sys.executable, "-m", "benchmarks.ledger_alone", str(Path(folder) / "ledger")]
            ended = subprocess.run(command, cwd=ROOT, env={**os.environ, **self.environment}, check=True, stdout=subprocess.PIPE, text=True)
        return LedgerFigures(**json.loads(ended.stdout))

    def reads(self) -> None:
        """Reads one by one on one connection."""
        with zerog(self.environment) as node:
            ours = measure_reads(node, sender(0), READS)
        with anvil(self.environment) as node:
            theirs = measure_reads(node, sender(0), READS)
        self.details["reads"] = {"zerog": asdict(ours), "anvil": asdict(theirs)}
        self.rows.append(
            Row("reads one by one, three kinds in turn", "/s", ours.mixed, theirs.mixed, "≥ anvil", ours.mixed >= theirs.mixed)
        )
        for name in ("block_number", "balance", "call"):
            self.rows.append(Row(f"  eth_{camel(name)}", "/s", getattr(ours, name), getattr(theirs, name), "", None))


ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "start": Bench.start,
    "one-by-one": Bench.one_by_one,
    "batches": Bench.batches,
    "ledger": Bench.ledger,
    "reads": Bench.reads,
}


def camel(name: str) -> str:
    return {"block_number": "blockNumber", "balance": "getBalance", "call": "call"}[name]


def flow_note(ours: Flow, theirs: Flow) -> str:
    """What the rate alone does not say."""
    said = [f"zerog made {ours.blocks:,} blocks and used {ours.processor_seconds / ours.sent * 1e6:,.0f} µs of a processor a transfer"]
    for name, flow in (("zerog", ours), ("anvil", theirs)):
        if flow.stalled:
            said.append(f"{name} stalled after {flow.included:,} of {flow.sent:,} (it accepted {flow.accepted_per_second:,.0f}/s)")
    return "; ".join(said)


def written_row(ours: Flow, theirs: Flow) -> Row:
    """Bytes handed to the disk for each block."""
    per_block = [flow.written_bytes / max(flow.blocks, 1) for flow in (ours, theirs)]
    return Row("  bytes written a block", "bytes", per_block[0], per_block[1], "reported", None)


def main() -> int:
    """Run what the command line asks for; 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures of zerog beside those of anvil.")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS), help="rows to measure")
    parser.add_argument("--no-slow-sync", action="store_true", help="leave out the second table, with a slower disk")
    options = parser.parse_args()
    machine = describe_machine(zerog=__version__, anvil=ensure_anvil(), commit=commit())
    print(f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}, Python {machine.python}")
    print(f"zerog {machine.zerog} ({machine.commit[:10]}), anvil {machine.anvil}; load before: {machine.load_before}")
    plain = Bench({})
    plain.run(options.only)
    print_table("As the machine is", plain.rows)
    whole = set(options.only) == set(ROWS)
    if whole:
        print(f"written to {write_results('chain', machine, plain.rows, plain.details).relative_to(ROOT)}")
    if not options.no_slow_sync:
        with slow_sync() as environment:
            slow = Bench(environment)
            slow.run(options.only)
        print_table(f"With {DELAY_MS} ms added to each fsync (targets are those of the machine as it is)", slow.rows)
        if whole:
            print(f"written to {write_results('chain-slow-sync', machine, slow.rows, slow.details).relative_to(ROOT)}")
    return 0 if all(row.met is not False for row in plain.rows) else 1


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
