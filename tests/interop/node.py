"""A chain node of its own for tests: `zerog chain run` in memory, on a port that the system chooses."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["REPOSITORY", "run_client", "running_node"]

REPOSITORY = Path(__file__).parents[2]
STOP_S_MAX = 20
CLIENT_S_MAX = 100
"""Far more than a scenario takes, so that a hang is a failure and not a hang."""


@contextmanager
def running_node(folder: Path, *options: str) -> Iterator[str]:
    """URL of a node that keeps its files in `folder` and stops at the end, with no complaint."""
    command = [sys.executable, "-m", "zerog", "chain", "run", "--ephemeral", "--rpc-port", "0", "--dir", str(folder), *options]
    with (folder / "node.log").open("w") as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http://"), (folder / "node.log").read_text()
            yield url
        finally:
            process.terminate()
            status = process.wait(STOP_S_MAX)
    assert status in (0, -15, 143), (folder / "node.log").read_text()


def run_client(command: list[str]) -> dict[str, object]:
    """The report that a scenario prints as its only line."""
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=CLIENT_S_MAX, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, object] = json.loads(done.stdout)
    return report
