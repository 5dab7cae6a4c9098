"""A provider that is killed while its settlement waits for a block: nothing is paid twice, and nothing is lost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx
from anyio.from_thread import start_blocking_portal
from websockets.sync.client import connect

from tests.interop.compute.network import OG, Market, running_market
from tests.interop.compute.serving import CHAT
from tests.interop.node import Role, begun_role
from zerog.networks import own_network, role_account
from zerog.testing.upstream import serve_upstream

WAIT_S_MAX: Final = 30
NETWORK: Final = own_network()


@contextmanager
def running(folder: Path, market: Market, engine_url: str) -> Iterator[Role]:
    """The provider as a process of its own, by the key that the network funds for it."""
    words = (
        "compute",
        "run",
        "--engine",
        engine_url,
        "--chain-url",
        market.chain_url,
        "--port",
        "0",
        "--settle-interval",
        "0.5",
        "--dir",
        str(folder),
    )
    with begun_role(folder.with_suffix(".log"), *words) as role:
        yield role.ready()


def ask(role: Role, key: str) -> str:
    """Chat once; the key of the answer."""
    answer = httpx.post(role.url + "/v1/proxy/chat/completions", json=CHAT, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["zg-res-key"])


def settled(role: Role, key: str) -> dict[str, Any]:
    """The receipt of an answer with its settlement, once there is one."""
    deadline_s = monotonic() + WAIT_S_MAX
    while True:
        found: dict[str, Any] = httpx.get(f"{role.url}/v1/receipts/{key}").json()
        if found["settlement"] is not None:
            return found
        assert monotonic() < deadline_s, "it was never settled"


def test_a_settlement_that_its_sender_did_not_live_to_see_is_not_sent_again(tmp_path: Path) -> None:
    assert NETWORK.genesis is not None
    provider = role_account(NETWORK.genesis.mnemonic, "compute", 0).address
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve_upstream()) as upstream,
        running_market(tmp_path, NETWORK) as market,
    ):
        user = market.user()
        with running(tmp_path / "provider", market, upstream.url) as role:
            market.wait_until(lambda: market.service(provider) is not None)
            market.acknowledge(provider)
            market.fund(user, provider)
            made = market.sdk.broker(user).call("inference.requestProcessor.createApiKey", str(provider), {"expiresIn": 0})
            with connect(market.chain_url.replace("http", "ws", 1)) as pending:
                pending.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newPendingTransactions"]}))
                pending.recv(timeout=WAIT_S_MAX)
                market.chain.request("evm_setAutomine", False)
                first = ask(role, made["rawToken"])
                pending.recv(timeout=WAIT_S_MAX)  # The settlement waits for a block.
            role.kill()
        assert market.spent(user) == []
        market.chain.request("evm_mine")
        market.chain.request("evm_setAutomine", True)
        with running(tmp_path / "provider", market, upstream.url) as role:
            second = ask(role, made["rawToken"])
            receipts = [settled(role, key) for key in (first, second)]
        fees = [int(found["receipt"]["fee"]) for found in receipts]
        assert [event.amount_wei for event in market.spent(user)] == fees
        assert market.account(user, provider).balance_wei == 3 * OG - sum(fees)
        assert len({found["settlement"]["transaction_hash"] for found in receipts}) == 2
