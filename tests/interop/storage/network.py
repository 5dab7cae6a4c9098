"""A network with storage, as a user starts it, and an official SDK that is pointed at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.devnet.command import Zerog, ask
from tests.interop.storage.sdk import Sdk
from zerog.devnet.endpoints import Endpoints

__all__ = ["Network", "running_network"]

ANSWER_S_MAX = 30


@dataclass(frozen=True, slots=True)
class Network:
    """Where everything is."""

    endpoints: Endpoints
    sdk: Sdk

    @property
    def node(self) -> str:
        """URL of what the indexer tells the SDKs to use."""
        trusted = self.ask(self.sdk.indexer, "indexer_getShardedNodes")["trusted"]
        url: str = trusted[0]["url"]
        return url

    def chain(self, method: str, *parameters: object) -> Any:
        """An answer of the chain."""
        return ask(self.endpoints, method, *parameters)

    def storage(self, method: str, *parameters: object) -> Any:
        """An answer of the storage node that the SDKs use."""
        return self.ask(self.node, method, *parameters)

    def ask(self, url: str, method: str, *parameters: object) -> Any:
        """An answer of the role at `url`."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = httpx.post(url, json=request, timeout=ANSWER_S_MAX).json()
        assert "error" not in answer, answer["error"]
        return answer["result"]


@contextmanager
def running_network(folder: Path, *words: str) -> Iterator[Network]:
    """A network in memory of what storage stands on, so that nobody else's files get numbers there; `words` go to `zerog up`."""
    (folder / "files").mkdir()
    endpoints = Zerog(folder).up("--ephemeral", "--only", "chain", "--only", "storage", *words)
    try:
        assert endpoints.chain is not None
        assert endpoints.storage is not None
        yield Network(endpoints, Sdk(endpoints.storage.indexer, endpoints.chain.http, folder / "files"))
    finally:
        Zerog(Path(endpoints.data_dir).parent).down()  # Such a network has a folder of its own, which it removes.
