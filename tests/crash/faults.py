"""Faults of the disk and sudden ends, made by strace at the n-th system call on given files, with the proof that they happened."""

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

__all__ = ["Call", "Fault", "Traced", "calls_on", "run_traced", "traced_command"]

WRITING_CALLS: Final = (
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat2",
    "unlink",
)
RUN_LIMIT_S: Final = 120.0
TRACE_LINE: Final = re.compile(r"^(?P<thread>\d+) +(?P<name>[a-z0-9]+)\((?P<arguments>.*)")
INTERRUPTED: Final = re.compile(r"= \?$|<unfinished \.\.\.>$")


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """The `number`-th call of this name that one thread makes on the watched files, from 1."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a call: it fails with EIO, or the process is killed before it is carried out."""

    call: Call
    kind: Literal["EIO", "KILL"]

    @property
    def injection(self) -> str:
        how = "error=EIO" if self.kind == "EIO" else "signal=KILL"
        return f"inject={self.call.name}:{how}:when={self.call.number}"


@dataclass(frozen=True, slots=True)
class Traced:
    """How a traced program ended, what it said, and what strace saw."""

    status: int
    output: str
    errors: str
    trace: str

    def require(self, fault: Fault) -> None:
        """Fail unless the fault really happened."""
        missing = self.missing(fault)
        assert missing is None, missing

    def missing(self, fault: Fault) -> str | None:
        """What shows that the fault did not happen; nothing when it did."""
        lines = [match for line in self.trace.splitlines() if (match := TRACE_LINE.match(line)) and match["name"] == fault.call.name]
        if fault.kind == "EIO":
            injected = any("EIO" in line.string and line.string.endswith("(INJECTED)") for line in lines)
            return None if injected else f"{fault} did not happen:\n{self.trace}"
        if self.status != -signal.SIGKILL:
            return f"{fault} did not kill, status {self.status}:\n{self.errors}"
        return None if any(INTERRUPTED.search(line.string) for line in lines) else f"{fault} was not at that call:\n{self.trace}"


def run_traced(command: Sequence[str], trace_file: Path, *, files: Iterable[Path] = (), fault: Fault | None = None, cwd: Path) -> Traced:
    """Run a program under strace; `files` are the only ones whose calls count, by default all."""
    traced = traced_command(command, trace_file, files=files, fault=fault)
    ended = subprocess.run(traced, cwd=cwd, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False)
    return Traced(ended.returncode, ended.stdout, ended.stderr, trace_file.read_text(encoding="utf-8"))


def traced_command(command: Sequence[str], trace_file: Path, *, files: Iterable[Path] = (), fault: Fault | None = None) -> list[str]:
    """The command line that runs a program under strace.

    Without `--seccomp-bpf`, which is quicker but never delivers the signal of an injection.
    """
    if shutil.which("strace") is None:
        raise FileNotFoundError("strace is missing, which makes the faults (Debian: apt-get install strace)")
    watched = [argument for file in files for argument in ("-P", str(file))]
    injected = ["-e", fault.injection] if fault else []
    calls = "trace=" + ",".join(WRITING_CALLS)
    return ["strace", "-f", "-y", "-e", "signal=none", "-o", str(trace_file), "-e", calls, *watched, *injected, "--", *command]


def calls_on(folder: Path, trace: str) -> tuple[set[Path], list[Call]]:
    """From a trace of all files: the files in `folder` that were written, and every call on them that a fault can hit."""
    files: set[Path] = set()
    counts: Counter[tuple[str, str]] = Counter()
    for line in trace.splitlines():
        match = TRACE_LINE.match(line)
        named = re.search(rf"[<\"]({re.escape(str(folder))}/[^>\"]+)[>\"]", match["arguments"]) if match else None
        if match and named:
            files.add(Path(named[1]))
            counts[match["thread"], match["name"]] += 1
    calls = {Call(name, number) for (_, name), count in counts.items() for number in range(1, count + 1)}
    return files, sorted(calls)
