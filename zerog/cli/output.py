"""What commands print: data to stdout, all else to stderr; and the parameters that every command shares."""

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import cyclopts
import msgspec

from zerog.runtime.report import ErrorReport, report_of
from zerog.runtime.settings import ENVIRONMENT_PREFIX

__all__ = ["AsJson", "WorkingFolder", "print_json", "say", "tell_error", "tell_report"]

WorkingFolder: TypeAlias = Annotated[
    Path, cyclopts.Parameter(name="--dir", env_var=f"{ENVIRONMENT_PREFIX}DIR", help="Folder of the network (its state lies in .zerog).")
]
AsJson: TypeAlias = Annotated[bool, cyclopts.Parameter(name="--json", negative="", help="Print JSON, for programs.")]


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """A word to the person, not data."""
    print(text, file=sys.stderr, flush=True)


def tell_error(error: Exception) -> None:
    """Code, cause and remedy."""
    tell_report(report_of(error))


def tell_report(report: ErrorReport) -> None:
    """The same, of an error that another process met."""
    for line in report.lines():
        say(line)
