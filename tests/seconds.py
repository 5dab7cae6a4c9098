"""What the files of tests take, at the end of a long run: whoever adds seconds sees where they went, and where others can be saved."""

from collections import defaultdict
from typing import Final

import pytest

__all__ = ["SecondsOfFiles"]

LONG_RUN_S: Final = 300
"""Shorter runs do not print it."""
FILES_SHOWN: Final = 15


class SecondsOfFiles:
    """A plugin of the process that prints."""

    def __init__(self) -> None:
        self._seconds: Final[defaultdict[str, float]] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Also those of other processes come here. Setting up and taking down counts with the test that does it."""
        self._seconds[report.nodeid.split("::")[0]] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        all_s = sum(self._seconds.values())
        if all_s < LONG_RUN_S:
            return
        terminalreporter.section(f"{all_s:.0f} s in all processes; the files that took longest")
        for file, file_s in sorted(self._seconds.items(), key=lambda item: -item[1])[:FILES_SHOWN]:
            terminalreporter.write_line(f"{file_s:6.0f} s  {file}")
