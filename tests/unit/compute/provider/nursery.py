"""A program that starts whole providers quickly: it has everything loaded, and each line of its input makes a fork of it into a provider.

A line is JSON: `number`, `settings`, `folder` for locks and logs, `ahead_s` for a clock that is ahead. The fork is a process of its own,
with its own lock, control socket and signals, as `zerog compute run` makes it. It says `{"number", "pid", "ready"}` or `{…, "error"}`.
When the input ends all that are left are killed.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.unit.compute.provider.clocks import AheadClock
from zerog.compute.provider.service import ComputeProvider
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.runtime.process import RolePlace, run_role
from zerog.runtime.report import ErrorReport


class NumberedHerald:
    """Tells how a start went, under the number that it was asked with."""

    def __init__(self, number: int) -> None:
        self.number = number

    def ready(self, url: str) -> None:
        self._tell(ready=url)

    def failed(self, report: ErrorReport) -> None:
        self._tell(error=f"{report.code}: {report.cause}")

    def _tell(self, **event: str) -> None:
        os.write(1, json.dumps({"number": self.number, "pid": os.getpid(), **event}).encode() + b"\n")


def live(asked: dict[str, Any]) -> int:
    """Be one provider."""
    settings = {**asked["settings"], "data_dir": Path(asked["settings"]["data_dir"]), "engine": tuple(asked["settings"]["engine"])}
    clock = AheadClock(asked["ahead_s"])
    place = RolePlace(state_folder=Path(asked["folder"]), herald=NumberedHerald(asked["number"]), log_form="none")
    return run_role("compute", lambda: ComputeProvider(ComputeProviderSettings(**settings), clock), place)


def main() -> None:
    born: list[int] = []
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os._exit(live(json.loads(line)))
        born.append(pid)
    for pid in born:  # None of them has been waited for, so that no number was given to somebody else.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
