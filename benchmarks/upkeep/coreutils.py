"""What every Linux has, as a peer: `cp` moves bytes with nothing to say about them."""

import subprocess

__all__ = ["ensure_coreutils"]


def ensure_coreutils() -> str:
    """Its version."""
    printed = subprocess.run(["cp", "--version"], check=True, capture_output=True, text=True).stdout
    return printed.splitlines()[0].rpartition(" ")[2]
