"""Log files as a person reads them: one line an event, of one role or of all, also while they grow."""

import os
import sys
from collections import deque
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Final

import anyio
import msgspec

from zerog.cli.output import say

__all__ = ["LogPrinter", "as_line", "last_lines"]

LOOK_S: Final = 0.25
"""Between two looks at growing files."""
PLACED: Final = ("timestamp", "level", "role", "event", "exception")
"""Fields with a place of their own in a line."""


class LogPrinter:
    """Prints the log files of a folder."""

    def __init__(self, folder: Path, role: str | None, *, as_json: bool) -> None:
        self._folder = folder
        self._role = role
        self._as_json = as_json
        self._open: dict[Path, TextIOWrapper] = {}

    def run(self, lines: int, *, follow: bool) -> None:
        """Print the last `lines` of each file; with `follow` go on until interrupted."""
        try:
            last = [line for path in self._files() for line in deque(self._fresh_lines(path), maxlen=lines)]
            if not last:
                say(f"no logs in {self._folder}" + (f" of {self._role}" if self._role else "") + "; a network writes them: zerog up")
            self._print(last)
            if follow:
                anyio.run(self._follow)
        finally:
            for reader in self._open.values():
                reader.close()
            self._open.clear()

    async def _follow(self) -> None:
        while True:
            self._print([line for path in self._files() for line in self._fresh_lines(path)])
            await anyio.sleep(LOOK_S)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._role or '*'}.jsonl"))

    def _fresh_lines(self, path: Path) -> Iterator[str]:
        """The whole lines that were written since the last look; all of a file that has taken the place of the one before."""
        reader = self._open.get(path)
        if reader is None or path.stat().st_ino != os.fstat(reader.fileno()).st_ino:
            if reader is not None:
                reader.close()
            reader = self._open[path] = path.open(encoding="utf-8", errors="replace")
        while True:
            start = reader.tell()
            line = reader.readline()
            if not line.endswith("\n"):
                reader.seek(start)  # Its writer is not done with it.
                return
            yield line

    def _print(self, lines: list[str]) -> None:
        """Print lines of several files in the order of time."""
        for line in sorted(lines, key=_time_of):
            sys.stdout.write(line if self._as_json else as_line(line))
        sys.stdout.flush()


def last_lines(folder: Path, count: int) -> list[str]:
    """The last `count` events of all logs together, as lines to read."""
    events = [line for path in folder.glob("*.jsonl") for line in path.read_text(encoding="utf-8", errors="replace").splitlines(True)]
    return [as_line(event) for event in sorted(events, key=_time_of)[-count:]]


def as_line(line: str) -> str:
    """`2026-11-24T23:00:00Z info chain role_ready url=…`."""
    try:
        event = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        return line  # Cut off by a crash: better half a line than none.
    head = " ".join(str(event.get(name, "")) for name in PLACED[:4])
    rest = " ".join(f"{name}={value}" for name, value in event.items() if name not in PLACED)
    trace = f"\n{event['exception']}" if "exception" in event else ""
    return f"{head} {rest}".rstrip() + trace + "\n"


def _time_of(line: str) -> str:
    """Lines of several roles are merged by their time; ISO times sort as text."""
    try:
        return str(msgspec.json.decode(line, type=dict[str, object]).get("timestamp", ""))
    except msgspec.DecodeError:
        return ""
