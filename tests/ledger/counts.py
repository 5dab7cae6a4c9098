"""How much the tests of the ledger try: a sample in `make test`, everything in `make test-long`, from a seed that is printed."""

import os
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["LONG", "commit_seed"]

LONG: Final = os.environ.get("ZEROG_TEST_LONG") == "1"
ROOT: Final = Path(__file__).parents[2]


def commit_seed() -> int:
    """`ZEROG_TEST_SEED`, else a number from the commit's hash: every commit tries other cases, and a failure can be repeated."""
    chosen = os.environ.get("ZEROG_TEST_SEED")
    if chosen is None:
        chosen = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()[:8]
        return int(chosen, 16)
    return int(chosen)
