"""Pushes over WebSocket."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.unit.chain.node.conftest import ACCOUNTS, Running
from tests.unit.chain.node.programs import LOGGER, word

SENDER = ACCOUNTS[1]
LOGS = "0x" + "d0" * 20
PUSH_S_MAX = 10


@pytest.fixture
def socket(chain: Running) -> Iterator[ClientConnection]:
    with chain.websocket() as socket:
        yield socket


def call(socket: ClientConnection, method: str, *params: object) -> dict[str, Any]:
    socket.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
    answer: dict[str, Any] = json.loads(socket.recv(timeout=PUSH_S_MAX))
    assert answer["id"] == 7
    return answer


def subscribe(socket: ClientConnection, *params: object) -> str:
    subscription: str = call(socket, "eth_subscribe", *params)["result"]
    return subscription


def pushed(socket: ClientConnection) -> tuple[str, Any]:
    """The next push: (subscription, result)."""
    message = json.loads(socket.recv(timeout=PUSH_S_MAX))
    assert (message["jsonrpc"], message["method"], "id" in message) == ("2.0", "eth_subscription", False)
    return message["params"]["subscription"], message["params"]["result"]


def emit(chain: Running, topic: int) -> str:
    return chain.send(SENDER, to=bytes.fromhex(LOGS[2:]), value=0, data=topic.to_bytes(32, "big"), gas_limit=60_000)


def test_new_heads_are_headers_without_transactions(chain: Running, socket: ClientConnection) -> None:
    subscription = subscribe(socket, "newHeads")
    chain.send(SENDER)
    name, header = pushed(socket)
    assert name == subscription
    assert "transactions" not in header
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    assert header.items() <= block.items()
    assert {"number", "hash", "parentHash", "baseFeePerGas", "logsBloom", "timestamp"} <= header.keys()


def test_every_block_is_pushed_once_and_in_order(chain: Running, socket: ClientConnection) -> None:
    subscribe(socket, "newHeads")
    start = chain.number()
    chain.rpc("anvil_mine", 600)
    assert [int(pushed(socket)[1]["number"], 16) for _ in range(600)] == list(range(start + 1, start + 601))


def test_logs_are_pushed_when_they_match(chain: Running, socket: ClientConnection) -> None:
    chain.place(LOGGER, LOGS)
    subscription = subscribe(socket, "logs", {"address": LOGS, "topics": [[word(2), word(3)]]})
    for topic in (1, 2, 3):
        emit(chain, topic)
    seen = [pushed(socket) for _ in range(2)]
    assert [(name, int(log["topics"][0], 16), log["removed"]) for name, log in seen] == [(subscription, 2, False), (subscription, 3, False)]


def test_what_is_pushed_can_be_read_at_once(chain: Running, socket: ClientConnection) -> None:
    chain.place(LOGGER, LOGS)
    subscribe(socket, "logs")
    for topic in range(20):
        sent = emit(chain, topic)
        _, log = pushed(socket)
        receipt = chain.rpc("eth_getTransactionReceipt", sent)
        assert receipt["logs"] == [log]
        assert chain.rpc("eth_blockNumber") == log["blockNumber"]


def test_logs_of_blocks_that_are_taken_back_are_pushed_as_removed(chain: Running, socket: ClientConnection) -> None:
    chain.place(LOGGER, LOGS)
    snapshot = chain.rpc("evm_snapshot")
    subscribe(socket, "logs", {"address": LOGS})
    emit(chain, 8)
    _, added = pushed(socket)
    chain.rpc("evm_revert", snapshot)
    _, removed = pushed(socket)
    assert removed == added | {"removed": True}


def test_arrivals_are_pushed_as_hashes_or_whole(chain: Running, socket: ClientConnection) -> None:
    hashes, whole = subscribe(socket, "newPendingTransactions"), subscribe(socket, "newPendingTransactions", True)
    sent = chain.send(SENDER)
    seen = dict(pushed(socket) for _ in range(2))
    assert seen[hashes] == sent
    assert seen[whole]["hash"] == sent


def test_syncing_never_says_anything(chain: Running, socket: ClientConnection) -> None:
    subscribe(socket, "syncing")
    chain.rpc("evm_mine")
    assert call(socket, "eth_blockNumber")["result"] == chain.rpc("eth_blockNumber")


def test_an_ended_subscription_is_silent(chain: Running, socket: ClientConnection) -> None:
    subscription = subscribe(socket, "newHeads")
    assert call(socket, "eth_unsubscribe", subscription)["result"] is True
    chain.rpc("evm_mine")
    assert call(socket, "eth_unsubscribe", subscription)["error"]["message"] == "subscription not found"


def test_nothing_is_kept_for_a_connection_that_is_gone(chain: Running) -> None:
    feed = chain.node.chain.feed
    with chain.websocket() as socket:
        subscribe(socket, "newHeads")
        subscribe(socket, "logs")
        assert feed.reader_count == 2
    with chain.websocket() as other:
        # The close handshake of the first is over by now; its end is worked off before this answer.
        call(other, "eth_blockNumber")
    chain.rpc("evm_mine")
    assert feed.reader_count == 0


@pytest.mark.parametrize(
    ("params", "code", "part"),
    [
        (["rain"], -32601, 'no "rain" subscription in eth namespace'),
        (["logs", {"topics": 5}], -32602, "invalid argument 1"),
        (["logs", [1]], -32602, "invalid argument 1"),
        ([], -32602, "missing value for required argument 0"),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused(socket: ClientConnection, params: list[object], code: int, part: str) -> None:
    error = call(socket, "eth_subscribe", *params)["error"]
    assert error["code"] == code
    assert part in error["message"]


def test_nothing_can_be_pushed_over_http(chain: Running) -> None:
    refused = chain.refusal("eth_subscribe", "newHeads")
    assert (refused.code, refused.message) == (-32601, "notifications not supported")
