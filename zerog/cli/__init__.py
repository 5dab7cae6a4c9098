"""The command `zerog`: parse, start a role or ask one, print. One file a noun."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from zerog.cli.application import run

    sys.exit(run(sys.argv[1:]))
