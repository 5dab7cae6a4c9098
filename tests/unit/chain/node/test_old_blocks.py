"""Calls on blocks of forks that do not know all fields of a call, on a chain that crosses every fork; words of the official tests.

Source: ethereum/execution-apis, tests/eth_call and tests/eth_estimateGas (call-fork-inactive-*, call-type-*).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.chain.node.conftest import Running, text
from tests.unit.chain.node.error_case import run_imported
from zerog.primitives import checksum_address, decode_data

CALLER, TARGET = "0x" + "0c" * 20, "0x01" + "00" * 19
NAME = checksum_address(decode_data(CALLER))
LONDON, BERLIN, CANCUN, PRAGUE = 19, 17, 29, 31
"""First blocks of forks. Source: tests/ledger/vectors/every_fork/genesis.json."""
LEAVE = {"chainId": "0x0", "address": TARGET, "nonce": "0x0", "yParity": "0x0", "r": "0x0", "s": "0x0"}
BLOB = "0x01" + "00" * 31
FEES = "maxFeePerGas and maxPriorityFeePerGas are not valid before London is active"


@pytest.fixture(scope="module")
def old() -> Iterator[Running]:
    yield from run_imported()


def unknown(kind: str) -> str:
    return f"transaction type not supported: {kind} tx (sender {NAME})"


UNKNOWN: list[tuple[int, dict[str, Any], str]] = [
    (BERLIN, {"accessList": []}, unknown("access list")),
    (CANCUN, {"blobVersionedHashes": [BLOB]}, unknown("blob")),
    (CANCUN, {"maxFeePerBlobGas": "0x1"}, unknown("blob")),
    (PRAGUE, {"authorizationList": [LEAVE]}, unknown("setcode")),
]


@pytest.mark.parametrize(("first", "fields", "message"), UNKNOWN, ids=lambda value: str(value)[:40])
def test_a_field_is_refused_before_the_fork_that_brought_it(old: Running, first: int, fields: dict[str, Any], message: str) -> None:
    call = {"from": CALLER, "to": TARGET} | fields
    before = hex(first - 1)
    refused = old.refusal("eth_call", call, before)
    assert (refused.code, refused.message) == (-32000, f"err: {message} (supplied gas 50000000)")
    tried = int(old.rpc("eth_getBlockByNumber", before, False)["gasLimit"], 16)
    refused = old.refusal("eth_estimateGas", call, before)
    assert (refused.code, refused.message) == (-32000, f"failed with {tried} gas: {message}")
    assert old.refusal("eth_createAccessList", call, before).message == f"err: {message}"
    assert old.refusal("debug_traceCall", call, before).message == f"tracing failed: {message}"
    assert old.rpc("eth_call", call, hex(first)) == "0x"


@pytest.mark.parametrize("fields", [{"maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0"}, {"maxPriorityFeePerGas": "0x1"}])
def test_fees_of_london_are_refused_before_it(old: Running, fields: dict[str, str]) -> None:
    call = {"from": CALLER, "to": TARGET} | fields
    for method in ("eth_call", "eth_estimateGas", "eth_createAccessList", "debug_traceCall"):
        refused = old.refusal(method, call, hex(LONDON - 1))
        assert (refused.code, refused.message) == (-32000, FEES)


@pytest.mark.parametrize("kind", ["0x1", "0x3", "0x4", "0x7f"])
def test_the_type_of_a_call_is_ignored(old: Running, kind: str) -> None:
    for block in (1, LONDON - 1, CANCUN - 1, PRAGUE - 1):
        assert old.rpc("eth_call", {"from": CALLER, "to": TARGET, "type": kind}, hex(block)) == "0x"


def test_a_gas_price_is_known_to_every_fork(old: Running) -> None:
    call = {"from": CALLER, "to": TARGET, "gasPrice": "0x0", "gas": "0x5208"}
    assert {old.rpc("eth_call", call, hex(block)) for block in range(1, old.number() + 1)} == {"0x"}
    assert old.rpc("eth_estimateGas", call, "0x1") == "0x5208"


@pytest.mark.parametrize(("block", "kind"), [(1, "0x0"), (LONDON - 2, "0x0"), (LONDON, "0x2")])
def test_a_simulated_call_is_a_transaction_that_its_fork_knows(old: Running, block: int, kind: str) -> None:
    payload = {"blockStateCalls": [{"calls": [{"from": CALLER, "to": TARGET}]}], "returnFullTransactions": True}
    (simulated,) = old.rpc("eth_simulateV1", payload, hex(block))
    assert (simulated["transactions"][0]["type"], simulated["calls"][0]["status"]) == (kind, "0x1")
    assert simulated["transactions"][0]["from"] == text(decode_data(CALLER))
