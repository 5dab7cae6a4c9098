"""`zerog status`, `account` and `faucet` on a running network: one screen, money on every layer, and something to spend."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.devnet.command import Zerog
from zerog.cli.application import run
from zerog.devnet.endpoints import Endpoints

UNIT = 10**18
FIRST = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
"""The first test account."""


@dataclass
class Commands:
    """The commands in this process, which starts no interpreter for each."""

    folder: Path
    endpoints: Endpoints
    output: pytest.CaptureFixture[str]

    def run(self, *words: str, expect: int = 0) -> tuple[str, str]:
        """What was printed to stdout and to stderr; the exit code must be `expect`."""
        self.output.readouterr()
        code = run([*words, "--dir", str(self.folder)])
        printed = self.output.readouterr()
        assert code == expect, f"{code}\n{printed.out}\n{printed.err}"
        return printed.out, printed.err

    def told(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json")[0])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Zerog, Endpoints]]:
    command = Zerog(tmp_path_factory.mktemp("screen"))
    yield command, command.up()
    command.down()


@pytest.fixture
def zerog(network: tuple[Zerog, Endpoints], capfd: pytest.CaptureFixture[str]) -> Commands:
    command, endpoints = network
    return Commands(command.folder, endpoints, capfd)


def test_a_network_is_one_screen_with_every_layer_and_nothing_wrong(zerog: Commands) -> None:
    ends_s = time.monotonic() + 60
    while re.search(r"[2-9] files, ([2-9]) of \1 segments held", text := zerog.run("status")[0]) is None:  # They are counted each second.
        assert time.monotonic() < ends_s, text
    lines = text.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    for words in ("chain id 31337", "key-value  1 stream", "3 of 3 signers with 1,024 + 1,024 + 1,024 of 3,072", "1 request answered"):
        assert words in text
    assert "! " not in text
    assert zerog.endpoints.chain is not None
    assert zerog.endpoints.chain.http in text


def test_below_its_folder_a_network_is_pointed_to(zerog: Commands) -> None:
    (zerog.folder / "src").mkdir()
    code = run(["status", "--dir", str(zerog.folder / "src")])
    assert code == 3
    assert zerog.output.readouterr().err == f"one runs in a folder above: zerog status --dir {zerog.folder}\n"


def test_the_screen_comes_at_once(zerog: Commands) -> None:
    """The goal is 400 ms. Here the processor's time is held to it, as other tests run beside this one."""
    seconds = []
    for _ in range(5):
        before = os.times()
        done = subprocess.run(Zerog(zerog.folder).arguments("status"), capture_output=True, timeout=60, check=False)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert done.returncode == 0
    assert min(seconds) < 0.4, seconds


def test_programs_are_told_everything_but_keys(zerog: Commands) -> None:
    told = zerog.told("status")
    assert (told["running"], told["network"], told["chain_id"], told["troubles"]) == (True, "local", 31337, [])
    assert set(told["roles"]) == set(told["supervised"]) == {"chain", "storage", "da", "compute"}
    assert told["roles"]["da"]["books"]["quorum"]["rows_needed"] == 2048
    assert int(told["roles"]["compute"]["books"]["settled_wei"]) > 0
    assert set(told["memory_bytes"]) == {"supervisor", "chain", "storage", "da", "compute"}
    assert all(size > 1 << 20 for size in told["memory_bytes"].values())
    assert told["endpoints"]["accounts"] == []


