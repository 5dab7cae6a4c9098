"""Load from the outside: the program wrk asks one thing again and again on many connections."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.connection import PeerSpokeWronglyError
from benchmarks.nodes import Node

__all__ = ["INSTALL", "Load", "WrkMissingError", "load"]

INSTALL: Final = "wrk is missing: install it with `apt-get install wrk` (Debian, Ubuntu) or `brew install wrk` (macOS)"
THREADS: Final = 2
RUN_LIMIT_S: Final = 60
SCRIPT: Final = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
done = function(summary, latency, requests)
  io.write(string.format("95th percentile %%.3fms\\n", latency:percentile(95) / 1000))
end
"""


class WrkMissingError(Exception):
    """The program is not on this machine."""

    def __str__(self) -> str:
        return INSTALL


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    per_second: float
    latency_ms_p50: float
    latency_ms_p99: float
    latency_ms_p95: float


def load(node: Node, body: bytes, *, connections: int, seconds: int, threads: int = THREADS, more: str = "") -> Load:
    """Ask `body` on so many connections for so long. What `more` says, in Lua, may change the body from call to call.

    Raises `WrkMissingError`, and `PeerSpokeWronglyError` when an answer was no success of HTTP or a connection broke.
    """
    program = shutil.which("wrk")
    if program is None:
        raise WrkMissingError
    with tempfile.NamedTemporaryFile("w", suffix=".lua", prefix="benchmark-wrk-") as script:
        script.write(SCRIPT % body.decode() + more)
        script.flush()
        command = [program, f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(Path(script.name)), node.url]
        printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=RUN_LIMIT_S + seconds).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise PeerSpokeWronglyError(f"{node.name} did not answer all of wrk's requests:\n{printed}")
    return Load(
        per_second=float(found(r"^Requests/sec: +([\d.]+)", printed)),
        latency_ms_p50=milliseconds(found(r"^ +50% +(\S+)", printed)),
        latency_ms_p99=milliseconds(found(r"^ +99% +(\S+)", printed)),
        latency_ms_p95=milliseconds(found(r"^95th percentile (\S+)", printed)),
    )


def found(pattern: str, printed: str) -> str:
    """The group of `pattern` in what wrk printed."""
    match = re.search(pattern, printed, re.MULTILINE)
    if match is None:
        raise PeerSpokeWronglyError(f"wrk printed no {pattern!r}:\n{printed}")
    return match[1]


def milliseconds(time: str) -> float:
    """A time as wrk writes it: 812.00us, 1.62ms, 1.03s."""
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", time)
    if match is None:
        raise PeerSpokeWronglyError(f"wrk printed the time {time!r}")
    return float(match[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[match[2]]
