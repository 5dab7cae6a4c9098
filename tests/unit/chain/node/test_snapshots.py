"""Snapshots in each other: what each brings back, what it leaves alone, and that none serves twice."""

import json
from random import Random
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.ledger.counts import LONG
from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, text
from tests.unit.chain.node.programs import LOGGER, word

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
STRANGER, MINER = "0x" + "77" * 20, "0x" + "78" * 20
LOGS = "0x" + "d0" * 20
PUSH_S_MAX = 10
SEEDS = 60 if LONG else 6


def everything(chain: Running) -> dict[str, Any]:
    """What a snapshot holds, as clients see it."""
    return {
        "head": chain.rpc("eth_getBlockByNumber", "latest", True),
        "next": {
            name: chain.rpc("eth_getBlockByNumber", "pending", False)[name]
            for name in ("timestamp", "baseFeePerGas", "gasLimit", "miner", "mixHash", "transactions")
        },
        "balance": chain.rpc("eth_getBalance", STRANGER),
        "nonces": [chain.nonce(SENDER, tag) for tag in ("latest", "pending")],
        "pool": chain.rpc("txpool_content"),
    }


def change_everything(chain: Running, index: int) -> None:
    """Blocks, an edit, time, transactions that wait, and the settings of the next block; each time others."""
    chain.rpc("anvil_setBalance", STRANGER, hex(10**18 + index))
    chain.send(SENDER, value=index + 1)
    chain.rpc("evm_mine")
    chain.rpc("evm_setAutomine", False)
    chain.send(SENDER, value=index + 1)
    chain.send(OTHER, nonce=chain.nonce(OTHER) + 5 + index)
    chain.rpc("anvil_setBalance", STRANGER, hex(index))
    chain.rpc("evm_increaseTime", 1_000 * (index + 1))
    chain.rpc("evm_setBlockGasLimit", 30_000_000 + index)
    chain.rpc("hardhat_setCoinbase", f"0x{index + 1:040x}")
    chain.rpc("hardhat_setPrevRandao", word(index + 1))
    chain.rpc("hardhat_setNextBlockBaseFeePerGas", hex(GWEI + index))
    chain.rpc("evm_setAutomine", True)
    chain.rpc("evm_setAutomine", False)
    chain.send(SENDER, value=index + 1)
    chain.rpc("hardhat_setPrevRandao", word(index + 1))
    chain.rpc("hardhat_setNextBlockBaseFeePerGas", hex(2 * GWEI + index))


@pytest.mark.parametrize("way", ["one by one", "at once"])
def test_five_in_each_other_bring_back_everything(chain: Running, way: str) -> None:
    moments: list[tuple[str, dict[str, Any]]] = []
    for index in range(5):
        moments.append((chain.rpc("evm_snapshot"), everything(chain)))
        change_everything(chain, index)
    ids = [int(snapshot, 16) for snapshot, _ in moments]
    assert ids == sorted(set(ids))
    for snapshot, before in moments[::-1] if way == "one by one" else moments[:1]:
        assert everything(chain) != before
        assert chain.rpc("evm_revert", snapshot) is True
        assert everything(chain) == before
    assert [chain.rpc("evm_revert", snapshot) for snapshot, _ in moments] == [False] * 5
    chain.rpc("evm_setAutomine", True)
    assert chain.rpc("eth_getTransactionReceipt", chain.send(SENDER))["status"] == "0x1"


def test_what_is_done_again_comes_out_the_same(chain: Running) -> None:
    """The same steps on the same moment give the same blocks, so a test that is repeated sees the same hashes."""
    hashes = []
    for _ in range(3):
        snapshot = chain.rpc("evm_snapshot")
        for index in range(3):
            chain.send(SENDER, value=index)
        chain.rpc("hardhat_mine", 5, 7)
        hashes.append(chain.rpc("eth_getBlockByNumber", "latest", False)["hash"])
        chain.rpc("evm_revert", snapshot)
    assert len(set(hashes)) == 1


def test_a_snapshot_is_taken_before_each_use_and_serves_once(chain: Running) -> None:
    """As fixtures of test suites do: revert, then take a new one at the same place."""
    snapshot, height, seen = chain.rpc("evm_snapshot"), chain.number(), set()
    for _ in range(20):
        chain.send(SENDER)
        assert chain.rpc("evm_revert", snapshot) is True
        assert chain.rpc("evm_revert", snapshot) is False
        assert chain.number() == height
        seen.add(snapshot)
        snapshot = chain.rpc("evm_snapshot")
    assert len(seen) == 20


@pytest.mark.parametrize("form", [int, str, hex])
def test_an_id_is_taken_in_every_form(chain: Running, form: Any) -> None:
    snapshot = chain.rpc("evm_snapshot")
    assert snapshot == hex(int(snapshot, 16))
    assert chain.rpc("evm_revert", form(int(snapshot, 16))) is True


