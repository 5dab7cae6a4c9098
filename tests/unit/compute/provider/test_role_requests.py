"""What goes wrong with a request, through the whole provider: real tokens, real money, a real server behind it, settled on a real chain."""

import base64
import time
from pathlib import Path

import anyio
import pytest

from tests.unit.compute.provider.market import CHAT_PATH, MODEL, Buyer, Market, open_market, until
from tests.unit.compute.provider.place import ONE, PROVIDER
from tests.unit.compute.provider.stage import key_of, token_of
from zerog.testing.upstream import Behaviour

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000
CENT = ONE // 100


def altered(header: dict[str, str]) -> dict[str, str]:
    """The same token with another number under the old signature."""
    content = base64.b64decode(header["Authorization"].removeprefix("Bearer app-sk-"))
    changed = content.replace(b'"tokenId":255', b'"tokenId":254')
    assert changed != content
    return {"Authorization": "Bearer app-sk-" + base64.b64encode(changed).decode()}


def wrong_tokens(buyer: Buyer, victim: Buyer) -> dict[str, dict[str, str]]:
    """By the code with which they are refused."""
    now_ms = int(time.time() * 1000)
    return {
        "missing_token": {"Authorization": "Bearer sk-openai"},
        "malformed_token": {"Authorization": "Bearer app-sk-%%%"},
        "token_signature": altered(buyer.headers()),
        "token_signature ": buyer.headers(address=victim.address),
        "foreign_token": token_of(buyer.account, provider=key_of("another provider")),
        "expired_token": buyer.headers(timestamp_ms=now_ms - 2 * HOUR_MS, expires_at_ms=now_ms - HOUR_MS),
        "expired_token ": buyer.headers(expires_at_ms=0),
        "revoked_token": buyer.headers(generation=1),
        "revoked_token ": buyer.headers(token_id=3, expires_at_ms=0),
    }


async def test_wrong_tokens_open_nothing_and_cost_nobody_anything(tmp_path: Path) -> None:
    async with open_market(tmp_path) as market:
        buyer, victim = await market.buyer(), await market.buyer()
        await market.place.serving(buyer.account, "revokeToken", PROVIDER.address, 3)
        for code, headers in wrong_tokens(buyer, victim).items():
            for _ in range(2):
                attempt = await buyer.ask(market.http, headers=headers)
                assert (attempt.status, attempt.error["code"]) == (401, code.strip())
        assert not [received for received in market.upstream.received if received.path.endswith("/chat/completions")]
        assert (await buyer.ask(market.http)).is_whole
        assert (await victim.ask(market.http)).is_whole
        assert set((await market.agree(buyer, victim)).values()) == {1}


async def test_a_replayed_token_buys_for_its_user_alone_within_his_limits_until_he_revokes_it(tmp_path: Path) -> None:
    """A token names no request, so who steals one can ask. Each request has a receipt of its own: its user sees what was done with it."""
    async with open_market(tmp_path, requests_per_minute=4) as market:
        buyer = await market.buyer()
        stolen = buyer.headers()
        statuses = [(await buyer.ask(market.http, headers=stolen)).status for _ in range(6)]
        assert statuses == [200] * 4 + [429] * 2
        await market.place.serving(buyer.account, "revokeAllTokens", PROVIDER.address)

        async def is_refused() -> bool:
            return (await market.http.get("/v1/receipts", headers=stolen)).status_code == 401

        await until(is_refused)
        assert (await buyer.ask(market.http, headers=stolen)).status == 401
        buyer.headers = lambda **changes: token_of(buyer.account, provider=PROVIDER, generation=1, **changes)  # type: ignore[method-assign]
        assert (await buyer.ask(market.http)).status == 429, "a new token does not begin a new minute"
        assert (await market.agree(buyer))[buyer.address] == 4


async def test_sixty_four_requests_at_once_on_the_last_coin_are_served_within_it(tmp_path: Path) -> None:
    price = 2 * CENT
    async with open_market(tmp_path, input_price=0, output_price=price) as market:
        buyer = await market.buyer(16 * price * 5)  # Each sets 16 tokens aside, so that five fit at once.
        market.upstream.behaviour = Behaviour(is_held=True)
        async with anyio.create_task_group() as requests:
            for _ in range(64):
                requests.start_soon(buyer.ask, market.http)

            async def are_decided() -> bool:
                refused = sum(attempt.status == 402 for attempt in buyer.attempts)
                return (refused, len(market.upstream.held)) == (59, 5)

            await until(are_decided)
            market.upstream.let_go()
        refused = [attempt.error["message"] for attempt in buyer.attempts if attempt.status == 402]
        assert all(message.startswith("insufficient balance: your locked balance is") for message in refused)
        assert (await market.agree(buyer))[buyer.address] == 5


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_is_charged_once_and_finds_its_signature(tmp_path: Path, *, stream: bool) -> None:
    async with open_market(tmp_path) as market:
        buyer = await market.buyer()
        if stream:
            market.upstream.behaviour = Behaviour(event_interval_s=0.02)
            left = await buyer.ask(market.http, stream=True, leave_after=b"word3")
            assert (await market.http.get(f"/v1/proxy/signature/{left.key}")).status_code == 200
        else:
            market.upstream.behaviour = Behaviour(is_held=True)
            async with anyio.create_task_group() as requests:
                requests.start_soon(buyer.ask, market.http)

                async def is_asked() -> bool:
                    return bool(market.upstream.held)

                await until(is_asked)
                requests.cancel_scope.cancel()
            market.upstream.let_go()
            [left] = buyer.attempts

        async def is_charged() -> bool:
            return bool(await buyer.charged(market.http))

        await until(is_charged)
        assert not left.is_whole
        assert (await market.agree(buyer))[buyer.address] == 1


