"""`zerog up --like galileo`: a copy of the public network on this machine, as a user starts it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.devnet.command import Zerog, ask
from zerog.devnet.inspect import NetworkStatus


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    command = Zerog(tmp_path)
    yield command
    command.down()


def test_a_copy_says_so_everywhere_and_is_no_other_network(zerog: Zerog) -> None:
    endpoints = zerog.up("--like", "galileo")
    assert (endpoints.network, endpoints.chain_id) == ("galileo-clone", 16_602)
    assert endpoints.chain is not None
    assert endpoints.chain.http.startswith("http://127.0.0.1:")
    assert str(ask(endpoints, "web3_clientVersion")).endswith("galileo-clone")
    status = msgspec.json.decode(zerog.run("status", "--json").stdout, type=NetworkStatus)
    assert status.network == status.roles["chain"]["network"] == "galileo-clone"
    zerog.down()
    for words in ((), ("--like", "mainnet")):
        assert "genesis_mismatch" in zerog.run("up", "--wait", "--port-base", "0", *words, expect=1).stderr


def test_it_is_refused_beyond_this_machine(zerog: Zerog) -> None:
    for command in (("up", "--wait"), ("chain", "run")):
        refused = zerog.run(*command, "--like", "mainnet", "--host", "0.0.0.0", expect=1)  # noqa: S104 - it is refused.
        assert "settings_invalid" in refused.stderr
        assert "stays on this machine" in refused.stderr


def test_other_rules_need_a_reset(zerog: Zerog) -> None:
    zerog.up("--rules", "zero-gravity")
    zerog.down()
    assert "genesis_mismatch" in zerog.run("up", "--wait", "--port-base", "0", expect=1).stderr
    zerog.run("reset")
    zerog.up()
