"""Simulations of random calls end as anvil ends them, but for its known faults; refusals are those of the specification."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

from tests.interop.test_traces_equal_anvil import Anvil, anvil, difference
from tests.ledger import program
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from tests.ledger.scenario import genesis_json
from tests.ledger.simulations import SimulationWriter
from tests.unit.chain.node.conftest import Running, run_node
from zerog.chain.node.foreign import foreign_network, served
from zerog.chain.node.settings import ChainNodeSettings

Json = dict[str, Any]
SIMULATIONS: Final = 2_000 if LONG else 300
SIMULATIONS_A_CHAIN: Final = 100

FAULTS: Final = {
    "returnData": "anvil gives the data of a revert as what the call returned, where geth gives it in the error alone",
    "error": "anvil says -3200 and 'execution failed' of every call that fails, where geth says 3 with the data, or -32015 with the cause",
    "maxUsedGas": "anvil leaves it out",
    "creations": "anvil wants a recipient in every call, so no call creates here (contracts do)",
    "transfers": "with traceTransfers anvil tells of those that were reverted, and of none by a self-destruction; so left out here",
    "hashes and roots": "anvil gives no state root and the hash of a header that is not the block's, where geth computes them",
    "number and time": "anvil begins with those of the parent unless they are overridden, where geth counts on; so they are given here",
    "base fee": "anvil takes the parent's also without validation, where geth takes 0; so it is given here",
    "validation": "anvil compares neither nonces nor fees, and refuses in its own words and codes",
}
"""What anvil 1.7.1 does otherwise than geth (internal/ethapi/simulate.go); what can be compared is compared."""

TRANSFER_EMITTER: Final = "0x" + "ee" * 20
"""Who seems to emit the logs of transfers."""
REFUSALS: Final = {-32003: -38014, -32000: -38013}
"""Codes of the specification by what anvil says: too little money, too little gas to begin."""


def comparable(block: Json, payload: Json) -> Json:
    """What of a simulated block both tell in the same way."""
    return {
        **{name: block[name] for name in ("number", "timestamp", "gasLimit", "gasUsed", "miner", "baseFeePerGas")},
        "calls": [comparable_call(call, traces_transfers=payload["traceTransfers"]) for call in block["calls"]],
    }


def comparable_call(call: Json, *, traces_transfers: bool) -> Json:
    """What of a call both tell in the same way."""
    names = ["address", "topics", "data", "transactionIndex", "blockNumber", "blockTimestamp"]
    names += [] if traces_transfers else ["logIndex"]
    is_ours = "maxUsedGas" in call
    failed = call["status"] == "0x0"
    return {
        "status": call["status"],
        "gasUsed": call["gasUsed"],
        "output": call["error"].get("data", "0x") if failed and is_ours else call["returnData"],
        "logs": [{name: log[name] for name in names} for log in call["logs"] if log["address"] != TRANSFER_EMITTER],
    }


def compare(chain: Running, peer: Anvil, payload: Json) -> list[Json]:
    """Have both simulate; returns the calls of a simulation that was not refused."""
    ours = chain.post({"jsonrpc": "2.0", "id": 1, "method": "eth_simulateV1", "params": [payload, "latest"]})
    theirs = peer.post("eth_simulateV1", payload, "latest")
    if "error" in theirs:
        assert "error" in ours, (theirs, payload)
        assert ours["error"]["code"] == REFUSALS.get(theirs["error"]["code"]), (theirs, ours)
        return []
    assert "result" in ours, (ours, payload)
    one, other = ([comparable(block, payload) for block in answer["result"]] for answer in (ours, theirs))
    found = difference(one, other)
    assert not found, f"{found} in {payload}"
    return [call for block in ours["result"] for call in block["calls"]]


def chains(seed: int) -> Iterator[tuple[Running, Anvil]]:
    """Our node and anvil, each at the first block of the same chain."""
    genesis = genesis_json(seed)
    for chain in run_node(served(ChainNodeSettings(rpc_port=0)), foreign_network(genesis), others=genesis):
        with anvil(genesis) as peer:
            yield chain, peer


@pytest.mark.timeout(900 if LONG else 120)
def test_simulations_equal_those_of_anvil(monkeypatch: pytest.MonkeyPatch) -> None:
    # Hashes of blocks differ: anvil's first block has no state root.
    monkeypatch.setattr(program, "ONE_OPERAND", bytes(opcode for opcode in program.ONE_OPERAND if opcode not in program.BLOCK_READS))
    seed = commit_seed()
    print(f"seed {seed}")
    calls: list[Json] = []
    refused = 0
    for round_seed in range(seed, seed + SIMULATIONS // SIMULATIONS_A_CHAIN):
        for chain, peer in chains(round_seed):
            writer = SimulationWriter(Random(f"simulations {round_seed}"), chain.number(), chain.timestamp())
            for _ in range(SIMULATIONS_A_CHAIN):
                found = compare(chain, peer, writer.payload())
                calls += found
                refused += not found
    outcomes = Counter("success" if call["status"] == "0x1" else call["error"]["code"] for call in calls)
    print(f"{len(calls)} calls: {dict(outcomes)}; {refused} simulations refused; {sum(len(call['logs']) for call in calls)} logs")
    assert min(outcomes["success"], outcomes[3], outcomes[-32015]) > 0
    assert any(call["logs"] for call in calls)
    record("simulations_equal_to_anvil", seed=seed, simulations=SIMULATIONS, calls=len(calls), refused=refused)
