"""Log files as a person reads them: one line an event, of one role or of all, also while they grow."""

import sys
from collections import deque
from io import TextIOWrapper
from pathlib import Path
from typing import Final

import anyio
import msgspec

from zerog.cli.output import say

__all__ = ["LogPrinter", "as_line"]

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
        last = [line for path in self._files() for line in deque(self._reader(path), maxlen=lines)]
        if not last:
            say(f"no logs in {self._folder}" + (f" of {self._role}" if self._role else ""))
        for line in sorted(last, key=_time_of):
            self._print(line)
        if follow:
            anyio.run(self._follow)

    async def _follow(self) -> None:
        while True:
            fresh = [line for path in self._files() for line in self._reader(path)]
            for line in sorted(fresh, key=_time_of):
                self._print(line)
            await anyio.sleep(LOOK_S)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._role or '*'}.jsonl"))

    def _reader(self, path: Path) -> TextIOWrapper:
        """The file, read on from where it was read to; from its start once it was put aside for a new one."""
        reader = self._open.get(path)
        if reader is None or path.stat().st_ino != Path(f"/dev/fd/{reader.fileno()}").stat().st_ino:
            reader = self._open[path] = path.open(encoding="utf-8")
        return reader

    def _print(self, line: str) -> None:
        sys.stdout.write(line if self._as_json else as_line(line))
        sys.stdout.flush()


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
