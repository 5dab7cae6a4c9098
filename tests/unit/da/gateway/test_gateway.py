"""The gateway as rollups use it: the OP Stack's server and Nitro's methods, by clients written from their specifications."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests.unit.da.services import EPOCH, QUORUM, MemoryDisperser, serve, small_root
from zerog._kernel import keccak256
from zerog.da.client import AsyncDaClient
from zerog.da.gateway.alt_da import AltDaRoutes
from zerog.da.gateway.application import make_application
from zerog.da.gateway.book import Book
from zerog.da.gateway.chunks import PendingMessages
from zerog.da.gateway.nitro import Provider, daprovider
from zerog.da.gateway.payloads import Payloads
from zerog.da.gateway.routes import ReadRoutes
from zerog.da.gateway.samples import Samples
from zerog.da.gateway.settings import DaGatewaySettings, GatewaySettingsError
from zerog.da.protocol.certificates import FORK_HEADER, decode_certificate, encode_certificate
from zerog.da.protocol.names import BlobName
from zerog.primitives import Hash32
from zerog.runtime.clock import SystemClock
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Dispatcher

pytestmark = pytest.mark.anyio
PAYLOAD = b"a batch of some rollup"
ROOT = Hash32(small_root(PAYLOAD))
COMMITMENT = bytes.fromhex("0147") + EPOCH.to_bytes(8, "little") + QUORUM.to_bytes(8, "little") + ROOT
HEADER = bytes(40)
"""Of a sequencer's message."""
NO_BLOCK = "0x" + "00" * 32
CLOCK = SystemClock()


@dataclass(frozen=True)
class Rollup:
    """What a rollup's programs see of a gateway."""

    http: httpx.AsyncClient
    disperser: MemoryDisperser

    async def ask(self, method: str, *params: object) -> Any:
        """As Go's JSON-RPC client does. Raises `AssertionError` with the server's words."""
        request = {"jsonrpc": "2.0", "id": 1, "method": f"daprovider_{method}", "params": list(params)}
        answer = (await self.http.post("/", json=request)).json()
        assert "error" not in answer, answer["error"]["message"]
        return answer["result"]


@asynccontextmanager
async def gateway(
    disperser: MemoryDisperser, book: Path | None = None, is_signed: Callable[[BlobName], bool] = lambda _: True, **settings: object
) -> AsyncIterator[Rollup]:
    chosen = DaGatewaySettings(put_timeout_s=0.5, **settings)  # type: ignore[arg-type]

    async def signed(name: BlobName) -> bool:
        return is_signed(name)

    kept = Book(book)
    async with serve(disperser) as address, AsyncDaClient(disperser=address, development=True) as da:
        payloads = Payloads(da, kept, chosen, signed)
        pending = PendingMessages(chosen.payload_bytes_max, CLOCK)
        dispatcher = Dispatcher(Provider(payloads=payloads, pending=pending, falls_back=chosen.nitro_fallback), [daprovider])
        reads = ReadRoutes(cast("Samples", None), da)  # Samples are taken of whole networks.
        app = make_application(dispatcher, AltDaRoutes(payloads), reads, chosen, RolePages())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
            yield Rollup(http, disperser)
    kept.close()


# ---- OP Stack ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/put", "/put/"])
async def test_both_urls_take_a_payload_and_answer_50_raw_bytes(path: str) -> None:
    async with gateway(MemoryDisperser()) as rollup:
        put = await rollup.http.post(path, content=PAYLOAD, headers={"content-type": "application/octet-stream"})
        assert (put.status_code, put.content) == (200, COMMITMENT)
        got = await rollup.http.get(f"/get/0x{put.content.hex()}")
        assert (got.status_code, got.content) == (200, PAYLOAD)
        later = await rollup.http.get(f"/get/0x{put.content.hex()}?l1_inclusion_block_number=12")
        assert later.content == PAYLOAD
        assert got.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in got.headers["content-security-policy"]


async def test_under_its_digest_a_payload_is_found_also_after_a_restart(tmp_path: Path) -> None:
    disperser = MemoryDisperser()
    path = f"0x00{keccak256(PAYLOAD).hex()}"
    async with gateway(disperser, tmp_path / "book") as rollup:
        put = await rollup.http.post(f"/put/{path}", content=PAYLOAD)
        assert (put.status_code, put.content) == (200, b"")
    async with gateway(disperser, tmp_path / "book") as rollup:
        assert (await rollup.http.get(f"/get/{path}")).content == PAYLOAD
        unknown = await rollup.http.get(f"/get/0x00{keccak256(b'unknown').hex()}")
        assert unknown.status_code == 404


async def test_a_payload_under_another_digest_is_refused() -> None:
    disperser = MemoryDisperser()
    async with gateway(disperser) as rollup:
        put = await rollup.http.post(f"/put/0x00{keccak256(b'another').hex()}", content=PAYLOAD)
        generic = await rollup.http.post(f"/put/0x{COMMITMENT.hex()}", content=PAYLOAD)
    assert (put.status_code, generic.status_code) == (400, 400)
    assert disperser.blobs == {}


