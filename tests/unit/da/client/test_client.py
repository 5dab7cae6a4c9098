"""The client of DA: puts, waits, gets, and believes nobody about bytes. Against services that keep blobs in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.unit.da.services import EPOCH, QUORUM, MemoryDisperser, MemoryRetriever, serve, small_root
from zerog.da.client import (
    AsyncDaClient,
    BlobNotFoundError,
    BlobRefusedError,
    BlobWrongError,
    DaClient,
    DaServiceError,
    DispersalFailedError,
    DispersalProgress,
    DispersalTimeoutError,
    NoServiceError,
    RequestUnknownError,
)
from zerog.da.protocol.blob import BlobEmptyError, BlobTooLargeError
from zerog.da.protocol.constants import BLOB_BYTES_MAX
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.primitives import Hash32

pytestmark = pytest.mark.anyio
DATA, OTHER = b"a blob", b"another blob"
ROOT = Hash32(small_root(DATA))
NAME = BlobName(ROOT, EPOCH, QUORUM)
NOBODY = "127.0.0.1:1"


@asynccontextmanager
async def client_of(disperser: MemoryDisperser, retriever: MemoryRetriever | None = None) -> AsyncIterator[AsyncDaClient]:
    async with (
        serve(disperser) as address,
        serve(retriever or MemoryRetriever()) as other,
        AsyncDaClient(disperser=address, retriever=other, development=True) as client,
    ):
        yield client


async def test_a_blob_comes_back_by_the_name_that_putting_it_gave() -> None:
    told: list[DispersalProgress] = []
    async with client_of(MemoryDisperser()) as client:
        done = await client.put(DATA, progress=told.append)
        assert (done.status, done.name, done.size_bytes) == (BlobStatus.FINALIZED, NAME, len(DATA))
        assert (done.root, done.epoch, done.quorum_id) == (ROOT, EPOCH, QUORUM)
        assert await client.get(NAME) == DATA
        assert (await client.status(done.request_id)).name == NAME
    assert [now.state.status for now in told] == [BlobStatus.PROCESSING, BlobStatus.CONFIRMED, BlobStatus.FINALIZED]
    assert told[0].state.step == "signing"


@pytest.mark.parametrize(("wait_until", "status"), [("accepted", BlobStatus.PROCESSING), ("confirmed", BlobStatus.CONFIRMED)])
async def test_whoever_wants_less_waits_for_less(wait_until: str, status: BlobStatus) -> None:
    async with client_of(MemoryDisperser()) as client:
        done = await client.put(DATA, wait_until=wait_until)  # type: ignore[arg-type]
    assert done.status == status
    if done.name is None:
        with pytest.raises(ValueError, match="no name yet"):
            _ = done.root


async def test_a_client_that_knows_no_chain_cannot_say_who_confirmed_a_blob() -> None:
    async with client_of(MemoryDisperser()) as client:
        with pytest.raises(NoServiceError, match="chain"):
            await client.confirmation(ROOT)


async def test_a_failed_blob_is_told_with_its_reason() -> None:
    async with client_of(MemoryDisperser(failure="two of three signers are silent")) as client:
        with pytest.raises(DispersalFailedError, match="two of three signers are silent"):
            await client.put(DATA)


async def test_a_blob_that_stays_on_its_way_is_not_waited_for_for_ever() -> None:
    async with client_of(MemoryDisperser(is_stuck=True)) as client:
        with pytest.raises(DispersalTimeoutError, match="signing"):
            await client.put(DATA, timeout_s=0.2)


async def test_what_no_blob_can_be_is_not_sent() -> None:
    async with AsyncDaClient(disperser=NOBODY, development=True) as client:
        with pytest.raises(BlobEmptyError):
            await client.put(b"")
        with pytest.raises(BlobTooLargeError):
            await client.put(bytes(BLOB_BYTES_MAX + 1))


async def test_a_refusal_comes_in_the_words_of_the_disperser() -> None:
    async with client_of(MemoryDisperser(refusal="memory db is full")) as client:
        with pytest.raises(BlobRefusedError, match="memory db is full"):
            await client.put(DATA)


async def test_a_disperser_that_names_another_root_is_found_out() -> None:
    async with client_of(MemoryDisperser(other_root=bytes(32))) as client:
        with pytest.raises(BlobWrongError, match="the disperser"):
            await client.put(DATA)


async def test_what_the_disperser_has_lost_or_forged_comes_from_the_retriever() -> None:
    retriever = MemoryRetriever({ROOT: DATA})
    async with client_of(MemoryDisperser(), retriever) as client:
        assert await client.get(NAME) == DATA
    async with client_of(MemoryDisperser(lie=OTHER), retriever) as client:
        assert await client.get(NAME) == DATA
    async with AsyncDaClient(disperser=NOBODY, development=True) as client, serve(retriever) as address:
        with pytest.raises(BlobNotFoundError):
            await client.get(NAME)
        async with AsyncDaClient(disperser=NOBODY, retriever=address, development=True) as both:
            assert await both.get(NAME) == DATA


async def test_forged_bytes_are_given_to_nobody() -> None:
    async with client_of(MemoryDisperser(lie=OTHER), MemoryRetriever({ROOT: OTHER})) as client:
        with pytest.raises(BlobWrongError):
            await client.get(NAME)
        await client.put(DATA, wait_until="confirmed")
        with pytest.raises(BlobWrongError):  # Also where the root is known from before.
            await client.get(NAME)


async def test_a_blob_that_nobody_has_is_not_found_and_every_service_says_why() -> None:
    async with client_of(MemoryDisperser()) as client:
        with pytest.raises(BlobNotFoundError, match=r"blob not found.*not enough rows"):
            await client.get(NAME)
        with pytest.raises(BlobNotFoundError):
            await client.get(BlobName(ROOT, EPOCH, QUORUM + 1))


async def test_a_list_comes_page_by_page() -> None:
    async with client_of(MemoryDisperser()) as client:
        sent = [(await client.put(DATA, wait_until="accepted")).request_id for _ in range(3)]
        first = await client.blobs(limit=2)
        second = await client.blobs(first.next_cursor, limit=2)
    assert [blob.request_id for blob in (*first.blobs, *second.blobs)] == sent[::-1]
    assert second.next_cursor == ""


async def test_services_that_are_away_or_not_named_are_told_apart() -> None:
    async with AsyncDaClient(disperser=NOBODY, development=True) as client:
        with pytest.raises(DaServiceError, match=NOBODY):
            await client.status("ab-cd")
    async with AsyncDaClient() as client:
        with pytest.raises(NoServiceError, match="disperser"):
            await client.put(DATA)
        with pytest.raises(NoServiceError, match="retriever"):
            await client.get(NAME)
        with pytest.raises(NoServiceError, match="gateway"):
            await client.sample(ROOT, 0, 0)
    async with client_of(MemoryDisperser()) as client:
        with pytest.raises(RequestUnknownError, match="may not exist"):
            await client.status("ab-cd")


async def test_a_disperser_that_comes_back_is_waited_for() -> None:
    disperser = MemoryDisperser()
    async with serve(disperser) as address, AsyncDaClient(disperser=address, development=True) as client:
        request_id = (await client.put(DATA, wait_until="accepted")).request_id
    async with AsyncDaClient(disperser=NOBODY, development=True) as client:
        with pytest.raises(DispersalTimeoutError):
            await client.wait(request_id, timeout_s=0.2)


def blocking_round(address: str) -> tuple[bytes, str]:
    with DaClient(disperser=address, development=True) as client:
        done = client.put(DATA)
        with pytest.raises(RequestUnknownError):
            client.status("ab-cd")
        assert client.wait(done.request_id).name == NAME
        assert [blob.request_id for blob in client.blobs().blobs] == [done.request_id]
        return client.get(NAME), done.request_id


async def test_programs_without_an_event_loop_have_the_same_client() -> None:
    async with serve(MemoryDisperser()) as address:
        data, request_id = await anyio.to_thread.run_sync(blocking_round, address)
    assert data == DATA
    assert request_id
