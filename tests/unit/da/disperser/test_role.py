"""A disperser with a real encoder, a real chain and real signers: the straight way, many at once, faults, and death at each step."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.unit.da.disperser.network import DaNetwork, Disperser, open_da, pattern
from tests.unit.da.place import setup_of
from zerog._kernel import bls_sign, g1_to_flagged
from zerog.da.disperser.steps import Carried
from zerog.da.encoder.service import DaEncoder
from zerog.da.encoder.settings import DaEncoderSettings
from zerog.da.protocol.dispersal import Step
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.da.wire.signer import BATCH_SIGN, SIGN_STREAM, SignBatch, SignPart
from zerog.networks import da_signer_secret
from zerog.primitives import Hash32
from zerog.runtime.grpc.errors import GrpcCallError
from zerog.runtime.grpc.methods import Caller, served_unary, served_upload

LONG = os.environ.get("ZEROG_TEST_LONG") == "1"
DEATHS = (
    [Step.RECEIVED, Step.ENCODING, Step.ENCODED, Step.SUBMITTED, Step.SIGNING, Step.SIGNED, Step.CONFIRMING, Step.CONFIRMED]
    if LONG
    else [Step.SUBMITTED]
)
AT_ONCE = 20 if LONG else 3
THIRTY_DAYS_S = 30 * 86_400


@pytest.fixture(scope="module")
async def da(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaNetwork]:
    async with open_da(tmp_path_factory.mktemp("da")) as network:
        yield network


@pytest.fixture(scope="module")
async def disperser(da: DaNetwork) -> AsyncIterator[Disperser]:
    async with da.disperser(http_port=0) as running:
        yield running


async def test_a_blob_becomes_final_and_comes_back(da: DaNetwork, disperser: Disperser) -> None:
    data = pattern(1_000, 1)
    request_id = await disperser.client.disperse(data)
    first = await disperser.client.status(request_id)
    assert (first.status, first.name) == (BlobStatus.PROCESSING, None)
    name = await disperser.finalized(request_id)
    assert (name.epoch, name.quorum_id) == (1, 0)
    assert await da.place.chain.is_confirmed(name)
    assert await disperser.client.retrieve(name) == data
    row = await disperser.role.running.parts.store.by_request_id(request_id.decode())
    assert row is not None
    assert not disperser.role.running.parts.files.has_slices(row.received_ns)
    listed = await disperser.client.blobs(BlobStatus.FINALIZED)
    assert listed.blobs[0].request_id == request_id.decode()
    assert listed.blobs[0].state.name == name


async def test_the_same_data_again_has_another_id_and_becomes_final_too(da: DaNetwork, disperser: Disperser) -> None:
    data = pattern(700, 2)
    first, second = [await disperser.client.disperse(data) for _ in range(2)]
    assert first != second
    names = [await disperser.finalized(request_id) for request_id in (first, second)]
    assert names[0].root == names[1].root


async def test_many_blobs_at_once_share_transactions_and_all_become_final(da: DaNetwork, disperser: Disperser) -> None:
    sent_before = disperser.role.running.parts.sender.sent
    ids: list[bytes] = []

    async def disperse(seed: int) -> None:
        ids.append(await disperser.client.disperse(pattern(128 << 10, seed)))

    async with anyio.create_task_group() as tasks:
        for seed in range(AT_ONCE):
            tasks.start_soon(disperse, 100 + seed)
    names = [await disperser.finalized(request_id) for request_id in ids]
    assert len(set(names)) == AT_ONCE
    assert disperser.role.running.parts.sender.sent - sent_before <= 2 * AT_ONCE
    assert disperser.role.running.carrier.pending_bytes == 0


async def test_the_role_proves_itself_once_and_reads_back_later(disperser: Disperser) -> None:
    first = await disperser.role.probe()
    received = disperser.role.running.received
    assert await disperser.role.probe() == first
    assert disperser.role.running.received == received
    assert b"zerog_disperser_finalized_total" in disperser.role.metrics()
    assert disperser.role.status()["trouble"] is None


async def test_what_is_not_here_is_asked_of_the_retriever(disperser: Disperser) -> None:
    with pytest.raises(GrpcCallError) as refused:
        await disperser.client.retrieve(BlobName(Hash32(b"\x77" * 32), 1, 0))
    assert refused.value.status == "UNAVAILABLE"  # None runs here.


async def test_two_of_three_signers_down_fail_a_blob_with_the_reason_and_a_new_one_succeeds_after_they_return(da: DaNetwork) -> None:
    async with da.disperser(sign_s=6.0) as disperser:
        for index in (0, 1):
            await da.signers[index].stop()
        request_id = await disperser.client.disperse(pattern(500, 3))
        state = await disperser.wait(request_id)
        assert state.status is BlobStatus.FAILED
        assert state.reason.startswith("signers of 1024 of 3072 rows have signed, and two thirds are needed: 0x")
        for index in (0, 1):
            assert f"{da.signers[index].signer} does not answer at" in state.reason
        assert (await disperser.client.status(request_id)).status is BlobStatus.FAILED  # It stays.
    for index in (0, 1):
        await da.restart_signer(index)
    async with da.disperser() as disperser:
        await disperser.finalized(await disperser.client.disperse(pattern(500, 4)))


async def test_a_liar_and_a_silent_signer_do_not_count_and_are_named(da: DaNetwork) -> None:
    async def lie(_parts: AsyncIterator[SignPart], _caller: Caller) -> bytes:
        return g1_to_flagged(bls_sign(da_signer_secret(da.signers[1].account), b"\x13" * 32))

    async def say_nothing(_parts: AsyncIterator[SignPart], _caller: Caller) -> bytes:
        await anyio.sleep_forever()
        raise AssertionError

    async with (
        da.in_place_of(1, served_upload(SIGN_STREAM, lie)),
        da.in_place_of(2, served_upload(SIGN_STREAM, say_nothing)),
        da.disperser(sign_s=3.0, sign_try_s=1.0) as disperser,
    ):
        state = await disperser.wait(await disperser.client.disperse(pattern(300, 50)))
        assert state.status is BlobStatus.FAILED
        liar, silent = da.signers[1].signer, da.signers[2].signer
        assert f"{liar} sent a wrong signature" in state.reason
        assert f"{silent} does not answer" in state.reason
        assert disperser.role.running.parts.signers.liars == {liar: 1}


async def test_an_official_node_gets_its_rows_in_one_message_and_one_node_that_is_down_is_not_missed(da: DaNetwork) -> None:
    """The official node knows no stream: what answers here has `BatchSign` alone, and hands it to a node."""
    asked: list[int] = []
    node = da.signers[1]
    real = await da.place.signer(2, da.folder / "signer-2-behind")

    async def batch_sign(batch: SignBatch, _caller: Caller) -> list[bytes]:
        asked.extend(len(request.slices) for request in batch.requests)
        async with real.client() as client:
            return await client.batch_sign(batch.requests)

    async with da.in_place_of(1, served_unary(BATCH_SIGN, batch_sign, memory_bytes=128 << 20)), da.disperser() as disperser:
        await da.signers[2].stop()
        await disperser.finalized(await disperser.client.disperse(pattern(300, 51)))
        await da.restart_signer(2)
    await real.stop()
    assert asked == [1024]
    assert node.signer != da.signers[2].signer


@pytest.mark.parametrize("death", DEATHS, ids=str)
async def test_a_disperser_that_dies_at_a_step_goes_on_there(da: DaNetwork, tmp_path: Path, death: Step) -> None:
    died = anyio.Event()

    async def die(blob: Carried) -> None:
        if blob.machine.state.step is death:
            died.set()
            await anyio.sleep_forever()

    data = pattern(2_000, 10 + list(Step).index(death))
    first = await da.start(tmp_path, on_step=die)
    request_id = await first.client.disperse(data)
    if death is not Step.RECEIVED:
        with anyio.fail_after(60):
            await died.wait()
    await first.stop()
    async with da.disperser(tmp_path) as second:
        name = await second.finalized(request_id)
        assert await second.client.retrieve(name) == data
        assert await da.announcements(name.root) == 1
        assert [blob.request_id for blob in (await second.client.blobs()).blobs] == [request_id.decode()]


async def test_a_blob_that_cannot_be_encoded_fails_with_the_reason_and_is_forgotten_in_time(da: DaNetwork) -> None:
    async with da.disperser(encoder="127.0.0.1:1", encode_s=0.3, keep_s=0.001) as disperser:
        request_id = await disperser.client.disperse(b"never encoded")
        state = await disperser.wait(request_id)
        assert state.status is BlobStatus.FAILED
        assert "EncodeBlobStream of 127.0.0.1:1" in state.reason
        running = disperser.role.running
        row = await running.parts.store.by_request_id(request_id.decode())
        assert row is not None
        assert not running.parts.files.path(row.received_ns).exists()
        assert (await disperser.client.blobs(BlobStatus.FAILED)).blobs[0].state.reason == state.reason
        assert await running.forget_now() == 1
        with pytest.raises(GrpcCallError, match="failed to retrieve blob status: disperse failed or request may not exist"):
            await disperser.client.status(request_id)


async def test_a_copy_goes_on_where_the_disperser_stood(da: DaNetwork, tmp_path: Path) -> None:
    data = pattern(400, 60)
    async with da.disperser(encoder="127.0.0.1:1") as stuck:
        request_id = await stuck.client.disperse(data)
        await stuck.role.quiesce(0)
        later: list[bytes] = []

        async def disperse() -> None:
            later.append(await stuck.client.disperse(b"later"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(disperse)
            await stuck.role.checkpoint(tmp_path)
            assert later == []
            await stuck.role.resume()
        assert len(later) == 1
    async with da.disperser(tmp_path) as copy:
        name = await copy.finalized(request_id)
        assert await copy.client.retrieve(name) == data
        assert len((await copy.client.blobs()).blobs) == 1


async def test_an_encoder_with_other_parameters_than_the_signers_is_found_out(da: DaNetwork) -> None:
    other = DaEncoder(DaEncoderSettings(port=0), setup=await to_thread.run_sync(setup_of, "other"))
    address, stop, ended = await da.place.start(other.run)
    async with da.disperser(encoder=address) as disperser:
        state = await disperser.wait(await disperser.client.disperse(pattern(400, 61)))
        assert state.status is BlobStatus.FAILED
        assert state.reason.count("refuses: ") == 3
    stop.cancel()
    await ended.wait()


@pytest.mark.parametrize(("step", "announcements"), [(Step.SUBMITTED, 1), (Step.CONFIRMED, 0)], ids=str)
async def test_a_chain_that_goes_back_takes_a_blob_back_to_what_still_stands(
    da: DaNetwork, tmp_path: Path, step: Step, announcements: int
) -> None:
    """What is announced is announced again; what is signed needs no announcement any more."""
    client = da.place.client
    reached, go = anyio.Event(), anyio.Event()

    async def hold(blob: Carried) -> None:
        if blob.machine.state.step is step and not go.is_set():
            reached.set()
            await go.wait()

    await da.place.mine(1)
    async with da.disperser(tmp_path, on_step=hold) as disperser:
        snapshot = await client.request("evm_snapshot")
        request_id = await disperser.client.disperse(pattern(900, 40 + announcements))
        with anyio.fail_after(60):
            await reached.wait()
        assert await client.request("evm_revert", snapshot) is True
        await da.place.mine(3)
        go.set()
        name = await disperser.finalized(request_id)
        assert await da.place.chain.is_confirmed(name)
        assert await da.announcements(name.root) == announcements


@pytest.mark.parametrize("step", [Step.SUBMITTED, Step.CONFIRMED], ids=str)
async def test_thirty_days_that_pass_at_once_on_the_chain_harm_no_blob(da: DaNetwork, tmp_path: Path, step: Step) -> None:
    """Its deadlines are those of calls and tries, which no clock of a chain moves."""
    client = da.place.client
    reached, go = anyio.Event(), anyio.Event()

    async def hold(blob: Carried) -> None:
        if blob.machine.state.step is step and not go.is_set():
            reached.set()
            await go.wait()

    async with da.disperser(tmp_path, on_step=hold) as disperser:
        data = pattern(700, 70 + len(step))
        request_id = await disperser.client.disperse(data)
        with anyio.fail_after(60):
            await reached.wait()
        await client.request("evm_increaseTime", THIRTY_DAYS_S)
        await da.place.mine(1)
        go.set()
        name = await disperser.finalized(request_id)
        assert await disperser.client.retrieve(name) == data
