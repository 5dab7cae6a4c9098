"""`zerog compute` and `zerog verify` on a running network: an answer is asked, paid, kept, settled and checked from a shell."""

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.devnet.command import Zerog
from zerog.cli.application import run
from zerog.cli.kept_answers import read_answer
from zerog.compute.wire.answer_file import ANSWER_FILE_BYTES_MAX


@dataclass
class Commands:
    """The commands in this process, which starts no interpreter for each."""

    folder: Path
    output: pytest.CaptureFixture[str]

    def run(self, *words: str, expect: int = 0, folder: Path | None = None) -> tuple[str, str]:
        """What was printed to stdout and to stderr; the exit code must be `expect`."""
        self.output.readouterr()
        code = run([*words, "--dir", str(folder or self.folder)])
        printed = self.output.readouterr()
        assert code == expect, f"{code}\n{printed.out}\n{printed.err}"
        return printed.out, printed.err

    def told(self, *words: str, expect: int = 0, folder: Path | None = None) -> Any:
        return json.loads(self.run(*words, "--json", expect=expect, folder=folder)[0])

    def refusal(self, *words: str) -> str:
        return self.run(*words, expect=1)[1]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zerog]:
    command = Zerog(tmp_path_factory.mktemp("compute"))
    command.up("--only", "chain", "--only", "compute")
    yield command
    command.down()


