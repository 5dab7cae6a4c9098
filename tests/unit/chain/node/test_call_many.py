"""`eth_callMany`: calls that build on each other, in a block and within one."""

from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running
from tests.unit.chain.node.programs import INVALID, LOAD, LOOP, NUMBER, REVERT_ECHO, STORE, TIMESTAMP, error_text, word
from zerog.primitives import decode_data

CONTRACT, OTHER, THIRD = "0x" + "c1" * 20, "0x" + "c2" * 20, "0x" + "c3" * 20
COUNTER = "0x5f54600101805f555f5260205ff3"
"""Adds one to slot 0 and returns it."""


def many(chain: Running, *bundles: dict[str, Any], context: dict[str, Any] | None = None, **accounts: Any) -> Any:
    return chain.rpc("eth_callMany", list(bundles), context or {"blockNumber": "latest"}, accounts.get("accounts"))


def bundle(*calls: dict[str, Any], **override: Any) -> dict[str, Any]:
    return {"transactions": list(calls), "blockOverride": override}


def test_calls_see_what_earlier_ones_did_also_in_earlier_bundles(chain: Running) -> None:
    call = {"to": CONTRACT}
    answer = many(chain, bundle(call, call), bundle(call), accounts={CONTRACT: {"code": COUNTER}})
    assert answer == [[{"value": word(1)}, {"value": word(2)}], [{"value": word(3)}]]
    assert chain.rpc("eth_call", call, "latest", {CONTRACT: {"code": COUNTER}}) == word(1)


def test_failures_are_told_in_their_place(chain: Running) -> None:
    accounts = {CONTRACT: {"code": REVERT_ECHO}, OTHER: {"code": INVALID}}
    calls = ({"to": CONTRACT, "data": error_text("no")}, {"to": OTHER, "gas": "0x10000"}, {"to": CONTRACT})
    (answers,) = many(chain, bundle(*calls), accounts=accounts)
    assert [answers[0], answers[2]] == [{"error": "execution reverted: no"}, {"error": "execution reverted"}]
    assert answers[1]["error"].startswith("invalid opcode")


@pytest.mark.parametrize("names", [("blockNumber", "timestamp"), ("number", "time")])
def test_the_environment_is_the_blocks_unless_it_is_overridden(chain: Running, names: tuple[str, str]) -> None:
    calls = ({"to": CONTRACT}, {"to": OTHER})
    accounts = {CONTRACT: {"code": NUMBER}, OTHER: {"code": TIMESTAMP}}
    number, time = names
    answers = many(chain, bundle(*calls), bundle(*calls), bundle(*calls, **{number: "0x77", time: "0x99"}), accounts=accounts)
    head, now = chain.number(), chain.timestamp()
    values = [[int(call["value"], 16) for call in one] for one in answers]
    assert values == [[head, now], [head + 1, now + 12], [0x77, 0x99]]


def test_calls_run_between_the_transactions_of_a_block(chain: Running) -> None:
    chain.place(STORE, CONTRACT)
    chain.rpc("evm_mine")
    chain.rpc("evm_setAutomine", False)
    first = chain.nonce(ACCOUNTS[1])
    inputs = [decode_data(word(0) + word(value)[2:]) for value in (1, 2, 3)]
    sent = [
        chain.send(to=decode_data(CONTRACT), data=data, gas_limit=100_000, nonce=first + position) for position, data in enumerate(inputs)
    ]
    chain.rpc("evm_mine")
    chain.rpc("evm_setAutomine", True)
    chain.rpc("evm_mine")
    number = chain.rpc("eth_getTransactionReceipt", sent[-1])["blockNumber"]
    read = bundle({"to": CONTRACT, "data": word(0)})
    expectations: list[tuple[int | None, int]] = [(0, 0), (1, 1), (2, 2), (3, 3), (-1, 3), (None, 3)]
    for index, expected in expectations:
        context = {"blockNumber": number, "transactionIndex": index}
        assert many(chain, read, context=context, accounts={CONTRACT: {"code": LOAD}}) == [[{"value": word(expected)}]], index


def test_edits_show_in_calls_on_the_newest_block(chain: Running) -> None:
    chain.rpc("anvil_setStorageAt", THIRD, "0x4", word(9))
    assert many(chain, bundle({"to": THIRD, "data": word(4)}), accounts={THIRD: {"code": LOAD}}) == [[{"value": word(9)}]]


def test_a_call_that_cannot_begin_ends_the_series(chain: Running) -> None:
    poor = {"from": THIRD, "to": OTHER, "value": "0x1"}
    refused = chain.refusal("eth_callMany", [bundle({"to": OTHER}, poor)], {"blockNumber": "latest"})
    assert refused.code == -32000
    assert refused.message.startswith("err: insufficient funds for gas * price + value: address")


def test_a_series_that_takes_too_long_is_stopped(chain: Running) -> None:
    refused = chain.refusal(
        "eth_callMany", [bundle(*[{"to": CONTRACT}] * 50)], {"blockNumber": "latest"}, {CONTRACT: {"code": LOOP}}, "0x14"
    )
    assert refused.message == "execution aborted (timeout = 0.02s)"


def test_nothing_to_call_and_unknown_blocks_are_refused(chain: Running) -> None:
    assert chain.refusal("eth_callMany", [bundle()], {}).message == "empty bundles"
    refused = chain.refusal("eth_callMany", [bundle({"to": OTHER})], {"blockNumber": "0xffffff"})
    assert refused.message == "header not found"
