"""Snapshots over a restart of the node, and how long it takes to make one."""

import time
from contextlib import contextmanager
from pathlib import Path

from tests.unit.chain.node.conftest import ACCOUNTS, Running, run_node
from zerog.chain.node.settings import ChainNodeSettings

SENDER = ACCOUNTS[1]
STRANGER = "0x" + "77" * 20

node = contextmanager(run_node)


def test_nested_snapshots_outlive_a_restart(tmp_path: Path) -> None:
    settings = ChainNodeSettings(rpc_port=0, data_dir=tmp_path / "chain")
    with node(settings) as chain:
        chain.rpc("anvil_setBalance", STRANGER, "0x1")
        first = chain.rpc("evm_snapshot")
        height, state_root = chain.number(), chain.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]
        chain.rpc("evm_increaseTime", 10_000)
        chain.send(SENDER)
        chain.rpc("anvil_setBalance", STRANGER, "0x2")
        second = chain.rpc("evm_snapshot")
        chain.rpc("anvil_setBalance", STRANGER, "0x3")
        third = chain.rpc("evm_snapshot")
        forgotten = chain.rpc("evm_snapshot")
        assert chain.rpc("evm_revert", forgotten) is True
    with node(settings) as chain:
        assert set(chain.rpc("anvil_metadata")["snapshots"]) == {first, second, third}
        assert chain.rpc("evm_revert", forgotten) is False
        later = chain.rpc("evm_snapshot")
        assert int(later, 16) > int(forgotten, 16)
        assert chain.rpc("eth_getBalance", STRANGER) == "0x3"
        assert chain.rpc("evm_revert", second) is True
        assert chain.rpc("eth_getBalance", STRANGER) == "0x2"
        assert chain.rpc("evm_revert", third) is False
    with node(settings) as chain:
        assert chain.rpc("evm_revert", second) is False
        assert chain.rpc("evm_revert", first) is True
        block = chain.rpc("eth_getBlockByNumber", "latest", False)
        assert (int(block["number"], 16), block["stateRoot"]) == (height, state_root)
        assert chain.rpc("eth_getBalance", STRANGER) == "0x1"
        chain.rpc("evm_mine")
        assert chain.timestamp() < chain.clock.unix_s() + 10_000


def test_a_line_that_was_cut_off_loses_nothing_before_it(tmp_path: Path) -> None:
    settings = ChainNodeSettings(rpc_port=0, data_dir=tmp_path / "chain")
    with node(settings) as chain:
        first, _ = chain.rpc("evm_snapshot"), chain.rpc("evm_snapshot")
    path = tmp_path / "chain" / "snapshots.jsonl"
    path.write_bytes(path.read_bytes().rstrip()[:-10])
    with node(settings) as chain:
        assert set(chain.rpc("anvil_metadata")["snapshots"]) == {first}


def test_a_snapshot_of_a_chain_that_was_reset_is_gone(tmp_path: Path) -> None:
    settings = ChainNodeSettings(rpc_port=0, data_dir=tmp_path / "chain")
    with node(settings) as chain:
        chain.send(SENDER)
        snapshot = chain.rpc("evm_snapshot")
        chain.rpc("hardhat_reset")
    with node(settings) as chain:
        assert chain.rpc("evm_revert", snapshot) is False


def test_taking_a_snapshot_takes_no_time(chain: Running) -> None:
    chain.send(SENDER)
    fastest_s = 1.0
    for _ in range(20):
        begin_s = time.perf_counter()
        chain.rpc("evm_snapshot")
        fastest_s = min(fastest_s, time.perf_counter() - begin_s)
    assert fastest_s < 0.01  # With the way to the node and back, on a machine that does other things.
