"""The provider in front of a real server with OpenAI's API that fails in every way a server can: charged once, or not at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.compute.provider.stage import CHAT, Stage, open_stage, token_of
from zerog.compute.protocol.constants import ServiceType
from zerog.compute.provider.engines import EnginePool, EngineRoute
from zerog.compute.provider.engines.http import HttpRules
from zerog.compute.provider.engines.opening import open_engines
from zerog.primitives import Account
from zerog.testing.upstream import Behaviour, Upstream, serve_upstream

pytestmark = pytest.mark.anyio

RULES = HttpRules(connect_s=1.0, head_s=0.5, piece_s=0.5)


@asynccontextmanager
async def in_front_of_a_server(folder: Path) -> AsyncIterator[tuple[Stage, Upstream, Account]]:
    async with serve_upstream() as upstream:
        route = EngineRoute(service_type=ServiceType.CHATBOT, model="llama", upstream_model="scripted")
        pool = EnginePool(open_engines([upstream.url], rules=RULES), [route])
        try:
            async with open_stage(folder, pool) as stage:
                yield stage, upstream, stage.user()
        finally:
            await pool.aclose()


async def unsettled_of(stage: Stage, user: Account) -> int:
    return await stage.desk.book.unsettled_wei(user.address)


@pytest.mark.parametrize(
    ("behaviour", "statuses"),
    [
        (Behaviour(status=500), {502}),
        (Behaviour(status=503), {503}),
        (Behaviour(is_silent=True), {504}),
        (Behaviour(is_garbage=True), {502}),
        (Behaviour(closes_first=True), {502, 503}),
    ],
    ids=["500", "503", "silent", "garbage", "closed"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_fails_costs_nothing(tmp_path: Path, behaviour: Behaviour, statuses: set[int], stream: bool) -> None:
    async with in_front_of_a_server(tmp_path) as (stage, upstream, user):
        upstream.behaviour = behaviour
        response = await stage.chat(user, stream=stream)
        assert response.status_code in statuses, response.text
        assert response.json()["error"]["message"]
        assert (await stage.desk.book.receipts()).rows == ()
        assert await unsettled_of(stage, user) == 0
        assert stage.desk.limits.concurrent == 0


@pytest.mark.parametrize("behaviour", [Behaviour(cut_after_events=3), Behaviour(stalls_after_events=3)], ids=["cut", "stalled"])
async def test_a_server_that_stops_in_mid_stream_costs_nothing_and_the_client_is_told(tmp_path: Path, behaviour: Behaviour) -> None:
    async with in_front_of_a_server(tmp_path) as (stage, upstream, user):
        upstream.behaviour = behaviour
        response = await stage.chat(user, stream=True)
        assert response.status_code == 200
        assert b"[DONE]" not in response.content
        assert b'"error":' in response.content.rpartition(b"data: ")[2]
        assert (await stage.http.get(f"/v1/proxy/signature/{response.headers['zg-res-key']}")).status_code == 404
        assert await unsettled_of(stage, user) == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_does_not_count_is_counted_for(tmp_path: Path, stream: bool) -> None:
    async with in_front_of_a_server(tmp_path) as (stage, upstream, user):
        counted = (await receipt_of(stage, await stage.chat(user, stream=stream)))["usage"]
        upstream.behaviour = Behaviour(has_usage=False)
        guessed = (await receipt_of(stage, await stage.chat(user, stream=stream)))["usage"]
        assert counted["completion_tokens"] > 0
        assert guessed["completion_tokens"] > 0
        assert guessed["prompt_tokens"] > 0


async def test_a_stream_without_done_is_whole_when_its_body_ends(tmp_path: Path) -> None:
    async with in_front_of_a_server(tmp_path) as (stage, upstream, user):
        upstream.behaviour = Behaviour(has_done=False)
        response = await stage.chat(user, stream=True)
        assert int((await receipt_of(stage, response))["fee"]) == await unsettled_of(stage, user) > 0


async def test_what_the_client_sends_reaches_the_server_but_for_who_it_is(tmp_path: Path) -> None:
    async with in_front_of_a_server(tmp_path) as (stage, upstream, user):
        headers = {**token_of(user), "X-Stainless-OS": "Linux", "Address": "0x1", "Cookie": "secret"}
        body = {**CHAT, "temperature": 0.1, "seed": 7, "x_own": {"deep": [1, 2]}}
        assert (await stage.http.post("/v1/proxy/chat/completions", json=body, headers=headers)).status_code == 200
        received = upstream.received[-1]
        assert not {"authorization", "cookie", "address", "x-stainless-os"} & set(received.headers)
        assert b'"x_own":{"deep":[1,2]}' in received.body
        assert b"app-sk-" not in received.body


async def receipt_of(stage: Stage, response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    receipt: dict[str, Any] = (await stage.http.get(f"/v1/receipts/{response.headers['zg-res-key']}")).json()["receipt"]
    return receipt