def test_impersonations_are_left_as_they_are(chain: Running) -> None:
    chain.rpc("anvil_setBalance", STRANGER, hex(10**18))
    chain.rpc("anvil_impersonateAccount", STRANGER)
    chain.rpc("anvil_autoImpersonateAccount", True)
    snapshot = chain.rpc("evm_snapshot")
    chain.rpc("anvil_stopImpersonatingAccount", STRANGER)
    chain.rpc("anvil_autoImpersonateAccount", False)
    chain.rpc("evm_revert", snapshot)
    refused = chain.refusal("eth_sendTransaction", {"from": STRANGER, "to": STRANGER})
    assert refused.message == f"unknown account {STRANGER}"


def test_automine_and_the_interval_are_left_as_they_are(chain: Running) -> None:
    snapshot = chain.rpc("evm_snapshot")
    chain.rpc("evm_setAutomine", False)
    chain.rpc("evm_setIntervalMining", 10_000)
    chain.rpc("evm_revert", snapshot)
    assert chain.rpc("anvil_getAutomine") is False
    assert chain.node.status()["interval_s"] == 10_000


# ---- what clients that listen are told ---------------------------------------------------------------------------


def emit(chain: Running, topic: int) -> str:
    return chain.send(SENDER, to=bytes.fromhex(LOGS[2:]), value=0, data=topic.to_bytes(32, "big"), gas_limit=60_000)


def subscribe(socket: ClientConnection, *params: object) -> str:
    socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params}))
    return str(json.loads(socket.recv(timeout=PUSH_S_MAX))["result"])


def pushed(socket: ClientConnection, count: int) -> list[tuple[str, Any]]:
    """The next pushes: (subscription, result)."""
    messages = [json.loads(socket.recv(timeout=PUSH_S_MAX))["params"] for _ in range(count)]
    return [(message["subscription"], message["result"]) for message in messages]


def test_each_subscriber_hears_of_the_logs_it_was_told_that_they_are_gone(chain: Running) -> None:
    """Over two snapshots in each other, blocks with several logs, and subscriptions that want different ones."""
    chain.place(LOGGER, LOGS)
    with chain.websocket() as socket:
        some, heads = subscribe(socket, "logs", {"topics": [[word(2), word(4)]]}), subscribe(socket, "newHeads")
        outer = chain.rpc("evm_snapshot")
        emit(chain, 1)
        emit(chain, 2)
        inner = chain.rpc("evm_snapshot")
        chain.rpc("evm_setAutomine", False)
        nonce = chain.nonce(SENDER)
        for offset, topic in enumerate((3, 4, 2)):
            chain.rpc(
                "eth_sendRawTransaction",
                chain.raw(
                    SENDER, nonce=nonce + offset, to=bytes.fromhex(LOGS[2:]), value=0, data=bytes.fromhex(word(topic)[2:]), gas_limit=60_000
                ),
            )
        chain.rpc("evm_mine")
        told = pushed(socket, 6)
        assert [name for name, _ in told] == [heads, heads, some, heads, some, some]
        logs = [log for name, log in told if name == some]
        assert [(int(log["topics"][0], 16), log["removed"]) for log in logs] == [(2, False), (4, False), (2, False)]
        chain.rpc("evm_revert", inner)
        assert pushed(socket, 2) == [(some, log | {"removed": True}) for log in logs[1:]]
        chain.rpc("evm_revert", outer)
        assert pushed(socket, 1) == [(some, logs[0] | {"removed": True})]
        chain.rpc("evm_setAutomine", True)
        emit(chain, 4)
        [(name, head), (_, log)] = pushed(socket, 2)
        assert (name, log["removed"], log["blockHash"]) == (heads, False, head["hash"])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_who_adds_what_comes_and_takes_away_what_is_removed_has_the_logs_of_the_chain(chain: Running, seed: int) -> None:
    """By subscription and by a filter that is polled now and then, over snapshots in each other, rollbacks and other ways."""
    dice = Random(f"logs {seed}")
    chain.place(LOGGER, LOGS)
    chain.rpc("evm_mine")
    start, snapshots = chain.number(), [chain.rpc("evm_snapshot")]
    filter_id = chain.rpc("eth_newFilter", {"address": LOGS})
    by_push: set[tuple[str, str]] = set()
    by_poll: set[tuple[str, str]] = set()
    with chain.websocket() as socket:
        subscribe(socket, "logs", {"address": LOGS})
        for _ in range(60):
            match dice.choice(("emit", "emit", "emit", "mine", "snapshot", "revert", "rollback", "poll")):
                case "emit":
                    emit(chain, dice.randrange(10))
                case "mine":
                    chain.rpc("hardhat_mine", dice.randrange(1, 4))
                case "snapshot":
                    snapshots.append(chain.rpc("evm_snapshot"))
                case "revert" if len(snapshots) > 1:
                    place = dice.randrange(1, len(snapshots))
                    chain.rpc("evm_revert", snapshots[place])
                    snapshots = snapshots[:place]
                case "rollback" if chain.number() > start:
                    depth = dice.randint(1, chain.number() - start)
                    chain.rpc(*dice.choice((("anvil_rollback", depth), ("anvil_reorg", depth, [[chain.raw(OTHER), 0]]))))
                    kept = chain.rpc("anvil_metadata")["snapshots"]
                    snapshots = [snapshot for snapshot in snapshots if snapshot in kept]
                case "poll":
                    follow(by_poll, chain.rpc("eth_getFilterChanges", filter_id))
        follow(by_poll, chain.rpc("eth_getFilterChanges", filter_id))
        follow(by_push, pushed_until_quiet(socket))
    there = {name_of(log) for log in chain.rpc("eth_getLogs", {"fromBlock": hex(start), "address": LOGS})}
    assert by_push == there
    assert by_poll == there