def test_a_network_that_runs_already_says_where(zerog: Commands) -> None:
    done = subprocess.run(Zerog(zerog.folder).arguments("up", "--wait"), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"the network of {zerog.folder} runs already (pid {zerog.endpoints.pid})" in done.stderr
    assert zerog.endpoints.chain is not None
    assert zerog.endpoints.chain.http in done.stderr
    assert "`zerog status`" in done.stderr


def test_accounts_are_listed_with_who_pays_for_what(zerog: Commands) -> None:
    shown = zerog.run("account")[0]
    told = zerog.told("account")
    names = [one["name"] for one in told["accounts"]]
    assert names[:10] == [f"test {index}" for index in range(10)]
    assert {"storage 0", "compute 0", "compute 1", "da 0", "da 3"} <= set(names)
    provider = next(one for one in told["accounts"] if one["name"] == "compute 0")
    assert zerog.endpoints.compute is not None
    assert provider["address"] == zerog.endpoints.compute.providers[0].address
    assert provider["purpose"] in shown
    assert told["account"]["address"] == FIRST
    assert "private_key" not in json.dumps(told)
    key = zerog.endpoints.accounts[0].private_key
    assert key not in shown
    assert key in zerog.run("account", "--keys")[0]


def test_money_is_shown_on_every_layer(zerog: Commands) -> None:
    zerog.run("compute", "fund", "deposit", "3")
    assert zerog.endpoints.compute is not None
    provider = zerog.endpoints.compute.providers[0].address
    zerog.run("compute", "fund", "transfer", provider, "1.5")
    zerog.run("compute", "fund", "retrieve")
    own = zerog.told("account", FIRST)["account"]
    assert (own["compute"]["total_wei"], own["compute"]["available_wei"]) == (str(3 * UNIT), str(3 * UNIT // 2))
    [lies] = own["compute"]["providers"]
    assert (lies["provider"], lies["balance_wei"]) == (provider, str(3 * UNIT // 2))
    assert [refund["amount_wei"] for refund in lies["refunds"]] == [str(3 * UNIT // 2)]
    shown = zerog.run("account", FIRST)[0]
    assert "ledger 3 0G, of it 1.5 0G available" in shown
    assert "asked back, to be had from" in shown
    assert (own["w0g_wei"], own["storage_reward_wei"], own["da_reward_wei"], own["da_signer"]) == ("0", "0", "0", None)
    signer = next(one for one in zerog.told("account")["accounts"] if one["name"] == "da 1")
    standing = zerog.told("account", signer["address"])["account"]["da_signer"]
    assert (standing["votes"], standing["rows"], standing["rows_total"]) == (256, 1024, 3072)
    assert "a signer with 256 votes" in zerog.run("account", signer["address"])[0]


def test_a_key_is_made_for_its_owner_alone_and_the_faucet_gives_it_something(zerog: Commands, tmp_path: Path) -> None:
    file = tmp_path / "my.key"
    address = zerog.run("account", "new", str(file))[0].strip()
    assert file.stat().st_mode & 0o077 == 0
    assert "error [key_file]" in zerog.run("account", "new", str(file), expect=1)[1]
    assert zerog.told("account", "--key", file.read_text().strip())["account"]["balance_wei"] == "0"
    given = zerog.told("faucet", address, "--amount", "2.5")
    assert (given["amount_wei"], given["balance_wei"]) == (str(5 * UNIT // 2), str(5 * UNIT // 2))
    assert zerog.endpoints.chain is not None
    again = zerog.told("faucet", address.lower(), "--amount", "250wei", "--network", zerog.endpoints.chain.http)
    assert again["balance_wei"] == str(5 * UNIT // 2 + 250)
    assert again["block_number"] > given["block_number"]


def test_many_may_ask_the_faucet_at_once(zerog: Commands) -> None:
    address = "0x" + os.urandom(20).hex()
    with ThreadPoolExecutor(6) as askers:
        codes = list(askers.map(lambda _: run(["faucet", address, "--amount", "1", "--dir", str(zerog.folder)]), range(12)))
    assert codes == [0] * 12
    assert zerog.told("account", address)["account"]["balance_wei"] == str(12 * UNIT)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("faucet", FIRST[:-2] + "67"), "checksum_mismatch"),
        (("faucet", "0x12"), "address_malformed"),
        (("faucet", FIRST, "--amount", "0"), "faucet_amount"),
        (("faucet", FIRST, "--amount", "1000000"), "faucet_amount"),
        (("faucet", FIRST, "--amount", "much"), "amount_invalid"),
        (("account", "0x12"), "address_malformed"),
        (("account", "--key", "0x12"), "key_invalid"),
        (("account", "--keys", "--network", "http://127.0.0.1:1"), "node_unreachable"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_a_refusal_says_what_and_what_helps(words: tuple[str, ...], code: str, zerog: Commands) -> None:
    out, err = zerog.run(*words, expect=1)
    assert out == ""
    assert err.startswith(f"error [{code}]: ")
    assert "\nremedy: " in err


def test_a_network_without_a_model_says_how_to_get_one_and_one_with_too_few_signers_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROG_MODELS", str(tmp_path / "none"))
    command = Zerog(tmp_path)
    command.up("--only", "chain", "--only", "da", "--only", "compute", "--signers", "1")
    try:
        shown = command.run("status").stdout
    finally:
        command.down()
    assert "no model: fetch one with zerog model pull" in shown
    assert "! compute: no model, so nothing is answered" in shown
    assert "! DA: 1 signers run, and 2 are a quorum: no blob is confirmed" in shown
    assert len(shown.splitlines()) <= 24
