"""A storage node as a process of its own, whose memory can be measured."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx

from tests.unit.storage.node.network import WAIT_S, Chain, Talker

KIB_PER_MIB = 1024


class NodeProcess(Talker):
    """Talks to a node that runs elsewhere."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, http: httpx.Client) -> None:
        super().__init__(url, http)
        self.process = process
        self.ids: Iterator[int] = count(1)
        self.idle_kib = 0
        """Resident memory when nobody has asked for anything yet."""

    def memory_kib(self, which: str) -> int:
        """Resident memory: `VmRSS` now, `VmHWM` at its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{which}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])

    @property
    def highest_mib_over_idle(self) -> float:
        return (self.memory_kib("VmHWM") - self.idle_kib) / KIB_PER_MIB

    def metrics(self) -> dict[str, float]:
        """By name with labels."""
        lines = self.http.get(f"{self.url}/metrics", timeout=WAIT_S).text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def refused(self, who: str) -> dict[str, int]:
        """Refusals of `uploads` or `peers` by reason."""
        found = re.compile(rf'zerog_storage_{who}_refused_total{{reason="(.*)"}}')
        return {match[1]: int(value) for name, value in self.metrics().items() if (match := found.fullmatch(name))}

    def until(self, fits: Callable[[], bool]) -> None:
        """Ask again and again, for as long as a test may take; each question lets the node go on."""
        while not fits():
            assert self.process.poll() is None, "the node has ended"


@contextmanager
def node_process(chain: Chain, folder: Path, *flags: str) -> Iterator[NodeProcess]:
    """Start a node as an operator does, and stop it by its process id."""
    command = [sys.executable, "-m", "zerog", "storage", "run", "--supervised", "--dir", str(folder), "--chain-url", chain.url]
    ports = ["--rpc-port", "0", "--admin-port", "0", "--grpc-port", "0"]
    with (
        subprocess.Popen([*command, *ports, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        httpx.Client() as http,
    ):
        assert process.stdout is not None
        try:
            event = json.loads(process.stdout.readline())
            node = NodeProcess(process, event["ready"], http)
            node.idle_kib = node.memory_kib("VmRSS")
            yield node
        finally:
            process.terminate()
            process.wait(WAIT_S)
