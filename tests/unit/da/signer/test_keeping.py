"""What a DA node keeps and says to the chain over time: restarts, kills, epochs that pass, sockets that change, samples, lists."""

import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
from anyio import to_thread

from tests.unit.da.place import LOCAL, WAIT_S, Blob, Node, Place, da_account, open_place, until
from tests.unit.da.stubs import call, message
from zerog._kernel import bls_sign
from zerog.chain.node.chain import network_accounts
from zerog.contracts.da import DA_ENTRANCE, DA_SIGNERS
from zerog.da.client.chain import DA_SIGNERS_ADDRESS
from zerog.da.client.signer import AsyncSignerClient
from zerog.da.protocol.messages import epoch_digest
from zerog.da.protocol.sampling import verify_sample
from zerog.da.signer.errors import NodeFaultError, StoreForeignError
from zerog.da.signer.service import DaSigner
from zerog.da.signer.settings import DaSignerSettings
from zerog.da.wire.signer import RetrieveRequest
from zerog.networks import da_signer_secret
from zerog.runtime.grpc.errors import GrpcCallError

LONG: Final = os.environ.get("ZEROG_TEST_LONG") == "1"
EPOCH_BLOCKS: Final = 64
SHORT: Final = replace(LOCAL, rules=replace(LOCAL.rules, da_epoch_blocks=EPOCH_BLOCKS))
TOKEN_WEI: Final = 10**18
PROGRAM: Final = """
import sys
from functools import partial
from pathlib import Path
import anyio
from zerog.da.signer.service import DaSigner
from zerog.da.signer.settings import DaSignerSettings

async def main():
    settings = DaSignerSettings(data_dir=Path(sys.argv[1]), port=0, http_port=0, chain_url=sys.argv[2], signer=int(sys.argv[3]))
    async with anyio.create_task_group() as tasks:
        print(await tasks.start(DaSigner(settings).run), flush=True)

anyio.run(main)
"""


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    """Epochs last 64 blocks, and rows are kept for one epoch after their own."""
    async with open_place(SHORT) as opened:
        window = DA_ENTRANCE.function("setEpochWindowSize").encode(1)
        await opened.chain.send(network_accounts(LOCAL)[0], opened.chain.entrance, window)
        yield opened


async def small_node(place: Place, folder: Path, index: int = 4, **changes: Any) -> Node:
    """One with a vote. It has rows in epochs that are drawn after it has registered."""
    await place.fund(da_account(index), 35 * TOKEN_WEI)
    return await place.signer(index, folder, **changes)


async def next_epoch(place: Place, *nodes: Node) -> int:
    """Let an epoch pass in which large signers have most rows, and wait until nodes have registered for the one after the new one."""
    before = await place.chain.epoch_number()
    for account in map(da_account, (1, 2, 3)):
        if not await place.chain.registered_epoch(account.address, before + 1):
            digest = epoch_digest(account.address, before + 1, place.chain.chain_id)
            await place.chain.register_next_epoch(account, bls_sign(da_signer_secret(account), digest))
    await place.mine(EPOCH_BLOCKS)
    await place.chain.send(da_account(0), DA_SIGNERS_ADDRESS, DA_SIGNERS.function("makeEpoch").encode())
    epoch = await place.chain.epoch_number()
    assert epoch == before + 1
    await until(lambda: all(node.running.registrar.epoch == epoch for node in nodes))
    return epoch


async def given(address: str, blob: Blob, rows: list[int]) -> list[bytes]:
    """As the official retriever asks; rows without their counts."""
    request = message(
        "signer.RetrieveRequest", epoch=blob.name.epoch, quorum_id=blob.name.quorum_id, storage_root=blob.name.root, row_indexes=rows
    )
    reply = await call(address, "signer.Signer", "BatchRetrieve", message("signer.BatchRetrieveRequest", requests=[request]))
    [slices] = reply.encoded_slice
    assert all(piece[:8] == (1024).to_bytes(8, "little") and len(piece) == 8 + 32768 for piece in slices.encoded_slice)
    return [piece[8:] for piece in slices.encoded_slice]


