"""What a DA node signs and what it refuses, asked as others ask it: each check of the official node, in its order and with its words.

One node has a vote and a few rows, so that requests to it are small; three have the rest.
"""

import os
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pytest
from anyio import create_task_group
from grpc import aio

from tests.unit.da.place import Blob, Node, Place, da_account, open_place, setup_of, until
from tests.unit.da.stubs import call, message
from zerog._kernel import PointError, bls_public_key, bls_verify, g1_from_flagged, g1_from_flagless, g1_to_flagged, keccak256
from zerog.chain.client import RpcError
from zerog.da.client.chain import BlobEvent
from zerog.da.following import BlockMark
from zerog.da.protocol.messages import blob_digest
from zerog.da.protocol.names import BlobName
from zerog.da.wire.signer import SignPart, SignRequest
from zerog.networks import da_signer_secret
from zerog.primitives import Hash32
from zerog.runtime.grpc.errors import GrpcCallError

LONG: Final = os.environ.get("ZEROG_TEST_LONG") == "1"
MUTANTS: Final = 10_000 if LONG else 150
TOKEN_WEI: Final = 10**18
DATA: Final = bytes((7 * index + 3) % 256 for index in range(1_000))


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with open_place() as opened:
        yield opened


@pytest.fixture(scope="module")
async def node(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node with one vote, for which it registered before the first epoch was drawn."""
    await place.fund(da_account(4), 35 * TOKEN_WEI)
    return await place.signer(4, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
async def blob(place: Place, node: Node) -> Blob:
    """A blob that waits for signatures."""
    announced = await place.announced(DATA, node)
    assert 3 <= len(announced.quorum.rows_of(node.signer)) <= 4
    return announced


def sign_message(request: SignRequest) -> Any:
    return message(
        "signer.SignRequest",
        epoch=request.head.epoch,
        quorum_id=request.head.quorum_id,
        erasure_commitment=request.head.commitment,
        storage_root=request.head.data_root,
        encoded_slice=request.slices,
    )


async def batch_sign(node: Node, *requests: SignRequest) -> list[bytes]:
    """As the official batcher asks."""
    batch = message("signer.BatchSignRequest", requests=[sign_message(request) for request in requests])
    return list((await call(node.address, "signer.Signer", "BatchSign", batch)).signatures)


async def refusal(node: Node, *requests: SignRequest) -> tuple[str, str]:
    """Status and words with which a batch is refused; fails where it is not."""
    with pytest.raises(aio.AioRpcError) as refused:
        await batch_sign(node, *requests)
    return refused.value.code().name, refused.value.details() or ""


def is_signed(node: Node, blob: Blob, signature: bytes) -> bool:
    digest = blob_digest(blob.name.root, blob.name.epoch, blob.name.quorum_id, g1_from_flagless(blob.encoded.commitment))
    return bls_verify(digest, g1_from_flagged(signature), bls_public_key(da_signer_secret(node.account))[1])


def told(node: Node, name: BlobName) -> None:
    """Let the node know of a blob as if the log had told it."""
    mark = node.running.store.mark()
    assert mark is not None
    event = BlobEvent(blob=name, is_verified=False, block_number=mark.number, block_hash=mark.hash, transaction_hash=Hash32(bytes(32)))
    node.running.store.take(BlockMark(mark.number, mark.hash), [event])


async def test_a_node_says_what_it_is(node: Node, place: Place) -> None:
    status = await call(node.address, "signer.Signer", "GetStatus", message("signer.Empty"))
    assert (status.status_code, status.entrance_contract) == (200, place.chain.entrance.hex())
    async with node.client() as client:
        assert (await client.status()).setup_fingerprint == setup_of().fingerprint


async def test_true_rows_are_signed_and_kept(node: Node, blob: Blob) -> None:
    [signature] = await batch_sign(node, blob.request_for(node.signer))
    assert len(signature) == 64
    assert is_signed(node, blob, signature)
    kept = node.running.store.open_rows(blob.name)
    assert kept is not None
    with kept:
        assert kept.is_whole()
        for index in blob.quorum.rows_of(node.signer):
            row = kept.row(index)
            assert row is not None
            assert row.data == blob.encoded.rows(index, index + 1)


async def test_a_second_request_gets_the_same_and_writes_nothing(node: Node, blob: Blob) -> None:
    first = await batch_sign(node, blob.request_for(node.signer))
    written = node.row_file(blob).stat().st_mtime_ns
    again = await batch_sign(node, blob.request_for(node.signer), blob.request_for(node.signer))
    assert again == [*first, *first]
    assert node.row_file(blob).stat().st_mtime_ns == written


async def test_a_lost_file_is_written_again(node: Node, blob: Blob) -> None:
    first = await batch_sign(node, blob.request_for(node.signer))
    node.row_file(blob).unlink()
    assert await batch_sign(node, blob.request_for(node.signer)) == first
    assert node.row_file(blob).exists()


async def test_a_request_in_parts_gets_the_same_signature(node: Node, blob: Blob) -> None:
    request = blob.request_for(node.signer)
    async with node.client() as client:
        assert [await client.sign(request)] == await batch_sign(node, request)


OFF_CURVE: Final = (1).to_bytes(32, "little") + (3).to_bytes(32, "little")
TOO_LARGE: Final = (1 << 255).to_bytes(32, "little") + (2).to_bytes(32, "little")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"data_root": b"r" * 31}, "INVALID_ARGUMENT", "storage root"),
        ({"data_root": b""}, "INVALID_ARGUMENT", "storage root"),
        ({"commitment": b"c" * 63}, "INVALID_ARGUMENT", "failed to deserialize erasure commitment: "),
        ({"commitment": TOO_LARGE}, "INVALID_ARGUMENT", "failed to deserialize erasure commitment: "),
        ({"commitment": OFF_CURVE}, "INVALID_ARGUMENT", "Incorrect commitment: commitment is not in group"),
        ({"commitment": bytes(64)}, "INVALID_ARGUMENT", "Incorrect commitment: commitment is not in group"),
        ({"data_root": b"r" * 32}, "INTERNAL", "blob not found"),
        ({"epoch": 2}, "INTERNAL", "blob not found"),
        ({"epoch": (1 << 64) - 1}, "INTERNAL", "blob not found"),
        ({"quorum_id": 1}, "INTERNAL", "blob not found"),
    ],
)
async def test_a_wrong_head_is_refused(node: Node, blob: Blob, changes: dict[str, Any], status: str, words: str) -> None:
    """Before the slices, which are none."""
    found = await refusal(node, blob.request_for(node.signer, slices=[b"no slice"], **changes))
    assert found[0] == status
    assert found[1].startswith(words)
    async with node.client() as client:
        with pytest.raises(GrpcCallError) as refused:
            await client.sign(blob.request_for(node.signer, slices=[b"no slice"], **changes))
    assert (refused.value.status, refused.value.details) == found


async def test_a_flagged_commitment_is_refused(node: Node, blob: Blob) -> None:
    """Where the flag is set: half of all points."""
    flagged = g1_to_flagged(g1_from_flagless(blob.encoded.commitment))
    negative = blob.encoded.commitment[:63] + bytes([blob.encoded.commitment[63] | 0x80])
    assert flagged in (blob.encoded.commitment, negative)
    found = await refusal(node, blob.request_for(node.signer, commitment=negative))
    assert found[0] == "INVALID_ARGUMENT"
    assert found[1].startswith("failed to deserialize erasure commitment: ")


async def test_what_is_no_slice_is_refused_before_the_quorum_is_asked_for(node: Node, blob: Blob) -> None:
    told(node, BlobName(blob.name.root, 99, 0))
    for piece in (b"", b"no slice", blob.slices_of(node.signer)[0][:-1], blob.slices_of(node.signer)[0] + b"\0"):
        status, words = await refusal(node, blob.request_for(node.signer, epoch=99, slices=[piece]))
        assert status == "INVALID_ARGUMENT"
        assert words.startswith("failed to deserialize slice: ")


@pytest.mark.parametrize(("epoch", "quorum_id", "words"), [(99, 0, "quorum of epoch 99 not found"), (1, 7, "quorum_id out of bound")])
async def test_quorums_that_the_chain_does_not_have_are_refused(node: Node, blob: Blob, epoch: int, quorum_id: int, words: str) -> None:
    told(node, BlobName(blob.name.root, epoch, quorum_id))
    found = await refusal(node, blob.request_for(node.signer, epoch=epoch, quorum_id=quorum_id))
    assert found == ("INTERNAL", f"internal error on verification: {words}")


async def test_other_rows_than_the_assigned_ones_are_refused(node: Node, blob: Blob) -> None:
    mine = blob.slices_of(node.signer)
    foreign = next(row for row in range(3072) if row not in blob.quorum.rows_of(node.signer))
    [other] = blob.encoded.slices(foreign, foreign + 1)
    for slices in ([], mine[:-1], mine[::-1], [*mine, other], [*mine[:-1], other], [*mine, mine[-1]], [mine[0], *mine[:-1]]):
        found = await refusal(node, blob.request_for(node.signer, slices=slices))
        assert found == ("INVALID_ARGUMENT", "received slices and assigned slices are mismatch")


async def test_slices_of_another_blob_are_refused(place: Place, node: Node, blob: Blob) -> None:
    other = await place.announced(DATA[::-1], node)
    status, words = await refusal(node, blob.request_for(node.signer, slices=other.slices_of(node.signer)))
    assert (status, words.startswith("verification failed: ")) == ("INVALID_ARGUMENT", True)
    status, words = await refusal(node, other.request_for(node.signer, commitment=blob.encoded.commitment))
    assert (status, words.startswith("verification failed: ")) == ("INVALID_ARGUMENT", True)


async def test_a_false_proof_point_fails_the_pairing_check(node: Node, blob: Blob) -> None:
    """The high commitment replaced by another point: only the pairing sees that."""
    slices = blob.slices_of(node.signer)
    false = slices[0][:34152] + slices[0][16:80] + slices[0][34216:]
    status, words = await refusal(node, blob.request_for(node.signer, slices=[false, *slices[1:]]))
    assert status == "INVALID_ARGUMENT"
    assert words.startswith(("received slice does not pass pairing check", "verification failed: "))


async def test_one_bad_request_fails_its_batch(node: Node, blob: Blob) -> None:
    good = blob.request_for(node.signer)
    assert (await refusal(node, good, replace(good, slices=[])))[1] == "received slices and assigned slices are mismatch"


async def test_a_batch_has_a_bound(node: Node, blob: Blob) -> None:
    status, _ = await refusal(node, *[blob.request_for(node.signer, slices=[]) for _ in range(65)])
    assert status == "RESOURCE_EXHAUSTED"


async def test_slices_made_with_another_setup_are_refused(place: Place, node: Node) -> None:
    """Rows and root are the same, commitment and proofs are of another τ."""
    other = await place.announced(DATA, node, seed="another")
    assert setup_of("another").fingerprint != setup_of().fingerprint
    status, words = await refusal(node, other.request_for(node.signer))
    assert status == "INVALID_ARGUMENT"
    assert words.startswith(("received slice does not pass pairing check", "verification failed: "))


async def test_a_node_without_rows_signs_nothing(place: Place, blob: Blob, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It registered after the epoch was drawn."""
    late = await place.signer(6, tmp_path_factory.mktemp("late"))
    await until(lambda: late.running.store.standing(blob.name).is_uploaded)
    found = await refusal(late, blob.request_for(late.signer))
    assert found == ("INVALID_ARGUMENT", "received slices and assigned slices are mismatch")
    assert late.running.store.totals()[0] == 0
    await late.stop()


async def test_twelve_requests_at_once_are_more_than_it_takes(node: Node, blob: Blob) -> None:
    request = blob.request_for(node.signer)
    outcomes: list[str] = []

    async def ask() -> None:
        try:
            await batch_sign(node, request)
            outcomes.append("signed")
        except aio.AioRpcError as error:
            outcomes.append(f"{error.code().name}: {error.details()}")

    tip = await node.running.place.chain.client.block_number()
    await node.role.quiesce(tip)  # Nobody is through before all have come.
    async with create_task_group() as asking:
        for _ in range(12):
            asking.start_soon(ask)
        await until(lambda: len(outcomes) == 2)
        await node.role.resume()
    assert sorted(outcomes) == ["RESOURCE_EXHAUSTED: request pool is full"] * 2 + ["signed"] * 10


async def parts_of(*parts: SignPart) -> AsyncIterator[SignPart]:
    for part in parts:
        yield part


async def test_parts_in_disorder_are_refused(node: Node, blob: Blob) -> None:
    head, slices = blob.head, blob.slices_of(node.signer)
    for parts, words in (
        ((), "the first part has no head"),
        ((SignPart(head=None, slices=slices),), "the first part has no head"),
        ((SignPart(head=head, slices=[]), SignPart(head=head, slices=slices)), "only the first part has a head"),
        ((SignPart(head=head, slices=[*slices, slices[0]]),), "received slices and assigned slices are mismatch"),
    ):
        async with node.client() as client:
            with pytest.raises(GrpcCallError) as refused:
                await client.sign_parts(parts_of(*parts))
        assert (refused.value.status, refused.value.details) == ("INVALID_ARGUMENT", words)


async def test_no_mutant_is_signed(node: Node, blob: Blob) -> None:
    """Any bit of a request flipped: in the root, in the commitment, or anywhere in a slice, proofs as often as rows."""
    good, dice = blob.request_for(node.signer), random.Random(20_251_129)
    signed_before = node.running.signing.counters.signed
    async with node.client() as client:
        for number in range(MUTANTS):
            place, mutant = mutant_of(good, dice)
            with pytest.raises(GrpcCallError) as refused:
                pytest.fail(f"mutant {number} was signed: {place}, {await client.batch_sign([mutant])}")
            assert refused.value.status in ("INVALID_ARGUMENT", "INTERNAL"), (number, place)
    assert node.running.signing.counters.signed == signed_before


def mutant_of(good: SignRequest, dice: random.Random) -> tuple[str, SignRequest]:
    """A request with a flipped bit, and where that is."""
    kind = dice.choice(["root", "commitment", "slice", "slice", "slice"])
    if kind == "root":
        return kind, replace(good, head=replace(good.head, data_root=flipped(good.head.data_root, dice, range(32))))
    if kind == "commitment":
        return kind, replace(good, head=replace(good.head, commitment=flipped(good.head.commitment, dice, range(64))))
    part = dice.choice([range(96), range(96, 32864), range(32864, 34152), range(34152, 34216), range(34216, 34680)])
    slices = list(good.slices)
    which = dice.randrange(len(slices))
    slices[which] = flipped(slices[which], dice, part)
    return f"slice {which}, bytes {part}", replace(good, slices=slices)


def flipped(data: bytes, dice: random.Random, part: range) -> bytes:
    changed = bytearray(data)
    changed[dice.choice(part)] ^= 1 << dice.randrange(8)
    return bytes(changed)


async def test_no_changed_signature_verifies(node: Node, blob: Blob) -> None:
    [signature] = await batch_sign(node, blob.request_for(node.signer))
    digest = blob_digest(blob.name.root, blob.name.epoch, blob.name.quorum_id, g1_from_flagless(blob.encoded.commitment))
    words, key = g1_from_flagged(signature), bls_public_key(da_signer_secret(node.account))[1]
    dice = random.Random(7)
    for _ in range(MUTANTS):
        mutant = flipped(words, dice, range(64))
        with suppress(PointError):  # Nearly all are no points at all.
            assert not bls_verify(digest, mutant, key)
    assert bls_verify(digest, words, key)
    assert not bls_verify(keccak256(digest), words, key)


async def test_a_blob_that_the_chain_takes_back_is_not_signed(place: Place, node: Node) -> None:
    snapshot = await place.client.request("evm_snapshot")
    gone = await place.announced(b"gone soon", node)
    assert len(await batch_sign(node, gone.request_for(node.signer))) == 1
    await place.client.request("evm_revert", snapshot)
    await place.mine(1)
    await until(lambda: not node.running.store.standing(gone.name).is_uploaded)
    assert await refusal(node, gone.request_for(node.signer)) == ("INTERNAL", "blob not found")


async def test_three_nodes_confirm_a_blob_and_then_sign_it_no_more(
    place: Place, node: Node, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nodes = [await place.signer(index, tmp_path_factory.mktemp(f"large{index}")) for index in (1, 2, 3)]
    blob = await place.announced(b"confirmed", node, *nodes)
    signatures = {each.signer: await each.sign(blob.request_for(each.signer)) for each in nodes}
    bitmap = bytearray(blob.quorum.bitmap(signatures))
    mine = blob.quorum.rows_of(node.signer)[0]
    bitmap[mine // 8] ^= 1 << mine % 8
    with pytest.raises(RpcError):
        await place.confirm(blob, signatures, bitmap=bytes(bitmap))
    with pytest.raises(RpcError):
        await place.confirm(blob, dict(list(signatures.items())[:1]))
    await place.confirm(blob, signatures)
    assert await place.chain.is_confirmed(blob.name)
    await until(lambda: node.running.store.standing(blob.name).is_verified)
    assert await refusal(node, blob.request_for(node.signer)) == ("INTERNAL", "blob verified already")
    for each in nodes:
        await each.stop()
