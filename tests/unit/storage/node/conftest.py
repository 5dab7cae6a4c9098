"""A chain and a storage node that follows it, one of each a module; each test submits its own files."""

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
