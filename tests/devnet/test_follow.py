"""`zerog chain run --follow URL`: a second node has the first one's blocks, whatever happens to either."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.devnet.command import START_S_MAX, Zerog
from zerog.chain.node.chain import network_accounts
from zerog.networks import load
from zerog.primitives import encode_data

CATCH_UP_S_MAX = 60
LOGGER, LOGGER_CODE = "0x" + "10" * 20, "0x5f355f5fa100"
"""Emits an event without data whose topic is the first word of the call data."""
W0G, AGENCY = (encode_data(load("local").addresses[name]) for name in ("w0g", "wrapped_base_agency"))
ACCOUNTS = [encode_data(account.address) for account in network_accounts(load("local"))]


@dataclass
class Node:
    """A chain node as a user starts it, that can be killed and started again."""

    command: Zerog
    words: tuple[str, ...]
    port: str = "0"
    url: str = ""
    process: subprocess.Popen[str] | None = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=START_S_MAX))

    def start(self) -> None:
        self.process = self.command.begin("chain", "run", "--rpc-port", self.port, *self.words)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.process.communicate(timeout=START_S_MAX)
        self.port = self.url.rsplit(":", 1)[1]

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.communicate(timeout=START_S_MAX)
            self.process = None

    def answer(self, method: str, *parameters: object) -> dict[str, Any]:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer: dict[str, Any] = self.http.post(self.url, json=request).json()
        return answer

    def ask(self, method: str, *parameters: object) -> Any:
        answer = self.answer(method, *parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def blocks(self, last: int) -> list[tuple[str, str]]:
        """Hash and state root of every block up to `last`."""
        found: list[tuple[str, str]] = []
        for begin in range(0, last + 1, 500):
            numbers = range(begin, min(begin + 500, last + 1))
            batch = [{"jsonrpc": "2.0", "id": number, "method": "eth_getHeaderByNumber", "params": [hex(number)]} for number in numbers]
            answers = sorted(self.http.post(self.url, json=batch).json(), key=lambda answer: answer["id"])
            found += [(answer["result"]["hash"], answer["result"]["stateRoot"]) for answer in answers]
        return found


def started(stack: ExitStack, folder: Path, *words: str) -> Node:
    """A node that runs until the stack ends."""
    node = Node(Zerog(folder), words)
    stack.callback(node.end)
    stack.enter_context(node.http)
    node.start()
    return node


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """A leader that runs, and a node that follows it. Both go back and restart across checkpoints of their ledgers."""
    with ExitStack() as stack:
        leader = started(stack, tmp_path / "leader", "--checkpoint-blocks", "24")
        yield leader, started(stack, tmp_path / "follower", "--follow", leader.url, "--checkpoint-blocks", "16")


def caught_up(leader: Node, follower: Node) -> int:
    """Wait until the follower has the leader's newest block; returns its number."""
    head = leader.ask("eth_getBlockByNumber", "latest", False)
    number = int(head["number"], 16)
    deadline = time.monotonic() + CATCH_UP_S_MAX
    found: dict[str, Any] = {"head": None}
    while found["head"] != {"number": head["number"], "hash": head["hash"]} and time.monotonic() < deadline:
        found = follower.ask("zerog_getBlocks", hex(number), head["parentHash"], 1, 1_000)
    if found["head"] == {"number": head["number"], "hash": head["hash"]}:
        return number
    raise AssertionError(f"the follower stands at {found['head']} instead of {head['number']} {head['hash']}")


def a_round(leader: Node, index: int, before_revert: Callable[[], object]) -> None:
    """Transfers, a log, an edit, an impersonated sender, many blocks; every other time some of it is taken back."""
    leader.ask("anvil_setCode", LOGGER, LOGGER_CODE)
    leader.ask("eth_sendTransaction", {"from": ACCOUNTS[1], "to": LOGGER, "data": f"0x{index:064x}", "gas": "0xffff"})
    for nonce in range(3):
        leader.ask("eth_sendTransaction", {"from": ACCOUNTS[nonce], "to": ACCOUNTS[5], "value": hex(index + 1)})
    snapshot = leader.ask("evm_snapshot")
    leader.ask("anvil_setBalance", f"0x{index + 1:040x}", hex(10**18 + index))
    leader.ask("anvil_setStorageAt", ACCOUNTS[7], hex(index), f"0x{index:064x}")
    leader.ask("anvil_impersonateAccount", f"0x{index + 1:040x}")
    leader.ask("eth_sendTransaction", {"from": f"0x{index + 1:040x}", "to": ACCOUNTS[6], "value": "0x1"})
    leader.ask("hardhat_mine", hex(40), "0x3")
    if index % 2:
        before_revert()
        assert leader.ask("evm_revert", snapshot) is True
        leader.ask("hardhat_mine", hex(1 + index % 7), "0x5")


