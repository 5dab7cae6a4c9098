"""How a provider offers its service, and how what it knows of its users follows the chain."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.unit.compute.book.making import ShiftedClock
from tests.unit.compute.provider.place import (
    LEDGER,
    LEDGER_ADDRESS,
    ONE,
    PROVIDER,
    SERVICE_NAME,
    SERVING_ADDRESS,
    USERS,
    WAIT_S,
    Line,
    Place,
    offer,
    open_place,
)
from zerog.chain.client import AsyncChainClient
from zerog.compute.provider.chain import ChainUnavailableError, ProviderChain
from zerog.contracts.compute import ServiceParams
from zerog.primitives import Wei

pytestmark = pytest.mark.anyio


class MovableClock(ShiftedClock):
    """Both of its hands can be moved on."""

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s


def provider_chain(place: Place, line: Line | None = None, clock: MovableClock | None = None) -> ProviderChain:
    client = AsyncChainClient(place.url, transport=line)
    return ProviderChain(client, PROVIDER, SERVING_ADDRESS, chain_id=31337, clock=clock or MovableClock(), interval_s=0.01)


@asynccontextmanager
async def following(chain: ProviderChain, params: ServiceParams) -> AsyncIterator[ProviderChain]:
    """A provider that offers a service, from when it stands on chain and is followed."""
    async with anyio.create_task_group() as group:
        await group.start(chain.run, params)
        await until(chain, lambda: chain.is_registered and chain.head is not None)
        yield chain
        group.cancel_scope.cancel()
    await chain.client.close()


async def until(chain: ProviderChain, fits: Callable[[], bool]) -> None:
    with anyio.fail_after(WAIT_S):
        while not fits():
            await chain.wait_for_news()


async def settled_at_head(chain: ProviderChain, place: Place) -> None:
    """Return once the provider has seen the newest block."""
    block = await place.client.block()
    assert block is not None
    await until(chain, lambda: chain.head is not None and chain.head.hash == block.hash)


async def test_a_service_is_offered_once_and_changed_only_where_it_differs() -> None:
    async with open_place() as place:
        before = await place.client.balance(PROVIDER.address)
        async with following(provider_chain(place), offer()) as chain:
            service = await chain.service()
            assert service is not None
            assert (service.params, service.is_signer_acknowledged) == (offer(), False)
            assert (await chain.status())["is_acknowledged"] is False
            assert before - await place.client.balance(PROVIDER.address) >= 100 * ONE
            await place.acknowledge()
            await settled_at_head(chain, place)
            assert (await chain.status())["is_acknowledged"] is True
        sent = await place.client.nonce(PROVIDER.address)
        async with following(provider_chain(place), offer()):
            assert await place.client.nonce(PROVIDER.address) == sent
        async with following(provider_chain(place), offer(input_price_wei=Wei(11))) as chain:
            service = await chain.service()
            assert service is not None
            assert (service.params.input_price_wei, service.is_signer_acknowledged) == (11, True)
            assert await place.client.nonce(PROVIDER.address) == sent + 1


async def test_what_users_do_on_chain_is_seen_with_its_block() -> None:
    user = USERS[3]
    async with open_place() as place, following(provider_chain(place), offer()) as chain:
        assert await chain.account(user.address) is None
        await place.fund(user, 2 * ONE)
        account = await chain.account(user.address, max_age_s=0)
        assert account is not None
        assert (account.balance_wei, account.locked_wei, account.acknowledged) == (2 * ONE, 2 * ONE, True)
        await settled_at_head(chain, place)

        await place.serving(user, "revokeToken", PROVIDER.address, 3)
        await settled_at_head(chain, place)
        account = await chain.account(user.address)
        assert account is not None
        assert (account.generation, account.revoked_bitmap) == (0, 8)

        await place.serving(user, "revokeTokens", PROVIDER.address, [0, 1])
        await settled_at_head(chain, place)
        account = await chain.account(user.address)
        assert account is not None
        assert account.revoked_bitmap == 11

        await place.serving(user, "revokeAllTokens", PROVIDER.address)
        await settled_at_head(chain, place)
        account = await chain.account(user.address)
        assert account is not None
        assert (account.generation, account.revoked_bitmap) == (1, 0)

        await place.send(user, LEDGER_ADDRESS, LEDGER, "retrieveFund", [PROVIDER.address], SERVICE_NAME)
        await settled_at_head(chain, place)
        account = await chain.account(user.address)
        assert account is not None
        assert (account.balance_wei, account.pending_refund_wei, account.locked_wei) == (2 * ONE, 2 * ONE, 0)


async def test_many_who_ask_at_once_read_once_and_then_nobody_reads() -> None:
    line, clock = Line(), MovableClock()
    async with open_place() as place, following(provider_chain(place, line, clock), offer()) as chain:
        await place.fund(USERS[3], 2 * ONE)
        await settled_at_head(chain, place)
        found: list[Any] = []

        async def ask() -> None:
            found.append(await chain.account(USERS[3].address))

        def calls() -> int:
            return line.methods.count("eth_call")

        before = calls()
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)
        assert calls() == before + 1
        assert len(found) == 50
        assert all(account.balance_wei == 2 * ONE for account in found)
        await ask()
        assert calls() == before + 1
        clock.ahead_s += 121
        await ask()
        assert calls() == before + 2


async def test_a_chain_that_is_away_is_missed_only_after_a_while() -> None:
    line, clock = Line(), MovableClock()
    async with open_place() as place, following(provider_chain(place, line, clock), offer()) as chain:
        await place.fund(USERS[3], 2 * ONE)
        await settled_at_head(chain, place)
        assert await chain.account(USERS[3].address) is not None
        line.is_cut = True
        clock.ahead_s += 1_000
        account = await chain.account(USERS[3].address)
        assert account is not None
        assert account.locked_wei == 2 * ONE
        with pytest.raises(ChainUnavailableError):
            await chain.account(USERS[4].address)
        clock.ahead_s += 1_000
        with pytest.raises(ChainUnavailableError):
            await chain.account(USERS[3].address)
        line.is_cut = False
        account = await chain.account(USERS[3].address)
        assert account is not None


async def test_a_chain_that_goes_back_takes_everything_with_it_and_is_registered_at_again() -> None:
    async with open_place() as place:
        snapshot = await place.client.request("evm_snapshot")
        async with following(provider_chain(place), offer()) as chain:
            await place.fund(USERS[3], 2 * ONE)
            await settled_at_head(chain, place)
            assert await chain.account(USERS[3].address) is not None
            await place.client.request("evm_revert", snapshot)
            await until(chain, lambda: chain.resets > 0 and chain.is_registered)
            service = await chain.service()
            assert service is not None
            assert await chain.account(USERS[3].address) is None


async def test_a_chain_thirty_days_ahead_changes_nothing() -> None:
    async with open_place() as place, following(provider_chain(place), offer()) as chain:
        await place.fund(USERS[3], 2 * ONE)
        await place.client.request("evm_increaseTime", 30 * 86_400)
        await place.client.request("evm_mine")
        await settled_at_head(chain, place)
        account = await chain.account(USERS[3].address)
        assert account is not None
        assert (account.locked_wei, chain.trouble, chain.resets) == (2 * ONE, None, 0)


async def test_a_node_of_another_chain_is_not_served() -> None:
    async with open_place() as place:
        chain = ProviderChain(AsyncChainClient(place.url), PROVIDER, SERVING_ADDRESS, chain_id=5, clock=MovableClock(), interval_s=0.01)
        async with anyio.create_task_group() as group:
            await group.start(chain.run, offer())
            await until(chain, lambda: chain.trouble is not None)
            assert "chain 31337" in str(chain.trouble)
            assert await place.client.nonce(PROVIDER.address) == 0
            group.cancel_scope.cancel()
        await chain.client.close()
