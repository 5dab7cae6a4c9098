"""Who may ask: every wrong token is refused before anything is asked of an engine, and a good one works for as long as it lives."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.compute.provider.doubles import ScriptedPool
from tests.unit.compute.provider.stage import CHAT, PROVIDER, key_of, open_stage, token_of
from zerog.compute.protocol.tokens import SessionToken, make_api_key

pytestmark = pytest.mark.anyio


def altered(header: dict[str, str]) -> dict[str, str]:
    """The same token with one digit of its expiry changed under the old signature."""
    content = base64.b64decode(header["Authorization"].removeprefix("Bearer app-sk-"))
    changed = content.replace(b'"tokenId":255', b'"tokenId":254')
    assert changed != content
    return {"Authorization": "Bearer app-sk-" + base64.b64encode(changed).decode()}


NOW_MS = int(time.time() * 1000)
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({}, "missing_token"),
        ({"Authorization": "Bearer sk-openai"}, "missing_token"),
        ({"Authorization": "Bearer app-sk-%%%"}, "malformed_token"),
        (altered(token_of(key_of("user"))), "token_signature"),
        (token_of(key_of("user"), provider=key_of("other")), "foreign_token"),
        (token_of(key_of("user"), timestamp_ms=NOW_MS - 2 * HOUR_MS, expires_at_ms=NOW_MS - HOUR_MS), "expired_token"),
        (token_of(key_of("user"), expires_at_ms=0), "expired_token"),
        (token_of(key_of("user"), expires_at_ms=NOW_MS + 25 * HOUR_MS), "expired_token"),
        (token_of(key_of("user"), generation=1), "revoked_token"),
        (token_of(key_of("user"), token_id=3, expires_at_ms=0), "revoked_token"),
        (token_of(key_of("user"), address=key_of("victim").address), "token_signature"),
    ],
    ids=["none", "other", "garbage", "tampered", "foreign", "expired", "endless", "long", "generation", "revoked", "impostor"],
)
async def test_a_token_that_opens_nothing_costs_nobody_anything(tmp_path: Path, header: dict[str, str], code: str) -> None:
    async with open_stage(tmp_path) as stage:
        stage.user(revoked_bitmap=1 << 3)
        stage.user("victim")
        for _ in range(2):
            response = await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=header)
            assert (response.status_code, response.json()["error"]["code"]) == (401, code)
            assert response.json()["error"]["type"] == "authentication_error"
        assert stage.pool.requests == []
        assert (await stage.desk.book.receipts()).rows == ()


async def test_the_order_of_a_tokens_members_is_its_makers(tmp_path: Path) -> None:
    class Shuffled(SessionToken):
        def json_bytes(self) -> bytes:
            head, _, tail = super().json_bytes().decode().partition(",")
            return ("{" + tail[:-1] + "," + head[1:] + "}").encode()

    async with open_stage(tmp_path) as stage:
        user = stage.user()
        now_ms = int(time.time() * 1000)
        members: dict[str, Any] = {"address": user.address, "provider": PROVIDER.address, "timestamp_ms": now_ms, "expires_at_ms": 0}
        key = make_api_key(Shuffled(**members, nonce="n", generation=0, token_id=7), user.private_key)
        response = await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers={"Authorization": f"Bearer {key}"})
        assert response.status_code == 200, response.text


async def test_a_key_works_again_and_again_until_its_user_revokes_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        user = stage.user()
        header = token_of(user, token_id=9, expires_at_ms=0)
        for _ in range(3):
            assert (await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=header)).status_code == 200
        stage.accounts[user.address].revoked_bitmap = 1 << 9
        assert (await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=header)).status_code == 401
        stage.accounts[user.address].revoked_bitmap = 0
        stage.accounts[user.address].generation = 1
        assert (await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=header)).status_code == 401
        assert len((await stage.desk.book.receipts(user.address)).rows) == 3


async def test_a_replayed_token_does_not_get_around_its_users_limits(tmp_path: Path) -> None:
    async with open_stage(tmp_path, requests_per_minute=2) as stage:
        user = stage.user()
        header = token_of(user)
        statuses = [(await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=header)).status_code for _ in range(2)]
        refused = await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=header)
        other = await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=token_of(user, nonce="another"))
        assert (statuses, refused.status_code, other.status_code) == ([200, 200], 429, 429)
        assert refused.headers["x-ratelimit-limit-requests"] == "2"
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await stage.chat(stage.user("second"))).status_code == 200


async def test_money_and_acknowledgement_are_needed(tmp_path: Path) -> None:
    async with open_stage(tmp_path, ScriptedPool()) as stage:
        stranger = await stage.chat(key_of("stranger"))
        assert stranger.status_code == 402
        assert stranger.json()["error"]["message"].startswith("insufficient balance: your locked balance is")
        poor = await stage.chat(stage.user("poor", locked_wei=10**18 - 1))
        assert poor.status_code == 402
        assert poor.json()["error"]["message"].startswith("insufficient balance: your locked balance is")
        unknown = await stage.chat(stage.user("unsure", acknowledged=False))
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (403, "not_acknowledged")
        assert stage.pool.requests == []