def follow(known: set[tuple[str, str]], logs: list[dict[str, Any]]) -> None:
    for log in logs:
        (known.discard if log["removed"] else known.add)(name_of(log))


def name_of(log: dict[str, Any]) -> tuple[str, str]:
    return log["blockHash"], log["logIndex"]


def pushed_until_quiet(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything that was pushed before now: an answer comes after it."""
    socket.send('{"jsonrpc":"2.0","id":99,"method":"eth_chainId","params":[]}')
    logs: list[dict[str, Any]] = []
    while "id" not in (message := json.loads(socket.recv(timeout=PUSH_S_MAX))):
        logs.append(message["params"]["result"])
    return logs


def test_a_block_filter_reports_the_blocks_that_came_instead(chain: Running) -> None:
    filter_id = chain.rpc("eth_newBlockFilter")
    snapshot = chain.rpc("evm_snapshot")
    chain.rpc("anvil_mine", 3)
    assert len(chain.rpc("eth_getFilterChanges", filter_id)) == 3
    chain.rpc("evm_revert", snapshot)
    assert chain.rpc("eth_getFilterChanges", filter_id) == []
    chain.rpc("evm_increaseTime", 5)
    chain.rpc("anvil_mine", 2)
    height = chain.number()
    hashes = [chain.rpc("eth_getBlockByNumber", hex(number), False)["hash"] for number in (height - 1, height)]
    assert chain.rpc("eth_getFilterChanges", filter_id) == hashes


@pytest.mark.parametrize("full", [False, True])
def test_a_filter_of_arrivals_tells_of_each_once_and_of_none_that_is_gone(chain: Running, full: bool) -> None:
    polled, unpolled = (chain.rpc("eth_newPendingTransactionFilter", full) for _ in range(2))
    snapshot = chain.rpc("evm_snapshot")
    chain.send(SENDER)
    assert len(chain.rpc("eth_getFilterChanges", polled)) == 1
    chain.rpc("evm_revert", snapshot)
    sent = chain.send(SENDER, value=77)
    for filter_id in (polled, unpolled):
        changes = chain.rpc("eth_getFilterChanges", filter_id)
        assert [change["hash"] if full else change for change in changes] == [sent]


def test_a_filter_that_was_made_after_the_snapshot_stays(chain: Running) -> None:
    chain.place(LOGGER, LOGS)
    snapshot = chain.rpc("evm_snapshot")
    emit(chain, 1)
    filter_id = chain.rpc("eth_newFilter", {"address": LOGS})
    emit(chain, 2)
    chain.rpc("evm_revert", snapshot)
    emit(chain, 3)
    assert [int(log["topics"][0], 16) for log in chain.rpc("eth_getFilterChanges", filter_id)] == [3]
    assert chain.rpc("eth_uninstallFilter", filter_id) is True


def test_a_rollback_tells_of_removed_logs_too(chain: Running) -> None:
    chain.place(LOGGER, LOGS)
    with chain.websocket() as socket:
        subscribe(socket, "logs")
        sent = emit(chain, 9)
        [(_, log)] = pushed(socket, 1)
        assert log["transactionHash"] == sent
        chain.rpc("anvil_rollback", 1)
        assert pushed(socket, 1)[0][1] == log | {"removed": True}


def test_a_transaction_of_the_other_way_can_be_sent_again(chain: Running) -> None:
    raw = chain.raw(SENDER, value=99)
    snapshot = chain.rpc("evm_snapshot")
    first = chain.rpc("eth_sendRawTransaction", raw)
    block = chain.rpc("eth_getTransactionReceipt", first)["blockHash"]
    chain.rpc("evm_revert", snapshot)
    assert chain.rpc("eth_getBlockByHash", block, False) is None
    chain.rpc("evm_increaseTime", 60)
    assert chain.rpc("eth_sendRawTransaction", raw) == first
    receipt = chain.rpc("eth_getTransactionReceipt", first)
    assert receipt["blockHash"] != block
    assert chain.balance(OTHER.address, receipt["blockNumber"]) - chain.balance(OTHER.address, hex(chain.number() - 1)) == 99
    assert text(OTHER.address) == receipt["to"]
