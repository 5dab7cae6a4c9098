"""`zerog chain import` and what `zerog chain run` then serves: a chain of the executable specification that crosses every fork."""

import json
import lzma
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests.crash.faults import Call, Fault, calls_on, run_traced
from tests.devnet.command import START_S_MAX, Zerog
from tests.devnet.questions import Question, questions
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.foreign_chain import GETTER, BlockFacts, ForeignChain, load
from zerog._kernel import keccak256
from zerog.chain.protocol.block_file import split_blocks

BLOB_GAS = 131_072
"""Of one blob. Source: EIP-4844."""
QUESTIONS_AT_ONCE = 250
KILLS = 30 if LONG else 3
ATTEMPTS = 12
"""By then any number has come down to 1."""
NO_CODE = "0x" + keccak256(b"").hex()
VECTOR = Path(__file__).parents[1] / "ledger" / "vectors" / "every_fork"


@pytest.fixture
def zerog(tmp_path: Path) -> Zerog:
    return Zerog(tmp_path)


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    """The chain as a file."""
    path = tmp_path / "chain.rlp"
    path.write_bytes(lzma.decompress((VECTOR / "chain.rlp.xz").read_bytes()))
    return path


class Served:
    """A node that serves the folder."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=START_S_MAX)
        self.asked = 0

    def answer(self, method: str, *parameters: object) -> dict[str, Any]:
        self.asked += 1
        answer: dict[str, Any] = self.http.post("", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).json()
        return answer

    def ask(self, method: str, *parameters: object) -> Any:
        answer = self.answer(method, *parameters)
        assert "error" not in answer, answer
        return answer["result"]


@contextmanager
def serving(zerog: Zerog) -> Iterator[Served]:
    process = zerog.begin("chain", "run", "--rpc-port", "0")
    try:
        assert process.stdout is not None
        served = Served(process.stdout.readline().strip())
        with served.http:
            yield served
    finally:
        process.terminate()
        try:
            process.communicate(timeout=START_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def take(zerog: Zerog, path: Path, genesis: Path = VECTOR / "genesis.json", *, expect: int = 0) -> subprocess.CompletedProcess[str]:
    return zerog.run("chain", "import", "--json", "--genesis", str(genesis), str(path), expect=expect)


def test_a_chain_across_every_fork_is_imported_and_served(zerog: Zerog, blocks: Path) -> None:
    chain = load(VECTOR)
    done = json.loads(take(zerog, blocks).stdout)
    assert done == {"head": len(chain.blocks), "hash": chain.blocks[-1].hash, "taken": len(chain.blocks), "known": 0}
    with serving(zerog) as node:
        compare(chain, node)
        assert node.asked >= 50
        for method in ("evm_mine", "anvil_setBalance", "eth_sendTransaction"):
            assert node.answer(method)["error"]["code"] == -32601
        refused = node.answer("eth_sendRawTransaction", "0x01")["error"]
        assert "nobody makes blocks for it here" in refused["message"]
        assert node.ask("eth_getBlockByNumber", "pending", False)["hash"] == chain.blocks[-1].hash
        assert node.http.get("/readyz").status_code == 200
    assert json.loads(take(zerog, blocks).stdout) == {**done, "taken": 0, "known": len(chain.blocks)}


def compare(chain: ForeignChain, node: Served) -> None:
    """Blocks, receipts, accounts, storage, calls and logs as the specification has them."""
    assert node.ask("eth_blockNumber") == hex(len(chain.blocks))
    logs = blobs = 0
    for block in chain.blocks:
        height = hex(block.number)
        assert node.ask("eth_getBlockByNumber", height, False)["hash"] == block.hash
        receipts = node.ask("eth_getBlockReceipts", height)
        assert [receipt["transactionHash"] for receipt in receipts] == [receipt.hash for receipt in block.receipts]
        assert [receipt.get("root") for receipt in receipts] == [receipt.root for receipt in block.receipts]
        with_blobs = [receipt for receipt in receipts if receipt["type"] == "0x3"]
        assert [receipt for receipt in receipts if "blobGasPrice" in receipt] == with_blobs
        assert all(int(receipt["blobGasUsed"], 16) % BLOB_GAS == 0 < int(receipt["blobGasPrice"], 16) for receipt in with_blobs)
        blobs += len(with_blobs)
        found = node.ask("eth_getLogs", {"blockHash": block.hash})
        assert [{key: log[key] for key in ("address", "topics", "data")} for log in found] == [
            log for receipt in block.receipts for log in receipt.logs
        ]
        logs += len(found)
        assert block.facts is not None
        for address, (nonce, balance, code_hash) in block.facts.accounts.items():
            assert node.ask("eth_getTransactionCount", address, height) == hex(nonce)
            assert node.ask("eth_getBalance", address, height) == hex(balance)
            assert "0x" + keccak256(bytes.fromhex(node.ask("eth_getCode", address, height)[2:])).hex() == code_hash
        for address, slot, value in block.facts.slots:
            assert int(node.ask("eth_getStorageAt", address, slot, height), 16) == value
            if address == "0x" + GETTER.hex():
                assert int(node.ask("eth_call", {"to": address, "data": slot}, height), 16) == value
    assert len(node.ask("eth_getLogs", {"fromBlock": "earliest", "toBlock": "latest"})) == logs > 0
    assert blobs > 0
    assert node.ask("eth_blobBaseFee") == node.ask("eth_feeHistory", "0x1", "latest", [])["baseFeePerBlobGas"][0]


def test_whatever_is_asked_of_it_the_specification_says_the_same(zerog: Zerog, blocks: Path) -> None:
    """Of the last block of each fork: header, body, receipts, logs, traces, state and proofs, by every way that leads there."""
    chain, raw_blocks = load(VECTOR), list(split_blocks([blocks.read_bytes()]))
    take(zerog, blocks)
    with serving(zerog) as node:
        asked = Counter(hold_against(node, list(questions(chain, raw_blocks))))
        for block in chain.blocks:
            prove(node, block)
    assert len(asked) >= 24  # Methods,
    assert asked.total() > 5_000  # and questions.


def hold_against(node: Served, asked: Sequence[Question]) -> Iterator[str]:
    """Ask in batches; yields the method of each question that was answered as expected."""
    for begin in range(0, len(asked), QUESTIONS_AT_ONCE):
        part = asked[begin : begin + QUESTIONS_AT_ONCE]
        calls = [{"jsonrpc": "2.0", "id": index, "method": it.method, "params": it.parameters} for index, it in enumerate(part)]
        answers = {answer["id"]: answer for answer in node.http.post("", json=calls).json()}
        for index, question in enumerate(part):
            assert "error" not in answers[index], (question, answers[index])
            assert question.found(answers[index]["result"]) == question.expected, question
            yield question.method


def prove(node: Served, block: BlockFacts) -> None:
    """Every account and slot leads to the state root that the specification has."""
    assert block.facts is not None
    slots: dict[str, dict[str, int]] = {address: {} for address in block.facts.accounts}
    for address, slot, value in block.facts.slots:
        slots[address][slot] = value
    for address, (nonce, balance, code_hash) in block.facts.accounts.items():
        proof = node.ask("eth_getProof", address, list(slots[address]), hex(block.number))
        assert "0x" + keccak256(bytes.fromhex(proof["accountProof"][0][2:])).hex() == block.state_root
        if (nonce, balance, code_hash) != (0, 0, NO_CODE):
            assert (proof["nonce"], proof["balance"], proof["codeHash"]) == (hex(nonce), hex(balance), code_hash)
        assert {it["key"]: int(it["value"], 16) for it in proof["storageProof"]} == slots[address]


def test_what_comes_before_damage_is_taken_and_the_rest_later(zerog: Zerog, blocks: Path, tmp_path: Path) -> None:
    whole = blocks.read_bytes()
    torn = tmp_path / "torn.rlp"
    torn.write_bytes(whole[: len(whole) // 2])
    refused = take(zerog, torn, expect=1)
    assert "block_file_damaged" in refused.stderr
    assert "remedy: " in refused.stderr
    done = json.loads(take(zerog, blocks).stdout)
    assert done["known"] > 5
    assert done["taken"] > 5
    assert done["taken"] + done["known"] == done["head"]


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What an import writes when nothing happens: files, as names in the chain's folder, and calls on them."""

    files: tuple[str, ...]
    calls: tuple[Call, ...]


