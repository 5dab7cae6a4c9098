"""The contracts of storage, deployed anew for each test."""

from collections.abc import Iterator

import pytest

from tests.contracts.storage.deployment import Storage, deploy_storage
from tests.interop.web3py.common import Context


@pytest.fixture
def fresh(context: Context) -> Iterator[Context]:
    """A chain to which whatever a test does is undone."""
    snapshot = context.send("evm_snapshot")
    yield context
    assert context.send("evm_revert", snapshot) is True


@pytest.fixture
def storage(fresh: Context) -> Storage:
    """Contracts at a price of 10 wei, whose first epoch lasts longer than any test."""
    return deploy_storage(fresh)
