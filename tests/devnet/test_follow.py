"""`zerog chain run --follow URL`: a second node has the first one's blocks, whatever happens to either."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.devnet.command import START_S_MAX, Zerog
from zerog.chain.node.chain import network_accounts
from zerog.networks import load
from zerog.primitives import encode_data

CATCH_UP_S_MAX = 60
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


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """A leader that runs, and a node that follows it."""
    with ExitStack() as stack:
        leader = Node(Zerog(tmp_path / "leader"), ())
        stack.callback(leader.end)
        stack.enter_context(leader.http)
        leader.start()
        follower = Node(Zerog(tmp_path / "follower"), ("--follow", leader.url))
        stack.callback(follower.end)
        stack.enter_context(follower.http)
        follower.start()
        yield leader, follower


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


def a_round(leader: Node, index: int) -> None:
    """Transfers, an edit, an impersonated sender, many blocks; every other time some of it is taken back."""
    for nonce in range(3):
        leader.ask("eth_sendTransaction", {"from": ACCOUNTS[nonce], "to": ACCOUNTS[5], "value": hex(index + 1)})
    snapshot = leader.ask("evm_snapshot")
    leader.ask("anvil_setBalance", f"0x{index + 1:040x}", hex(10**18 + index))
    leader.ask("anvil_setStorageAt", ACCOUNTS[7], hex(index), f"0x{index:064x}")
    leader.ask("anvil_impersonateAccount", f"0x{index + 1:040x}")
    leader.ask("eth_sendTransaction", {"from": f"0x{index + 1:040x}", "to": ACCOUNTS[6], "value": "0x1"})
    leader.ask("hardhat_mine", hex(40), "0x3")
    if index % 2:
        assert leader.ask("evm_revert", snapshot) is True
        leader.ask("hardhat_mine", hex(1 + index % 7), "0x5")


@pytest.mark.timeout(240)
def test_a_follower_has_every_block_through_reverts_and_restarts(nodes: tuple[Node, Node]) -> None:
    leader, follower = nodes
    index = 0
    while (number := caught_up(leader, follower)) < 1_000:
        a_round(leader, index)
        if index % 9 == 4:
            follower.end(signal.SIGKILL)
            a_round(leader, index + 100)
            follower.start()
        if index % 9 == 7:
            leader.end(signal.SIGKILL)
            assert follower.ask("eth_blockNumber") is not None
            leader.start()
        if index % 9 == 8:
            follower.end(signal.SIGKILL)
            leader.end(signal.SIGKILL)
            leader.start()
            follower.start()
        index += 1
    assert index >= 18
    blocks = leader.blocks(number)
    assert len(blocks) == number + 1
    assert follower.blocks(number) == blocks
    assert follower.ask("eth_syncing") is False


def test_a_transaction_is_handed_on_and_what_the_leader_refuses_is_told(nodes: tuple[Node, Node]) -> None:
    leader, follower = nodes
    signed = leader.ask("eth_signTransaction", {"from": ACCOUNTS[1], "to": ACCOUNTS[2], "value": "0x5", "gas": "0x5208", "nonce": "0x0"})
    raw = signed if isinstance(signed, str) else signed["raw"]
    receipt = follower.ask("eth_sendRawTransactionSync", raw)
    assert receipt == leader.ask("eth_getTransactionReceipt", receipt["transactionHash"])
    again = follower.answer("eth_sendRawTransaction", raw)["error"]
    assert again == leader.answer("eth_sendRawTransaction", raw)["error"]
    assert follower.answer("evm_mine")["error"]["code"] == -32601


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
