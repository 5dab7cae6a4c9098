"""Traces of random blocks agree with their receipts, also by 0G's rule about gas, and with each other."""

import json
from typing import Any

import pytest

from tests.ledger.counts import commit_seed
from tests.ledger.scenario import Scenario, genesis_json
from tests.ledger.test_address_index import extend
from zerog._kernel import Ledger

BLOCKS = 12


def chain_with_floor(seed: int, percent: int) -> Ledger:
    """Random blocks of a chain where a transaction is charged at least this share of its gas limit."""
    document = json.loads(genesis_json(seed))
    document["config"]["zeroGravity"] = {"minGasUsedPercent": percent}
    ledger = Ledger.open(None, json.dumps(document).encode())
    extend(ledger, Scenario(seed, ledger), BLOCKS)
    return ledger


def traces(ledger: Ledger, number: int, **options: Any) -> list[Any]:
    return [item["result"] for item in json.loads(ledger.trace_block(number, json.dumps(options).encode()))]


@pytest.mark.parametrize("percent", [0, 80])
def test_the_gas_of_every_form_is_that_of_the_receipt(percent: int) -> None:
    seed = commit_seed()
    print(f"seed {seed}")
    ledger = chain_with_floor(seed, percent)
    floored = 0
    for number in range(1, ledger.head().number + 1):
        receipts = json.loads(ledger.receipts_json(number) or b"")
        block = json.loads(ledger.block_json(number, full=True) or b"")
        calls, steps = traces(ledger, number, tracer="callTracer"), traces(ledger, number, disableStack=True, limit=1)
        flat = traces(ledger, number, tracer="flatCallTracer")
        for index, (receipt, transaction) in enumerate(zip(receipts, block["transactions"], strict=True)):
            gas_used, limit = int(receipt["gasUsed"], 16), int(transaction["gas"], 16)
            assert (calls[index]["gasUsed"], calls[index]["gas"]) == (receipt["gasUsed"], transaction["gas"])
            assert (steps[index]["gas"], steps[index]["failed"]) == (gas_used, receipt["status"] == "0x0")
            assert "error" in calls[index] or receipt["status"] == "0x1"
            assert flat[index][0]["action"]["gas"] == transaction["gas"]
            floored += gas_used == limit * percent // 100
    assert (floored > 0) is (percent > 0)


def test_logs_of_the_call_tracer_are_those_of_the_receipt() -> None:
    seed = commit_seed()
    print(f"seed {seed}")
    ledger = chain_with_floor(seed, 0)
    seen = 0
    for number in range(1, ledger.head().number + 1):
        receipts = json.loads(ledger.receipts_json(number) or b"")
        for receipt, frame in zip(receipts, traces(ledger, number, tracer="callTracer", tracerConfig={"withLog": True}), strict=True):
            if receipt["status"] == "0x1":
                logs = sorted(logs_of(frame), key=lambda log: int(log["index"], 16))
                names = ("address", "topics", "data")
                assert [[log[name] for name in names] for log in logs] == [[log[name] for name in names] for log in receipt["logs"]]
                seen += len(logs)
    assert seen > 0


def logs_of(frame: Any) -> list[Any]:
    return [*frame.get("logs", ()), *(log for inner in frame.get("calls", ()) for log in logs_of(inner))]


def test_a_difference_of_states_leads_from_one_to_the_other() -> None:
    seed = commit_seed()
    print(f"seed {seed}")
    ledger = chain_with_floor(seed, 80)
    number = next(number for number in range(1, BLOCKS + 1) if len(ledger.transaction_hashes(number) or ()) > 2)
    differences = traces(ledger, number, tracer="prestateTracer", tracerConfig={"diffMode": True})
    balances: dict[str, int] = {}
    for difference in differences:
        for address, account in difference["pre"].items():
            if address in balances:
                assert int(account["balance"], 16) == balances[address], address
        for address, account in difference["post"].items():
            if "balance" in account:
                balances[address] = int(account["balance"], 16)
    assert balances
    withdrawn = {bytes.fromhex(it["address"][2:]) for it in json.loads(ledger.block_json(number, full=False) or b"")["withdrawals"]}
    for address, balance in balances.items():
        if bytes.fromhex(address[2:]) not in withdrawn:
            assert ledger.balance(bytes.fromhex(address[2:]), number) == balance, address
