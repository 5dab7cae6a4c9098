"""Receipts are proven from the chain and published leaves alone, exactly as their provider would prove them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.unit.compute.provider.place import (
    LEDGER,
    LEDGER_ADDRESS,
    ONE,
    PROVIDER,
    SERVICE_NAME,
    SERVING_ADDRESS,
    USERS,
    WAIT_S,
    Place,
    offer,
    open_place,
)
from tests.unit.compute.settlement.shop import CHAIN_ID, TENTH, Shop, shop
from tests.unit.compute.settlement.test_settler import Ambush
from zerog.chain.client import ChainClient
from zerog.chain.protocol.logs import LogCriteria
from zerog.compute.client.market import Market
from zerog.compute.client.published import find_published
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.published import PublishedTags
from zerog.compute.protocol.receipts import leaf_of, read_receipt
from zerog.compute.provider.book.publications import Copy, Publications
from zerog.compute.provider.publishing import Publisher, publishing
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.compute.wire.provider import SettlementPlace, SignedReceipt
from zerog.contracts.storage import Submit
from zerog.networks import own_network
from zerog.primitives import Data
from zerog.storage.client import StorageClient, UploadOptions
from zerog.storage.indexer.service import StorageIndexer
from zerog.storage.indexer.settings import IndexerSettings
from zerog.storage.node.service import StorageNode
from zerog.storage.node.settings import StorageNodeSettings

pytestmark = pytest.mark.anyio
USER, OTHER = USERS[3:5]
NOWHERE = "http://127.0.0.1:1"


@asynccontextmanager
async def open_storage(place: Place) -> AsyncIterator[str]:
    """URL of an indexer before one storage node, both in this process, in memory of the test alone."""
    async with anyio.create_task_group() as roles:
        node = StorageNode(StorageNodeSettings(chain_url=place.url, rpc_port=0, admin_port=0, grpc_port=0))
        url = await roles.start(node.run)
        yield str(await roles.start(StorageIndexer(IndexerSettings(nodes=(str(url),), port=0)).run))
        roles.cancel_scope.cancel()


async def offered_with(place: Place, indexer: str) -> Place:
    """The service names the indexer, and its signer is acknowledged."""
    info = AdditionalInfo(is_simulated=True, receipts_indexer=indexer).to_json()
    await place.serving(PROVIDER, "addOrUpdateService", offer(additional_info=info).to_abi(), value_wei=100 * ONE)
    await place.acknowledge()
    return place


@asynccontextmanager
async def published(broker: Shop, where: str | ComputeProviderSettings) -> AsyncIterator[Publisher]:
    """A publisher at work, with an indexer or by other settings."""
    settings = ComputeProviderSettings(chain_url=broker.place.url, receipts_indexer=where) if isinstance(where, str) else where
    async with (
        publishing(settings, broker.book, broker.chain, broker.settler, broker.clock) as publisher,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(publisher.run)
        yield publisher
        tasks.cancel_scope.cancel()


async def nothing_waits(publisher: Publisher, copy: Copy = Copy.FILE) -> None:
    with anyio.fail_after(WAIT_S):
        while await publisher.waiting(copy):  # noqa: ASYNC110 - the book tells nobody.
            await anyio.sleep(0.02)


async def found(broker: Shop, request_id: str) -> SettlementPlace | None:
    """What a user finds who has nothing but the receipt and the URL of a chain node."""
    receipt = await signed(broker, request_id)

    def find() -> SettlementPlace | None:
        with ChainClient(broker.place.url) as chain:
            return find_published(receipt, Market(chain), SERVING_ADDRESS)

    return await to_thread.run_sync(find)


async def signed(broker: Shop, request_id: str) -> SignedReceipt:
    stored = await broker.book.receipt(request_id)
    assert stored is not None
    return SignedReceipt(receipt=read_receipt(stored.receipt), leaf=leaf_of(stored.receipt), signature=Data(stored.receipt_signature))


async def submissions(place: Place) -> list[Submit]:
    """Of published receipts."""
    logs = await place.client.logs(LogCriteria((own_network().addresses["flow"],), ((Submit.TOPIC,),)))
    told = [Submit.decode(log.topics, log.data) for log in logs]
    return [event for event in told if PublishedTags.read(event.submission.tags) is not None]


async def test_receipts_are_proven_from_chain_and_storage_as_the_provider_would(tmp_path: Path) -> None:
    async with (
        open_place() as place,
        open_storage(place) as indexer,
        shop(await offered_with(place, indexer), f"sqlite:///{tmp_path}/book.db") as broker,
        published(broker, indexer) as publisher,
    ):
        await place.fund(USER, ONE)
        await place.fund(OTHER, 3 * ONE)
        ids = await broker.charge(USER, [4 * TENTH, 4 * TENTH, 4 * TENTH, TENTH]) + await broker.charge(OTHER, [5, 0, 7])
        await broker.settler.settle()
        await nothing_waits(publisher)
        paid, unpaid = ids[:2] + ids[4:], ids[2:4]
        for request_id in paid:
            place_of = await broker.check_proof(request_id)
            assert await found(broker, request_id) == place_of
        assert [await found(broker, request_id) for request_id in unpaid] == [None, None]
        await place.fund(USER, 3 * ONE)
        broker.settler._note_change(USER.address)
        await broker.settler.settle()
        await nothing_waits(publisher)
        for request_id in unpaid:
            assert await found(broker, request_id) == await broker.check_proof(request_id)
        told = await submissions(place)
        assert (len(told), {event.sender for event in told}) == (2, {PROVIDER.address})
        assert publisher.status() == {"file": {"made": 2, "trouble": None}}


async def test_a_receipt_that_was_paid_in_parts_is_proven_part_by_part(tmp_path: Path) -> None:
    async with open_place() as place, open_storage(place) as indexer:
        await offered_with(place, indexer)
        take_the_refund = await money_on_its_way_back(place)
        async with (
            shop(place, f"sqlite:///{tmp_path}/book.db", line=Ambush(take_the_refund)) as broker,
            published(broker, indexer) as publisher,
        ):
            ids = await broker.charge(USER, [4 * TENTH] * 4)
            await broker.settler.settle()
            await nothing_waits(publisher)
            rest = await found(broker, ids[2])
            assert rest == await broker.place_of(ids[2])
            assert rest is not None
            assert (rest.paid, [step.settlement for step in rest.remainders]) == (str(2 * TENTH), [None])
            await place.fund(USER, 3 * ONE)
            broker.settler._note_change(USER.address)
            await broker.settler.settle()
            await nothing_waits(publisher)
            for request_id in ids:
                assert await found(broker, request_id) == await broker.check_proof(request_id)
            whole = await found(broker, ids[2])
            assert whole is not None
            assert whole.remainders[0].settlement is not None


async def money_on_its_way_back(place: Place) -> Callable[[], Awaitable[None]]:
    """One token of two is asked back, and what is returned here takes it."""
    retrieve = ([PROVIDER.address], SERVICE_NAME)
    await place.fund(USER, 3 * ONE)
    await place.send(USER, LEDGER_ADDRESS, LEDGER, "retrieveFund", *retrieve)
    await place.send(USER, LEDGER_ADDRESS, LEDGER, "transferFund", PROVIDER.address, SERVICE_NAME, ONE)
    await place.client.request("evm_increaseTime", 3_700)

    async def take() -> None:
        await place.send(USER, LEDGER_ADDRESS, LEDGER, "retrieveFund", *retrieve)

    return take


async def test_to_publish_again_costs_nothing_and_an_indexer_that_is_away_stops_no_settlement(tmp_path: Path) -> None:
    async with (
        open_place() as place,
        open_storage(place) as indexer,
        shop(await offered_with(place, indexer), f"sqlite:///{tmp_path}/book.db") as broker,
    ):
        await place.fund(USER, 3 * ONE)
        [first] = await broker.charge(USER, [7])
        async with published(broker, NOWHERE) as publisher:
            await broker.settler.settle()
            with anyio.fail_after(WAIT_S):
                while publisher.status()["file"] == {"made": 0, "trouble": None}:  # noqa: ASYNC110 - it tells nobody.
                    await anyio.sleep(0.02)
            [second] = await broker.charge(USER, [8])
            assert (await broker.settler.settle()).entries == 1
            assert await publisher.waiting(Copy.FILE) == 2
        publications = Publications(broker.book, provider=PROVIDER.address, contract=SERVING_ADDRESS, chain_id=CHAIN_ID)
        batch = await publications.next(Copy.FILE)
        assert batch is not None
        async with published(broker, indexer) as publisher:
            await nothing_waits(publisher)
        assert len(await submissions(place)) == 2
        forgets = {"file_root": None}
        await publications._note(batch.batch_id, forgets)  # As if it had been killed before it noted it.
        async with published(broker, indexer) as publisher:
            await nothing_waits(publisher)
        assert len(await submissions(place)) == 2
        assert [await found(broker, request_id) for request_id in (first, second)] == [
            await broker.place_of(request_id) for request_id in (first, second)
        ]


async def test_files_that_lie_are_passed_over(tmp_path: Path) -> None:
    async with (
        open_place() as place,
        open_storage(place) as indexer,
        shop(await offered_with(place, indexer), f"sqlite:///{tmp_path}/book.db") as broker,
    ):
        await place.fund(USER, 3 * ONE)
        [request_id] = await broker.charge(USER, [7])
        await broker.settler.settle()
        publications = Publications(broker.book, provider=PROVIDER.address, contract=SERVING_ADDRESS, chain_id=CHAIN_ID)
        batch = await publications.next(Copy.FILE)
        assert batch is not None
        tags = PublishedTags(tuple(entry.requests_hash for entry in batch.receipts.entries))
        lies = [b"no document", batch.receipts.to_bytes().replace(b'"7"', b'"9"')]

        def store(lie: bytes) -> None:
            with ChainClient(place.url) as chain, StorageClient(indexer=indexer, chain=chain, account=PROVIDER) as storage:
                storage.upload(lie, UploadOptions(tags=tags.to_bytes()))

        for lie in lies:
            await to_thread.run_sync(store, lie)
        assert await found(broker, request_id) is None
        async with published(broker, indexer) as publisher:
            await nothing_waits(publisher)
        assert await found(broker, request_id) == await broker.check_proof(request_id)
