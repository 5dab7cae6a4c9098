"""forge, unmodified: scripts that broadcast through the CREATE2 deployer, tests on a fork: what docs/chain/foundry.md shows."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.utils.address import get_create2_address

from tests.interop.against_anvil import running_anvil
from tests.interop.foundry import KEYS, PROJECT, SENDERS, Foundry
from tests.interop.node import running_node

CREATE2_DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
OWNER, GIVER = SENDERS[1], SENDERS[2]
SCRIPT = ("script", "script/Deploy.s.sol", "--rpc-url")
FORK_TESTS = re.findall(r"function (test\w+)\(", (PROJECT / "test" / "Fork.t.sol").read_text())
RESUME_S_MAX = 60
GIVE = keccak(text="give()")[:4].hex()

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def foundry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundry]:
    """A node, and the project compiled."""
    with running_node(tmp_path_factory.mktemp("node")) as url:
        tools = Foundry(url, tmp_path_factory.mktemp("home"))
        tools.forge("build")
        yield tools


def box_address(salt: int, owner: str) -> str:
    """Where the CREATE2 deployer puts a box."""
    code = bytes.fromhex(json.loads((PROJECT / "out" / "Piggy.sol" / "Piggy.json").read_text())["bytecode"]["object"][2:])
    return get_create2_address(to_checksum_address(CREATE2_DEPLOYER), f"0x{salt:064x}", (code + encode(["address"], [owner])).hex())  # type: ignore[arg-type]


def check_broadcast(foundry: Foundry, owner: str, salt: int, count: int) -> None:
    """Each box stands where it must, with its coin, and each transaction has the receipt that forge has written down."""
    written = foundry.broadcast("Deploy.s.sol")
    assert [entry["transactionType"] for entry in written["transactions"]] == ["CREATE2", "CALL"] * count
    expected = [box_address(salt + index, owner) for index in range(1, count + 1)]
    assert [to_checksum_address(entry["contractAddress"]) for entry in written["transactions"][::2]] == expected
    for index, address in enumerate(expected, 1):
        assert int(foundry.ask("eth_getBalance", address, "latest"), 16) == index
    receipts = {receipt["transactionHash"]: receipt for receipt in written["receipts"]}
    assert set(receipts) == {entry["hash"] for entry in written["transactions"]}
    for transaction_hash, receipt in receipts.items():
        found = foundry.ask("eth_getTransactionReceipt", transaction_hash)
        assert (found["status"], found["blockHash"], found["gasUsed"]) == ("0x1", receipt["blockHash"], receipt["gasUsed"])
        assert len(found["logs"]) == len(receipt["logs"])
    nonces = [int(entry["transaction"]["nonce"], 16) for entry in written["transactions"]]
    assert nonces == list(range(nonces[0], nonces[0] + 2 * count))
    assert written["pending"] == []


def test_forge_is_the_pinned_one(foundry: Foundry) -> None:
    pinned = json.loads((PROJECT.parent / "package.json").read_text())["devDependencies"]
    assert foundry.forge("--version").startswith(f"forge Version: {pinned['@foundry-rs/forge']}")


@pytest.mark.parametrize(("salt", "count", "words"), [(1000, 25, ()), (2000, 8, ("--slow",)), (3000, 5, ("--legacy",))])
def test_a_script_deploys_through_the_create2_deployer(foundry: Foundry, salt: int, count: int, words: Sequence[str]) -> None:
    tools = replace(foundry, environment={"SALT": str(salt), "BOXES": str(count)})
    tools.forge(*SCRIPT, tools.url, "--broadcast", "--private-key", KEYS[0], *words)
    check_broadcast(tools, SENDERS[0], salt, count)


def test_a_script_lets_the_node_sign(foundry: Foundry) -> None:
    tools = replace(foundry, environment={"SALT": "4000", "BOXES": "5"})
    tools.forge(*SCRIPT, tools.url, "--broadcast", "--unlocked", "--sender", OWNER)
    check_broadcast(tools, OWNER, 4000, 5)


def test_a_script_that_was_stopped_before_its_receipts_came_is_resumed(foundry: Foundry) -> None:
    tools = replace(foundry, environment={"SALT": "5000", "BOXES": "4"})
    words = (*SCRIPT, tools.url, "--broadcast", "--private-key", KEYS[0])
    tools.ask("evm_setAutomine", False)
    with tools.started("forge", *words) as process:
        try:
            wait_for_pending(tools, process, 2 * 4)
        finally:
            process.terminate()
    tools.ask("evm_setAutomine", True)
    assert len(tools.broadcast("Deploy.s.sol")["receipts"]) == 0
    tools.forge(*words, "--resume")
    check_broadcast(tools, SENDERS[0], 5000, 4)


def wait_for_pending(tools: Foundry, process: subprocess.Popen[str], count: int) -> None:
    """Wait until so many transactions are in the pool and written down; the process that sends them goes on meanwhile."""
    deadline = time.monotonic() + RESUME_S_MAX
    while int(tools.ask("txpool_status")["pending"], 16) < count or not tools.has_written_down("Deploy.s.sol", count):
        assert time.monotonic() < deadline
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"forge ended by itself with {process.wait(timeout=0.1)}")


def test_create_puts_a_contract_with_arguments_on_chain(foundry: Foundry) -> None:
    nonce = int(foundry.ask("eth_getTransactionCount", GIVER, "latest"), 16)
    words = ("create", "src/Piggy.sol:Piggy", "--rpc-url", foundry.url, "--private-key", KEYS[2], "--broadcast", "--json")
    created = json.loads(foundry.forge(*words, "--value", "7", "--constructor-args", GIVER))
    assert created["deployer"] == GIVER
    transaction = foundry.ask("eth_getTransactionByHash", created["transactionHash"])
    assert (int(transaction["nonce"], 16), int(transaction["value"], 16)) == (nonce, 7)
    assert foundry.cast("call", created["deployedTo"], "owner()(address)") == GIVER


def give(foundry: Foundry, sender: str, box: str, tip_wei: int = 1) -> str:
    """Send a coin to a box; returns the transaction's hash."""
    transaction = {
        "from": sender,
        "to": box,
        "value": "0x1",
        "data": f"0x{GIVE}",
        "gas": hex(100_000),
        "maxPriorityFeePerGas": hex(tip_wei),
    }
    sent: str = foundry.ask("eth_sendTransaction", transaction)
    return sent


