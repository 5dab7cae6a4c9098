"""A network of our own with storage, as a user starts it, and what is read of it from outside."""

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from benchmarks.nodes import START_LIMIT_S, ZEROG_COMMAND, process_tree, resident_bytes, stop_zerog
from zerog.chain.client import ChainClient
from zerog.primitives import Account, Data
from zerog.storage.client import StorageClient

__all__ = ["Network", "PeakMemory", "network", "start_network"]

LOOK_S: Final = 0.05
"""Between two looks at the memory of the processes."""


@dataclass(frozen=True, slots=True)
class Network:
    """Where everything of it is."""

    pid: int
    chain: str
    indexer: str
    node: str
    """The first storage node itself."""
    keys: Sequence[str]

    @contextmanager
    def client(self, account: int = 0) -> Iterator[StorageClient]:
        """Our client, paying with one of the test accounts."""
        payer = Account.from_private_key(Data.from_json(self.keys[account]))
        with ChainClient(self.chain) as chain, StorageClient(indexer=self.indexer, chain=chain, account=payer) as client:
            yield client

    def storage_pids(self) -> list[int]:
        """The processes whose command line names storage."""
        return [pid for pid in process_tree(self.pid) if b"storage" in (Path("/proc") / str(pid) / "cmdline").read_bytes()]


def start_network(folder: Path, environment: Mapping[str, str] | None = None) -> Network:
    """`zerog up --wait` in `folder`, on ports that the system chooses."""
    subprocess.run(
        [*ZEROG_COMMAND, "up", "--wait", "--dir", str(folder), "--port-base", "0"],
        env={**os.environ, **(environment or {})},
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=START_LIMIT_S,
    )
    endpoints = json.loads((folder / ".zerog" / "endpoints.json").read_text())
    storage = endpoints["storage"]
    return Network(
        pid=endpoints["pid"],
        chain=endpoints["chain"]["http"],
        indexer=storage["indexer"],
        node=storage["nodes"][0]["rpc"],
        keys=[account["private_key"] for account in endpoints["accounts"]],
    )


@contextmanager
def network(environment: Mapping[str, str] | None = None) -> Iterator[Network]:
    """A fresh one, durable as by default."""
    with tempfile.TemporaryDirectory(prefix="benchmark-storage-") as folder:
        started = start_network(Path(folder), environment)
        try:
            yield started
        finally:
            stop_zerog(Path(folder))


@dataclass(slots=True)
class PeakMemory:
    """The most memory that some processes took together while this was open."""

    pids: Sequence[int]
    peak_bytes: int = 0
    idle_bytes: int = 0
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.idle_bytes = self._now()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _now(self) -> int:
        return sum(resident_bytes(pid)[0] for pid in self.pids)

    def _watch(self) -> None:
        while not self._done.wait(LOOK_S):
            self.peak_bytes = max(self.peak_bytes, self._now())
