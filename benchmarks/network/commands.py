"""How long the command line takes for what people type all the time."""

import os
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.bench import Bench
from benchmarks.hardhat import PROGRAM as HARDHAT_PROGRAM
from benchmarks.hardhat import PROJECT as HARDHAT_PROJECT
from benchmarks.network.place import whole
from benchmarks.network.starts import seconds_of
from benchmarks.nodes import ANVIL_PROGRAM, START_LIMIT_S, ZEROG_COMMAND
from benchmarks.report import Row

__all__ = ["commands"]

RUNS: Final = 9
STATUS_S_MAX: Final = 0.4
HELP_S_MAX: Final = 0.25


def commands(bench: Bench) -> None:
    """`zerog status` beside a running network, and `--help` of each program; the median of nine, after one that fills the caches."""
    node = shutil.which("node")
    if node is None:
        raise SystemExit("node is missing: install Node 20 and run this again")
    with whole(bench) as net:
        status = median_s([*ZEROG_COMMAND, "status", "--dir", str(net.folder)], bench.environment)
    own = median_s([*ZEROG_COMMAND, "--help"], bench.environment)
    peer = median_s([str(ANVIL_PROGRAM), "--help"], bench.environment)
    second = median_s([node, str(HARDHAT_PROGRAM), "--help"], {**bench.environment, "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"})
    bench.details["commands"] = {"status_s": status, "help_s": {"zerog": own, "anvil": peer, "hardhat": second}}
    bench.rows += [
        Row("zerog status", "ms", status * 1e3, None, "≤ 400 ms", status <= STATUS_S_MAX),
        Row("--help", "ms", own * 1e3, peer * 1e3, "≤ 250 ms", own <= HELP_S_MAX, "", second * 1e3),
    ]


def median_s(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Of the whole process."""
    variables = {**os.environ, **environment}

    def run() -> None:
        subprocess.run(command, env=variables, cwd=HARDHAT_PROJECT, check=True, stdout=subprocess.DEVNULL, timeout=START_LIMIT_S)

    run()
    return statistics.median(seconds_of(run) for _ in range(RUNS))
