"""cast, unmodified: every command that talks to a node, and so what docs/chain/foundry.md shows."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.types import Nonce
from web3.utils.address import get_create_address

from tests.interop.foundry import KEYS, PROJECT, SENDERS, Foundry
from tests.interop.node import running_node

pytestmark = pytest.mark.timeout(200)

OWNER, GIVER, STRANGER = SENDERS
GIVEN = "Given(address indexed,uint256,uint256)"
NOT_OWNER = keccak(text="NotOwner(address,address)")[:4].hex()
EMPTY_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


@dataclass(frozen=True, slots=True)
class Scene:
    """A money box of `OWNER` with two coins of `GIVER`: of 5 wei at `first`, of 6 wei in the block after that."""

    tools: Foundry
    box: str
    code: str
    first: int
    hashes: tuple[str, str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_node(tmp_path_factory.mktemp("node")) as url:
        tools = Foundry(url, tmp_path_factory.mktemp("home"))
        tools.forge("build")
        code = json.loads((PROJECT / "out" / "Piggy.sol" / "Piggy.json").read_text())["bytecode"]["object"]
        created = tools.cast_json("send", "--private-key", KEYS[0], "--create", code, "constructor(address)", OWNER)
        gifts = [
            tools.cast_json("send", created["contractAddress"], "give()", "--value", value, "--private-key", KEYS[1]) for value in "56"
        ]
        yield Scene(
            tools,
            to_checksum_address(created["contractAddress"]),
            code,
            int(gifts[0]["blockNumber"], 16),
            (gifts[0]["transactionHash"], gifts[1]["transactionHash"]),
        )


def test_cast_is_the_pinned_one(scene: Scene) -> None:
    pinned = json.loads((PROJECT.parent / "package.json").read_text())["devDependencies"]
    assert scene.tools.cast("--version").startswith(f"cast Version: {pinned['@foundry-rs/cast']}")


def test_call_reads_the_newest_block_and_older_ones(scene: Scene) -> None:
    assert scene.tools.cast("call", scene.box, "coins()(uint256)") == "2"
    assert scene.tools.cast("call", scene.box, "coins()(uint256)", "--block", str(scene.first)) == "1"
    assert scene.tools.cast("call", scene.box, "givenBy(address)(uint256)", GIVER) == "11"


def test_call_takes_overrides(scene: Scene) -> None:
    assert scene.tools.cast("call", scene.box, "coins()(uint256)", "--override-state-diff", f"{scene.box}:0x0:0x7") == "7"
    poor = ("call", scene.box, "give()(uint256)", "--value", "1ether", "--from", "0x00000000000000000000000000000000C0FFEE00")
    assert "insufficient funds" in scene.tools.cast_error(*poor)
    assert scene.tools.cast(*poor, "--override-balance", f"{poor[-1]}:{10**19}") == "3"


def test_a_call_that_reverts_shows_the_data(scene: Scene) -> None:
    error = scene.tools.cast_error("call", scene.box, "smash()", "--from", STRANGER)
    assert "execution reverted" in error
    assert f"{NOT_OWNER}{STRANGER[2:].lower():>064}{OWNER[2:].lower():>064}" in error


def test_call_with_a_trace_executes_on_a_fork(scene: Scene) -> None:
    traced = scene.tools.cast("call", scene.box, "give()(uint256)", "--value", "3", "--from", GIVER, "--trace")
    assert f"{scene.box}::give" in traced
    assert "[Return]" in traced


def test_estimate_is_what_a_transaction_needs(scene: Scene) -> None:
    estimated = int(scene.tools.cast("estimate", scene.box, "give()", "--value", "1", "--from", STRANGER))
    sent = scene.tools.cast_json("send", scene.box, "give()", "--value", "1", "--private-key", KEYS[2], "--gas-limit", str(estimated))
    assert int(sent["status"], 16) == 1
    assert int(sent["gasUsed"], 16) == estimated
    assert int(scene.tools.cast("estimate", "--create", scene.code, "constructor(address)", OWNER)) > 300_000


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("--private-key", KEYS[1]), 2),
        (("--private-key", KEYS[1], "--legacy"), 0),
        (("--unlocked", "--from", GIVER), 2),
        (("--private-key", KEYS[1], "--access-list", "[]"), 2),
        (("--private-key", KEYS[1], "--gas-price", "5gwei", "--priority-gas-price", "2gwei"), 2),
    ],
    ids=["key", "legacy", "unlocked", "access list", "fees"],
)
def test_send(scene: Scene, words: tuple[str, ...], kind: int) -> None:
    before = int(scene.tools.cast("nonce", GIVER))
    receipt = scene.tools.cast_json("send", scene.box, "give()", "--value", "1", *words)
    assert (int(receipt["status"], 16), int(receipt["type"], 16)) == (1, kind)
    assert (to_checksum_address(receipt["from"]), len(receipt["logs"])) == (GIVER, 1)
    assert int(scene.tools.cast("nonce", GIVER)) == before + 1


def test_send_with_a_delegation(scene: Scene) -> None:
    key = keccak(text="a wallet that delegates").hex()
    wallet = Account.from_key(key).address
    authorisation = scene.tools.cast("wallet", "sign-auth", scene.box, "--private-key", key, "--nonce", "0", "--chain", "31337")
    receipt = scene.tools.cast_json("send", wallet, "give()", "--value", "1", "--auth", authorisation, "--private-key", KEYS[1])
    assert (int(receipt["status"], 16), int(receipt["type"], 16)) == (1, 4)
    assert scene.tools.cast("code", wallet) == f"0xef0100{scene.box[2:].lower()}"
    assert scene.tools.cast("call", wallet, "coins()(uint256)") == "1"


def test_send_that_cannot_go_through(scene: Scene) -> None:
    assert "execution reverted" in scene.tools.cast_error("send", scene.box, "give()", "--private-key", KEYS[1])
    poor = keccak(text="a poor wallet").hex()
    assert "insufficient funds" in scene.tools.cast_error("send", scene.box, "--value", "1", "--private-key", poor, "--gas-limit", "60000")
    low = ("send", scene.box, "--value", "1", "--private-key", KEYS[1], "--nonce", "0", "--gas-limit", "60000")
    assert "nonce too low" in scene.tools.cast_error(*low)


def test_send_that_reverts_has_a_receipt(scene: Scene) -> None:
    done = scene.tools.run("cast", "send", scene.box, "give()", "--private-key", KEYS[1], "--gas-limit", "60000", "--json")
    assert json.loads(done.stdout)["status"] == "0x0"


def test_transactions_made_and_published_apart(scene: Scene) -> None:
    raw = scene.tools.cast("mktx", scene.box, "give()", "--value", "1", "--private-key", KEYS[1])
    sent = scene.tools.cast("publish", "--async", raw)
    assert sent == "0x" + keccak(hexstr=raw).hex()
    assert scene.tools.cast("tx", sent, "--raw") == raw


def test_logs_by_event_address_and_argument(scene: Scene) -> None:
    query = ("logs", "--from-block", str(scene.first), "--to-block", str(scene.first + 1), "--address", scene.box)
    logs = scene.tools.cast_json(*query)
    assert [log["transactionHash"] for log in logs] == list(scene.hashes)
    assert [log["transactionHash"] for log in scene.tools.cast_json(*query, GIVEN, GIVER)] == list(scene.hashes)
    assert scene.tools.cast_json(*query, GIVEN, STRANGER) == []
    assert [int(log["data"][:66], 16) for log in logs] == [5, 6]


def test_storage_now_and_then(scene: Scene) -> None:
    assert int(scene.tools.cast("storage", scene.box, "0", "--block", str(scene.first)), 16) == 1
    assert int(scene.tools.cast("storage", scene.box, "0", "--block", str(scene.first + 1)), 16) == 2


def test_run_replays_a_transaction(scene: Scene) -> None:
    for words in ((), ("--quick",)):
        replayed = scene.tools.cast("run", scene.hashes[1], *words)
        assert f"{scene.box}::give" in replayed
        assert "Transaction successfully executed." in replayed
        receipt = scene.tools.cast_json("receipt", scene.hashes[1])
        assert f"Gas used: {int(receipt['gasUsed'], 16)}" in replayed


def test_traces_of_the_node(scene: Scene) -> None:
    (call,) = json.loads(scene.tools.cast("trace", scene.hashes[0]))
    assert (call["action"]["to"], call["action"]["value"], call["transactionHash"]) == (scene.box.lower(), "0x5", scene.hashes[0])
    raw = scene.tools.cast("mktx", scene.box, "give()", "--value", "9", "--private-key", KEYS[1])
    traced = json.loads(scene.tools.cast("trace", "--raw", "--trace", "--state-diff", raw))
    assert traced["trace"][0]["action"]["value"] == "0x9"
    assert scene.box.lower() in traced["stateDiff"]
    tree = scene.tools.cast_json("rpc", "debug_traceTransaction", scene.hashes[0], '{"tracer": "callTracer"}')
    assert (tree["to"], tree["value"]) == (scene.box.lower(), "0x5")


def test_an_access_list_can_be_sent(scene: Scene) -> None:
    made = scene.tools.cast_json("access-list", scene.box, "give()", "--value", "1", "--from", GIVER)
    assert [(item["address"], len(item["storageKeys"])) for item in made["accessList"]] == [(scene.box.lower(), 2)]
    words = ("send", scene.box, "give()", "--value", "1", "--private-key", KEYS[1])
    receipt = scene.tools.cast_json(*words, "--access-list", json.dumps(made["accessList"]))
    assert (receipt["status"], receipt["gasUsed"]) == ("0x1", made["gasUsed"])


def test_proof_holds_what_the_state_holds(scene: Scene) -> None:
    proof = scene.tools.cast_json("proof", scene.box, "0x0", "--block", str(scene.first + 1))
    root = scene.tools.cast("block", str(scene.first + 1), "--field", "stateRoot")
    assert "0x" + keccak(hexstr=proof["accountProof"][0]).hex() == root
    assert (int(proof["balance"], 16), int(proof["storageProof"][0]["value"], 16)) == (11, 2)
    assert "0x" + keccak(hexstr=proof["storageProof"][0]["proof"][0]).hex() == proof["storageHash"]
    assert scene.tools.cast("codehash", scene.box) == "0x" + keccak(hexstr=scene.tools.cast("code", scene.box)).hex()
    assert scene.tools.cast("storage-root", GIVER) == EMPTY_ROOT


def test_blocks(scene: Scene) -> None:
    block = scene.tools.cast_json("block", str(scene.first))
    assert block["transactions"] == [scene.hashes[0]]
    assert scene.tools.cast("block", str(scene.first), "--field", "hash") == block["hash"]
    full = scene.tools.cast_json("block", block["hash"], "--full")
    assert full["transactions"][0]["hash"] == scene.hashes[0]
    assert int(scene.tools.cast("block-number")) >= scene.first + 1
    found = scene.tools.cast("find-block", str(int(block["timestamp"], 16)))
    assert scene.tools.cast("block", found, "--field", "timestamp") == str(int(block["timestamp"], 16))
    assert scene.tools.cast("basefee", str(scene.first)) == str(int(block["baseFeePerGas"], 16))


def test_transactions_and_receipts(scene: Scene) -> None:
    transaction = scene.tools.cast_json("tx", scene.hashes[0])
    assert (transaction["blockNumber"], int(transaction["value"], 16)) == (hex(scene.first), 5)
    assert scene.tools.cast("tx", scene.hashes[0], "nonce") == str(int(transaction["nonce"], 16))
    receipt = scene.tools.cast_json("receipt", scene.hashes[0])
    assert (receipt["blockNumber"], receipt["status"], len(receipt["logs"])) == (hex(scene.first), "0x1", 1)
    assert "not found" in scene.tools.cast_error("tx", "0x" + "11" * 32)


def test_accounts(scene: Scene) -> None:
    assert scene.tools.cast("balance", scene.box, "--block", str(scene.first + 1)) == "11"
    assert scene.tools.cast("code", GIVER) == "0x"
    assert int(scene.tools.cast("codesize", scene.box)) == len(scene.tools.cast("code", scene.box)) // 2 - 1
    nonce = int(scene.tools.cast("nonce", OWNER))
    before, after = (get_create_address(to_checksum_address(OWNER), Nonce(number)) for number in (nonce - 1, nonce))
    assert before == scene.box
    assert scene.tools.cast("compute-address", OWNER) == f"Computed Address: {after}"


def test_the_chain(scene: Scene) -> None:
    assert scene.tools.cast("chain-id") == "31337"
    assert int(scene.tools.cast("gas-price")) > 0
    assert scene.tools.cast("client") == scene.tools.ask("web3_clientVersion")
    assert scene.tools.cast_json("rpc", "eth_getBlockByNumber", "latest", "false")["number"] == scene.tools.ask("eth_blockNumber")
    assert scene.tools.cast_json("tx-pool", "status") == {"pending": "0x0", "queued": "0x0"}
    assert "does not exist" in scene.tools.cast_error("rpc", "eth_nothing")


def test_the_same_port_speaks_websocket(scene: Scene) -> None:
    socket = scene.tools.url.replace("http://", "ws://")
    assert scene.tools.cast("chain-id", "--rpc-url", socket) == "31337"
    receipt = scene.tools.cast_json("send", scene.box, "give()", "--value", "1", "--private-key", KEYS[1], "--rpc-url", socket)
    assert receipt["status"] == "0x1"
