"""Transactions of the disperser on a real chain: batches, ones that are taken apart, lost ones, and what a dead process had sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.unit.da.place import Place, da_account, open_place, until
from zerog._kernel import keccak256
from zerog.contracts.da import G1, G2, CommitRootSubmission
from zerog.da.client.chain import blob_events
from zerog.da.disperser.account import ChainAccount
from zerog.da.disperser.chain_news import ChainNews
from zerog.da.disperser.errors import StepFailedError
from zerog.da.disperser.sender import Outcome, Sender
from zerog.da.disperser.store import Store
from zerog.da.protocol.dispersal import DispersalState
from zerog.primitives import Hash32
from zerog.runtime.clock import SystemClock

POINT = G1(1, 2)
KEY = G2((1, 2), (3, 4))


def root_of(number: int) -> Hash32:
    return Hash32(keccak256(b"root" + number.to_bytes(4, "big")))


def bogus(number: int) -> CommitRootSubmission:
    """What nobody has signed."""
    return CommitRootSubmission(
        data_root=root_of(number),
        epoch=1,
        quorum_id=0,
        erasure_commitment=POINT,
        quorum_bitmap=bytes(384),
        aggregate_key=KEY,
        signature=POINT,
    )


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with open_place() as opened:
        yield opened


@asynccontextmanager
async def sending(place: Place, folder: Path) -> AsyncIterator[tuple[Sender, Store]]:
    """A sender that runs."""
    store = await Store.open(folder / "books")
    news = ChainNews(place.client, place.chain.entrance, finalized_blocks=0)
    sender = Sender(ChainAccount(place.chain, da_account(0)), store, news, SystemClock())
    await sender.load()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(news.run)
            tasks.start_soon(sender.run)
            yield sender, store
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


async def blob(store: Store, number: int) -> int:
    return await store.add(f"{number}-x", number, 1, DispersalState(since_s=0))


async def announce_all(sender: Sender, seqs: dict[int, int]) -> dict[int, Outcome]:
    """Announce several roots at once, by their numbers."""
    outcomes: dict[int, Outcome] = {}

    async def announce(number: int, seq: int) -> None:
        outcomes[number] = await sender.announce(seq, root_of(number))

    async with anyio.create_task_group() as tasks:
        for number, seq in seqs.items():
            tasks.start_soon(announce, number, seq)
    return outcomes


async def test_what_waits_together_is_sent_together(place: Place, tmp_path: Path) -> None:
    async with sending(place, tmp_path) as (sender, store):
        await place.client.request("evm_setAutomine", False)
        seqs = {number: await blob(store, number) for number in range(1, 6)}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sender.announce, seqs.pop(1), root_of(1))
            await until(lambda: sender.sent == 1)  # It is on its way, so all others gather.
            outcomes: list[dict[int, Outcome]] = []

            async def announce_others() -> None:
                outcomes.append(await announce_all(sender, seqs))

            tasks.start_soon(announce_others)
            await until(lambda: sender.waiting == 4)
            await place.client.request("evm_setAutomine", True)
            await place.mine(1)
        [others] = outcomes
        assert sender.sent == 2
        [transaction] = {outcome.transaction_id for outcome in others.values()}
        assert transaction == 2
        told = {event.blob.root for event in blob_events(others[2].receipt.logs)}
        assert told == {root_of(number) for number in seqs}


async def test_a_refused_batch_is_taken_apart_and_each_one_told(place: Place, tmp_path: Path) -> None:
    async with sending(place, tmp_path) as (sender, store):
        refusals: list[str] = []

        async def confirm(number: int) -> None:
            with pytest.raises(StepFailedError) as refused:
                await sender.confirm(number, bogus(number))
            refusals.append(refused.value.reason)

        async with anyio.create_task_group() as tasks:
            for number in (11, 12, 13):
                tasks.start_soon(confirm, number)
        assert len(refusals) == 3
        assert all(reason.startswith("the entrance contract refuses to confirm it: ") for reason in refusals)
        assert sender.sent == 0
        assert await store.open_transactions() == []
        await sender.announce(await blob(store, 14), root_of(14))


async def test_what_a_dead_process_had_sent_is_heard_of_and_not_sent_again(place: Place, tmp_path: Path) -> None:
    async with sending(place, tmp_path) as (sender, store):
        seq = await blob(store, 21)
        first = await sender.announce(seq, root_of(21))
    nonce = await place.client.nonce(da_account(0).address)
    async with sending(place, tmp_path) as (sender, store):  # It died before the blob could keep what it had heard.
        again = await sender.announce(seq, root_of(21))
        assert again.receipt.transaction_hash == first.receipt.transaction_hash
        assert sender.sent == 0
        await store.keep(seq, DispersalState(since_s=0), heard_of=again.transaction_id)
        assert await store.open_transactions() == []
    assert await place.client.nonce(da_account(0).address) == nonce


async def test_a_transaction_that_a_dead_process_wrote_down_and_did_not_send_is_sent(place: Place, tmp_path: Path) -> None:
    async with sending(place, tmp_path) as (sender, store):
        await place.client.request("evm_setAutomine", False)
        seq = await blob(store, 31)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sender.announce, seq, root_of(31))
            await until(lambda: sender.sent == 1)
            tasks.cancel_scope.cancel()
        [left] = await store.open_transactions()
    await place.client.request("anvil_dropTransaction", str(left.sendings[0].hash))
    await place.client.request("evm_setAutomine", True)
    async with sending(place, tmp_path) as (sender, _):
        outcome = await sender.announce(seq, root_of(31))
        assert outcome.receipt.transaction_hash == left.sendings[0].hash


async def test_a_transaction_whose_number_is_another_ones_is_sent_anew(place: Place, tmp_path: Path) -> None:
    async with sending(place, tmp_path) as (sender, store):
        await place.client.request("evm_setAutomine", False)
        seq = await blob(store, 41)
        outcomes: list[Outcome] = []

        async def announce() -> None:
            outcomes.append(await sender.announce(seq, root_of(41)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(announce)
            await until(lambda: sender.sent == 1)
            [left] = await store.open_transactions()
            while (await place.client.nonce(da_account(0).address)) <= left.sendings[0].nonce:  # noqa: ASYNC110 - until the pool has it.
                await anyio.sleep(0.01)
            await place.client.request("anvil_dropTransaction", str(left.sendings[0].hash))
            await place.client.send(da_account(1).address, value_wei=1, gas_limit=21_000, account=da_account(0))
            await place.mine(1)
            await place.client.request("evm_setAutomine", True)
        [outcome] = outcomes
        assert outcome.receipt.transaction_hash != left.sendings[0].hash
        assert sender.sent == 2
