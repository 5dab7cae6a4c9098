"""The role: starting, stopping, proving itself, keeping its state."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.abc import TaskStatus

from tests.unit.chain.node.conftest import ACCOUNTS, LOCAL, HandClock, run_node
from tests.unit.devnet.tiny_role import TinyRole
from zerog import networks
from zerog._kernel import GenesisMismatchError, Ledger
from zerog.chain.client import AsyncChainClient
from zerog.chain.client.errors import RpcError
from zerog.chain.client.level import ChainBehindError
from zerog.chain.node.chain import network_accounts, network_genesis
from zerog.chain.node.service import ChainNode, NodeStoppedError, NotKeptError
from zerog.chain.node.settings import ChainNodeSettings, SettingsError
from zerog.chain.protocol.genesis import GenesisUnknownError
from zerog.primitives import encode_data
from zerog.runtime.control import serve_control

pytestmark = pytest.mark.anyio


def settings(folder: Path | None = None, **changes: Any) -> ChainNodeSettings:
    return ChainNodeSettings(rpc_port=0, data_dir=folder, **changes)


async def test_a_node_continues_where_it_stopped(tmp_path: Path) -> None:
    node = ChainNode(settings(tmp_path / "chain"), LOCAL, HandClock())
    for height in (1, 2, 3):
        async with anyio.create_task_group() as tasks, AsyncChainClient(await tasks.start(node.run)) as client:
            assert await client.block_number() == height - 1
            await client.send(ACCOUNTS[2].address, value_wei=1, account=ACCOUNTS[1])
            assert await client.block_number() == height
            assert await client.nonce(ACCOUNTS[1].address, "latest") == height
            tasks.cancel_scope.cancel()


async def test_a_chain_that_travelled_in_time_goes_on_from_there(tmp_path: Path) -> None:
    clock = HandClock()
    seen: list[int] = []
    for _ in range(2):
        node = ChainNode(settings(tmp_path / "chain"), LOCAL, clock)
        async with anyio.create_task_group() as tasks, AsyncChainClient(await tasks.start(node.run)) as client:
            if not seen:
                await client.request("evm_increaseTime", 1_000_000)
            clock.advance(10)
            await client.request("evm_mine")
            block = await client.block()
            assert block is not None
            seen.append(int(block.timestamp))
            tasks.cancel_scope.cancel()
    assert seen[1] == seen[0] + 10


async def test_the_first_probe_makes_a_block_and_later_ones_none() -> None:
    node = ChainNode(settings(), LOCAL, HandClock())
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        first, second = await node.probe(), await node.probe()
        assert first == second
        assert first["block"] == 1
        tasks.cancel_scope.cancel()


async def test_a_node_that_stops_keeps_nobody_waiting_for_a_block() -> None:
    """A follower asks for the next block all the time, so that a node which lets requests finish would never stop at once."""
    node = ChainNode(settings(automine=False), LOCAL, HandClock())
    answers: dict[str, Any] = {}

    async def ask(client: AsyncChainClient, method: str, *parameters: object) -> None:
        try:
            answers[method] = await client.request(method, *parameters)
        except RpcError as error:
            answers[method] = error.number

    async def run_until_cancelled(scope: anyio.CancelScope, *, task_status: TaskStatus[str]) -> None:
        with scope:
            await node.run(task_status=task_status)

    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()
        url: str = await tasks.start(run_until_cancelled, scope)
        async with AsyncChainClient(url) as follower, AsyncChainClient(url) as sender, anyio.create_task_group() as clients:
            head = await follower.block()
            assert head is not None
            clients.start_soon(ask, follower, "zerog_getBlocks", "0x1", encode_data(head.hash), 1, 20_000)
            transaction = {"from": str(ACCOUNTS[1].address), "to": str(ACCOUNTS[2].address)}
            clients.start_soon(ask, sender, "eth_sendTransactionSync", transaction, 20_000)
            with anyio.fail_after(10):
                while node.chain.feed.next_block.statistics().tasks_waiting < 2:
                    await anyio.lowlevel.checkpoint()
            scope.cancel()
            begin_s = anyio.current_time()
    assert anyio.current_time() - begin_s < 4  # The server's own patience is five seconds.
    assert answers["zerog_getBlocks"]["blocks"] == []
    assert answers["eth_sendTransactionSync"] == 4


class Company(TinyRole):
    """A supervisor whose roles follow the chain when a test says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 0)
        self.asked, self.level, self.trouble = anyio.Event(), anyio.Event(), ""

    async def follow(self) -> None:
        self.asked.set()
        await self.level.wait()
        if self.trouble:
            raise ChainBehindError(self.trouble)


async def test_whoever_has_rolled_the_chain_back_can_wait_until_every_role_has_followed(tmp_path: Path) -> None:
    company, path = Company(tmp_path), tmp_path / "supervisor.sock"
    node = ChainNode(settings(), LOCAL, HandClock(), supervisor=path)
    answers = []

    async def ask(client: AsyncChainClient) -> None:
        answers.append(await client.request("zerog_waitForRoles"))

    async with anyio.create_task_group() as tasks, AsyncChainClient(await tasks.start(node.run)) as client:
        await ask(client)  # Nobody supervises anything.
        await tasks.start(partial(serve_control, company, path, stop=anyio.Event().set))
        with anyio.fail_after(10):
            async with anyio.create_task_group() as clients:
                clients.start_soon(ask, client)
                await company.asked.wait()
                assert await client.block_number() == 0  # The chain serves meanwhile.
                assert answers == [True]
                company.level.set()
        company.trouble = "no node answers"
        with pytest.raises(RpcError, match=r"not every role has seen the newest block: .* seconds: no node answers"):
            await ask(client)
        tasks.cancel_scope.cancel()
    assert answers == [True, True]


async def test_a_quiet_node_makes_no_block_until_it_resumes() -> None:
    node = ChainNode(settings(), LOCAL, HandClock())
    async with anyio.create_task_group() as tasks, AsyncChainClient(await tasks.start(node.run)) as client:
        await node.quiesce(3)
        assert await client.block_number() == 3
        assert node.status()["quiesced"] is True
        async with anyio.create_task_group() as senders:
            senders.start_soon(client.request, "evm_mine")
            assert await client.block_number() == 3
            await node.resume()
        assert await client.block_number() == 4
        tasks.cancel_scope.cancel()


async def test_a_checkpoint_is_a_chain_of_its_own(tmp_path: Path) -> None:
    node = ChainNode(settings(tmp_path / "chain"), LOCAL, HandClock())
    async with anyio.create_task_group() as tasks, AsyncChainClient(await tasks.start(node.run)) as client:
        await client.send(ACCOUNTS[2].address, value_wei=1, account=ACCOUNTS[1])
        await node.quiesce(5)
        await node.checkpoint(tmp_path / "copy")
        await node.resume()
        await client.send(ACCOUNTS[2].address, value_wei=1, account=ACCOUNTS[1])
        tasks.cancel_scope.cancel()
    copy = ChainNode(settings(tmp_path / "copy"), LOCAL, HandClock())
    async with anyio.create_task_group() as tasks, AsyncChainClient(await tasks.start(copy.run)) as client:
        assert await client.block_number() == 5
        assert await client.nonce(ACCOUNTS[1].address, "latest") == 1
        tasks.cancel_scope.cancel()


async def test_a_chain_in_memory_has_nothing_to_copy(tmp_path: Path) -> None:
    node = ChainNode(settings(), LOCAL, HandClock())
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        with pytest.raises(NotKeptError):
            await node.checkpoint(tmp_path)
        tasks.cancel_scope.cancel()


async def test_a_node_that_does_not_run_says_so() -> None:
    with pytest.raises(NodeStoppedError, match="not running"):
        await ChainNode(settings(), LOCAL).probe()


async def test_another_genesis_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    node = ChainNode(settings(tmp_path / "chain"), LOCAL, HandClock())
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        tasks.cancel_scope.cancel()
    with pytest.raises(GenesisMismatchError):
        await ChainNode(settings(tmp_path / "chain", hardfork="osaka"), LOCAL, HandClock()).run()


async def test_a_public_network_cannot_be_started_here() -> None:
    with pytest.raises(GenesisUnknownError):
        await ChainNode(settings(), networks.load("galileo")).run()


async def test_health_readiness_and_figures_are_pages() -> None:
    node = ChainNode(settings(), LOCAL, HandClock())
    async with anyio.create_task_group() as tasks, httpx.AsyncClient(base_url=await tasks.start(node.run)) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).json()["status"] == "ready"
        figures = (await http.get("/metrics")).text
        assert "zerog_chain_head_block 1\n" in figures
        assert "zerog_chain_ledger_blocks" in figures
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "changes",
    [{"block_time_s": 0}, {"block_time_s": -1.0}, {"checkpoint_blocks": 0}, {"minimum_tip_wei": -1}],
)
async def test_settings_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        settings(**changes)


async def test_the_genesis_of_local_never_changes() -> None:
    genesis = network_genesis(LOCAL, settings(), network_accounts(LOCAL))
    assert genesis == network_genesis(LOCAL, settings(minimum_tip_wei=5), network_accounts(LOCAL))
    # Another hash here means that nobody's kept chain opens any more: say so in the change log.
    assert Ledger.open(None, genesis).genesis_hash.hex() == "06641a6fd427bc45dcea11d1a793c759c881c079a007c6e5317904bfb0330efe"


async def test_without_developer_methods_they_do_not_exist() -> None:
    for chain in run_node(settings(dev_methods=False)):
        for method in ("evm_mine", "anvil_setBalance", "hardhat_mine", "eth_sendTransaction", "personal_sign", "eth_sign"):
            assert chain.refusal(method).code == -32601
        assert chain.rpc("eth_accounts") == []
        assert chain.rpc("web3_clientVersion").startswith("zerog/v")
        assert chain.rpc("eth_getTransactionReceipt", chain.send())["status"] == "0x1"


async def test_two_nodes_agree_on_every_block() -> None:
    clock = HandClock()
    hashes: list[object] = []
    for _ in range(2):
        node = ChainNode(settings(), LOCAL, clock)
        async with anyio.create_task_group() as tasks, AsyncChainClient(await tasks.start(node.run)) as client:
            await client.send(ACCOUNTS[2].address, value_wei=1, account=ACCOUNTS[1])
            await client.request("anvil_setBalance", "0x" + "77" * 20, "0x1")
            await client.request("hardhat_mine", 5)
            block = await client.block()
            hashes.append(block.hash if block else None)
            tasks.cancel_scope.cancel()
    assert hashes[0] == hashes[1] is not None
