"""A chain of each module, on which its tests put nodes and indexers."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.unit.storage.indexer.stage import Stage
from tests.unit.storage.node.network import Network


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Network.open() as network, ExitStack() as cleanup:
        yield Stage(network, network.chain(), cleanup)
