"""Blobs that come back from their signers, whoever of these is silent, slow, lying, or has lost rows.

Each of three nodes owns 1,024 rows and is known to the chain by the socket of an impostor, which passes on what the node says, or not.
"""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from anyio import create_task_group
from grpc import aio

from tests.unit.da.place import Blob, Node, Place, open_place, until
from tests.unit.da.stubs import call, message
from zerog.da.client.chain import DaChain
from zerog.da.client.retrieving import BlobUnrecoverableError, RetrievalOptions, RetrievedBlob, SignersUnavailableError, retrieve_blob
from zerog.da.client.signer import AsyncSignerClient
from zerog.da.protocol.errors import DaError
from zerog.da.retriever.service import DaRetriever
from zerog.da.retriever.settings import DaRetrieverSettings
from zerog.da.wire.signer import (
    BATCH_RETRIEVE,
    FILE,
    RETRIEVE_STREAM,
    RetrieveBatch,
    RetrieveRequest,
    RowBatch,
    StreamedRows,
)
from zerog.runtime.grpc.methods import Caller, served_stream, served_unary
from zerog.runtime.grpc.server import GrpcLimits, serve_grpc

DATA: Final = bytes((7 * index + 3) % 256 for index in range(100_000))
LONG: Final = os.environ.get("ZEROG_TEST_LONG") == "1"
PATIENT: Final = RetrievalOptions(late_s=60.0, call_s=60.0)
QUICK: Final = RetrievalOptions(late_s=0.2, call_s=15.0, total_s=25.0)


class NotImplementedHereError(DaError):
    """A node of others has no such method."""

    grpc_status = "UNIMPLEMENTED"


@dataclass
class Impostor:
    """What stands between a node and those who ask it for rows."""

    upstream: str = ""
    address: str = ""
    nature: str = "true"
    """Or: `silent`, `flip` (a bit of the third row), `swap` (rows change places), `roots` (of another blob), `path`, `plain` (a node of
    others), `plain-flip`."""
    asked: int = 0

    async def stream(self, request: RetrieveRequest, _caller: Caller) -> AsyncIterator[StreamedRows]:
        self.asked += 1
        if self.nature.startswith("plain"):
            raise NotImplementedHereError
        if self.nature == "silent":
            await anyio.sleep_forever()
        async with AsyncSignerClient(self.upstream) as client, client.retrieve(request) as parts:
            async for part in parts:
                yield self._changed(part)

    async def batch(self, batch: RetrieveBatch, _caller: Caller) -> RowBatch:
        async with AsyncSignerClient(self.upstream) as client:
            sets = [replace(each, coset_roots=()) for each in await client.batch_retrieve(batch.requests)]
        if self.nature == "plain-flip":
            first, *others = sets[0].rows
            sets[0] = replace(sets[0], rows=[flipped(first), *others])
        return RowBatch(sets)

    def _changed(self, part: StreamedRows) -> StreamedRows:
        rows = list(part.rows)
        match self.nature:
            case "flip":
                rows[2] = replace(rows[2], data=flipped(rows[2].data))
            case "path":
                rows[2] = replace(rows[2], path=flipped(rows[2].path))
            case "swap":
                rows[0], rows[1] = replace(rows[0], index=rows[1].index), replace(rows[1], index=rows[0].index)
            case "roots" if part.coset_roots:
                return replace(part, coset_roots=[b"\1" * 32, *part.coset_roots[1:]])
        return replace(part, rows=rows)


def flipped(data: bytes) -> bytes:
    return data[:7] + bytes([data[7] ^ 1]) + data[8:]


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with open_place() as opened:
        yield opened


@pytest.fixture(scope="module")
async def impostors(place: Place) -> list[Impostor]:
    made = [Impostor() for _ in range(3)]
    limits = GrpcLimits()
    for impostor in made:
        methods = [served_stream(RETRIEVE_STREAM, impostor.stream), served_unary(BATCH_RETRIEVE, impostor.batch)]
        impostor.address, _, _ = await place.start(partial(serve_grpc, methods, [FILE], "127.0.0.1", 0, limits=limits))
    return made


@pytest.fixture(scope="module")
async def nodes(place: Place, impostors: list[Impostor], tmp_path_factory: pytest.TempPathFactory) -> list[Node]:
    started = []
    for index, impostor in enumerate(impostors, 1):
        node = await place.signer(index, tmp_path_factory.mktemp(f"signer{index}"), socket=impostor.address)
        impostor.upstream = node.address
        started.append(node)
    return started


@pytest.fixture(scope="module")
async def blob(place: Place, nodes: list[Node]) -> Blob:
    """One that all three have signed."""
    announced = await place.announced(DATA, *nodes)
    assert [len(announced.quorum.rows_of(node.signer)) for node in nodes] == [1024] * 3
    for node in nodes:
        await node.sign(announced.request_for(node.signer))
    return announced


@contextmanager
def natures(impostors: Sequence[Impostor], *kinds: str) -> Iterator[None]:
    for impostor, kind in zip(impostors, kinds, strict=True):
        impostor.nature, impostor.asked = kind, 0
    yield
    for impostor in impostors:
        impostor.nature = "true"


async def retrieved(place: Place, blob: Blob, options: RetrievalOptions = QUICK) -> RetrievedBlob:
    found = await retrieve_blob(blob.name, place.chain, options)
    assert found.data == DATA
    return found


async def test_a_blob_comes_back_as_others_ask_for_it(place: Place, blob: Blob) -> None:
    role = DaRetriever(DaRetrieverSettings(port=0, chain_url=place.client.url))
    address, stop, ended = await place.start(role.run)
    request = message("retriever.BlobRequest", storage_root=blob.name.root, epoch=blob.name.epoch, quorum_id=blob.name.quorum_id)
    assert (await call(address, "retriever.Retriever", "RetrieveBlob", request)).data == DATA
    for changes, status, words in (
        ({"storage_root": b"r" * 31}, "INVALID_ARGUMENT", "storage root"),
        ({"epoch": 99}, "NOT_FOUND", "failed get signers from block chain: "),
        ({"quorum_id": 1}, "NOT_FOUND", "failed get signers from block chain: "),
        ({"storage_root": b"r" * 32}, "NOT_FOUND", "fail to recover slice: "),
    ):
        facts = {"storage_root": blob.name.root, "epoch": blob.name.epoch, "quorum_id": blob.name.quorum_id, **changes}
        with pytest.raises(aio.AioRpcError) as refused:
            await call(address, "retriever.Retriever", "RetrieveBlob", message("retriever.BlobRequest", **facts))
        assert refused.value.code().name == status
        assert (refused.value.details() or "").startswith(words)
    await expect_full_pool(role, address, request)
    assert role.status()["retrieved"] == 1
    assert b"zerog_da_retriever_retrieved_total 1\n" in role.metrics()
    assert (await role.probe())["epoch"] == blob.name.epoch
    stop.cancel()
    await ended.wait()


async def expect_full_pool(role: DaRetriever, address: str, request: Any) -> None:
    """Twelve at once, which all wait before they begin."""
    outcomes: list[str] = []

    async def ask() -> None:
        with pytest.raises(aio.AioRpcError) as refused:
            await call(address, "retriever.Retriever", "RetrieveBlob", request)
        outcomes.append(f"{refused.value.code().name}: {refused.value.details()}")

    await role.quiesce(0)
    async with create_task_group() as asking:
        for _ in range(12):
            asking.start_soon(ask)
        await until(lambda: len(outcomes) == 2)
        asking.cancel_scope.cancel()
    await role.resume()
    assert outcomes == ["RESOURCE_EXHAUSTED: request pool is full"] * 2


async def test_only_the_rows_of_the_blob_itself_are_asked_for(place: Place, blob: Blob, impostors: list[Impostor]) -> None:
    with natures(impostors, "true", "true", "true"):
        found = await retrieved(place, blob, PATIENT)
        assert (found.liars, found.silent) == ((), ())
        assert [impostor.asked for impostor in impostors] == [1, 1, 1]


@pytest.mark.parametrize("lies", [("flip", "swap"), ("path", "roots")])
async def test_liars_are_named_and_the_blob_comes_without_them(
    place: Place, blob: Blob, nodes: list[Node], impostors: list[Impostor], lies: tuple[str, str]
) -> None:
    with natures(impostors, lies[0], "true", lies[1]):
        found = await retrieved(place, blob, PATIENT)
        assert set(found.liars) == {nodes[0].signer, nodes[2].signer}


