"""The command `zerog`: parse, start a role or ask one, print. One file a noun."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from zerog.cli.early import take_lock
    from zerog.primitives.errors import ZerogError
    from zerog.runtime.report import report_of

    arguments = sys.argv[1:]
    try:
        take_lock(arguments)
    except ZerogError as error:
        sys.exit("\n".join(report_of(error).lines()))
    from zerog.cli.application import run

    sys.exit(run(arguments))
