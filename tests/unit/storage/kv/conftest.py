"""A chain, a storage node and a key-value node that follows everything, one of each a module; each test has streams of its own."""

from collections.abc import Iterator

import pytest

from tests.unit.storage.kv.network import KvNetwork, KvNode
from tests.unit.storage.node.network import Chain, Node


@pytest.fixture(scope="module")
def network() -> Iterator[KvNetwork]:
    with KvNetwork.open() as network:
        yield network


@pytest.fixture(scope="module")
def chain(network: KvNetwork) -> Chain:
    return network.chain()


@pytest.fixture(scope="module")
def node(network: KvNetwork, chain: Chain) -> Node:
    return network.node(chain)


@pytest.fixture(scope="module")
def kv(network: KvNetwork, chain: Chain, node: Node) -> KvNode:
    return network.kv(chain, node)
