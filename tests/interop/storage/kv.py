"""Jobs of `kv.mjs`, and a network whose key-value node the official SDKs are pointed at."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zerog
from tests.devnet.command import Zerog
from tests.interop.storage.network import Network, running_network
from tests.interop.storage.sdk import NEW, Job, Sdk
from zerog.primitives import Hash32
from zerog.sdk.network import Network as Connection
from zerog.storage.client.kv import stream_id

__all__ = ["KvNetwork", "call", "hexed", "iterate", "key", "raw", "running_kv_network", "stream", "value", "write"]


def stream(word: str) -> str:
    """The id of a stream of this name, as the SDKs write it."""
    return str(stream_id(word))


def hexed(data: bytes) -> str:
    return f"0x{data.hex()}"


def key(data: bytes) -> dict[str, str]:
    """A key as a parameter of `call`."""
    return {"bytes": hexed(data)}


def write(
    *sets: tuple[str, bytes, bytes],
    version: int | None = None,
    reads: Sequence[tuple[str, bytes]] = (),
    controls: Sequence[dict[str, object]] = (),
    **more: object,
) -> Job:
    """A batch of the SDK's, and what became of it."""
    values = [(name, hexed(key_), hexed(value_)) for name, key_, value_ in sets]
    watched = [(name, hexed(key_)) for name, key_ in reads]
    return {"kind": "write", "version": version, "sets": values, "reads": watched, "controls": controls, **more}


def raw(data: bytes, *streams: str) -> Job:
    """Any bytes as an item of these streams."""
    tags = bytes.fromhex("df2ff3bb0af36c6384e6206552a4ed807f6f6a26e7d0aa6bff772ddc9d4307aa")
    return {"kind": "write", "data": hexed(data), "tags": hexed(tags + b"".join(Hash32.from_json(name) for name in streams))}


def value(name: str, key_: bytes, version: int | None = None) -> Job:
    """A value as the SDK assembles it."""
    return {"kind": "value", "stream": name, "key": hexed(key_), **({} if version is None else {"version": version})}


def call(method: str, *params: object) -> Job:
    """A call of the SDK's client."""
    return {"kind": "call", "method": method, "params": params}


def iterate(name: str, seek: str, step: str, key_: bytes | None = None) -> Job:
    """A walk by the SDK's iterator."""
    return {"kind": "iterate", "stream": name, "seek": seek, "step": step, **({} if key_ is None else {"key": hexed(key_)})}


@dataclass(frozen=True, slots=True)
class KvNetwork:
    """A network, its key-value node, and our own connection to it."""

    network: Network
    ours: Connection

    @property
    def url(self) -> str:
        assert self.network.endpoints.storage is not None
        assert self.network.endpoints.storage.kv is not None
        return self.network.endpoints.storage.kv

    def sdk(self, package: str = NEW) -> Sdk:
        """An official SDK that reads from the key-value node and writes through the router."""
        places = {"node": self.network.node, "kv": self.url}
        return replace(self.network.sdk, package=package, program="kv.mjs", places=places)

    def ask(self, method: str, *parameters: object) -> Any:
        """An answer of the key-value node."""
        return self.network.ask(self.url, method, *parameters)

    @property
    def command(self) -> Zerog:
        """The command in the network's folder."""
        return Zerog(Path(self.network.endpoints.data_dir).parent)


@contextmanager
def running_kv_network(folder: Path, *words: str) -> Iterator[KvNetwork]:
    """A network in memory; `words` go to `zerog up`."""
    with running_network(folder, *words) as network, zerog.connect("local", folder=Path(network.endpoints.data_dir).parent) as ours:
        yield KvNetwork(network, ours)
