"""The encoder as official clients see it, its stream, and where the insecure setup is refused."""

import hashlib
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import anyio
import grpc
import pytest
from grpc import aio

from tests.unit.da.disperser.stubs import call, channel
from zerog._kernel import EncodedBlob, keccak256
from zerog.da.client.encoder import AsyncEncoderClient
from zerog.da.client.setup import InsecureSetupRefusedError, Setup, SetupNameError, insecure_tau, open_setup
from zerog.da.encoder.service import DaEncoder
from zerog.da.encoder.settings import DaEncoderSettings, EncoderSettingsError
from zerog.da.protocol.constants import ENCODED_ROWS, SLICE_BYTES

SERVICE = "encoder.Encoder"
DATA = bytes((7 * index + 3) % 256 for index in range(1000))


@cache
def setup() -> Setup:
    return open_setup("insecure-dev:local", host="127.0.0.1")


@cache
def made() -> EncodedBlob:
    """The blob as the kernel makes it."""
    return setup().amt.encode(DATA)


@pytest.fixture(scope="module")
async def encoder() -> AsyncIterator[DaEncoder]:
    role = DaEncoder(DaEncoderSettings(port=0, http_port=0), setup=setup())
    async with anyio.create_task_group() as tasks:
        await tasks.start(role.run)
        yield role
        tasks.cancel_scope.cancel()


@pytest.fixture(scope="module")
async def official(encoder: DaEncoder) -> AsyncIterator[Any]:
    async with channel(str(encoder.address)) as opened:
        yield opened


async def test_the_official_reply_has_all_slices_in_order_and_rows_if_they_are_wanted(official: Any, encoder: DaEncoder) -> None:
    reply = await call(official, SERVICE, "EncodeBlob", data=DATA, require_data=True)
    assert (reply.version, len(reply.erasure_commitment), len(reply.storage_root)) == (0, 64, 32)
    # The root does not depend on the setup, so it is that of the published vector.
    assert reply.storage_root.hex() == "10b419e55586a4375faca5c4aeedc1e94a7ecbb4a6a79a72fd93b9eec453f0e1"
    assert len(reply.encoded_slice) == ENCODED_ROWS
    assert all(len(each) == SLICE_BYTES and each[:8] == row.to_bytes(8, "little") for row, each in enumerate(reply.encoded_slice))
    assert (reply.erasure_commitment, reply.storage_root) == (made().commitment, made().data_root)
    assert list(reply.encoded_slice[1500:1502]) == made().slices(1500, 1502)
    assert len(reply.encoded_data) == 100_663_296
    assert reply.encoded_data[:32] == DATA[:31] + b"\0"


async def test_a_stream_has_the_same_in_parts(encoder: DaEncoder) -> None:
    digest, count, heads = hashlib.sha256(), 0, []
    async with AsyncEncoderClient(str(encoder.address)) as client:
        async with client.encode_stream(DATA) as parts:
            async for part in parts:
                heads += [part.head] if part.head is not None else []
                count += len(part.slices)
                for each in part.slices:
                    digest.update(each)
        reply = await client.setup()
    [head] = heads
    assert (head.root, head.commitment, head.coset_roots, head.slice_count) == (
        made().data_root,
        made().commitment,
        made().coset_roots,
        ENCODED_ROWS,
    )
    assert count == ENCODED_ROWS
    assert digest.digest() == hashlib.sha256(b"".join(made().slices(0, ENCODED_ROWS))).digest()
    assert (reply.kind, reply.fingerprint) == ("insecure-dev", setup().fingerprint)


async def test_too_much_is_refused_in_the_official_words_and_nothing_is_a_blob(official: Any) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await call(official, SERVICE, "EncodeBlob", data=bytes(32_505_853))
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details() == "TooLargeBlob { actual: 32505853, expected_max: 32505852 }"
    reply = await call(official, SERVICE, "EncodeBlob", data=b"")
    assert reply.storage_root.hex() == "37403109ab705894c6607db169ba369fd07905f34ea20a8c4bb61fc011c3c364"
    assert (reply.erasure_commitment, reply.encoded_data) == (bytes(64), b"")


async def test_the_role_proves_itself_and_counts(encoder: DaEncoder) -> None:
    proof = await encoder.probe()
    assert (proof["row"], proof["setup"]) == (0, "insecure-dev")
    assert b"zerog_encoder_blobs_total" in encoder.metrics()
    assert encoder.status()["setup"] == "insecure-dev"


def test_the_insecure_setup_stays_on_this_machine_and_on_networks_of_our_own() -> None:
    with pytest.raises(InsecureSetupRefusedError, match="public network"):
        open_setup("insecure-dev:local", host="127.0.0.1", is_own_network=False)
    with pytest.raises(InsecureSetupRefusedError, match="--allow-insecure-setup"):
        open_setup("insecure-dev:local", host="0.0.0.0")  # noqa: S104 - it is refused.
    assert insecure_tau("x") == keccak256(b"zerog insecure DA setupx")


@pytest.mark.parametrize("name", ["", "insecure-dev", "insecure-dev:", "other:x", "official"])
def test_what_is_no_name_of_a_setup_is_refused(name: str) -> None:
    with pytest.raises(SetupNameError):
        DaEncoderSettings(setup=name)


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"port": 70_000}, {"at_once": 0}, {"waiting": 0}):
        with pytest.raises(EncoderSettingsError):
            DaEncoderSettings(**wrong)  # type: ignore[arg-type]