def kill_caught_up(leader: Node, follower: Node) -> None:
    caught_up(leader, follower)
    follower.end(signal.SIGKILL)


def compare_blocks(leader: Node, follower: Node, number: int) -> None:
    """Both have the same block and root at every height up to `number`."""
    blocks = leader.blocks(number)
    assert len(blocks) == number + 1
    assert follower.blocks(number) == blocks


def compare(leader: Node, follower: Node, number: int) -> None:
    """The same, and they tell the same of what is in them."""
    compare_blocks(leader, follower, number)
    everything = {"fromBlock": "0x0", "toBlock": "latest"}
    logs = leader.ask("eth_getLogs", everything)
    assert follower.ask("eth_getLogs", everything) == logs != []
    for height in map(hex, range(0, number + 1, 29)):
        for method, parameters in (
            ("eth_getBlockByNumber", (height, True)),
            ("eth_getBlockReceipts", (height,)),
            ("eth_getBalance", (ACCOUNTS[5], height)),
            ("eth_getStorageAt", (ACCOUNTS[7], "0x2", height)),
        ):
            assert follower.ask(method, *parameters) == leader.ask(method, *parameters), (method, height)


@pytest.mark.timeout(240)
def test_a_follower_has_every_block_through_reverts_and_restarts(nodes: tuple[Node, Node]) -> None:
    """Until the chain has 1,000 blocks. What is taken back the follower has already, or hears of it too late, or not at all."""
    leader, follower = nodes
    index = went_back = restarts = 0
    while (number := caught_up(leader, follower)) < 1_000:
        match index % 9:
            case 3:  # It has what is taken back, and is told.
                a_round(leader, index, lambda: caught_up(leader, follower))
                went_back += 1
            case 4:  # Killed; when it comes back it lacks blocks.
                follower.end(signal.SIGKILL)
                a_round(leader, index, int)
                follower.start()
                restarts += 1
            case 5:  # Killed while it has blocks that are taken back before it is there again.
                a_round(leader, 2 * index + 1, lambda: kill_caught_up(leader, follower))
                follower.start()
                went_back, restarts = went_back + 1, restarts + 1
            case 7:  # The leader is killed; the follower goes on answering, and finds it again.
                a_round(leader, index, int)
                leader.end(signal.SIGKILL)
                assert int(follower.ask("eth_blockNumber"), 16) > 0
                leader.start()
                restarts += 1
            case 8:  # Both are killed, and the leader takes back blocks before the follower is there again.
                a_round(leader, 2 * index + 1, lambda: caught_up(leader, follower))
                snapshot = leader.ask("evm_snapshot")
                leader.ask("hardhat_mine", hex(10))
                caught_up(leader, follower)
                follower.end(signal.SIGKILL)
                leader.end(signal.SIGKILL)
                leader.start()
                assert leader.ask("evm_revert", snapshot) is True
                follower.start()
                went_back, restarts = went_back + 2, restarts + 2
            case _:
                a_round(leader, index, int)
        index += 1
    assert went_back >= 8
    assert restarts >= 10
    compare(leader, follower, number)
    assert follower.ask("eth_syncing") is False


def test_who_listens_to_the_follower_hears_what_the_leader_makes_and_takes_back(nodes: tuple[Node, Node]) -> None:
    leader, follower = nodes
    leader.ask("anvil_setCode", LOGGER, LOGGER_CODE)
    leader.ask("evm_mine")
    caught_up(leader, follower)
    filters = [follower.ask("eth_newFilter", {"address": LOGGER}), follower.ask("eth_newBlockFilter")]
    with connect(follower.url.replace("http", "ws")) as socket:
        names = {}
        for name in ("newHeads", "logs"):
            socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": [name]}))
            names[json.loads(socket.recv(timeout=START_S_MAX))["result"]] = name

        def pushed(count: int) -> list[tuple[str, Any]]:
            messages = [json.loads(socket.recv(timeout=START_S_MAX))["params"] for _ in range(count)]
            return [(names[message["subscription"]], message["result"]) for message in messages]

        snapshot = leader.ask("evm_snapshot")
        hashes = [
            leader.ask("eth_sendTransaction", {"from": ACCOUNTS[1], "to": LOGGER, "data": f"0x{topic:064x}", "gas": "0xffff"})
            for topic in (1, 2)
        ]
        first = pushed(4)  # Two blocks; who catches up on both at once tells each subscription of both.
        assert sorted(name for name, _ in first) == ["logs"] * 2 + ["newHeads"] * 2
        logs = [log for name, log in first if name == "logs"]
        heads = [head for name, head in first if name == "newHeads"]
        assert [(log["transactionHash"], log["removed"]) for log in logs] == [(sent, False) for sent in hashes]
        assert follower.ask("eth_getFilterChanges", filters[0]) == logs
        assert follower.ask("eth_getFilterChanges", filters[1]) == [head["hash"] for head in heads]
        assert leader.ask("evm_revert", snapshot) is True
        leader.ask("evm_setNextBlockTimestamp", int(heads[0]["timestamp"], 16) + 50)
        leader.ask("evm_mine")
        [*gone, (name, head)] = sorted(pushed(3), key=lambda message: message[0])
        assert gone == [("logs", log | {"removed": True}) for log in logs]
        assert (name, head["hash"]) == ("newHeads", leader.ask("eth_getBlockByNumber", "latest", False)["hash"])
    assert follower.ask("eth_getFilterChanges", filters[0]) == [log | {"removed": True} for log in logs]
    assert follower.ask("eth_getFilterChanges", filters[1]) == [head["hash"]]
    assert all(follower.ask("eth_getTransactionReceipt", sent) is None for sent in hashes)


