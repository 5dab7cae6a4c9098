"""A whole node that is killed, or whose disk fails, while it answers: every block that a client was told of is there after a restart."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.crash.faults import Call, Fault, Traced, calls_on, traced_command
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from tests.ledger.transactions import keys
from zerog._kernel import Ledger, Transaction
from zerog.chain.node.chain import network_accounts, network_genesis
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import load

SEED = commit_seed()
POINTS = 20 if LONG else 4
TRANSFERS = 20
TRANSFERS_MAX = 200
"""With a fault the client goes on until it strikes: which of a node's threads writes a block is not the same in every run."""
CHECKPOINT_BLOCKS = 4
CHAIN_ID = 31337
SENDER = keys("crash", 1)[0]
REQUEST_LIMIT_S = 30.0
STOP_LIMIT_S = 60.0


def signed_transfers(count: int) -> Iterator[str]:
    for nonce in range(count):
        transfer = Transaction(
            kind=2,
            chain_id=CHAIN_ID,
            nonce=nonce,
            gas_limit=21_000,
            max_fee_per_gas=10**12,
            max_priority_fee_per_gas=1,
            to=bytes([nonce + 1]) * 20,
            value=1 + nonce,
        )
        yield "0x" + transfer.sign(SENDER.private_key).hex()


@dataclass(slots=True)
class RunningNode:
    """A node in a process of its own; `status` and `errors` are known once it has ended."""

    process: subprocess.Popen[str]
    url: str
    status: int = 0
    errors: str = ""

    def call(self, method: str, *params: object) -> object:
        """One JSON-RPC call. Raises `httpx.HTTPError` when the node is gone and `RuntimeError` for an error."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.url, json=body, timeout=REQUEST_LIMIT_S).json()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]


@contextmanager
def run_node(
    folder: Path, *, trace_file: Path | None = None, files: Sequence[Path] = (), fault: Fault | None = None
) -> Iterator[RunningNode]:
    """`zerog chain run` in `folder` on a port that the system chooses; it stops when its standard input ends."""
    command = [sys.executable, "-m", "zerog", "chain", "run", "--supervised", "--dir", str(folder), "--rpc-port", "0"]
    command += ["--checkpoint-blocks", str(CHECKPOINT_BLOCKS)]
    if trace_file is not None:
        command = traced_command(command, trace_file, files=files, fault=fault)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    event = json.loads(process.stdout.readline() or "{}")
    node = RunningNode(process, event.get("ready", ""))
    try:
        yield node
    finally:
        _, node.errors = process.communicate(timeout=STOP_LIMIT_S)
        node.status = process.returncode


@dataclass(slots=True)
class Told:
    """What a client was told before the node failed: block hashes by height, and transactions by the block that holds them."""

    blocks: dict[str, str] = field(default_factory=dict)
    transactions: dict[str, str] = field(default_factory=dict)
    failed: bool = False


def send_all(node: RunningNode, count: int) -> Told:
    """Fund the sender, then send one transfer after another until `count` are in blocks or the node fails."""
    told = Told()
    try:
        node.call("anvil_setBalance", "0x" + SENDER.address.hex(), hex(10**20))
        for raw in signed_transfers(count):
            transaction_hash = str(node.call("eth_sendRawTransaction", raw))
            receipt = node.call("eth_getTransactionReceipt", transaction_hash)
            assert isinstance(receipt, dict)
            told.blocks[receipt["blockNumber"]] = receipt["blockHash"]
            told.transactions[transaction_hash] = receipt["blockHash"]
    except (httpx.HTTPError, RuntimeError):
        told.failed = True
    return told


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a run without faults writes: files, as names in the ledger's folder, and calls on them."""

    files: tuple[str, ...]
    calls: tuple[Call, ...]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    base = tmp_path_factory.mktemp("undisturbed-node")
    with run_node(base, trace_file=base / "trace") as node:
        told = send_all(node, TRANSFERS)
    assert not told.failed, node.errors
    assert len(told.transactions) == TRANSFERS
    files, calls = calls_on(ledger_folder(base), (base / "trace").read_text(encoding="utf-8"))
    return Undisturbed(tuple(sorted(str(file.relative_to(ledger_folder(base))) for file in files)), tuple(calls))


@pytest.mark.parametrize("point", range(POINTS))
def test_blocks_that_a_client_was_told_of_survive(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    dice = Random(f"node point {SEED} {point}")
    name = dice.choice(sorted({call.name for call in undisturbed.calls if call.name != "ftruncate"}))
    fault = Fault(dice.choice([call for call in undisturbed.calls if call.name == name]), "KILL" if point % 2 else "EIO")
    print(f"seed {SEED}, point {point}: {fault}")
    files = [ledger_folder(tmp_path) / file for file in undisturbed.files]
    with run_node(tmp_path, trace_file=tmp_path / "trace", files=files, fault=fault) as node:
        told = send_all(node, TRANSFERS_MAX)
    Traced(node.status, "", node.errors, (tmp_path / "trace").read_text(encoding="utf-8")).require(fault)
    if fault.kind == "KILL":
        assert node.status == -signal.SIGKILL
    require_told(tmp_path, told)
    audit(tmp_path)
    FAULTS_SEEN[f"{fault.call.name} {fault.kind}"] += 1


FAULTS_SEEN: Counter[str] = Counter()


def test_a_node_was_killed_and_its_disk_failed() -> None:
    """Runs after the points."""
    assert {name.rpartition(" ")[2] for name in FAULTS_SEEN} == {"EIO", "KILL"}
    record("crash_points_of_a_node", seed=SEED, points=sum(FAULTS_SEEN.values()), faults=dict(FAULTS_SEEN))


def require_told(folder: Path, told: Told) -> None:
    """A node that is started again holds every block and transaction that the client was told of, and makes further blocks."""
    with run_node(folder) as node:
        for number, block_hash in told.blocks.items():
            block = node.call("eth_getBlockByNumber", number, False)
            assert isinstance(block, dict), f"block {number} is gone"
            assert block["hash"] == block_hash
        for transaction_hash, block_hash in told.transactions.items():
            receipt = node.call("eth_getTransactionReceipt", transaction_hash)
            assert isinstance(receipt, dict), f"transaction {transaction_hash} is gone"
            assert receipt["blockHash"] == block_hash
        before = int(str(node.call("eth_blockNumber")), 16)
        node.call("evm_mine")
        assert int(str(node.call("eth_blockNumber")), 16) == before + 1
    assert node.status == 0, node.errors


def audit(folder: Path) -> None:
    """The root of the newest block, recomputed from the flat state alone, is the header's."""
    network = load("local")
    genesis = network_genesis(network, ChainNodeSettings(), network_accounts(network))
    ledger = Ledger.open(str(ledger_folder(folder)), genesis)
    assert ledger.recompute_root() == ledger.head().state_root
    ledger.close()


def ledger_folder(folder: Path) -> Path:
    return folder / ".zerog" / "chain"
