"""What commands print: data to stdout, all else to stderr; and the parameters that every command shares."""

import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import cyclopts
import msgspec

from zerog.primitives.errors import RefusalError
from zerog.runtime.report import ErrorReport, report_of
from zerog.runtime.settings import ENVIRONMENT_PREFIX

__all__ = ["AsJson", "OutputLostError", "WorkingFolder", "guard_output", "print_json", "say", "tell_error", "tell_report"]

WorkingFolder: TypeAlias = Annotated[
    Path, cyclopts.Parameter(name="--dir", env_var=f"{ENVIRONMENT_PREFIX}DIR", help="Folder of the network (its state lies in .zerog).")
]
AsJson: TypeAlias = Annotated[bool, cyclopts.Parameter(name="--json", negative="", help="Print JSON, for programs.")]


@dataclass(eq=False)
class OutputLostError(RefusalError):
    """What a command prints cannot be written where it was to go."""

    cause: str

    code = "output_lost"
    remedy = "make room, or send the output elsewhere; what the command has done before stays done"

    def __str__(self) -> str:
        return f"the output cannot be written: {self.cause}"


class _Output(io.FileIO):
    """Standard output, whose failures are told apart from those of other files."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise  # Whoever read it has enough.
        except OSError as error:
            raise OutputLostError(error.strerror or str(error)) from None


def guard_output() -> None:
    """From now on printing raises `OutputLostError` where there is no room for it, or the device fails."""
    former = sys.stdout
    if former is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives.
        return
    former.flush()
    raw = _Output(former.fileno(), "w", closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding=former.encoding, errors=former.errors, line_buffering=former.isatty())


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