@pytest.fixture(scope="module")
def fork(foundry: Foundry) -> Mapping[str, Mapping[str, Any]]:
    """Outcome of each test on a fork, by name."""
    owner_tools = replace(foundry, environment={"SALT": "6000", "BOXES": "1"})
    owner_tools.forge(*SCRIPT, foundry.url, "--broadcast", "--private-key", KEYS[1])
    box = box_address(6001, OWNER)
    for sender in (OWNER, OWNER, GIVER):
        give(foundry, sender, box)
    block = foundry.ask("eth_getBlockByNumber", "latest", False)
    facts = {
        "PIGGY": box,
        "GIVER": GIVER,
        "OWNER": OWNER,
        "BLOCK": block["number"],
        "TIMESTAMP": block["timestamp"],
        "BASE_FEE": block["baseFeePerGas"],
        "RANDAO": block["mixHash"],
        "GAS_LIMIT": block["gasLimit"],
        "COINBASE": block["miner"],
        "PARENT_HASH": block["parentHash"],
        "GIVER_BALANCE": foundry.ask("eth_getBalance", GIVER, "latest"),
        "GIVER_NONCE": foundry.ask("eth_getTransactionCount", GIVER, "latest"),
        "CODE_HASH": "0x" + keccak(hexstr=foundry.ask("eth_getCode", box, "latest")).hex(),
        "COINS": foundry.ask("eth_getStorageAt", box, "0x0", "latest"),
    }
    foundry.ask("evm_setAutomine", False)
    give(foundry, OWNER, box, tip_wei=2)
    facts["NEXT_TRANSACTION"] = give(foundry, GIVER, box)
    foundry.ask("evm_setAutomine", True)
    give(foundry, GIVER, box)
    tools = replace(foundry, environment=facts)
    done = tools.run("forge", "test", "--json", "--fork-url", foundry.url, "--fork-block-number", str(int(block["number"], 16)))
    suites = json.loads(done.stdout)
    results: dict[str, Mapping[str, Any]] = suites["test/Fork.t.sol:ForkTest"]["test_results"]
    return {signature.split("(")[0]: outcome for signature, outcome in results.items()}


@pytest.mark.parametrize("name", FORK_TESTS)
def test_on_a_fork(fork: Mapping[str, Mapping[str, Any]], name: str) -> None:
    assert fork[name]["status"] == "Success", fork[name]


def test_every_test_on_the_fork_ran(fork: Mapping[str, Mapping[str, Any]]) -> None:
    assert sorted(fork) == sorted(FORK_TESTS)
    assert len(fork) >= 20


def test_anvil_forks_the_node(foundry: Foundry, fork: Mapping[str, Mapping[str, Any]]) -> None:
    assert fork  # What stands on the chain was put there for it.
    box = box_address(6001, OWNER)
    block = int(foundry.cast("block-number"))
    coins = int(foundry.cast("call", box, "coins()(uint256)"))
    with running_anvil("--fork-url", foundry.url, "--fork-block-number", str(block)) as url:
        forked = replace(foundry, url=url)
        assert forked.cast("block", str(block), "--field", "hash") == foundry.cast("block", str(block), "--field", "hash")
        assert forked.cast("call", box, "coins()(uint256)") == str(coins)
        forked.cast("send", box, "give()", "--value", "1", "--private-key", KEYS[2])
        assert forked.cast("call", box, "coins()(uint256)") == str(coins + 1)
        assert len(forked.cast_json("logs", "--from-block", "0", "--address", box)) == coins + 1
    assert foundry.cast("call", box, "coins()(uint256)") == str(coins)