@pytest.fixture
def zerog(network: Zerog, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(network.folder, capfd)


def test_an_answer_is_asked_kept_settled_and_checked(zerog: Commands, network: Zerog, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    [service] = zerog.told("compute", "list", "--models")
    assert (service["simulated"], service["acknowledged"], service["models"]) == (True, True, [service["model"]])

    asked = network.run("compute", "chat", "Say", "hello.", "--max-tokens", "16", "--seed", "1", "--temperature", "0", "--save", str(file))
    assert asked.stdout.strip()
    assert "kept in" in asked.stderr
    assert file.stat().st_mode & 0o077 == 0
    shown = zerog.run("verify", str(file))[0]
    assert shown.startswith(f"{file}: simulated, ")
    assert "computed   by exact " in shown
    assert zerog.told("verify", str(file), "--replay")["grade"] == "replayed"
    proven, not_proven = shown.split("\nnot proven\n")
    assert "byte for byte" in proven
    assert "that there is an enclave at all" in not_proven

    settled = zerog.told("compute", "receipt", str(file), "--wait")
    verdict = zerog.told("verify", str(file), "--settled")
    assert (verdict["state"], verdict["enough"]) == ("simulated, settled", True)
    assert verdict["settled"]["transaction_hash"] == settled["transaction_hash"]
    assert zerog.told("verify", str(file), "--at-least", "signed", expect=1)["enough"] is False

    content = file.read_bytes()
    file.write_bytes(content.replace(b'"status":200', b'"status":201'))
    assert "error [answer_refuted]" in zerog.refusal("verify", str(file))
    file.write_bytes(content + b"\n")
    assert "error [answer_file]" in zerog.refusal("verify", str(file))


def test_one_url_is_all_that_a_verifier_needs(zerog: Commands, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    answer = zerog.told("compute", "chat", "Say hello.", "--max-tokens", "8", "--save", str(file), "--wait-settled")
    assert answer["settled"] is True
    url = json.loads((zerog.folder / ".zerog" / "endpoints.json").read_bytes())["chain"]["http"]
    verdict = zerog.told("verify", str(file), "--network", url, "--at-least", "simulated", folder=tmp_path)
    assert verdict["request_id"] == answer["request_id"]
    assert verdict["fee_wei"] == answer["fee_wei"]
    assert not zerog.told("verify", str(file), "--network", url, expect=1, folder=tmp_path)["enough"]


def test_an_encrypted_answer_streams_pays_and_proves_itself(zerog: Commands, network: Zerog, tmp_path: Path) -> None:
    open_file, sealed_file = tmp_path / "open.json", tmp_path / "sealed.json"
    asked = network.run("compute", "chat", "--encrypted", "Say", "hello.", "--max-tokens", "16", "--save", str(open_file), "--wait-settled")
    assert "with the key that opens it" in asked.stderr
    shown = zerog.run("verify", str(open_file), "--show")[0]
    assert shown.startswith(f"{open_file}: simulated, settled")
    assert "encrypted from end to end" in shown
    assert shown.rstrip().endswith(asked.stdout.strip())
    assert '"content": "Say hello."' in shown
    told = zerog.told("compute", "chat", "--encrypted", "Say hello.", "--max-tokens", "16", "--save", str(sealed_file), "--without-key")
    assert told["text"]
    verdict = zerog.told("verify", str(sealed_file), "--show")
    assert (verdict["encrypted"], verdict["request"], verdict["answer"]) == (True, None, None)
    assert b"hello" not in sealed_file.read_bytes()
    assert "error [simulated_evidence]" in zerog.refusal("compute", "chat", "--encrypted", "--enclave", "tdx", "Say hello.")
    assert "error [arguments]" in zerog.refusal("compute", "chat", "--without-key", "Say hello.")


def test_every_other_file_is_refused_in_words(zerog: Commands, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    zerog.told("compute", "chat", "Say hello.", "--max-tokens", "4", "--save", str(file))
    content = file.read_bytes()
    others = {
        "spaced": json.dumps(json.loads(content), indent=1).encode(),
        "utf-16": content.decode().encode("utf-16"),
        "marked": b"\xef\xbb\xbf" + content,
        "twice": content[:-1] + b',"version":1}',
        "deep": b"[" * 100_000,
        "text": b"hello",
        "empty": b"",
    }
    for name, other in others.items():
        (tmp_path / name).write_bytes(other)
        for command in (("verify",), ("compute", "receipt")):
            told = zerog.refusal(*command, str(tmp_path / name))
            assert told.startswith("error [answer_file]: this is no saved answer: "), name
            assert "\nremedy: " in told
    (tmp_path / "huge").touch()
    with (tmp_path / "huge").open("r+b") as huge:
        huge.truncate(ANSWER_FILE_BYTES_MAX + 1)
    assert "more than" in zerog.refusal("verify", str(tmp_path / "huge"))
    assert "error [file_unreadable]" in zerog.refusal("verify", str(tmp_path))
    assert "error [file_unreadable]" in zerog.refusal("verify", str(tmp_path / "nothing"))
    assert "error [node_unreachable]" in zerog.refusal("verify", str(file), "--network", "http://127.0.0.1:1")
    assert "error [answer_not_saved]" in zerog.refusal("compute", "chat", "Say hello.", "--save", str(tmp_path / "no" / "where.json"))
    assert "quote_verifier" in zerog.run("verify", str(file), "--at-least", "tdx", expect=1)[1]
    assert "--replay" in zerog.run("verify", str(file), "--at-least", "replayed", expect=1)[1]


def test_output_that_cannot_be_written_is_told_and_the_answer_is_kept(network: Zerog, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    for words in (
        ("compute", "chat", "Say hello.", "--max-tokens", "8", "--save", str(file)),
        ("verify", str(file)),
        ("verify", str(file), "--json"),
    ):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(network.arguments(*words), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr.count("error [output_lost]"), "Traceback" in done.stderr) == (1, 1, False), done.stderr
    assert file.exists(), "it is paid, so it is kept"


@pytest.mark.parametrize("times", [1, 2])
def test_an_answer_that_is_kept_is_read_on_after_the_first_interrupt(zerog: Commands, network: Zerog, tmp_path: Path, times: int) -> None:
    """It is charged in whole. The second interrupt gives it up."""
    file = tmp_path / "answer.json"
    asked = ("compute", "chat", "Tell me the story of a tree.", "--max-tokens", "700", "--seed", "1", "--temperature", "0")
    with subprocess.Popen(
        network.arguments(*asked, "--save", str(file)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        while "Ctrl-C again" not in process.stderr.readline():
            assert process.poll() is None
        if times == 2:
            process.send_signal(signal.SIGINT)
        printed = first + process.stdout.read()
        told = process.stderr.read()
        assert process.wait(60) == 130
    assert (f"the answer is kept in {file}" in told) == (times == 1)
    if times == 2:
        assert not file.exists()
        return
    events = [json.loads(line[6:]) for line in read_answer(file).response.body.splitlines() if line.startswith(b"data: {")]
    whole = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    assert whole.startswith(printed)
    assert len(printed) < len(whole) // 2
    assert zerog.told("verify", str(file))["state"].startswith("simulated")


def test_money_is_shown_and_moved(zerog: Commands) -> None:
    zerog.told("compute", "chat", "Say hello.", "--max-tokens", "8")
    [service] = zerog.told("compute", "list")
    before = zerog.told("compute", "account")
    zerog.told("compute", "fund", "deposit", "2")
    zerog.told("compute", "fund", "transfer", service["provider"], "0.5")
    after = zerog.told("compute", "account")
    assert int(after["ledger"]["total_wei"]) >= int(before["ledger"]["total_wei"]) + 10**18
    [item] = after["providers"]
    assert int(item["balance_wei"]) > int(before["providers"][0]["balance_wei"])
    waiting = zerog.told("compute", "fund", "retrieve")
    assert int(waiting["waiting_wei"]) > 0
    assert "asked back, refundable from" in zerog.run("compute", "account")[0]
    assert "error [amount_invalid]" in zerog.refusal("compute", "fund", "deposit", "much")
    assert "MinimumDepositRequired" in zerog.refusal("compute", "fund", "refund", "1.5")


def test_what_was_charged_is_listed(zerog: Commands) -> None:
    asked = [zerog.told("compute", "chat", "Say hello.", "--max-tokens", str(number)) for number in (3, 4)]
    listed = zerog.told("compute", "receipts", "--most", "2")
    assert [one["id"] for one in listed] == [one["request_id"] for one in reversed(asked)]
    assert [one["fee"] for one in listed] == [one["fee_wei"] for one in reversed(asked)]
    shown = zerog.run("compute", "receipts")[0]
    assert asked[0]["request_id"] in shown
    assert "error [insufficient_balance]" in zerog.run("compute", "receipts", "--key", "0x" + "77" * 32, listed[0]["provider"], expect=1)[1]
    assert "name the provider" in zerog.run("compute", "receipts", "--key", "0x" + "77" * 32, expect=1)[1]


def test_limits_and_keys(zerog: Commands) -> None:
    zerog.told("compute", "chat", "Say hello.", "--max-tokens", "8")
    [service] = zerog.told("compute", "list")
    made = zerog.told("compute", "key", "create", service["provider"], "--days", "1")
    assert made["key"].startswith("app-sk-")
    assert made["base_url"] == f"{service['url']}/v1/proxy"
    assert [record["number"] for record in zerog.told("compute", "key", "list")] == [made["number"]]
    zerog.run("compute", "key", "revoke", service["provider"], str(made["number"]))
    zerog.told("compute", "limit", "--per-call", "0.000000001")
    refused = zerog.refusal("compute", "chat", "Say hello.")
    assert "error [spend_limit]" in refused
    assert "zerog compute limit" in refused
    shown = zerog.told("compute", "limit", "--per-call", "none", "--allow", "0x" + "01" * 20)
    assert (shown["per_call_wei"], len(shown["providers"])) == (None, 1)
    assert "error [service_unknown]" in zerog.refusal("compute", "chat", "Say hello.")
    assert zerog.told("compute", "limit", "--allow-all")["providers"] == []
