"""State overrides of `eth_simulateV1` are the state before their block: calls replace them, and what they empty still exists.

The cases and their gas are those of the official tests. Source: ethereum/execution-apis, tests/eth_simulateV1 (override-*, overflow-*).
"""

from typing import Any

import rlp  # type: ignore[import-untyped]

from tests.unit.chain.node.conftest import ACCOUNTS, Running, text
from tests.unit.chain.node.test_simulate import refused, simulate
from tests.unit.chain.node.test_transactions import sign_authorization
from zerog._kernel import keccak256
from zerog.primitives import Account, checksum_address, decode_data

CALLER, TARGET, OTHER = "0x" + "c0" * 20, "0x" + "c1" * 20, "0x" + "c2" * 20
FRESH = Account.from_private_key(b"\x21" * 32)
"""In no state yet."""
KNOWN = ACCOUNTS[5]
FUNDED = {CALLER: {"balance": "0x1e8480"}}
ANSWERS_42 = "0x602a60005260206000f3"
ANSWERS_1 = "0x600160005260206000f3"
READS_SLOT_0 = "0x60005460005260206000f3"
CREATES_42 = "0x69602a60005260206000f3600052600a6016f3"
NONCE_MAX = 2**64 - 1

Seen = list[tuple[int, int, int]]


def word(number: int) -> str:
    return f"0x{number:064x}"


def seen(block: dict[str, Any]) -> Seen:
    """(answer, gas used, most gas used) of the calls of a block, all of which succeed."""
    assert {call["status"] for call in block["calls"]} == {"0x1"}
    return [(int(call["returnData"][-64:], 16) if call["returnData"] != "0x" else 0, *gas_of(call)) for call in block["calls"]]


def gas_of(call: dict[str, Any]) -> tuple[int, int]:
    return int(call["gasUsed"], 16), int(call["maxUsedGas"], 16)


def authorizing(account: Account) -> dict[str, Any]:
    """A call of nothing that lets the account run the code at `TARGET`."""
    chain_id, target, nonce, parity, r, s = sign_authorization(account, decode_data(TARGET), 0)
    leave = {"chainId": hex(chain_id), "address": text(target), "nonce": hex(nonce), "yParity": hex(parity), "r": hex(r), "s": hex(s)}
    return {"from": CALLER, "to": CALLER, "authorizationList": [leave]}


def call(to: str) -> dict[str, Any]:
    return {"from": CALLER, "to": to}


AUTHORIZED = (0, 0x8FC0, 0xB3B0)
"""With the refund for an account that exists (EIP-7702)."""
ANSWERED = (42, 0x521A, 0x521A)


def test_a_creation_replaces_the_code_at_its_address(chain: Running) -> None:
    created = text(keccak256(rlp.encode([decode_data(CALLER), 0]))[12:])
    calls = [{"from": CALLER, "input": CREATES_42}, call(created)]
    (block,) = simulate(chain, {"stateOverrides": FUNDED | {created: {"code": "0x"}}, "calls": calls})
    assert [gas_of(each) for each in block["calls"]] == [(0xD7F8, 0xD7F8), (0x521A, 0x521A)]
    assert block["calls"][1]["returnData"] == word(42)


def test_a_delegation_replaces_the_code_of_an_override(chain: Running) -> None:
    account = text(KNOWN.address)
    for code, before in (("0x", (0, 0x5208, 0x5208)), ("0xef0100" + OTHER[2:], (1, 0x521A, 0x521A))):
        codes = {account: {"code": code}, TARGET: {"code": ANSWERS_42}, OTHER: {"code": ANSWERS_1}}
        (block,) = simulate(chain, {"stateOverrides": FUNDED | codes, "calls": [call(account), authorizing(KNOWN), call(account)]})
        assert seen(block) == [before, AUTHORIZED, ANSWERED]


