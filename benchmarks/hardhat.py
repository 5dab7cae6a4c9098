"""The second peer: Hardhat's own network, from the project that the tests of foreign clients use."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.nodes import START_LIMIT_S, Node, free_port, wait_for_port

__all__ = ["ensure_hardhat", "hardhat"]

PROJECT: Final = Path(__file__).parents[1] / "tests/interop/hardhat"
PACKAGE: Final = PROJECT / "node_modules/hardhat"
PROGRAM: Final = PACKAGE / "internal/cli/bootstrap.js"


def ensure_hardhat() -> str:
    """Install Hardhat from the lock file where it is missing and return its version."""
    if not PROGRAM.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is missing: install Node 20, which brings it, and run this again")
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return str(json.loads((PACKAGE / "package.json").read_text())["version"])


@contextmanager
def hardhat() -> Iterator[Node]:
    """A fresh network of Hardhat, with its default automine."""
    node = shutil.which("node")
    if node is None:
        raise SystemExit("node is missing: install Node 20 and run this again")
    with tempfile.TemporaryDirectory(prefix="benchmark-hardhat-") as home:
        port = free_port()
        process = subprocess.Popen(
            [node, PROGRAM, "--network", "hardhat", "node", "--hostname", "127.0.0.1", "--port", str(port)],
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "HOME": home, "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"},
        )
        try:
            wait_for_port(port)
            yield Node("hardhat", f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait(timeout=START_LIMIT_S)
