"""The two sides of a measurement of inference: each a process of its own, given the same job."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.connection import PeerSpokeWronglyError

__all__ = ["llama_version", "ours", "theirs"]

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
LIMIT_S: Final = 300


def llama_version() -> str:
    """That of the installed `node-llama-cpp`."""
    package = HERE / "node_modules" / "node-llama-cpp" / "package.json"
    if not package.exists():
        raise PeerSpokeWronglyError("node-llama-cpp is not installed: run `npm ci --ignore-scripts` in benchmarks/inference")
    return f"node-llama-cpp {json.loads(package.read_text(encoding='utf-8'))['version']}"


def ours(job: Mapping[str, object]) -> dict[str, Any]:
    return run([sys.executable, "-m", "benchmarks.inference.ours"], job)


def theirs(job: Mapping[str, object]) -> dict[str, Any]:
    return run(["node", str(HERE / "peer.mjs")], job)


def run(command: list[str], job: Mapping[str, object]) -> dict[str, Any]:
    """What a side prints for a job."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(job, file)
        file.flush()
        done = subprocess.run([*command, file.name], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode:
        raise PeerSpokeWronglyError(f"{command[-1]}: {done.stderr.strip()[-500:]}")
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed
