"""What a chain may do to blobs on their way, with all roles real: begin anew, be away, and let the epoch of their quorum pass."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import pytest
from anyio import to_thread
from anyio.abc import TaskGroup, TaskStatus

from tests.unit.da.disperser.network import DaNetwork, Disperser, pattern
from tests.unit.da.place import LOCAL, WAIT_S, Place, da_account, setup_of, until
from zerog.chain.client import AsyncChainClient
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.contracts.da import DA_ENTRANCE, DA_SIGNERS
from zerog.da.client.chain import DA_SIGNERS_ADDRESS, DaChain
from zerog.da.disperser.steps import Carried
from zerog.da.encoder.service import DaEncoder
from zerog.da.encoder.settings import DaEncoderSettings
from zerog.da.protocol.dispersal import Step
from zerog.da.protocol.status import BlobStatus
from zerog.networks import NetworkParams

LONG: Final = os.environ.get("ZEROG_TEST_LONG") == "1"
BEGINS_ANEW_AT: Final = [Step.SUBMITTED, Step.SIGNED] if LONG else [Step.SIGNED]
IS_AWAY_AT: Final = [Step.RECEIVED, Step.SUBMITTED, Step.SIGNED] if LONG else [Step.SUBMITTED]
EPOCH_BLOCKS: Final = 50
EXPIRY_EPOCHS: Final = 1
SHORT_EPOCHS: Final[NetworkParams] = replace(LOCAL, rules=replace(LOCAL.rules, da_epoch_blocks=EPOCH_BLOCKS))
HOLD_S: Final = 60.0


class LastingChain:
    """A chain that keeps its blocks on disk, and can go away and come back to the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = anyio.CancelScope()
        self._ended = anyio.Event()
        self.port = 0
        self.node: ChainNode | None = None

    async def run(self, *, task_status: TaskStatus[str]) -> None:
        self._stop, self._ended = anyio.CancelScope(), anyio.Event()
        self.node = ChainNode(ChainNodeSettings(rpc_port=self.port, data_dir=self._folder), SHORT_EPOCHS)
        try:
            with self._stop:
                await self.node.run(task_status=task_status)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        self._stop.cancel()
        with anyio.fail_after(WAIT_S):
            await self._ended.wait()


@asynccontextmanager
async def open_network(folder: Path) -> AsyncIterator[tuple[DaNetwork, LastingChain, TaskGroup]]:
    """All of DA but a disperser, on such a chain."""
    lasting = LastingChain(folder / "chain")
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(lasting.run)
        lasting.port = int(url.rsplit(":", 1)[1])
        assert lasting.node is not None
        async with AsyncChainClient(url) as client:
            place = Place(tasks, await DaChain.find(client), lasting.node)
            setup = await to_thread.run_sync(setup_of)
            encoder, _, _ = await place.start(DaEncoder(DaEncoderSettings(port=0), setup=setup).run)
            signers = [await place.signer(index, folder / f"signer-{index}") for index in (1, 2, 3)]
            yield DaNetwork(place, encoder, signers, folder), lasting, tasks
        tasks.cancel_scope.cancel()


class Hold:
    """Keeps a blob from going on after it came to a step."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._reached = anyio.Event()
        self._go = anyio.Event()

    async def __call__(self, blob: Carried) -> None:
        if blob.machine.state.step is self._step and not self._go.is_set():
            self._reached.set()
            await self._go.wait()

    async def reached(self) -> None:
        with anyio.fail_after(HOLD_S):
            await self._reached.wait()

    def release(self) -> None:
        self._go.set()


async def dispersed(disperser: Disperser, seed: int) -> bytes:
    """Put a blob and see it through; its data."""
    data = pattern(600, seed)
    name = await disperser.finalized(await disperser.client.disperse(data))
    assert await disperser.client.retrieve(name) == data
    return data


async def next_epoch(da: DaNetwork) -> int:
    """Go on by an epoch, and let the signers enter the one after it."""
    await da.place.mine(EPOCH_BLOCKS)
    await da.place.chain.send(da_account(0), DA_SIGNERS_ADDRESS, DA_SIGNERS.function("makeEpoch").encode())
    epoch = await da.place.chain.epoch_number()
    await until(lambda: all(node.running.registrar.epoch == epoch for node in da.signers))
    return epoch


@pytest.mark.parametrize("step", BEGINS_ANEW_AT, ids=str)
async def test_a_chain_that_begins_anew_gets_what_was_on_its_way_and_what_comes(tmp_path: Path, step: Step) -> None:
    async with open_network(tmp_path) as (da, _, _):
        hold = Hold(step)
        async with da.disperser(on_step=hold) as disperser:
            await da.place.mine(3)
            request_id = await disperser.client.disperse(pattern(800, 1))
            await hold.reached()
            await da.place.client.request("anvil_reset")
            assert await da.place.chain.epoch_number() == 0
            hold.release()
            name = await disperser.finalized(request_id)
            assert await da.place.chain.is_confirmed(name)
            assert await da.announcements(name.root) == 1
            await dispersed(disperser, 2)


@pytest.mark.parametrize("step", IS_AWAY_AT, ids=str)
async def test_a_chain_that_is_away_is_waited_for(tmp_path: Path, step: Step) -> None:
    async with open_network(tmp_path) as (da, lasting, tasks):
        hold = Hold(step)
        async with da.disperser(on_step=hold) as disperser:
            request_id = await disperser.client.disperse(pattern(800, 2))
            if step is not Step.RECEIVED:
                await hold.reached()
            await lasting.stop()
            hold.release()
            await until(lambda: disperser.role.running.parts.news.trouble is not None)
            assert (await disperser.client.status(request_id)).status is BlobStatus.PROCESSING
            await tasks.start(lasting.run)
            name = await disperser.finalized(request_id)
            assert await da.announcements(name.root) == 1


async def test_a_blob_whose_epoch_is_over_gets_a_quorum_of_the_present_one(tmp_path: Path) -> None:
    """Signers keep no rows of its epoch any more, and would not sign."""
    async with open_network(tmp_path) as (da, _, _):
        admin = network_accounts(SHORT_EPOCHS)[0]
        window = DA_ENTRANCE.function("setEpochWindowSize").encode(EXPIRY_EPOCHS)
        await da.place.chain.send(admin, da.place.chain.entrance, window)
        hold = Hold(Step.SUBMITTED)
        async with da.disperser(on_step=hold) as disperser:
            request_id = await disperser.client.disperse(pattern(800, 1))
            await hold.reached()
            for _ in range(EXPIRY_EPOCHS + 1):
                await next_epoch(da)
            hold.release()
            name = await disperser.finalized(request_id)
            assert name.epoch == 2 + EXPIRY_EPOCHS
            assert await da.announcements(name.root) == 2
            await dispersed(disperser, 2)
