"""The peer of storage: the official TypeScript SDK, from the project that the tests of foreign clients use."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["ensure_sdk", "run_sdk"]

HERE: Final = Path(__file__).parent
PROJECT: Final = Path(__file__).parents[2] / "tests/interop/storage"
PACKAGE: Final = PROJECT / "node_modules/@0gfoundation/0g-ts-sdk"
RUN_LIMIT_S: Final = 600.0


def ensure_sdk() -> str:
    """Install the SDK from the lock file where it is missing and return its version."""
    if not PACKAGE.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is missing: install Node 20, which brings it, and run this again")
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return str(json.loads((PACKAGE / "package.json").read_text())["version"])


def run_sdk(task: str, **arguments: object) -> Mapping[str, Any]:
    """Run one task of `sdk.mjs`; it prints what it found as its last line."""
    node = shutil.which("node")
    if node is None:
        raise SystemExit("node is missing: install Node 20 and run this again")
    command = [node, "--max-old-space-size=8192", str(HERE / "sdk.mjs"), str(PROJECT), task, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False)
    if done.returncode:
        raise OSError(f"the SDK failed at {task}: {done.stderr[-2000:]}")
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