async def test_rows_come_back_in_every_way(place: Place, tmp_path: Path) -> None:
    node = await small_node(place, tmp_path)
    await next_epoch(place, node)
    blob = await place.announced(b"given back", node)
    mine = list(blob.quorum.rows_of(node.signer))
    foreign = next(row for row in range(3072) if row not in mine)
    due = [blob.encoded.rows(row, row + 1) for row in mine]
    await expect_refusal(node, blob, mine, "INTERNAL", "slice is missing")
    await node.sign(blob.request_for(node.signer))
    assert await given(node.address, blob, [*reversed(mine), mine[0]]) == due
    assert await given(node.address, blob, []) == []
    await expect_refusal(node, blob, [*mine, foreign], "INVALID_ARGUMENT", "invalid row indexes")
    await expect_refusal(node, blob, [4096], "INVALID_ARGUMENT", "invalid row indexes")
    await expect_refusal(node, replace_name(blob, epoch=99), mine, "INTERNAL", "quorum of epoch 99 not found")
    async with node.client() as client:
        async with client.retrieve(RetrieveRequest.of(blob.name, mine)) as parts:
            streamed = [part async for part in parts]
        assert [row.data for part in streamed for row in part.rows] == due
        assert tuple(streamed[0].coset_roots) == blob.encoded.coset_roots
        for subline in (0, 31):
            sample = await client.sample(blob.name, mine[1], subline)
            verify_sample(sample, blob.name.root, mine[1], subline)
        with pytest.raises(GrpcCallError, match="sub-lines"):
            await client.sample(blob.name, mine[1], 32)
        with pytest.raises(GrpcCallError, match="invalid row indexes"):
            await client.sample(blob.name, foreign, 0)
    await listed_and_measured(node, blob)
    await node.stop()


def replace_name(blob: Blob, **changes: Any) -> Blob:
    return replace(blob, name=replace(blob.name, **changes))


async def expect_refusal(node: Node, blob: Blob, rows: list[int], status: str, words: str) -> None:
    async with node.client() as client:
        with pytest.raises(GrpcCallError) as refused:
            await client.batch_retrieve([RetrieveRequest.of(blob.name, rows)])
    assert (refused.value.status, refused.value.details) == (status, words)


async def listed_and_measured(node: Node, blob: Blob) -> None:
    """The pages of HTTP."""
    url = node.role.http_url
    async with httpx.AsyncClient(base_url=url or "") as http:
        listed = (await http.get("/blobs", params={"limit": "1"})).json()
        assert [each["root"] for each in listed["blobs"]] == [str(blob.name.root)]
        assert (listed["blobs"][0]["rows"], listed["blobs"][0]["verified"]) == (len(blob.quorum.rows_of(node.signer)), False)
        assert (await http.get("/blobs", params={"limit": "0"})).status_code == 400
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).json()["found"]["signer"] == str(node.signer)
        metrics = (await http.get("/metrics")).text
        assert "zerog_da_signer_signed_total 1\n" in metrics
        assert 'grpc_request_total{api="BatchRetrieve"}' in metrics
        assert (await http.get("/else")).status_code == 404
        assert (await http.post("/blobs")).status_code == 405
        assert (await http.get("/blobs", headers={"host": "evil.example"})).status_code == 403
    status = node.role.status()
    assert (status["blobs"], status["registered"], status["registration_trouble"]) == (1, True, None)


async def test_a_node_goes_on_where_it_stopped(place: Place, tmp_path: Path) -> None:
    """What was signed is there, the socket on chain is the new one, and a start that changes nothing sends nothing."""
    node = await small_node(place, tmp_path, index=5)
    await next_epoch(place, node)
    blob = await place.announced(b"kept", node)
    signature = await node.sign(blob.request_for(node.signer))
    await node.stop()
    again = await place.signer(5, tmp_path)
    assert again.address != node.address
    detail = (await place.chain.signers([again.signer]))[again.signer]
    assert detail.socket == again.address
    await until(lambda: again.running.follower.is_synced)
    assert await again.sign(blob.request_for(again.signer)) == signature
    assert len(await given(again.address, blob, list(blob.quorum.rows_of(again.signer)))) >= 3
    nonce = await place.client.nonce(again.signer)
    await again.stop()
    third = await place.signer(5, tmp_path, port=int(again.address.rpartition(":")[2]))
    await third.role.probe()
    assert await place.client.nonce(third.signer) == nonce
    await third.stop()
    with pytest.raises(StoreForeignError):
        await place.signer(6, tmp_path)


