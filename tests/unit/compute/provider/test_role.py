"""The whole provider on a real chain: it registers, a funded user chats and pays, and what is owed is settled on chain."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from tests.unit.compute.provider.place import ONE, PROVIDER, SERVING_ADDRESS, USERS, WAIT_S, Place, open_place
from tests.unit.compute.provider.stage import token_of
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.receipts import InclusionProof, SummedNode, leaf_of, proven_place
from zerog.compute.protocol.signing import recover_text_signer
from zerog.compute.provider.engines import PooledEngine
from zerog.compute.provider.service import ComputeProvider
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.contracts.compute import INFERENCE_SERVING, InferenceAccount, InferenceService
from zerog.primitives import Account, decode_hook
from zerog.testing.scripted import ScriptedEngine

pytestmark = pytest.mark.anyio

USER = USERS[3]
LOOK_S = 0.02
CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 64}


@asynccontextmanager
async def running(
    place: Place, folder: Path | None, *, engines: Mapping[str, PooledEngine] | None = None, **settings: Any
) -> AsyncIterator[tuple[ComputeProvider, httpx.AsyncClient]]:
    """A provider on `place` that runs until the block ends."""
    usual = {"port": 0, "chain_url": place.url, "data_dir": folder, "settle_interval_s": 3600.0}
    values = {**usual, **settings}
    if engines is None and "engine" not in settings:
        engines = {"scripted": ScriptedEngine()}
    provider = ComputeProvider(ComputeProviderSettings(**values), engines=engines)
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(provider.run)
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield provider, http
        tasks.cancel_scope.cancel()


async def registered(place: Place, provider: ComputeProvider) -> InferenceService:
    """The service, once it stands on chain."""
    with anyio.fail_after(WAIT_S):
        while True:
            if provider.running.chain.is_registered:
                break
            await anyio.sleep(LOOK_S)
    service = await provider.running.chain.service(max_age_s=0)
    assert service is not None
    return service


async def answered_with(status: int, ask: Callable[[], Awaitable[httpx.Response]]) -> None:
    """Ask until the provider has seen the block that changes its answer."""
    with anyio.fail_after(WAIT_S):
        while True:
            if (await ask()).status_code == status:
                return
            await anyio.sleep(LOOK_S)


def token(user: Account = USER, **changes: Any) -> dict[str, str]:
    return token_of(user, provider=PROVIDER, **changes)


async def test_a_funded_user_chats_and_pays(tmp_path: Path) -> None:
    async with open_place() as place, running(place, tmp_path) as (provider, http):
        service = await registered(place, provider)
        assert (service.params.url, service.params.model, service.params.verifiability) == (provider.url, "scripted", "TeeML")
        assert AdditionalInfo.from_json(service.params.additional_info).is_simulated
        assert (await http.get("/readyz")).status_code == 503

        unfunded = await http.post("/v1/proxy/chat/completions", json=CHAT, headers=token())
        assert unfunded.status_code == 402
        await place.fund(USER, 2 * ONE)
        unacknowledged = await http.post("/v1/proxy/chat/completions", json=CHAT, headers=token())
        assert (unacknowledged.status_code, unacknowledged.json()["error"]["code"]) == (503, "not_acknowledged")
        await place.acknowledge()
        await answered_with(200, lambda: http.get("/readyz"))

        answered = await http.post("/v1/proxy/chat/completions", json=CHAT, headers=token())
        assert answered.status_code == 200, answered.text
        key = answered.headers["zg-res-key"]
        signature = (await http.get(f"/v1/proxy/signature/{key}", params={"model": "scripted"})).json()
        signer = recover_text_signer(signature["text"], bytes.fromhex(signature["signature"][2:]))
        assert signer == service.params.signer
        fee = (await http.get(f"/v1/user/{USER.address}/unsettledfee", headers=token())).json()["unsettledFee"]
        receipt = (await http.get(f"/v1/receipts/{key}")).json()
        assert int(fee) == int(receipt["receipt"]["fee"]) > 0
        assert receipt["receipt"]["engine"]["name"] == "scripted-test-engine"

        await provider.running.settler.settle()
        account = InferenceAccount.decode(
            await place.client.call(SERVING_ADDRESS, INFERENCE_SERVING.function("getAccount").encode(USER.address, PROVIDER.address))
        )
        assert account.balance_wei == 2 * ONE - int(fee)
        settled = (await http.get(f"/v1/receipts/{key}")).json()["settlement"]
        nodes = msgspec.convert(settled["proof"], list[SummedNode], dec_hook=decode_hook)
        proof = InclusionProof(index=settled["index"], count=settled["count"], proof=nodes)
        content = msgspec.json.encode(receipt["receipt"], order="deterministic")
        assert str(proven_place(leaf_of(content), int(fee), proof).root) == settled["entry"]["requests_hash"]
        assert (await http.get(f"/v1/user/{USER.address}/unsettledfee", headers=token())).json()["unsettledFee"] == "0"


async def test_tokens_that_are_revoked_on_chain_open_nothing_from_the_next_block_on(tmp_path: Path) -> None:
    async with open_place() as place, running(place, tmp_path) as (provider, http):
        await registered(place, provider)
        await place.acknowledge()
        await place.fund(USER, 2 * ONE)
        key = token(token_id=4, expires_at_ms=0)
        assert (await http.post("/v1/proxy/chat/completions", json=CHAT, headers=key)).status_code == 200
        await place.serving(USER, "revokeToken", PROVIDER.address, 4)
        await answered_with(401, lambda: http.post("/v1/proxy/chat/completions", json=CHAT, headers=key))
        ephemeral = token()
        assert (await http.post("/v1/proxy/chat/completions", json=CHAT, headers=ephemeral)).status_code == 200
        await place.serving(USER, "revokeAllTokens", PROVIDER.address)
        await answered_with(401, lambda: http.post("/v1/proxy/chat/completions", json=CHAT, headers=ephemeral))
        assert (await http.post("/v1/proxy/chat/completions", json=CHAT, headers=token(generation=1))).status_code == 200


async def test_a_provider_that_starts_again_keeps_its_key_its_books_and_its_registration(tmp_path: Path) -> None:
    async with open_place() as place:
        async with running(place, tmp_path, port=0, public_url="http://127.0.0.1:9") as (provider, http):
            before = await registered(place, provider)
            await place.acknowledge()
            await place.fund(USER, 2 * ONE)
            key = (await http.post("/v1/proxy/chat/completions", json=CHAT, headers=token())).headers["zg-res-key"]
            nonce = await place.client.nonce(PROVIDER.address)
        async with running(place, tmp_path, public_url="http://127.0.0.1:9") as (provider, http):
            after = await registered(place, provider)
            assert after.params == before.params
            assert after.is_signer_acknowledged
            assert (await http.get(f"/v1/receipts/{key}")).status_code == 200
            assert (await http.post("/v1/proxy/chat/completions", json=CHAT, headers=token())).status_code == 200
            assert await place.client.nonce(PROVIDER.address) <= nonce + 1  # What was owed may have been settled at the end.


async def test_a_copy_of_the_books_is_whole(tmp_path: Path) -> None:
    async with open_place() as place, running(place, tmp_path / "data") as (provider, http):
        await registered(place, provider)
        await place.acknowledge()
        await place.fund(USER, 2 * ONE)
        key = (await http.post("/v1/proxy/chat/completions", json=CHAT, headers=token())).headers["zg-res-key"]
        assert msgspec.json.decode(msgspec.json.encode(provider.status()))["chain_id"] == 31337
        await provider.quiesce(0)
        await provider.checkpoint(tmp_path / "copy")
        await provider.resume()
        assert (await http.post("/v1/proxy/chat/completions", json=CHAT, headers=token())).status_code == 200
    async with open_place() as place, running(place, tmp_path / "copy") as (provider, http):
        assert (await http.get(f"/v1/receipts/{key}")).status_code == 200
