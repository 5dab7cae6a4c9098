"""A chain, a storage node that follows it and a client of both, one of each a module."""

from collections.abc import Iterator

import pytest

from tests.unit.storage.node.network import ACCOUNTS, Chain, Network, Node
from zerog.storage.client import StorageClient


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


@pytest.fixture(scope="module")
def client(chain: Chain, node: Node) -> Iterator[StorageClient]:
    with StorageClient(nodes=[node.url], chain=chain.client, account=ACCOUNTS[3]) as client:
        yield client
