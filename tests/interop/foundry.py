"""Foundry's programs as they come from npm, with the project in `foundry/`, against a running node."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

__all__ = ["KEYS", "PROJECT", "SENDERS", "Foundry"]

PROJECT: Final = Path(__file__).parent / "foundry"
ARCHITECTURE: Final = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
SENDERS: Final = (
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
)
"""The first test accounts."""
KEYS: Final = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
)
"""Theirs."""
PROGRAM_S_MAX: Final = 100
"""Far more than any command takes, so that a hang is a failure and not a hang."""


def program(name: str) -> Path:
    """The program itself; what npm puts into `.bin` is a script that starts it."""
    return PROJECT.parent / f"node_modules/@foundry-rs/{name}-{platform.system().lower()}-{ARCHITECTURE}/bin/{name}"


@dataclass(frozen=True, slots=True)
class Foundry:
    """forge and cast for one node, with a home and an output folder of their own."""

    url: str
    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, whatever that is."""
        with self.started(name, *words) as process:
            try:
                output, errors = process.communicate(timeout=PROGRAM_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def started(self, name: str, *words: str) -> subprocess.Popen[str]:
        """Start a program."""
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "ETH_RPC_URL": self.url,
            "ZEROG_CHAIN_HTTP": self.url,
            "FOUNDRY_BROADCAST": str(self.home / "broadcast"),
            "NO_COLOR": "1",
            **self.environment,
        }
        pipe = subprocess.PIPE
        return subprocess.Popen([program(name), *words], cwd=PROJECT, env=environment, stdout=pipe, stderr=pipe, text=True)

    def forge(self, *words: str) -> str:
        """What `forge` prints; it must go through."""
        done = self.run("forge", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def cast(self, *words: str) -> str:
        """What `cast` prints; it must go through."""
        done = self.run("cast", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def cast_json(self, *words: str) -> Any:
        """The same as JSON."""
        return json.loads(self.cast(*words, "--json"))

    def cast_error(self, *words: str) -> str:
        """What `cast` complains of; it must fail."""
        done = self.run("cast", *words)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def ask(self, method: str, *parameters: object) -> Any:
        """The node's answer without any program between."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = httpx.post(self.url, json=request, timeout=PROGRAM_S_MAX).json()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def broadcast(self, script: str) -> Mapping[str, Any]:
        """What the newest run of a script has written down of its transactions."""
        written: Mapping[str, Any] = json.loads(self._record(self.home / "broadcast", script).read_text())
        return written

    def has_written_down(self, script: str, pending: int) -> bool:
        """Whether the newest run has done with writing down that so many transactions wait: first to one file, then, over the old one, to
        a second. With half of them it cannot be resumed."""
        first, second = self._record(self.home / "broadcast", script), self._record(PROJECT / "cache", script)
        try:
            is_whole = len(self.broadcast(script)["pending"]) == pending and bool(json.loads(second.read_text()))
            return is_whole and second.stat().st_mtime_ns >= first.stat().st_mtime_ns
        except (FileNotFoundError, json.JSONDecodeError):
            return False

    def _record(self, folder: Path, script: str) -> Path:
        return folder / script / "31337" / "run-latest.json"
