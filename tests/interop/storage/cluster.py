"""Storage roles one by one, each a process: a chain, nodes with shards, and an indexer in front of them."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.interop.node import Role, begun_role, running_node
from tests.interop.storage.sdk import Sdk

__all__ = ["Cluster", "running_cluster"]

ANSWER_S_MAX = 30


@dataclass(frozen=True, slots=True)
class Cluster:
    """The roles, and the official SDK pointed at the router."""

    chain: str
    nodes: Sequence[Role]
    sdk: Sdk
    directory: str
    """URL of the indexer that names each node with its shard; the SDK's presents all as one."""

    def ask(self, node: int, method: str, *parameters: object) -> Any:
        """An answer of one node."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = httpx.post(self.nodes[node].url, json=request, timeout=ANSWER_S_MAX).json()
        assert "error" not in answer, answer["error"]
        return answer["result"]


@contextmanager
def running_cluster(folder: Path, *shards: str) -> Iterator[Cluster]:
    """A node for each of `shards`, on the disk, and two indexers in front of them. What they hold is removed when all went well."""
    with ExitStack() as roles:
        chain = roles.enter_context(running_node(folder))
        ports = ("--rpc-port", "0", "--admin-port", "0", "--grpc-port", "0")
        nodes = running_together(
            roles,
            {
                folder / f"node-{number}": ("storage", "run", *ports, "--chain-url", chain, "--shard", shard)
                for number, shard in enumerate(shards)
            },
        )
        named = [word for node in nodes for word in ("--nodes", node.url)]
        command = ("storage", "indexer", "--port", "0", *named)
        router, directory = running_together(
            roles, {folder / "router": (*command, "--router"), folder / "directory": (*command, "--no-router")}
        )
        files = folder / "files"
        files.mkdir()
        yield Cluster(chain, nodes, Sdk(router.url, chain, files), directory.url)
    for number in range(len(shards)):
        shutil.rmtree(folder / f"node-{number}")
    shutil.rmtree(files)


def running_together(roles: ExitStack, commands: Mapping[Path, Sequence[str]]) -> list[Role]:
    """Roles that start at the same time, each in a folder of its own."""
    begun = [
        roles.enter_context(begun_role(folder.with_suffix(".log"), *words, "--dir", str(folder))) for folder, words in commands.items()
    ]
    return [role.ready() for role in begun]
