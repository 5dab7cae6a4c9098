"""All accounts as one file: out, and in again, on the same chain, on another, compressed or not, also after a restart."""

import gzip
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running, run_node, text
from tests.unit.chain.node.programs import ECHO, LOAD, creation, word
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.system_contracts import HISTORY_STORAGE

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
STRANGER = "0x" + "77" * 20
CONTRACT = "0x" + "c9" * 20

node = contextmanager(run_node)


def accounts(dump: str) -> dict[str, Any]:
    """All accounts of a dump but the one in which the chain notes the hashes of its blocks."""
    found: dict[str, Any] = json.loads(gzip.decompress(bytes.fromhex(dump[2:])))["accounts"]
    assert found.pop(str(HISTORY_STORAGE).lower())["storage"]
    return found


def build_up(chain: Running) -> str:
    """Accounts of every kind: with money alone, with a nonce, with code, with storage. Returns a contract that was created."""
    chain.place(LOAD, CONTRACT)
    for slot in range(20):
        chain.rpc("anvil_setStorageAt", CONTRACT, hex(slot), word(slot + 1))
    chain.rpc("anvil_setBalance", STRANGER, hex(2**255))
    chain.rpc("anvil_setNonce", STRANGER, hex(2**63))
    created = chain.send(SENDER, to=None, value=0, data=bytes.fromhex(creation(ECHO)[2:]), gas_limit=200_000)
    return str(chain.rpc("eth_getTransactionReceipt", created)["contractAddress"])


def check(chain: Running, created: str, nonce: int) -> None:
    for slot in range(20):
        assert chain.rpc("eth_call", {"to": CONTRACT, "data": word(slot)}) == word(slot + 1)
    assert chain.rpc("eth_getBalance", STRANGER) == hex(2**255)
    assert chain.rpc("eth_getTransactionCount", STRANGER) == hex(2**63)
    assert chain.rpc("eth_getCode", created) == ECHO
    assert chain.nonce(SENDER) == nonce


def root_is_right(chain: Running) -> None:
    chain.rpc("evm_mine")
    assert "0x" + chain.node.chain.ledger.recompute_root().hex() == chain.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]


@pytest.mark.parametrize("prefix", ["anvil", "hardhat"])
def test_what_changed_since_is_written_over(chain: Running, prefix: str) -> None:
    created, nonce = build_up(chain), chain.nonce(SENDER)
    dump = chain.rpc(f"{prefix}_dumpState")
    chain.rpc("anvil_setStorageAt", CONTRACT, "0x3", word(99))
    chain.rpc("anvil_setBalance", STRANGER, "0x1")
    chain.rpc("anvil_setCode", created, LOAD)
    chain.send(SENDER)
    assert chain.rpc(f"{prefix}_loadState", dump) is True
    check(chain, created, nonce)
    assert accounts(chain.rpc("anvil_dumpState")) == accounts(dump)
    root_is_right(chain)
    assert chain.rpc("eth_getTransactionReceipt", chain.send(SENDER))["status"] == "0x1"


def test_slots_that_the_dump_does_not_name_are_cleared(chain: Running) -> None:
    chain.place(LOAD, CONTRACT)
    chain.rpc("anvil_setStorageAt", CONTRACT, "0x1", word(1))
    dump = chain.rpc("anvil_dumpState")
    chain.rpc("anvil_setStorageAt", CONTRACT, "0x2", word(2))
    chain.rpc("evm_mine")
    chain.rpc("anvil_setStorageAt", CONTRACT, "0x4", word(4))
    chain.rpc("anvil_loadState", dump)
    assert [chain.rpc("eth_getStorageAt", CONTRACT, hex(slot), "latest") for slot in (1, 2, 4)] == [word(1), word(0), word(0)]
    root_is_right(chain)


def test_a_dump_moves_to_another_node_which_keeps_it(chain: Running, tmp_path: Path) -> None:
    created, nonce = build_up(chain), chain.nonce(SENDER)
    dump = chain.rpc("anvil_dumpState")
    settings = ChainNodeSettings(rpc_port=0, data_dir=tmp_path / "chain")
    with node(settings) as fresh:
        assert fresh.rpc("eth_getCode", CONTRACT) == "0x"
        fresh.rpc("anvil_loadState", dump)
        check(fresh, created, nonce)
        root_is_right(fresh)
        parent = fresh.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
        assert fresh.rpc("eth_call", {"to": str(HISTORY_STORAGE), "data": word(0)}) == parent
        root = fresh.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]
    with node(settings) as again:
        check(again, created, nonce)
        assert again.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"] == root


def test_loading_can_be_taken_back(chain: Running) -> None:
    dump = chain.rpc("anvil_dumpState")
    chain.rpc("anvil_setBalance", STRANGER, "0x5")
    snapshot = chain.rpc("evm_snapshot")
    chain.rpc("anvil_setBalance", STRANGER, "0x6")
    chain.rpc("anvil_loadState", dump)
    chain.rpc("evm_mine")
    assert chain.rpc("evm_revert", snapshot) is True
    assert chain.rpc("eth_getBalance", STRANGER) == "0x5"


def test_a_dump_need_not_be_compressed(chain: Running) -> None:
    """As anvil writes it with `--dump-state`, and as people write one by hand."""
    document = {"accounts": {STRANGER: {"nonce": 7, "balance": "0x12", "code": LOAD, "storage": {"0x1": word(77)}}}, "best_block_number": 3}
    chain.rpc("anvil_loadState", text(json.dumps(document).encode()))
    assert chain.rpc("eth_call", {"to": STRANGER, "data": word(1)}) == word(77)
    assert (chain.rpc("eth_getBalance", STRANGER), chain.rpc("eth_getTransactionCount", STRANGER)) == ("0x12", "0x7")


def test_an_edit_that_is_loaded_lets_what_waits_run(chain: Running) -> None:
    later = chain.send(SENDER, nonce=chain.nonce(SENDER) + 1)
    document = {"accounts": {text(SENDER.address): {"nonce": chain.nonce(SENDER) + 1, "balance": hex(10**20)}}}
    chain.rpc("anvil_loadState", text(json.dumps(document).encode()))
    assert chain.rpc("eth_getTransactionReceipt", later)["status"] == "0x1"