async def test_who_is_silent_is_not_waited_for(place: Place, blob: Blob, impostors: list[Impostor]) -> None:
    with natures(impostors, "silent", "true", "true"):
        begun_s = anyio.current_time()
        found = await retrieved(place, blob)
        assert anyio.current_time() - begun_s < QUICK.call_s
        assert found.liars == ()


async def test_nodes_of_others_give_rows_without_paths(place: Place, blob: Blob, impostors: list[Impostor]) -> None:
    with natures(impostors, "plain", "plain", "plain"):
        assert (await retrieved(place, blob, PATIENT)).liars == ()
    with natures(impostors, "plain", "true", "plain"):
        assert (await retrieved(place, blob, PATIENT)).liars == ()


@pytest.mark.parametrize("others", ["plain", "true"] if LONG else ["true"])
async def test_a_liar_among_nodes_of_others_is_found(
    place: Place, blob: Blob, nodes: list[Node], impostors: list[Impostor], others: str
) -> None:
    with natures(impostors, "plain", others, "plain-flip"):
        assert (await retrieved(place, blob, PATIENT)).liars == (nodes[2].signer,)


async def test_with_nobody_true_nothing_false_comes_back(place: Place, blob: Blob, nodes: list[Node], impostors: list[Impostor]) -> None:
    with natures(impostors, "flip", "roots", "plain-flip"), pytest.raises(BlobUnrecoverableError) as failed:
        await retrieve_blob(blob.name, place.chain, PATIENT)
    assert set(failed.value.liars) >= {nodes[0].signer, nodes[1].signer}
    if LONG:
        with natures(impostors, "plain-flip", "plain-flip", "plain-flip"), pytest.raises(BlobUnrecoverableError):
            await retrieve_blob(blob.name, place.chain, PATIENT)


async def test_time_runs_out_when_nobody_answers(place: Place, blob: Blob, impostors: list[Impostor]) -> None:
    with natures(impostors, "silent", "silent", "silent"), pytest.raises(BlobUnrecoverableError, match=r"0\.5 s are over"):
        await retrieve_blob(blob.name, place.chain, RetrievalOptions(late_s=0.1, call_s=5.0, total_s=0.5))


async def test_exactly_1024_rows_are_enough_and_1023_are_not(place: Place, blob: Blob, nodes: list[Node]) -> None:
    """Two nodes lose everything, and the third one row after all others."""
    kept = {node.signer: node.row_file(blob).read_bytes() for node in nodes}
    for node in nodes[:2]:
        node.row_file(blob).unlink()
    found = await retrieved(place, blob, PATIENT)
    assert set(found.silent) == {node.signer for node in nodes[:2]}
    damage_row(nodes[2].row_file(blob))
    with pytest.raises(BlobUnrecoverableError, match=r"1023 rows are left, and 1024 are needed") as failed:
        await retrieve_blob(blob.name, place.chain, PATIENT)
    assert str(failed.value).startswith("fail to recover slice: ")
    assert failed.value.liars == (), "who has lost a row does not lie"
    for node in nodes:
        node.row_file(blob).write_bytes(kept[node.signer])


def damage_row(path: Path) -> None:
    """Flip a bit in what the file says of its first row; its checksum tells."""
    data = bytearray(path.read_bytes())
    head_bytes = int.from_bytes(data[8:12], "little")
    data[16 + head_bytes] ^= 1
    path.write_bytes(data)


async def test_sockets_that_lead_here_are_not_called_for_a_public_chain(place: Place, blob: Blob, impostors: list[Impostor]) -> None:
    public = DaChain(place.client, place.chain.entrance, chain_id=place.chain.chain_id, is_own=False)
    with natures(impostors, "true", "true", "true"), pytest.raises(BlobUnrecoverableError) as failed:
        await retrieve_blob(blob.name, public, QUICK)
    assert len(failed.value.silent) == 3
    assert [impostor.asked for impostor in impostors] == [0, 0, 0]


async def test_a_quorum_that_is_not_there_is_told(place: Place, blob: Blob) -> None:
    with pytest.raises(SignersUnavailableError, match="epoch 9 has not begun"):
        await retrieve_blob(replace(blob.name, epoch=9), place.chain, QUICK)
    with pytest.raises(SignersUnavailableError, match="no quorum 3"):
        await retrieve_blob(replace(blob.name, quorum_id=3), place.chain, QUICK)
