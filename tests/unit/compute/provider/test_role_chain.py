"""A chain that goes away, back, ahead or begins anew under a whole provider: what was charged is paid once on the chain that there is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio.abc import TaskGroup, TaskStatus

from tests.unit.compute.provider.market import Buyer, Market, acknowledged, open_market, until, until_here, wants
from tests.unit.compute.provider.place import LEDGER, LEDGER_ADDRESS, NETWORK, ONE, PROVIDER, SERVICE_NAME, Place
from tests.unit.compute.provider.stage import key_of
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.compute.client import AnswerRefutedError

pytestmark = pytest.mark.anyio

MONTH_S = 30 * 86_400


@dataclass
class Node:
    """A node that is stopped and started at one port: on its folder again, or on another one."""

    tasks: TaskGroup
    folder: Path
    port: int = 0
    place: Place = field(init=False)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _ended: anyio.Event = field(default_factory=anyio.Event)

    async def start(self) -> Place:
        """Returns the place, with the contracts set up."""
        url = str(await self.tasks.start(self._live))
        self.port = int(url.rsplit(":", 1)[1])
        self.place = await Place(url).set_up()
        return self.place

    async def _live(self, *, task_status: TaskStatus[str]) -> None:
        self._ended = anyio.Event()
        with anyio.CancelScope() as self._scope:
            await ChainNode(ChainNodeSettings(rpc_port=self.port, data_dir=self.folder), NETWORK).run(task_status=task_status)
        self._ended.set()

    async def stop(self) -> None:
        await self.place.client.close()
        self._scope.cancel()
        await self._ended.wait()


@asynccontextmanager
async def on_a_node(folder: Path) -> AsyncIterator[tuple[Market, Node]]:
    async with anyio.create_task_group() as tasks:
        node = Node(tasks, folder / "chain")
        place = await node.start()
        async with open_market(folder / "provider", place=place) as market:
            yield market, node
        await node.stop()


async def test_a_chain_that_is_down_holds_settlements_back_and_loses_none(tmp_path: Path) -> None:
    async with on_a_node(tmp_path) as (market, node):
        known = await market.buyer()
        assert (await known.ask(market.http)).is_whole
        await node.stop()
        chain = market.provider.running.chain
        await until_here(lambda: chain.trouble is not None)
        for stream in (False, True):
            assert (await known.ask(market.http, stream=stream)).is_whole, "his money was locked, and cannot go within the lock time"
        stranger = Buyer(market.place, key_of("stranger"), 0)
        refused = await stranger.ask(market.http)
        assert (refused.status, refused.error["code"]) == (503, "chain_unavailable")
        assert await known.owed_wei(market.http) > 0
        market.place = known.place = await node.start()
        await until_here(lambda: chain.trouble is None)
        assert (await market.agree(known))[known.address] == 3


async def test_blocks_that_are_taken_back_are_paid_on_again(tmp_path: Path) -> None:
    async with open_market(tmp_path) as market:
        buyer = await market.buyer()
        first = await buyer.ask(market.http)
        snapshot = await market.place.client.request("evm_snapshot")
        await market.settle()
        kept = await buyer.saved(market.http, first)
        assert kept.settlement is not None
        assert (await buyer.ask(market.http, stream=True)).is_whole
        await market.settle()
        resets = market.provider.running.chain.resets
        await market.place.client.request("evm_revert", snapshot)
        await until_here(lambda: market.provider.running.chain.resets > resets)
        assert await buyer.balance_wei() == buyer.deposited_wei
        with pytest.raises(AnswerRefutedError, match="settlement"):
            await buyer.check(kept)
        assert (await buyer.ask(market.http)).is_whole
        assert (await market.agree(buyer))[buyer.address] == 3


async def test_a_chain_that_begins_anew_is_registered_at_and_paid_on_again(tmp_path: Path) -> None:
    async with on_a_node(tmp_path) as (market, node):
        buyer = await market.buyer()
        assert (await buyer.ask(market.http)).is_whole
        await market.settle()
        assert (await buyer.ask(market.http)).is_whole
        await node.stop()
        node.folder = tmp_path / "another"
        market.place = buyer.place = await node.start()
        await until_here(lambda: market.provider.running.chain.resets > 0)
        await acknowledged(market.place, market.http)
        refused = await buyer.ask(market.http)
        assert (refused.status, refused.error["code"]) == (402, "insufficient_balance")
        assert await market.book.unsettled_wei(buyer.address) > 0
        await wants(market.place, 2 * ONE, buyer.account)
        assert (await buyer.ask(market.http)).is_whole
        assert (await market.agree(buyer))[buyer.address] == 3, "what was paid in blocks that are no more is owed again, and paid once here"


async def test_a_chain_thirty_days_ahead_takes_nothing_from_anybody(tmp_path: Path) -> None:
    """The lock time of every refund is over at once: what was answered before is paid all the same, unless the user took it first."""
    async with open_market(tmp_path, settle_interval_s=3600.0) as market:
        staying, leaving = await market.buyer(), await market.buyer()
        for buyer in (staying, leaving):
            assert (await buyer.ask(market.http)).is_whole
        retrieve = ([PROVIDER.address], SERVICE_NAME)
        await market.place.send(leaving.account, LEDGER_ADDRESS, LEDGER, "retrieveFund", *retrieve)

        async def is_settled() -> bool:
            return await leaving.owed_wei(market.http) == 0

        await until(is_settled)  # Who asks for his money back is settled at once.
        await market.place.client.request("evm_increaseTime", MONTH_S)
        await market.place.client.request("evm_mine")
        assert (await staying.ask(market.http)).is_whole
        refused = await leaving.ask(market.http)
        assert (refused.status, refused.error["code"]) == (402, "insufficient_balance")
        assert (await market.agree(staying, leaving)) == {staying.address: 2, leaving.address: 1}
        left_wei = await leaving.balance_wei()
        await market.place.send(leaving.account, LEDGER_ADDRESS, LEDGER, "retrieveFund", *retrieve)
        assert await leaving.balance_wei() == 0
        assert left_wei > 0
