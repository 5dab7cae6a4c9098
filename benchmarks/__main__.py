"""`make bench`: every row of the table on zerog and on anvil in the same run, printed and written to `results/`.

Usage: `python -m benchmarks [--only ROW …] [--no-slow-sync]`. Only a run of all rows writes the result files.
"""

import argparse
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import PeerSpokeWronglyError, RpcFailedError
from benchmarks.hardhat import ensure_hardhat
from benchmarks.nodes import ensure_anvil
from benchmarks.report import Row, describe_machine, print_table, write_results
from benchmarks.rows import ROWS, WRITING
from benchmarks.slow_sync import DELAY_MS, slow_sync
from zerog import __version__

ROOT: Final = Path(__file__).parents[1]


def main() -> int:
    """Run what the command line asks for; 1 if a target was missed."""
    options = parse_options()
    names = [name for name in ROWS if name in (options.only or ROWS)]
    machine = describe_machine(zerog=__version__, anvil=ensure_anvil(), hardhat=ensure_hardhat(), commit=commit())
    print(f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}, Python {machine.python}")
    peers = f"anvil {machine.anvil}, hardhat {machine.hardhat}"
    print(f"zerog {machine.zerog} ({machine.commit[:10]}), {peers}; load before: {machine.load_before}")
    plain = measured({}, names)
    print_table("As the machine is", plain.rows)
    whole = len(names) == len(ROWS)
    if whole:
        print(f"written to {write_results('chain', plain.document(machine)).relative_to(ROOT)}")
    written = [name for name in names if name in WRITING]
    if written and not options.no_slow_sync:
        with slow_sync() as environment:
            slow = measured(environment, written)
        print_table(f"With {DELAY_MS} ms added to each fsync (targets are those of the machine as it is)", slow.rows)
        if whole:
            print(f"written to {write_results('chain-slow-sync', slow.document(machine)).relative_to(ROOT)}")
    return 0 if all(row.met is not False for row in plain.rows) else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures of zerog beside those of its peers.")
    parser.add_argument("--only", nargs="+", action="extend", choices=list(ROWS), help="rows to measure; can be given again")
    parser.add_argument("--no-slow-sync", action="store_true", help="leave out the second table, with a slower disk")
    return parser.parse_args()


def measured(environment: Mapping[str, str], names: Sequence[str]) -> Bench:
    """Measure the named rows."""
    bench = Bench(environment)
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        started = time.perf_counter()
        try:
            ROWS[name](bench)
        except (RpcFailedError, PeerSpokeWronglyError, OSError, subprocess.SubprocessError) as error:
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
