"""The mine: a proof of what is stored is taken, credited by half of what its chunk has released, and paid out."""

from collections.abc import Iterator
from itertools import islice

import pytest

from tests.contracts.storage.mining import Mining, begin_mining, submissions_of
from tests.interop.web3py.common import Context
from zerog.contracts.mine import NewSubmission


@pytest.fixture(scope="module")
def prepared(context: Context) -> Iterator[Mining]:
    """A flow with a file of 4 MiB, whose epoch has ended, and a miner with an id."""
    snapshot = context.send("evm_snapshot")
    yield begin_mining(context)
    assert context.send("evm_revert", snapshot) is True


@pytest.fixture
def mining(prepared: Mining) -> Iterator[Mining]:
    """The same, undone after each test."""
    snapshot = prepared.storage.context.send("evm_snapshot")
    yield prepared
    assert prepared.storage.context.send("evm_revert", snapshot) is True


def test_a_mined_answer_is_taken(mining: Mining) -> None:
    first, second = islice(mining.search().answers(), 2)
    receipt = mining.submit(first)
    assert submissions_of(receipt) == [NewSubmission(1, mining.miner_id, 0, first.recall_position)]
    receipt = mining.submit(second)
    assert submissions_of(receipt) == [NewSubmission(1, mining.miner_id, 1, second.recall_position)]
