"""A chain and a storage node that follows it, one of each a module; each test submits its own files."""

import socket
from collections.abc import Iterator

import pytest

from tests.unit.storage.node.network import Chain, Network, Node


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network.open() as network:
        yield network


@pytest.fixture(scope="module")
def chain(network: Network) -> Chain:
    return network.chain()


@pytest.fixture(scope="module")
def node(network: Network, chain: Chain) -> Node:
    return network.node(chain)


@pytest.fixture
def unused_port() -> int:
    """A port that the system had free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
