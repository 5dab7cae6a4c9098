"""`make bench`: every row of the tables on zerog and on its peers in the same run, printed and written to `results/`.

Usage: `python -m benchmarks [--suite SUITE …] [--only ROW …] [--no-slow-sync]`. Only a run of all rows of a suite writes its result files.
"""

import argparse
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import PeerSpokeWronglyError, RpcFailedError
from benchmarks.report import Row, describe_machine, print_table, write_results
from benchmarks.slow_sync import DELAY_MS, slow_sync
from benchmarks.suites import SUITES, Suite
from zerog import __version__
from zerog.primitives.errors import ZerogError

ROOT: Final = Path(__file__).parents[1]


def main() -> int:
    """Run what the command line asks for; 1 if a target was missed."""
    options = parse_options()
    suites = [suite for suite in SUITES if suite.name in (options.suite or [each.name for each in SUITES])]
    met = True
    for suite in suites:
        names = [name for name in suite.rows if name in (options.only or suite.rows)]
        if names:
            met &= run_suite(suite, names, slow=not options.no_slow_sync)
    return 0 if met else 1


def run_suite(suite: Suite, names: Sequence[str], *, slow: bool) -> bool:
    """Measure rows of a suite, and with `slow` some of them on a slower disk too; whether all targets were met."""
    machine = describe_machine(zerog=__version__, peers={name: ensure() for name, ensure in suite.peers.items()}, commit=commit())
    print(f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}, Python {machine.python}")
    peers = ", ".join(f"{name} {version}" for name, version in machine.peers.items())
    print(f"zerog {machine.zerog} ({machine.commit[:10]}), {peers}; load before: {machine.load_before}")
    plain = measured(suite.rows, names, {})
    print_table(f"{suite.name}, as the machine is", list(suite.peers), plain.rows)
    whole = len(names) == len(suite.rows)
    if whole:
        print(f"written to {write_results(suite.name, plain.document(machine)).relative_to(ROOT)}")
    written = [name for name in names if name in suite.writing]
    if written and slow:
        with slow_sync() as environment:
            slowed = measured(suite.rows, written, environment)
        title = f"{suite.name}, with {DELAY_MS} ms added to each fsync (targets are those of the machine as it is)"
        print_table(title, list(suite.peers), slowed.rows)
        if whole:
            print(f"written to {write_results(f'{suite.name}-slow-sync', slowed.document(machine)).relative_to(ROOT)}")
    return all(row.met is not False for row in plain.rows)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures of zerog beside those of its peers.")
    parser.add_argument(
        "--suite", nargs="+", action="extend", choices=[suite.name for suite in SUITES], help="suites to measure; by default all"
    )
    rows = [name for suite in SUITES for name in suite.rows]
    parser.add_argument("--only", nargs="+", action="extend", choices=rows, help="rows to measure; can be given again")
    parser.add_argument("--no-slow-sync", action="store_true", help="leave out the second table, with a slower disk")
    return parser.parse_args()


def measured(rows: Mapping[str, Callable[[Bench], None]], names: Sequence[str], environment: Mapping[str, str]) -> Bench:
    """Measure the named rows."""
    bench = Bench(environment)
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        started = time.perf_counter()
        try:
            rows[name](bench)
        except (RpcFailedError, PeerSpokeWronglyError, OSError, subprocess.SubprocessError, ZerogError) as error:
            # The other rows are worth their minutes all the same; this one falls short.
            traceback.print_exception(error)
            bench.rows.append(Row(name, "", None, None, "measured", False, f"{type(error).__name__}: {error}"))
        bench.seconds[name] = round(time.perf_counter() - started, 1)
        print(f"  took {bench.seconds[name]} s", file=sys.stderr, flush=True)
    return bench


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
