"""A chain with the market and one provider on it, in a thread of their own, and clients that know nothing but the chain's URL."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.unit.compute.provider.place import ONE, PROVIDER, Place, open_place
from tests.unit.compute.provider.test_role import registered, running
from zerog.chain.client import ChainClient
from zerog.compute.client import ComputeClient, Wallet
from zerog.compute.provider.service import ComputeProvider
from zerog.primitives import Account, encode_quantity


@dataclass
class Shop:
    """One market with one provider."""

    portal: BlockingPortal
    place: Place
    provider: ComputeProvider

    @contextmanager
    def client(self, account: Account | None, wallet: Path | None = None, **options: Any) -> Iterator[ComputeClient]:
        """As a program makes it: from the chain's URL."""
        with (
            ChainClient(self.place.url) as chain,
            ComputeClient(chain=chain, account=account, wallet=None if wallet is None else Wallet(wallet), **options) as client,
        ):
            yield client

    def settle(self) -> None:
        """What is owed, now."""
        self.portal.call(self.provider.running.settler.settle)

    def pass_time(self, seconds: int) -> None:
        """On the chain."""
        self.portal.call(self.place.client.request, "evm_increaseTime", seconds)
        self.portal.call(self.place.client.request, "evm_mine")


@contextmanager
def open_shop(folder: Path, *, acknowledge: bool = True, **settings: Any) -> Iterator[Shop]:
    """A market of its own; `settings` are the provider's."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        place = stack.enter_context(portal.wrap_async_context_manager(open_place()))
        provider, _ = stack.enter_context(portal.wrap_async_context_manager(running(place, folder, **settings)))
        portal.call(registered, place, provider)
        if acknowledge:
            portal.call(place.acknowledge, PROVIDER.address)
        yield Shop(portal, place, provider)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("provider")) as shop:
        yield shop


@pytest.fixture
def user(shop: Shop) -> Account:
    """Somebody with a full wallet whom no test has met."""
    account = Account.from_private_key(secrets.token_bytes(32))
    shop.portal.call(shop.place.client.request, "hardhat_setBalance", str(account.address), encode_quantity(100 * ONE))
    return account
