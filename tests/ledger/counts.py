"""How much the tests of the ledger try: a sample in `make test`, everything in `make test-long`, from a seed that is printed."""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["LONG", "commit", "commit_seed"]

LONG: Final = os.environ.get("ZEROG_TEST_LONG") == "1"
ROOT: Final = Path(__file__).parents[2]


@cache
def commit() -> str:
    """Hash of the commit that is tested."""
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def commit_seed() -> int:
    """`ZEROG_TEST_SEED`, else a number from the commit's hash: every commit tries other cases, and a failure can be repeated."""
    chosen = os.environ.get("ZEROG_TEST_SEED")
    return int(commit()[:8], 16) if chosen is None else int(chosen)