def importing(folder: Path, blocks: Path) -> Sequence[str]:
    folder.mkdir(exist_ok=True)
    return Zerog(folder).arguments("chain", "import", "--json", "--genesis", str(VECTOR / "genesis.json"), str(blocks))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The first run tells the files, the second the calls on those that stay: names of temporary ones are never the same."""
    base = tmp_path_factory.mktemp("undisturbed")
    chain = base / "chain.rlp"
    chain.write_bytes(lzma.decompress((VECTOR / "chain.rlp.xz").read_bytes()))
    names: list[str] = []
    calls: list[Call] = []
    for run in ("first", "second"):
        kept = base / run / ".zerog" / "chain"
        seen = run_traced(importing(base / run, chain), base / "trace", files=[kept / name for name in names], cwd=base)
        assert seen.status == 0, seen.errors
        files, calls = calls_on(kept, seen.trace)
        names = sorted(str(path.relative_to(kept)) for path in files if path.exists())
    return Undisturbed(tuple(names), tuple(calls))


@pytest.mark.parametrize("point", range(KILLS))
def test_an_import_that_is_killed_anywhere_can_be_done_again(undisturbed: Undisturbed, blocks: Path, tmp_path: Path, point: int) -> None:
    """Killed at one of the calls by which it writes, drawn by the number of the commit."""
    call = Random(f"import {commit_seed()} {point}").choice(undisturbed.calls)
    print(f"seed {commit_seed()}, point {point}: {call}")
    folder = killed_at(call, undisturbed, blocks, tmp_path)
    done = json.loads(take(Zerog(folder), blocks).stdout)
    expected = load(VECTOR).blocks[-1]
    assert (done["head"], done["hash"], done["taken"] + done["known"]) == (expected.number, expected.hash, expected.number)
    with serving(Zerog(folder)) as node:
        assert node.ask("eth_getBlockByNumber", "latest", False)["stateRoot"] == expected.state_root


def killed_at(call: Call, undisturbed: Undisturbed, blocks: Path, base: Path) -> Path:
    """The folder of an import that was killed at a call, or at an earlier one where fewer were made than in the run before."""
    missing: str | None = None
    for attempt in range(ATTEMPTS):
        folder, fault = base / f"broken-{attempt}", Fault(call, "KILL")
        watched = [folder / ".zerog" / "chain" / name for name in undisturbed.files]
        missing = run_traced(importing(folder, blocks), base / "trace", files=watched, fault=fault, cwd=base).missing(fault)
        if missing is None:
            return folder
        call = Call(call.name, max(1, call.number * 2 // 3))
    raise AssertionError(missing)


def test_a_block_that_does_not_follow_is_named(zerog: Zerog, blocks: Path, tmp_path: Path) -> None:
    parts = list(split_blocks([blocks.read_bytes()]))
    parts[6:8] = [parts[7], parts[6]]
    swapped = tmp_path / "swapped.rlp"
    swapped.write_bytes(b"".join(parts))
    refused = take(zerog, swapped, expect=1)
    assert "error [block_refused]: block 8 (0x" in refused.stderr
    assert "its parent hash is 0x" in refused.stderr
    assert "\nremedy: " in refused.stderr


def test_files_that_cannot_be_read_are_told_by_name(zerog: Zerog, blocks: Path, tmp_path: Path) -> None:
    for path, genesis, named in (
        (tmp_path / "nowhere.rlp", VECTOR / "genesis.json", "nowhere.rlp"),
        (tmp_path, VECTOR / "genesis.json", str(tmp_path)),
        (blocks, tmp_path / "nowhere.json", "nowhere.json"),
    ):
        refused = take(zerog, path, genesis, expect=1)
        assert refused.stderr.startswith("error [file_unreadable]: ")
        assert named in refused.stderr
        assert "\nremedy: " in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not (tmp_path / ".zerog").exists()


def test_a_folder_holds_one_chain(zerog: Zerog, blocks: Path, tmp_path: Path) -> None:
    take(zerog, blocks)
    other = tmp_path / "other.json"
    genesis = json.loads((VECTOR / "genesis.json").read_text(encoding="utf-8"))
    other.write_text(json.dumps({**genesis, "extraData": "0x01"}), encoding="utf-8")
    assert "genesis_refused" in take(zerog, blocks, other, expect=1).stderr
    other.write_text("{", encoding="utf-8")
    assert "genesis_refused" in take(Zerog(tmp_path / "second"), blocks, other, expect=1).stderr
    own = Zerog(tmp_path / "own")
    own.up()
    own.down()
    assert "genesis_refused" in take(own, blocks, expect=1).stderr
