"""The command `zerog`: parse, start a role or ask one, print. One file a noun."""

import sys

__all__ = ["main"]

_EXIT_INTERRUPTED = 130
"""Ended by Ctrl-C. Source: bash(1), 128 plus the signal's number."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        sys.exit(_run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)


def _run(arguments: list[str]) -> int | str:
    """The exit code, or what to say when the network's folder is taken."""
    from zerog.cli.early import take_lock
    from zerog.primitives.errors import ZerogError
    from zerog.runtime.report import report_of

    try:
        take_lock(arguments)
    except ZerogError as error:
        return "\n".join(report_of(error).lines())
    from zerog.cli.application import run
    from zerog.cli.output import guard_output

    guard_output()
    return run(arguments)