def test_a_transaction_is_handed_on_and_what_the_leader_refuses_is_told(nodes: tuple[Node, Node]) -> None:
    leader, follower = nodes
    signed = leader.ask("eth_signTransaction", {"from": ACCOUNTS[1], "to": ACCOUNTS[2], "value": "0x5", "gas": "0x5208", "nonce": "0x0"})
    raw = signed if isinstance(signed, str) else signed["raw"]
    receipt = follower.ask("eth_sendRawTransactionSync", raw)
    assert receipt == leader.ask("eth_getTransactionReceipt", receipt["transactionHash"])
    again = follower.answer("eth_sendRawTransaction", raw)["error"]
    assert again == leader.answer("eth_sendRawTransaction", raw)["error"]
    assert follower.answer("evm_mine")["error"]["code"] == -32601


@pytest.mark.parametrize("words", [("--rules", "zero-gravity"), ("--rules", "ethereum"), ("--like", "galileo")], ids=" ".join)
def test_the_rules_of_the_leader_are_followed(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Gas floor, equal timestamps and W0G's precompiled contract, or none of them."""
    has_rules = "ethereum" not in words
    with ExitStack() as stack:
        leader = started(stack, tmp_path / "leader", *words)
        follower = started(stack, tmp_path / "follower", "--follow", leader.url)
        # setMinterCap(account 1, 10^18, 0), which only the agency's owner may ask for.
        cap = "0xdddba6c8" + ACCOUNTS[1][2:].rjust(64, "0") + f"{10**18:064x}" + "0" * 64
        mint = "0x40c10f19" + ACCOUNTS[2][2:].rjust(64, "0") + f"{5:064x}"
        sent = [
            leader.ask("eth_sendTransaction", {"from": ACCOUNTS[index], "to": to, "data": data, "gas": hex(900_000)})
            for index, to, data in ((0, AGENCY, cap), (1, W0G, mint), (3, ACCOUNTS[4], "0x"))
        ]
        number = caught_up(leader, follower)
        compare_blocks(leader, follower, number)
        receipts = [leader.ask("eth_getTransactionReceipt", transaction_hash) for transaction_hash in sent]
        assert [follower.ask("eth_getTransactionReceipt", transaction_hash) for transaction_hash in sent] == receipts
        assert [receipt["status"] for receipt in receipts] == (["0x1"] * 3 if has_rules else ["0x1", "0x0", "0x1"])
        assert (receipts[2]["gasUsed"] == hex(720_000)) is has_rules
        times = [int(leader.ask("eth_getBlockByNumber", hex(height), False)["timestamp"], 16) for height in range(1, number + 1)]
        assert (len(set(times)) < len(times)) or not has_rules
        balance = {"to": W0G, "data": "0x70a08231" + ACCOUNTS[2][2:].rjust(64, "0")}
        assert int(follower.ask("eth_call", balance, "latest"), 16) == (5 if has_rules else 0)


def test_another_chain_is_not_followed(nodes: tuple[Node, Node], tmp_path: Path) -> None:
    leader, follower = nodes
    leader.ask("evm_mine")
    caught_up(leader, follower)
    follower.end()
    leader.end()
    other = Node(Zerog(tmp_path / "other"), ("--hardfork", "osaka"), port=leader.port)
    try:
        other.start()
        refused = follower.command.run("chain", "run", "--rpc-port", "0", *follower.words, expect=1)
        assert "leader_mismatch" in refused.stderr
        own = leader.command.run("chain", "run", "--rpc-port", "0", "--follow", other.url, expect=1)
        assert "genesis_refused" in own.stderr
    finally:
        other.end()
        other.http.close()
