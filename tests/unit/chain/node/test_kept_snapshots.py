"""Snapshots over a restart of the node, and how long it takes to make one."""

import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.ledger.counts import LONG
from tests.unit.chain.node.conftest import ACCOUNTS, Running, run_node
from zerog.chain.node.settings import ChainNodeSettings

SENDER = ACCOUNTS[1]
STRANGER, CONTRACT = "0x" + "77" * 20, "0x" + "78" * 20
SEEDS = 40 if LONG else 4

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


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_in_between_a_snapshot_brings_back_its_moment(tmp_path: Path, seed: int) -> None:
    """Blocks, edits, reverts, rollbacks and restarts in any order, over checkpoints of the ledger that come all the time."""
    dice = Random(f"snapshots {seed}")
    settings = ChainNodeSettings(rpc_port=0, data_dir=tmp_path / "chain", checkpoint_blocks=3)
    moments: dict[str, tuple[int, dict[str, Any]]] = {}
    for _ in range(4):
        with node(settings) as chain:
            for _ in range(30):
                match dice.choice(("send", "edit", "edit", "mine", "snapshot", "snapshot", "revert", "rollback")):
                    case "send":
                        chain.send(ACCOUNTS[dice.randrange(1, 4)], value=dice.randrange(100))
                    case "edit":
                        chain.rpc("anvil_setBalance", STRANGER, hex(dice.randrange(10**9)))
                        chain.rpc("anvil_setStorageAt", CONTRACT, hex(dice.randrange(3)), f"0x{dice.randrange(3):064x}")
                    case "mine":
                        chain.rpc("hardhat_mine", dice.randrange(1, 6), dice.randrange(4))
                    case "snapshot":
                        moments[chain.rpc("evm_snapshot")] = (chain.number(), facts(chain))
                    case "revert" if moments:
                        wanted = dice.choice(list(moments))
                        assert chain.rpc("evm_revert", wanted) is True
                        assert facts(chain) == moments[wanted][1]
                        moments = {key: value for key, value in moments.items() if int(key, 16) < int(wanted, 16)}
                    case "rollback" if chain.number() > 2:
                        chain.rpc("anvil_rollback", dice.randrange(1, 3))
                        kept = set(chain.rpc("anvil_metadata")["snapshots"])
                        assert all(key in kept for key, (height, _) in moments.items() if height < chain.number())
                        moments = {key: value for key, value in moments.items() if key in kept}
            assert set(chain.rpc("anvil_metadata")["snapshots"]) == set(moments)
            chain.rpc("evm_mine")
            root = chain.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]
            assert "0x" + chain.node.chain.ledger.recompute_root().hex() == root
    with node(settings) as chain:
        for snapshot, (_, before) in reversed(moments.items()):
            assert chain.rpc("evm_revert", snapshot) is True
            assert facts(chain) == before


def facts(chain: Running) -> dict[str, Any]:
    """The newest block and the state on top of it, edits included."""
    return {
        "block": chain.rpc("eth_getBlockByNumber", "latest", True),
        "beyond": chain.rpc("eth_getBlockByNumber", hex(chain.number() + 1), False),
        "stranger": [chain.rpc("eth_getBalance", STRANGER, tag) for tag in ("latest", "pending")],
        "slots": [chain.rpc("eth_getStorageAt", CONTRACT, hex(slot), "latest") for slot in range(3)],
        "accounts": [(chain.nonce(account), chain.balance(account.address)) for account in ACCOUNTS[1:4]],
    }


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