def test_an_account_that_an_override_leaves_empty_exists(chain: Running) -> None:
    account, codes = text(FRESH.address), FUNDED | {TARGET: {"code": ANSWERS_42}}
    calls = [authorizing(FRESH), call(account)]
    (without,) = simulate(chain, {"stateOverrides": codes, "calls": calls})
    assert seen(without) == [(0, 0xB3B0, 0xB3B0), ANSWERED]
    (block,) = simulate(chain, {"stateOverrides": codes | {account: {"code": "0x"}}, "calls": calls})
    assert seen(block) == [AUTHORIZED, ANSWERED]
    first = {"stateOverrides": codes | {account: {"code": "0x"}}, "calls": [call(TARGET)]}
    _, second = simulate(chain, first, {"stateOverrides": {account: {"balance": "0x0"}}, "calls": calls})
    assert seen(second) == [AUTHORIZED, ANSWERED]


def test_an_account_that_an_override_empties_keeps_its_storage(chain: Running) -> None:
    emptied = {"nonce": "0x0", "code": "0x", "balance": "0x0"}
    for address, code in ((TARGET, ANSWERS_1), (text(KNOWN.address), "0xef0100" + OTHER[2:])):
        chain.rpc("anvil_setCode", address, code)
        chain.rpc("anvil_setStorageAt", address, "0x0", word(0x38))
        chain.rpc("evm_mine")
        first = {"stateOverrides": FUNDED | {address: emptied}, "calls": [call(CALLER)]}
        blocks = simulate(chain, first, {"stateOverrides": {address: {"code": READS_SLOT_0}}, "calls": [call(address)]})
        assert [seen(block) for block in blocks] == [[(0, 0x5208, 0x5208)], [(0x38, 0x5A4E, 0x5A4E)]]


def test_slots_that_an_override_of_the_state_does_not_name_are_zero(chain: Running) -> None:
    for slot in (1, 2, 3):
        chain.rpc("anvil_setStorageAt", TARGET, hex(slot), word(slot))
    chain.rpc("evm_mine")
    override = {"code": "0x60015460005260035460205260406000f3", "state": {word(3): word(42)}}
    (block,) = simulate(chain, {"stateOverrides": {TARGET: override}, "calls": [call(TARGET)]})
    assert block["calls"][0]["returnData"] == word(0) + word(42)[2:]
    assert gas_of(block["calls"][0]) == (0x628E, 0x628E)


def test_the_highest_nonce_overflows_where_nobody_validates(chain: Running) -> None:
    overridden = {"stateOverrides": {CALLER: {"nonce": hex(NONCE_MAX)}}, "calls": [call(TARGET)] * 3}
    (block,) = simulate(chain, overridden, returnFullTransactions=True)
    assert seen(block) == [(0, 0x5208, 0x5208)] * 3
    assert [int(transaction["nonce"], 16) for transaction in block["transactions"]] == [NONCE_MAX, 0, 1]
    free = overridden | {"blockOverrides": {"baseFeePerGas": "0x0"}}
    answer = refused(chain, free, validation=True)
    name = checksum_address(decode_data(CALLER))
    assert (answer.code, answer.message) == (
        -32603,
        f"err: nonce has max value: address {name}, nonce: {NONCE_MAX} (supplied gas 50000000)",
    )


def test_no_other_call_minds_the_highest_nonce_either(chain: Running) -> None:
    state = {CALLER: {"nonce": hex(NONCE_MAX)}}
    for nonce in ({}, {"nonce": hex(NONCE_MAX)}):
        wanted = call(TARGET) | nonce
        assert chain.rpc("eth_call", wanted, "latest", state) == "0x"
        assert chain.rpc("eth_estimateGas", wanted, "latest", state) == "0x5208"
        assert chain.rpc("debug_traceCall", wanted, "latest", {"tracer": "noopTracer", "stateOverrides": state}) == {}
        assert chain.rpc("eth_createAccessList", wanted, "latest", state)["gasUsed"] == "0x5208"
        assert chain.rpc("eth_callMany", [{"transactions": [wanted, wanted]}], {"blockNumber": "latest"}, state) == [[{"value": "0x"}] * 2]
        assert chain.rpc("trace_call", wanted, ["trace"])["output"] == "0x"
