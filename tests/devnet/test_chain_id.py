"""`zerog up --chain-id N`: a network of our own under another id, as a user starts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import zerog
from tests.devnet.command import Zerog, ask


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Zerog]:
    found = Zerog(tmp_path)
    yield found
    found.down()


def test_a_network_keeps_its_chain_id(command: Zerog) -> None:
    endpoints = command.up("--chain-id", "424242", "--only", "chain", "--only", "storage")
    assert (endpoints.network, endpoints.chain_id, ask(endpoints, "eth_chainId")) == ("local", 424_242, "0x67932")
    with zerog.connect("local", folder=command.folder) as network:
        stored = network.storage.upload(b"kept under another chain id")
        assert network.storage.read(stored.root) == b"kept under another chain id"
    command.down()
    refused = command.run("up", "--wait", "--port-base", "0", expect=1).stderr
    assert "error [genesis_mismatch]" in refused
    assert "holds a network with chain id 424242, not one with chain id 31337" in refused
    assert command.up("--chain-id", "424242", "--only", "chain").chain_id == 424_242


@pytest.mark.parametrize("words", [("up", "--wait"), ("chain", "run")], ids=" ".join)
def test_ids_of_public_networks_are_refused(command: Zerog, words: tuple[str, ...]) -> None:
    refused = command.run(*words, "--chain-id", "16661", expect=1).stderr
    assert "error [chain_id_refused]: chain id 16661: it is that of the public network mainnet" in refused
    assert "--like mainnet" in refused
    assert "leave the setting `chain-id` away" in command.run(*words, "--chain-id", "7", "--like", "mainnet", expect=1).stderr


def test_who_follows_has_the_id_of_who_leads(command: Zerog) -> None:
    refused = command.run("chain", "run", "--chain-id", "7", "--follow", "http://127.0.0.1:1", expect=1).stderr
    assert "leave the setting `chain-id` away" in refused