async def test_who_leaves_a_long_stream_is_charged_for_what_was_read_of_it(tmp_path: Path) -> None:
    """No more than 10 MB are read for somebody who has gone: the rest is not charged, though it ends within an event."""
    async with open_market(tmp_path) as market:
        buyer = await market.buyer()
        market.upstream.behaviour = Behaviour(events=3_000, event_padding=9_999)
        await buyer.ask(market.http, stream=True, max_tokens=3_000, leave_after=b"word3")

        async def is_charged() -> bool:
            return bool(await buyer.charged(market.http))

        await until(is_charged)
        [signed] = (await buyer.charged(market.http)).values()
        assert signed.receipt.usage.completion_tokens > 0
        assert (await market.agree(buyer))[buyer.address] == 1


FAILURES = {
    "500": (Behaviour(status=500), {502}),
    "503": (Behaviour(status=503), {503}),
    "unknown key": (Behaviour(status=401), {502}),
    "refused": (Behaviour(status=400), {400}),
    "silent": (Behaviour(is_silent=True), {504}),
    "garbage": (Behaviour(is_garbage=True), {502}),
    "closed": (Behaviour(closes_first=True), {502, 503}),
    "a page": (Behaviour(body=b"<html>", content_type="application/json"), {502}),
    "cut": (Behaviour(cut_after_events=3), {200}),
    "stalled": (Behaviour(stalls_after_events=3), {200}),
}
IN_MID_STREAM = ("cut", "stalled")


async def fails(market: Market, buyer: Buyer, name: str, *, stream: bool) -> None:
    """One request that fails, and a good one after it."""
    behaviour, statuses = FAILURES[name]
    market.upstream.behaviour = behaviour
    attempt = await buyer.ask(market.http, stream=stream)
    assert attempt.status in statuses, (name, attempt.received)
    assert attempt.error["message"], name
    assert not attempt.is_whole, name
    market.upstream.behaviour = Behaviour()
    assert (await buyer.ask(market.http, stream=stream)).is_whole, name


async def test_a_server_that_fails_costs_nothing_and_the_next_answer_is_charged(tmp_path: Path) -> None:
    async with open_market(tmp_path, engine_timeout_s=0.3) as market:
        for stream in (False, True):
            buyer = await market.buyer(ONE + CENT)
            names = [name for name in FAILURES if stream or name not in IN_MID_STREAM]
            for name in names:
                await fails(market, buyer, name, stream=stream)
            assert (await market.agree(buyer))[buyer.address] == len(names)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_does_not_count_is_counted_for(tmp_path: Path, *, stream: bool) -> None:
    async with open_market(tmp_path) as market:
        buyer = await market.buyer()
        market.upstream.behaviour = Behaviour(has_usage=False)
        attempt = await buyer.ask(market.http, stream=stream)
        assert attempt.is_whole
        [signed] = (await buyer.charged(market.http)).values()
        assert signed.receipt.usage.prompt_tokens > 0
        assert signed.receipt.usage.completion_tokens > 0
        assert (await market.agree(buyer))[buyer.address] == 1


async def test_what_cannot_be_answered_costs_nothing(tmp_path: Path) -> None:
    async with open_market(tmp_path) as market:
        buyer = await market.buyer()
        wrong = await buyer.ask(market.http, model="gpt-9")
        assert (wrong.status, wrong.error["code"]) == (404, "model_not_found")
        assert "name llama" in wrong.error["remedy"]
        assert (await buyer.ask(market.http, n=0)).status == 400
        assert (await buyer.ask(market.http, max_tokens=-1)).status == 400
        stranger = await market.http.post(CHAT_PATH, json={"model": MODEL}, headers=token_of(key_of("nobody"), provider=PROVIDER))
        assert stranger.status_code == 402
        assert not [received for received in market.upstream.received if received.path.endswith("/chat/completions")]
        assert (await market.agree(buyer))[buyer.address] == 0