@pytest.mark.parametrize("path", ["/put", f"/put/0x00{keccak256(b'').hex()}"])
async def test_an_empty_payload_is_refused(path: str) -> None:
    async with gateway(MemoryDisperser()) as rollup:
        assert (await rollup.http.post(path)).status_code == 400


async def test_a_payload_longer_than_a_blob_is_cut_and_put_together() -> None:
    payload = PAYLOAD * 2
    disperser = MemoryDisperser()
    async with gateway(disperser, blob_bytes_max=len(PAYLOAD), payload_bytes_max=len(payload)) as rollup:
        put = await rollup.http.post("/put", content=payload)
        assert put.content == COMMITMENT + COMMITMENT[2:]
        assert (await rollup.http.get(f"/get/0x{put.content.hex()}")).content == payload
        longer = await rollup.http.post("/put", content=payload + b"x")
    assert longer.status_code == 413
    assert set(disperser.blobs.values()) == {PAYLOAD}


@pytest.mark.parametrize("trouble", [{"failure": "no quorum"}, {"refusal": "request ratelimited"}, {"is_stuck": True}])
async def test_what_cannot_be_stored_lets_the_batcher_fall_back(trouble: dict[str, object]) -> None:
    async with gateway(MemoryDisperser(**trouble)) as rollup:  # type: ignore[arg-type]
        put = await rollup.http.post("/put", content=PAYLOAD)
    assert put.status_code == 503
    assert put.json()["error"]["code"].startswith("da_")


async def test_what_nobody_signed_is_unknown_and_what_is_signed_is_only_away() -> None:
    async with gateway(MemoryDisperser(), is_signed=lambda _: False) as rollup:
        assert (await rollup.http.get(f"/get/0x{COMMITMENT.hex()}")).status_code == 404
    async with gateway(MemoryDisperser(), is_signed=lambda _: True) as rollup:
        assert (await rollup.http.get(f"/get/0x{COMMITMENT.hex()}")).status_code == 503


async def test_forged_bytes_never_reach_a_rollup() -> None:
    disperser = MemoryDisperser(lie=b"forged")
    async with gateway(disperser) as rollup:
        put = await rollup.http.post("/put", content=PAYLOAD)
        got = await rollup.http.get(f"/get/0x{put.content.hex()}")
    assert got.status_code == 503
    assert b"forged" not in got.content


@pytest.mark.parametrize(
    ("named", "status"),
    [
        ("0x0147", 418),
        (f"0x{COMMITMENT.hex()}00", 418),
        (f"0x010c{COMMITMENT[2:].hex()}", 400),
        ("0x02", 400),
        ("0x0", 400),
        ("hello", 400),
        ("", 404),
    ],
)
async def test_what_is_no_commitment_is_told_apart_from_what_can_be_none(named: str, status: int) -> None:
    async with gateway(MemoryDisperser()) as rollup:
        got = await rollup.http.get(f"/get/{named}")
    assert got.status_code == status
    if status == 418:
        assert got.json()["StatusCode"] == 1


async def test_other_methods_and_foreign_pages_are_refused() -> None:
    disperser = MemoryDisperser()
    async with gateway(disperser) as rollup:
        assert (await rollup.http.get("/put")).status_code == 405
        assert (await rollup.http.post("/get/0x00")).status_code == 405
        foreign = await rollup.http.post("/put", content=PAYLOAD, headers={"origin": "https://evil.example", "content-type": "text/plain"})
        rebound = await rollup.http.post("/put", content=PAYLOAD, headers={"host": "evil.example"})
    assert (foreign.status_code, rebound.status_code) == (403, 403)
    assert disperser.blobs == {}


async def test_the_list_of_the_disperser_is_passed_on() -> None:
    async with gateway(MemoryDisperser()) as rollup:
        await rollup.http.post("/put", content=PAYLOAD)
        listed = (await rollup.http.get("/blobs?limit=1&status=confirmed")).json()
        assert [(blob["status"], blob["size_bytes"]) for blob in listed["blobs"]] == [("CONFIRMED", len(PAYLOAD))]
        assert listed["next_cursor"] == ""
        for query in ("status=lost", "limit=x", "limit"):
            assert (await rollup.http.get(f"/blobs?{query}")).status_code == 400


@pytest.mark.parametrize("path", ["/sample", "/sample/0x12/0/0", f"/sample/{ROOT}/0", f"/sample/{ROOT}/x/0", f"/sample/{ROOT}/0/0?epoch=1"])
async def test_samples_are_named_in_full(path: str) -> None:
    async with gateway(MemoryDisperser()) as rollup:
        assert (await rollup.http.get(path)).status_code == 400


# ---- Nitro -------------------------------------------------------------------------------------------------------


