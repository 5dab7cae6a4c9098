"""The transfers that `eth_simulateV1` tells of account for every balance: each wei that came or went stands in one of them."""

from collections import defaultdict
from random import Random
from typing import Any

import pytest

from tests.ledger.scenario import genesis_json
from tests.ledger.simulations import SimulationWriter
from tests.unit.chain.node.conftest import Running, run_node
from zerog.chain.node.foreign import foreign_network, served
from zerog.chain.node.settings import ChainNodeSettings

Json = dict[str, Any]
SIMULATIONS = 60
EMITTER = "0x" + "ee" * 20
READER = "0x" + "b4" * 20
READER_CODE = "0x5f35315f5260205ff3"
"""Returns the balance of the account that the call data names."""


def transfers(block: Json) -> list[tuple[str, str, int]]:
    """(from, to, wei) of a simulated block."""
    logs = (log for call in block["calls"] for log in call["logs"] if log["address"] == EMITTER)
    return [("0x" + log["topics"][1][-40:], "0x" + log["topics"][2][-40:], int(log["data"], 16)) for log in logs]


def expected_balances(chain: Running, payload: Json, blocks: list[Json]) -> dict[str, int]:
    """Of every account that was named: what it had, or was said to have, and what the transfers changed. One that sends to itself may have
    destroyed itself with what it had, so it is left out."""
    named = {it for block in blocks for way in transfers(block) for it in way[:2]}
    named |= {address for block in payload["blockStateCalls"] for address in block["stateOverrides"]}
    balances = {address: int(chain.rpc("eth_getBalance", address, "latest"), 16) for address in named}
    changes: defaultdict[str, int] = defaultdict(int, balances)
    for block, wanted in zip(blocks, payload["blockStateCalls"], strict=True):
        for address, override in wanted["stateOverrides"].items():
            changes[address] = int(override["balance"], 16) if "balance" in override else changes[address]
        for sender, recipient, wei in transfers(block):
            changes[sender] -= wei
            changes[recipient] += wei
    to_themselves = {sender for block in blocks for sender, recipient, _ in transfers(block) if sender == recipient}
    return {address: changes[address] for address in sorted(named - to_themselves)}


def balances_after(chain: Running, payload: Json, addresses: list[str]) -> list[int]:
    """What the accounts have after the same simulation, read in one more block."""
    calls = [{"to": READER, "input": "0x" + address[2:].rjust(64, "0"), "gas": hex(60_000)} for address in addresses]
    reading = {"stateOverrides": {READER: {"code": READER_CODE}}, "calls": calls}
    blocks = chain.rpc("eth_simulateV1", payload | {"blockStateCalls": [*payload["blockStateCalls"], reading]}, "latest")
    return [int(call["returnData"], 16) for call in blocks[-1]["calls"]]


@pytest.mark.parametrize("seed", range(3))
def test_transfers_account_for_every_balance(seed: int) -> None:
    genesis = genesis_json(seed)
    told = 0
    for chain in run_node(served(ChainNodeSettings(rpc_port=0)), foreign_network(genesis), others=genesis):
        writer = SimulationWriter(Random(f"transfers {seed}"), chain.number(), chain.timestamp(), creates=True)
        for _ in range(SIMULATIONS):
            payload = writer.payload() | {"traceTransfers": True}
            answer = chain.post({"jsonrpc": "2.0", "id": 1, "method": "eth_simulateV1", "params": [payload, "latest"]})
            if "error" in answer:
                assert answer["error"]["code"] in (-38013, -38014)  # Too little gas, or money, to begin with.
                continue
            expected = expected_balances(chain, payload, answer["result"])
            assert dict(zip(expected, balances_after(chain, payload, list(expected)), strict=True)) == expected
            told += sum(len(transfers(block)) for block in answer["result"])
    assert told > SIMULATIONS // 2
