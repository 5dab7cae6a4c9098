"""Transactions of the client on a chain that makes blocks only when it is told: the user hears it, and nothing is sent twice."""

import secrets
import threading
from collections.abc import Iterator

import pytest

from tests.unit.compute.client.conftest import Shop
from tests.unit.compute.provider.place import ONE
from zerog.chain.client import ChainClient
from zerog.compute.client import NoBlocksError
from zerog.primitives import Account


@pytest.fixture
def stopped(shop: Shop) -> Iterator[Shop]:
    ask = shop.place.client.request
    shop.portal.call(ask, "evm_setAutomine", False)
    yield shop
    shop.portal.call(ask, "evm_setAutomine", True)
    shop.portal.call(ask, "evm_mine")


def funded(shop: Shop) -> Account:
    account = Account.from_private_key(secrets.token_bytes(32))
    shop.portal.call(shop.place.client.request, "hardhat_setBalance", str(account.address), hex(100 * ONE))
    return account


def test_a_chain_that_makes_no_blocks_is_named_and_its_remedy_helps(stopped: Shop) -> None:
    with stopped.client(funded(stopped)) as client:
        with pytest.raises(NoBlocksError) as waiting:
            client.ask("Hello?")
        assert "evm_mine" in waiting.value.remedy
        assert client.money().ledger is None
        stopped.portal.call(stopped.place.client.request, "evm_mine")
        money = client.money()
        assert money.ledger is not None, "the remedy brings the transaction into a block"
        assert client.market.chain.receipt(waiting.value.transaction_hash) is not None


def test_blocks_that_somebody_makes_are_waited_for(stopped: Shop) -> None:
    with ChainClient(stopped.place.url) as chain, stopped.client(funded(stopped)) as client:
        done = threading.Event()

        def mine() -> None:
            while not done.wait(0.05):
                chain.request("evm_mine")

        miner = threading.Thread(target=mine)
        miner.start()
        try:
            assert client.deposit(3 * ONE).succeeded
        finally:
            done.set()
            miner.join()