async def test_nodes_take_part_in_every_epoch_and_let_old_ones_go(place: Place, tmp_path: Path) -> None:
    node = await small_node(place, tmp_path, index=7)
    epoch = await next_epoch(place, node)
    blob = await place.announced(b"soon too old", node)
    await node.sign(blob.request_for(node.signer))
    assert blob.name.epoch == epoch
    for passed in range(1, 3):
        assert await place.chain.registered_epoch(node.signer, epoch + passed)
        assert node.running.store.totals()[0] == 1
        await next_epoch(place, node)
    await until(lambda: node.running.registrar.pruned == 1)
    assert node.running.store.totals()[0] == 0
    await until(lambda: not node.row_file(blob).parent.exists())
    assert not node.running.store.standing(blob.name).is_uploaded
    await expect_refusal(node, blob, list(blob.quorum.rows_of(node.signer)), "INTERNAL", "slice is missing")
    await node.stop()


async def test_nothing_is_signed_for_an_epoch_that_is_over(place: Place, tmp_path: Path) -> None:
    node = await small_node(place, tmp_path, index=8)
    await next_epoch(place, node)
    blob = await place.announced(b"too late", node)
    await node.role.quiesce(await place.client.block_number())  # It does not see the epochs pass, and keeps what it was told.
    await node.role.resume()
    node.running.follower.limit(await place.client.block_number())
    for _ in range(2):
        await next_epoch(place)
    with pytest.raises(GrpcCallError) as refused:
        await node.sign(blob.request_for(node.signer))
    assert (refused.value.status, refused.value.details) == (
        "FAILED_PRECONDITION",
        f"epoch {blob.name.epoch} has expired: rows are kept for 1 epochs",
    )
    await node.stop()


async def test_an_account_without_a_vote_is_told_so(place: Place, tmp_path: Path) -> None:
    await place.fund(da_account(9), TOKEN_WEI)
    settings = DaSignerSettings(data_dir=tmp_path, port=0, http_port=0, chain_url=place.client.url)
    role = DaSigner(settings, account=da_account(9))
    _, stop, ended = await place.start(role.run)
    await until(lambda: role.running.registrar.trouble is not None)
    assert str(role.running.registrar.trouble).startswith("the sender owns less than one vote costs")
    with pytest.raises(NodeFaultError, match="less than one vote"):
        await role.probe()
    stop.cancel()
    await ended.wait()


@pytest.mark.parametrize("seed", range(1, 21 if LONG else 2))
async def test_a_killed_node_has_all_that_it_signed(place: Place, tmp_path: Path, seed: int) -> None:
    """It is killed at some moment while blobs are signed; after a start each signature that left stands for rows that are there."""
    index = 10 + seed % 6
    await place.fund(da_account(index), 35 * TOKEN_WEI)
    dice = random.Random(seed)
    answered: dict[int, bytes] = {}
    process, address = await start_process(place, tmp_path, index)
    try:
        await until_registered(place, index)
        await next_epoch(place)
        blobs = [await place.announce(f"to be killed {seed} {number}".encode()) for number in range(3)]
        signer = da_account(index).address
        async with anyio.create_task_group() as asking:
            for number, blob in enumerate(blobs):
                asking.start_soon(sign_until_killed, address, number, blob, signer, answered)
            await until(lambda: len(answered) >= dice.randint(0, 2))
            process.kill()
            await to_thread.run_sync(process.wait)
    finally:
        process.kill()
        await to_thread.run_sync(process.communicate)
    node = await place.signer(index, tmp_path)
    await until(lambda: all(node.running.store.standing(blob.name).is_uploaded for blob in blobs))
    for number, blob in enumerate(blobs):
        mine = list(blob.quorum.rows_of(node.signer))
        if number in answered:
            assert await given(node.address, blob, mine) == [blob.encoded.rows(row, row + 1) for row in mine]
        signature = await node.sign(blob.request_for(node.signer))
        assert answered.get(number, signature) == signature
    await node.stop()


async def start_process(place: Place, folder: Path, index: int) -> "tuple[subprocess.Popen[str], str]":
    command = [sys.executable, "-c", PROGRAM, str(folder), place.client.url, str(index)]
    process = await to_thread.run_sync(lambda: subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    assert process.stdout is not None
    return process, (await to_thread.run_sync(process.stdout.readline)).strip()


async def until_registered(place: Place, index: int) -> None:
    with anyio.fail_after(WAIT_S):
        while not await place.chain.registered_epoch(da_account(index).address, await place.chain.epoch_number() + 1):
            await place.mine(1)


async def sign_until_killed(address: str, number: int, blob: Blob, signer: Any, answered: dict[int, bytes]) -> None:
    """Ask until there is an answer, or nobody any more."""
    async with AsyncSignerClient(address) as client:
        while True:
            try:
                [answered[number]] = await client.batch_sign([blob.request_for(signer)])
            except GrpcCallError as error:
                if error.details != "blob not found":
                    return
            else:
                return
