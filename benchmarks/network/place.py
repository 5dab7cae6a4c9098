"""The network that is measured, as a user starts it: all four subsystems and the model that comes with zerog."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError
from benchmarks.nodes import START_LIMIT_S, ZEROG_COMMAND, Node, stop_zerog

__all__ = ["Whole", "start_whole", "whole"]


@dataclass(frozen=True, slots=True)
class Whole:
    """A network of all subsystems that runs."""

    folder: Path
    chain: Node
    disperser: str

    def role_pids(self) -> dict[str, int]:
        """The process of each role by its name, and that of the supervisor."""
        printed = subprocess.run(
            [*ZEROG_COMMAND, "status", "--json", "--dir", str(self.folder)],
            check=True,
            capture_output=True,
            text=True,
            timeout=START_LIMIT_S,
        )
        roles: Mapping[str, Mapping[str, Any]] = json.loads(printed.stdout)["roles"]
        return {name: int(role["pid"]) for name, role in roles.items()} | {"supervisor": self.chain.pid}


def start_whole(folder: Path, environment: Mapping[str, str]) -> Whole:
    """`zerog up --wait` in `folder`, on ports that the system chooses. Raises `RpcFailedError` where there is no model to serve."""
    subprocess.run(
        [*ZEROG_COMMAND, "up", "--wait", "--dir", str(folder), "--port-base", "0"],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=START_LIMIT_S,
    )
    endpoints = json.loads((folder / ".zerog" / "endpoints.json").read_text())
    trouble = endpoints["compute"]["providers"][0].get("trouble")
    if trouble is not None:
        raise RpcFailedError(f"the network has a trouble: {trouble}")
    return Whole(folder, Node("zerog", endpoints["chain"]["http"], endpoints["pid"]), endpoints["da"]["disperser"])


@contextmanager
def whole(bench: Bench) -> Iterator[Whole]:
    """A fresh network in a folder of its own, durable as by default."""
    with tempfile.TemporaryDirectory(prefix="benchmark-network-") as name:
        folder = Path(name)
        try:
            yield start_whole(folder, bench.environment)
        finally:
            stop_zerog(folder)
