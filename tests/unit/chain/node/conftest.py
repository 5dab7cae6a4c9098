"""A chain node in this process, one a module, and each test begins on the state that the last one found."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from websockets.sync.client import ClientConnection, connect

from zerog import networks
from zerog._kernel import Transaction
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import NetworkParams
from zerog.primitives import Account

LOCAL = networks.load("local")
ACCOUNTS = network_accounts(LOCAL)
GWEI = 10**9


class HandClock:
    """A clock that a test can move; it begins now and stands still."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.start_s = time.time()

    def advance(self, seconds: float) -> None:
        self.passed_s += seconds

    def unix_s(self) -> float:
        return self.start_s + self.passed_s

    def monotonic_s(self) -> float:
        return self.passed_s


@dataclass
class RefusedError(Exception):
    """What a node answered instead of a result."""

    code: int
    message: str
    data: object = None


@dataclass
class Running:
    """A node that serves, and the quickest way to talk to it."""

    node: ChainNode
    url: str
    clock: HandClock
    portal: BlockingPortal
    http: httpx.Client = field(default_factory=httpx.Client)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def post(self, body: object) -> Any:
        return self.http.post(self.url, json=body, timeout=30).json()

    def rpc(self, method: str, *params: object) -> Any:
        """The result; raises `RefusedError`."""
        answer = self.post({"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": list(params)})
        if "error" in answer:
            raise RefusedError(answer["error"]["code"], answer["error"]["message"], answer["error"].get("data"))
        return answer["result"]

    def refusal(self, method: str, *params: object) -> RefusedError:
        """The error; fails when there is none."""
        try:
            result = self.rpc(method, *params)
        except RefusedError as refused:
            return refused
        raise AssertionError(f"{method} answered {result!r}")

    def websocket(self) -> ClientConnection:
        return connect(self.url.replace("http", "ws"), max_size=None)

    def number(self, block: str = "latest") -> int:
        return int(self.rpc("eth_getBlockByNumber", block, False)["number"], 16)

    def timestamp(self, block: str = "latest") -> int:
        return int(self.rpc("eth_getBlockByNumber", block, False)["timestamp"], 16)

    def nonce(self, account: Account, block: str = "latest") -> int:
        return int(self.rpc("eth_getTransactionCount", text(account.address), block), 16)

    def balance(self, address: bytes, block: str = "latest") -> int:
        return int(self.rpc("eth_getBalance", text(address), block), 16)

    def raw(self, sender: Account = ACCOUNTS[1], **changes: Any) -> str:
        """A signed transfer of one wei, with `changes`."""
        fields: dict[str, Any] = {
            "kind": 2,
            "chain_id": self.node.network.chain_id,
            "gas_limit": 21_000,
            "max_fee_per_gas": 10 * GWEI,
            "max_priority_fee_per_gas": GWEI,
            "to": ACCOUNTS[2].address,
            "value": 1,
        } | changes
        fields.setdefault("nonce", None)
        if fields["nonce"] is None:
            fields["nonce"] = self.nonce(sender, "pending")
        return "0x" + Transaction(**fields).sign(sender.private_key).hex()

    def send(self, sender: Account = ACCOUNTS[1], **changes: Any) -> str:
        """Send such a transfer; returns its hash."""
        result: str = self.rpc("eth_sendRawTransaction", self.raw(sender, **changes))
        return result

    def place(self, code: str, address: str = "0x" + "c0" * 20) -> str:
        """Put code at an address."""
        self.rpc("anvil_setCode", address, code)
        return address


def text(value: bytes) -> str:
    return "0x" + value.hex()


def run_node(settings: ChainNodeSettings, network: NetworkParams = LOCAL, *, others: bytes | None = None) -> Iterator[Running]:
    clock = HandClock()
    node = ChainNode(settings, network, clock, others=others)
    with start_blocking_portal() as portal:
        future, url = portal.start_task(node.run)
        running = Running(node, url, clock, portal)
        try:
            yield running
        finally:
            running.http.close()
            future.cancel()


@pytest.fixture(scope="module")
def module_node() -> Iterator[Running]:
    yield from run_node(ChainNodeSettings(rpc_port=0))


@pytest.fixture
def chain(module_node: Running) -> Iterator[Running]:
    """The module's node. What a test does to blocks, state, pool, time and switches is undone after it."""
    snapshot = module_node.rpc("evm_snapshot")
    yield module_node
    undo: list[tuple[str, object]] = [
        ("evm_setIntervalMining", 0),
        ("anvil_autoImpersonateAccount", False),
        ("anvil_setMinGasPrice", "0x0"),
        ("evm_revert", snapshot),
        ("evm_setAutomine", True),
    ]
    answers = module_node.post([{"jsonrpc": "2.0", "id": method, "method": method, "params": [value]} for method, value in undo])
    assert [answer.get("result") for answer in answers] == [None, None, None, True, None]
