"""The command `zerog` as a user runs it, and the JSON-RPC as a user asks it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from zerog.devnet.endpoints import Endpoints

__all__ = ["START_S_MAX", "Zerog", "ask"]

START_S_MAX = 60
"""Far more than any command takes, so that a hang is a failure and not a hang."""


@dataclass(frozen=True, slots=True)
class Zerog:
    """The command in one folder."""

    folder: Path
    command_s_max: float = START_S_MAX

    def arguments(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "zerog", *words, "--dir", str(self.folder)]

    def run(self, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run to the end; its exit code must be `expect`."""
        done = subprocess.run(self.arguments(*words), capture_output=True, text=True, timeout=self.command_s_max, check=False)
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start and go on."""
        return subprocess.Popen(self.arguments(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def up(self, *words: str) -> Endpoints:
        """Start a network in the background, on ports that the system chooses, and wait until it is ready."""
        return msgspec.json.decode(self.run("up", "--wait", "--json", "--port-base", "0", *words).stdout, type=Endpoints)

    def down(self) -> None:
        self.run("down")


def ask(endpoints: Endpoints, method: str, *parameters: object) -> object:
    """The result of one JSON-RPC call to the chain."""
    assert endpoints.chain is not None
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    answer = httpx.post(endpoints.chain.http, json=request, timeout=START_S_MAX).json()
    assert "error" not in answer, answer["error"]
    return answer["result"]
