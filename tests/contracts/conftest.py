"""A running chain that the tests of contracts share."""

from collections.abc import Iterator

import pytest

from tests.interop.node import running_node
from tests.interop.web3py.common import Context, connect


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """A connection to a node in memory, with the ten test accounts."""
    with running_node(tmp_path_factory.mktemp("node")) as url:
        yield connect(url)
