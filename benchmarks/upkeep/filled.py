"""Folders of storage nodes that hold a gibibyte, for the rows to start nodes on."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.nodes import Node, zerog
from benchmarks.storage.held import storage_node
from zerog import networks
from zerog.chain.client import ChainClient
from zerog.chain.node.chain import network_accounts
from zerog.primitives import Hash32
from zerog.storage.client import StorageClient

__all__ = ["FILES", "FILE_MIB", "MIB", "Filled", "filled"]

MIB: Final = 1 << 20
FILES: Final = 4
FILE_MIB: Final = 256


@dataclass(frozen=True, slots=True)
class Filled:
    """A chain, the files that were submitted to it, and a node's folder that holds them."""

    chain: Node
    folder: Path
    """Beside it there is room for others."""
    files: tuple[Path, ...]
    roots: tuple[Hash32, ...]

    def copy(self, name: str) -> Path:
        """Another folder that holds the same."""
        return Path(shutil.copytree(self.folder, self.folder.with_name(name), ignore=shutil.ignore_patterns("lock")))

    def data_files(self) -> list[Path]:
        """What the segments lie in."""
        return sorted((self.folder / "store" / "data").iterdir())


@contextmanager
def filled(bench: Bench) -> Iterator[Filled]:
    """A gibibyte of random bytes, uploaded as users do."""
    with zerog(bench.environment) as chain, tempfile.TemporaryDirectory(prefix="benchmark-upkeep-") as name:
        files = tuple(Path(name) / f"file-{number}" for number in range(FILES))
        for file in files:
            file.write_bytes(os.urandom(FILE_MIB * MIB))
        folder = Path(name) / "held"
        payer = network_accounts(networks.load("local"))[1]
        with (
            storage_node(chain.url, folder) as (url, _),
            ChainClient(chain.url) as client,
            StorageClient(nodes=(url,), chain=client, account=payer) as storage,
        ):
            roots = tuple(storage.upload(file).root for file in files)
        yield Filled(chain, folder, files, roots)
