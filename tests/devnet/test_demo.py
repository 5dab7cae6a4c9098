"""`zerog demo` on a real network: every proof that it shows is checked again by other means, and what it keeps outlives the provider."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from tests.devnet.command import Zerog, ask
from zerog.compute.wire.answer_file import AnswerFile, read_answer_file
from zerog.da.client import BlobUnconfirmedError
from zerog.da.client.retriever import AsyncRetrieverClient
from zerog.da.protocol.names import BlobName
from zerog.devnet.endpoints import Endpoints
from zerog.primitives import Hash32
from zerog.sdk import connect
from zerog.testing.upstream import serve_upstream

DEMO_S_MAX = 300.0
"""Far more than the minute that it has, since other tests run beside this one."""
WIDTH = 72
SECTOR_BYTES = 256
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Told:
    """What one run has told, and left behind."""

    zerog: Zerog
    endpoints: Endpoints
    page: str
    kept: Path
    facts: dict[str, Any]

    def result(self, step: str) -> dict[str, Any]:
        return result_of(self.facts, step)

    @property
    def answer(self) -> AnswerFile:
        return read_answer_file((self.kept / "answer.json").read_bytes())

    def receipt_of(self, transaction_hash: str) -> dict[str, Any]:
        """What the chain says of a transaction that succeeded, by JSON-RPC alone."""
        receipt = ask(self.endpoints, "eth_getTransactionReceipt", transaction_hash)
        assert isinstance(receipt, dict)
        assert receipt["status"] == "0x1"
        return receipt


def result_of(facts: dict[str, Any], step: str) -> dict[str, Any]:
    [found] = [one["result"] for one in facts["steps"] if one["step"] == step]
    return dict(found)


def run_demo(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = Zerog(folder).arguments("demo", *words)
    return subprocess.run(command, capture_output=True, text=True, timeout=DEMO_S_MAX, check=False, env=os.environ | environment)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    zerog, kept = Zerog(tmp_path_factory.mktemp("demo")), tmp_path_factory.mktemp("kept") / "life"
    endpoints = zerog.up()
    done = run_demo(zerog.folder, "--keep", str(kept), COLUMNS=str(WIDTH))
    assert done.returncode == 0, done.stderr
    yield Told(zerog, endpoints, done.stdout, kept, json.loads((kept / "demo.json").read_bytes()))
    zerog.down()


def test_a_person_can_read_the_page_on_a_narrow_terminal_and_in_a_file(told: Told) -> None:
    lines = told.page.splitlines()
    assert "\x1b" not in told.page
    assert [line for line in lines if len(line) > WIDTH and not line.startswith("  zerog verify ")] == []
    titles = ["Store", "Ask", "Receipt", "Settle", "Publish", "Verify", "Replay", "Refuse"]
    assert [line for line in lines if re.match(r"\d ", line)] == [f"{number} {title}" for number, title in enumerate(titles, 1)]
    assert lines.count("  NOT PROVEN") == 2
    assert " ".join(told.result("ask")["text"].split()) in " ".join(told.page.split())
    assert re.search(r"^total +\d+\.\d s +0\.\d{9}$", told.page, re.MULTILINE)


# ---- proofs, checked again ---------------------------------------------------------------------------------------


def folded(nodes: Sequence[bytes]) -> bytes:
    """The root above some nodes: neighbours together, an odd last one as it is."""
    while len(nodes) > 1:
        odd = nodes[-1:] if len(nodes) % 2 else []
        nodes = [*(keccak(left + right) for left, right in zip(nodes[::2], nodes[1::2], strict=False)), *odd]
    return nodes[0]


def test_the_text_has_the_root_and_the_chain_and_storage_have_it(told: Told) -> None:
    stored, data = told.result("store"), (told.kept / "gettysburg.txt").read_bytes()
    padded = data.ljust(-(-len(data) // SECTOR_BYTES) * SECTOR_BYTES, b"\0")
    root = folded([keccak(padded[at : at + SECTOR_BYTES]) for at in range(0, len(padded), SECTOR_BYTES)])
    assert stored["root"] == f"0x{root.hex()}"
    told.receipt_of(stored["transaction_hash"])
    assert told.endpoints.storage is not None
    found = httpx.get(f"{told.endpoints.storage.indexer}/file", params={"root": stored["root"]}, timeout=DEMO_S_MAX)
    assert found.content == data == (ROOT / "examples" / "gettysburg.txt").read_bytes()


def test_the_request_names_and_quotes_the_text(told: Told) -> None:
    [message] = json.loads(told.answer.request.body)["messages"]
    assert told.result("store")["root"] in message["content"]
    assert (told.kept / "gettysburg.txt").read_text(encoding="utf-8") in message["content"]
    assert told.result("ask")["question"] in message["content"]


def test_the_receipt_has_its_hash_and_the_signature_of_the_signer_on_chain(told: Told) -> None:
    signed = told.answer.receipt
    assert signed is not None
    [plain] = re.findall(rb'"receipt":\{"leaf":"0x[0-9a-f]{64}","receipt":(\{.*?\}),"signature"', (told.kept / "answer.json").read_bytes())
    leaf = keccak(b"\0" + plain)
    assert told.result("receipt")["leaf"] == f"0x{leaf.hex()}"
    text = encode_defunct(text=f"zerog-receipt-v1:{leaf.hex()}")
    assert told.endpoints.compute is not None
    [provider] = told.endpoints.compute.providers
    assert Account.recover_message(text, signature=signed.signature) == provider.signer == told.result("receipt")["signer"]
    assert json.loads(plain)["fee"] == told.result("ask")["fee_wei"]


def test_the_settlement_is_a_transaction_to_the_market_with_the_root_over_the_published_receipts(told: Told) -> None:
    paid, published = told.result("settle"), json.loads((told.kept / "receipts.json").read_bytes())
    receipt = told.receipt_of(paid["transaction_hash"])
    assert receipt["to"] == str(told.endpoints.contracts["InferenceServing"]).lower()
    sent = ask(told.endpoints, "eth_getTransactionByHash", paid["transaction_hash"])
    assert isinstance(sent, dict)
    assert paid["receipts_root"].removeprefix("0x") in sent["input"]
    [entry] = [entry for entry in published["entries"] if entry["requests_hash"] == paid["receipts_root"]]
    amount = int(entry["amounts"][0])
    assert (len(entry["amounts"]), amount) == (1, int(paid["paid_wei"]))
    # One receipt is a tree of one leaf: its hash, and what it asks for.
    top = bytes.fromhex(told.result("receipt")["leaf"].removeprefix("0x")) + amount.to_bytes(32, "big")
    assert keccak(b"\2" + (1).to_bytes(8, "big") + top).hex() == paid["receipts_root"].removeprefix("0x")


def test_the_published_receipts_are_a_file_of_storage_and_a_blob_of_da_that_a_quorum_confirmed(told: Told) -> None:
    published, data = told.result("publish"), (told.kept / "receipts.json").read_bytes()
    told.receipt_of(published["transaction_hash"])
    assert told.endpoints.storage is not None
    found = httpx.get(f"{told.endpoints.storage.indexer}/file", params={"root": published["root"]}, timeout=DEMO_S_MAX)
    assert found.content == data
    confirmed = told.receipt_of(published["confirmation_transaction_hash"])
    assert confirmed["to"] == str(told.endpoints.contracts["DAEntrance"]).lower()
    assert any(published["blob_root"].removeprefix("0x") in log["data"] for log in confirmed["logs"])
    assert (published["signers"], published["rows_signed"], published["rows_needed"]) == (3, 3072, 2048)
    assert told.endpoints.da is not None
    retriever = told.endpoints.da.retriever
    name = BlobName(Hash32.from_json(published["blob_root"]), published["epoch"], published["quorum_id"])

    async def retrieved() -> bytes:
        async with AsyncRetrieverClient(retriever) as client:
            return await client.retrieve(name)

    assert anyio.run(retrieved) == data


def test_a_blob_that_nobody_dispersed_has_no_confirmation(told: Told) -> None:
    with connect("local", folder=told.zerog.folder) as network, pytest.raises(BlobUnconfirmedError):
        network.da.confirmation(Hash32(bytes(32)), timeout_s=0.0)


def test_the_verdicts_say_what_is_proven_and_what_is_not(told: Told) -> None:
    verified, replayed = told.result("verify"), told.result("replay")
    assert (verified["state"], replayed["grade"]) == ("simulated, settled", "replayed")
    assert verified["data_root"] == told.result("store")["root"]
    assert any("simulated" in line for line in verified["not_proven"])
    assert {line for line in verified["not_proven"] if line not in replayed["not_proven"]} == {
        "that it is the model which computed the answer"
    }
    assert f"each of its {told.result('ask')['completion_tokens']} tokens was chosen again" in replayed["what"]


def test_costs_are_what_left_the_account_on_chain(told: Told) -> None:
    """Beside what lies in the ledger, which can be taken back."""
    assert told.facts["cost_wei"] == str(sum(int(step["cost_wei"]) for step in told.facts["steps"]))
    costs = {step["step"]: int(step["cost_wei"]) for step in told.facts["steps"]}
    stored = told.receipt_of(told.result("store")["transaction_hash"])
    gas_wei = int(stored["gasUsed"], 16) * int(stored["effectiveGasPrice"], 16)
    assert costs["store"] == gas_wei + int(told.result("store")["fee_wei"])
    assert costs["settle"] == int(told.result("ask")["fee_wei"])
    assert costs["ask"] > 0  # The gas of moving money into the ledger and to the provider.
    assert not any(costs[name] for name in ("receipt", "publish", "verify", "replay", "refuse"))


# ---- what was kept -----------------------------------------------------------------------------------------------


def test_every_changed_file_is_refused_by_the_command_too_for_the_reason_that_was_told(told: Told) -> None:
    refusals = told.result("refuse")["refusals"]
    assert [refusal["check"] for refusal in refusals] == ["signature", "receipt", "signature", "data"]
    for refusal in refusals:
        changed = told.kept / refusal["path"]
        answer, text = (told.kept / "answer.json", changed) if changed.suffix == ".txt" else (changed, told.kept / "gettysburg.txt")
        done = told.zerog.run("verify", str(answer), "--data", str(text), expect=1)
        assert f"error [answer_refuted]: {refusal['check']}: {refusal['reason']}" in done.stderr


def test_a_folder_that_is_in_use_is_refused_before_anything_is_paid(told: Told) -> None:
    done = run_demo(told.zerog.folder, "--keep", str(told.kept))
    assert done.returncode == 1
    assert "error [demo_folder]" in done.stderr
    assert done.stdout == ""


def test_a_second_run_pays_for_no_file_again_and_gets_the_same_answer(told: Told) -> None:
    """The same bits on every machine: same text, same root, same prompt, same tokens."""
    done = run_demo(told.zerog.folder, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    stored, first = result_of(facts, "store"), told.result("store")
    assert (stored["was_there"], stored["fee_wei"], facts["steps"][0]["cost_wei"]) == (True, "0", "0")
    assert (stored["root"], stored["transaction_hash"]) == (first["root"], first["transaction_hash"])
    assert [result_of(facts, "ask")[name] for name in ("text", "prompt_tokens")] == [
        told.result("ask")[name] for name in ("text", "prompt_tokens")
    ]
    assert result_of(facts, "settle")["transaction_hash"] != told.result("settle")["transaction_hash"]


def test_the_kept_bytes_prove_the_answer_when_provider_storage_and_da_are_gone(told: Told) -> None:
    """The last of this network: its provider never comes back."""
    told.zerog.down()
    for role in ("compute", "storage", "da"):
        shutil.rmtree(told.zerog.folder / ".zerog" / role)
    told.zerog.up("--only", "chain")
    kept = [str(told.kept / "answer.json"), "--data", str(told.kept / "gettysburg.txt")]
    verdict = json.loads(told.zerog.run("verify", *kept, "--settled", "--replay", "--json").stdout)
    assert (verdict["state"], verdict["enough"]) == ("replayed, settled", True)
    assert verdict["data"]["root"] == told.result("store")["root"]


# ---- where nobody can make the answer again ----------------------------------------------------------------------


def test_before_another_engine_it_proves_all_but_the_replay_and_says_so(tmp_path: Path) -> None:
    zerog, kept = Zerog(tmp_path), tmp_path / "life"
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve_upstream()) as upstream:
        zerog.up("--engine", upstream.url)
        done = run_demo(tmp_path, "--keep", str(kept), COLUMNS=str(WIDTH))
        saved = [str(kept / "answer.json"), "--data", str(kept / "gettysburg.txt")]
        verdict = json.loads(zerog.run("verify", *saved, "--settled", "--json").stdout)
        refused = zerog.run("verify", *saved, "--replay", expect=1)
        zerog.down()
    why = "the engine 'openai' computed it, which names no model's file; only answers of the exact engine can be made again"
    assert done.returncode == 1
    assert f"error [demo_not_replayed]: the answer was not replayed: {why}\nremedy: use a network whose provider" in done.stderr
    page = " ".join(done.stdout.split())
    assert f"state simulated not run {why} NOT PROVEN - " in page
    assert f"- that the model gives these bytes again: {why} - that it is the model which computed the answer" in page
    assert re.search(r"^replay +simulated: not replayed ", done.stdout, re.MULTILINE)
    assert re.search(r"^refuse +4 of 4 changes refused ", done.stdout, re.MULTILINE)
    assert "--replay" not in done.stdout + (kept / "README.txt").read_text()
    replayed = result_of(json.loads((kept / "demo.json").read_bytes()), "replay")
    assert (replayed["grade"], replayed["what"], replayed["missing"]) == ("simulated", None, why)
    assert (verdict["state"], verdict["enough"]) == ("simulated, settled", True)
    assert "the list under NOT PROVEN says why" in refused.stderr
    assert why in " ".join(refused.stdout.split())


# ---- without a network -------------------------------------------------------------------------------------------


def test_without_a_model_it_says_how_to_get_one_and_the_network_that_it_started_is_gone(tmp_path: Path) -> None:
    models, temporary = tmp_path / "models", tmp_path / "temporary"
    models.mkdir()
    temporary.mkdir()
    done = run_demo(tmp_path, "--json", ZEROG_MODELS=str(models), TMPDIR=str(temporary))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no network runs here: one is started for this" in done.stderr
    assert "error [no_model]: nobody answers here" in done.stderr
    assert "remedy: fetch one with `zerog model pull`" in done.stderr
    assert list(temporary.iterdir()) == []
