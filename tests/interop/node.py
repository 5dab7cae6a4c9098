"""Roles of their own for tests: `zerog chain run` and its like, each a process on ports that the system chooses."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["REPOSITORY", "Role", "begun_role", "run_client", "running_node"]

REPOSITORY = Path(__file__).parents[2]
STOP_S_MAX = 20
CLIENT_S_MAX = 100
"""Far more than a scenario takes, so that a hang is a failure and not a hang."""


@dataclass(slots=True)
class Role:
    """A role that was started."""

    process: subprocess.Popen[str]
    log: Path
    url: str = ""
    """Where it answers, once it is ready."""

    def ready(self) -> "Role":
        """Wait until it tells its URL."""
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), self.log.read_text()
        return self

    def kill(self) -> None:
        """End it without a warning, as a power cut does."""
        self.process.kill()
        self.process.wait(STOP_S_MAX)


@contextmanager
def begun_role(log: Path, *words: str) -> Iterator[Role]:
    """The role that `zerog WORDS` runs. It stops at the end, with no complaint unless it was killed."""
    command = [sys.executable, "-m", "zerog", *words]
    with log.open("w") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        try:
            yield Role(process, log)
        finally:
            killed = process.poll() == -signal.SIGKILL
            process.terminate()
            status = process.wait(STOP_S_MAX)
    assert killed or status in (0, -15, 143), log.read_text()


@contextmanager
def running_node(folder: Path, *options: str) -> Iterator[str]:
    """URL of a chain node in memory that keeps its files in `folder`."""
    words = ("chain", "run", "--ephemeral", "--rpc-port", "0", "--dir", str(folder), *options)
    with begun_role(folder / "node.log", *words) as role:
        yield role.ready().url


def run_client(command: list[str]) -> dict[str, object]:
    """The report that a scenario prints as its only line."""
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=CLIENT_S_MAX, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, object] = json.loads(done.stdout)
    return report
