"""Starting and stopping the two nodes that are compared: zerog as a user starts it, and anvil from npm."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.connection import Connection

__all__ = [
    "ANVIL_ARGUMENTS",
    "ANVIL_PROGRAM",
    "START_LIMIT_S",
    "ZEROG_COMMAND",
    "Node",
    "anvil",
    "ensure_anvil",
    "free_port",
    "process_processor_seconds",
    "process_tree",
    "resident_bytes",
    "start_zerog",
    "stop_zerog",
    "zerog",
]

HERE: Final = Path(__file__).parent
ARCHITECTURE: Final = "arm64" if platform.machine() in {"arm64", "aarch64"} else "amd64"
ANVIL_PROGRAM: Final = HERE / f"node_modules/@foundry-rs/anvil-{platform.system().lower()}-{ARCHITECTURE}/bin/anvil"
ANVIL_ARGUMENTS: Final = ("--gas-limit", "1000000000", "--chain-id", "31337", "--quiet")
"""Default automine. `--quiet` spares anvil a printed line a call, which makes it faster."""
ZEROG_COMMAND: Final = (sys.executable, "-m", "zerog")
START_LIMIT_S: Final = 60.0
CALL_LIMIT_S: Final = 30.0
POLL_S: Final = 0.002


@dataclass(frozen=True, slots=True)
class Node:
    """A running node: where it answers and which process to ask about its writes."""

    name: str
    url: str
    pid: int

    def connect(self, timeout_s: float = CALL_LIMIT_S) -> Connection:
        """A new connection to this node."""
        return Connection(self.url, timeout_s)

    def written_bytes(self) -> int:
        """Bytes that this process and its descendants have handed to the block layer so far."""
        return sum(process_written_bytes(pid) for pid in process_tree(self.pid))

    def processor_seconds(self) -> float:
        """Processor time that this process and its descendants have used so far."""
        return sum(process_processor_seconds(pid) for pid in process_tree(self.pid))


def ensure_anvil() -> str:
    """Install anvil from the lock file where it is missing and return its version."""
    if not ANVIL_PROGRAM.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is missing: install Node 20, which brings it, and run this again")
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True, stdout=subprocess.DEVNULL)
    printed = subprocess.run([ANVIL_PROGRAM, "--version"], check=True, capture_output=True, text=True).stdout
    return printed.split("\n", 1)[0].rsplit(" ", 1)[1]


@contextmanager
def anvil(environment: Mapping[str, str] | None = None, arguments: Sequence[str] = ()) -> Iterator[Node]:
    """A fresh anvil, perhaps with more arguments."""
    with tempfile.TemporaryDirectory(prefix="benchmark-anvil-") as home:
        port = free_port()
        process = subprocess.Popen(
            [ANVIL_PROGRAM, *ANVIL_ARGUMENTS, *arguments, "--port", str(port)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, **(environment or {}), "HOME": home},
        )
        try:
            wait_for_port(port)
            yield Node("anvil", f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait(timeout=START_LIMIT_S)


@contextmanager
def zerog(environment: Mapping[str, str] | None = None) -> Iterator[Node]:
    """A fresh zerog chain in a folder of its own, durable as by default."""
    with tempfile.TemporaryDirectory(prefix="benchmark-zerog-") as folder:
        node = start_zerog(Path(folder), environment)
        try:
            yield node
        finally:
            stop_zerog(Path(folder))


def start_zerog(folder: Path, environment: Mapping[str, str] | None = None) -> Node:
    """`zerog up --only chain --wait` in `folder`, on a port that the system chooses."""
    subprocess.run(
        [*ZEROG_COMMAND, "up", "--only", "chain", "--wait", "--dir", str(folder), "--port-base", "0"],
        env={**os.environ, **(environment or {})},
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=START_LIMIT_S,
    )
    (found,) = folder.glob("**/endpoints.json")
    endpoints = json.loads(found.read_text())
    return Node("zerog", endpoints["chain"]["http"], endpoints["pid"])


def stop_zerog(folder: Path) -> None:
    """`zerog down` in `folder`."""
    subprocess.run([*ZEROG_COMMAND, "down", "--dir", str(folder)], check=True, stdout=subprocess.DEVNULL, timeout=START_LIMIT_S)


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Return once someone listens on `port`."""
    deadline = time.perf_counter() + START_LIMIT_S
    while time.perf_counter() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_S)  # noqa: TID251 - a foreign program tells nobody when it listens.
    raise SystemExit(f"nobody listened on port {port} within {START_LIMIT_S} s")


def process_tree(pid: int) -> list[int]:
    """`pid` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # It ended between the listing and the look.
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found


def process_processor_seconds(pid: int) -> float:
    """User and system time of one process; 0 for one that has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int | str) -> tuple[int, int]:
    """Resident memory of one process, now and at most."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024, int(lines["VmHWM"].split()[0]) * 1024


def process_written_bytes(pid: int | str) -> int:
    """`write_bytes` of one process; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(dict(line.split(": ") for line in lines)["write_bytes"])