async def test_nitro_stores_a_batch_and_recovers_it() -> None:
    async with gateway(MemoryDisperser()) as rollup:
        assert await rollup.ask("getSupportedHeaderBytes") == {"headerBytes": "0x01"}
        assert (await rollup.ask("getMaxMessageSize"))["maxSize"] == DaGatewaySettings().payload_bytes_max
        stored = await rollup.ask("store", "0x" + PAYLOAD.hex(), hex(1_900_000_000))
        certificate = bytes.fromhex(stored["serialized-da-cert"][2:])
        assert decode_certificate(certificate) == (BlobName(ROOT, EPOCH, QUORUM),)
        message = "0x" + (HEADER + certificate).hex()
        recovered = await rollup.ask("recoverPayload", "0x5", NO_BLOCK, message)
        assert base64.b64decode(recovered["Payload"]) == PAYLOAD
        preimages = (await rollup.ask("collectPreimages", "0x5", NO_BLOCK, message))["Preimages"]
        assert base64.b64decode(preimages["3"]["0x" + keccak256(certificate).hex()]) == PAYLOAD


async def test_what_the_fork_of_nitro_posted_is_recovered_under_its_own_key() -> None:
    async with gateway(MemoryDisperser()) as rollup:
        await rollup.http.post("/put", content=PAYLOAD)
        certificate = encode_certificate([BlobName(ROOT, EPOCH, QUORUM)], FORK_HEADER)
        preimages = (await rollup.ask("collectPreimages", "0x5", NO_BLOCK, "0x" + (HEADER + certificate).hex()))["Preimages"]
    assert base64.b64decode(preimages["1"]["0x" + sha256(certificate[1:]).hexdigest()]) == PAYLOAD


async def test_a_batch_comes_in_parts_in_any_order() -> None:
    size = 8
    parts = [PAYLOAD[start : start + size] for start in range(0, len(PAYLOAD), size)]
    async with gateway(MemoryDisperser()) as rollup:
        started = await rollup.ask("startChunkedStore", "0x1", hex(len(parts)), hex(size), hex(len(PAYLOAD)), "0x0", NO_BLOCK)
        number = started["BatchId"]
        for index, part in reversed(list(enumerate(parts))):
            assert await rollup.ask("sendChunk", number, hex(index), "0x" + part.hex(), "0x") is None
        stored = await rollup.ask("commitChunkedStore", number, "0x")
        assert decode_certificate(bytes.fromhex(stored["serialized-da-cert"][2:])) == (BlobName(ROOT, EPOCH, QUORUM),)
        with pytest.raises(AssertionError, match="no message"):
            await rollup.ask("commitChunkedStore", number, "0x")


@pytest.mark.parametrize("falls_back", [True, False])
async def test_a_poster_falls_back_only_where_its_operator_wants_that(falls_back: bool) -> None:
    async with gateway(MemoryDisperser(failure="no quorum"), nitro_fallback=falls_back) as rollup:
        with pytest.raises(AssertionError) as refused:
            await rollup.ask("store", "0x" + PAYLOAD.hex(), "0x0")
    assert ("DA provider requests fallback to next writer" in str(refused.value)) is falls_back
    assert "no quorum" in str(refused.value)


async def test_a_batch_that_is_too_long_makes_the_poster_build_a_shorter_one() -> None:
    async with gateway(MemoryDisperser(), payload_bytes_max=10) as rollup:
        for method, params in (("store", ["0x" + "00" * 11, "0x0"]), ("startChunkedStore", ["0x1", "0x1", "0xb", "0xb", "0x0", "0x"])):
            with pytest.raises(AssertionError, match="message too large for current DA backend"):
                await rollup.ask(method, *params)


async def test_proofs_carry_the_batch_and_say_what_is_no_certificate() -> None:
    async with gateway(MemoryDisperser(), is_signed=lambda _: False) as rollup:
        certificate = (await rollup.ask("store", "0x" + PAYLOAD.hex(), "0x0"))["serialized-da-cert"]
        proof = "0x01" + len(PAYLOAD).to_bytes(8, "big").hex() + PAYLOAD.hex()
        assert await rollup.ask("generateReadPreimageProof", "0x3", certificate) == {"proof": proof}
        assert await rollup.ask("generateReadPreimageProof", NO_BLOCK, "0x3", certificate) == {"proof": proof}
        assert await rollup.ask("generateCertificateValidityProof", certificate) == {"proof": "0x0101"}
        assert await rollup.ask("generateCertificateValidityProof", "0x01c0") == {"proof": "0x0001"}
        unknown = encode_certificate([BlobName(ROOT, EPOCH + 1, QUORUM)])
        assert await rollup.ask("generateCertificateValidityProof", "0x" + unknown.hex()) == {"proof": "0x0001"}


async def test_a_message_that_is_none_of_ours_is_refused() -> None:
    async with gateway(MemoryDisperser()) as rollup:
        for message in ("0x", "0x" + HEADER.hex(), "0x" + (HEADER + b"\x63" + PAYLOAD).hex()):
            with pytest.raises(AssertionError, match="no certificate of 0G DA"):
                await rollup.ask("recoverPayload", "0x5", NO_BLOCK, message)


@pytest.mark.parametrize(
    "wrong", [{"port": -1}, {"put_timeout_s": 0.0}, {"payload_bytes_max": 0}, {"blob_bytes_max": 2**30}, {"blob_bytes_max": 1}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(GatewaySettingsError):
        DaGatewaySettings(**wrong)  # type: ignore[arg-type]
