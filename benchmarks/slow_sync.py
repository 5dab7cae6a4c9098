"""A slower disk: a small library, compiled on the spot, that adds a delay to each fsync and fdatasync of the programs it is preloaded into.

Preloading costs one indirect call beside the delay; stopping the program at each call with strace costs far more and disturbs all the rest.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["DELAY_MS", "slow_sync"]

SOURCE: Final = Path(__file__).with_name("slow_sync.c")
DELAY_MS: Final = 2
SYNCS: Final = 20
SYNC_PROGRAM: Final = """
import os, sys, tempfile, time
with tempfile.TemporaryFile() as file:
    started = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        os.fdatasync(file.fileno())
    print(time.perf_counter() - started)
"""


@contextmanager
def slow_sync() -> Iterator[Mapping[str, str]]:
    """The environment variables that slow the programs started with them. Raises `SystemExit` if they would have no effect."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("a C compiler is missing (Debian: gcc): the slower disk is made with it")
    with tempfile.TemporaryDirectory(prefix="benchmark-slow-sync-") as folder:
        library = Path(folder) / "slow_sync.so"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
        environment = {"LD_PRELOAD": str(library), "SLOW_SYNC_MICROSECONDS": str(DELAY_MS * 1000)}
        require_delay(environment)
        yield environment


def require_delay(environment: Mapping[str, str]) -> None:
    """Prove on a program of our own that the delay is there."""
    command = [sys.executable, "-c", SYNC_PROGRAM, str(SYNCS)]
    spent_s = float(subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True).stdout)
    if spent_s < SYNCS * DELAY_MS / 1000:
        raise SystemExit(f"{SYNCS} syncs took {spent_s:.3f} s: the delay is not there")
