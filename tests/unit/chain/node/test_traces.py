"""Traces of transactions, blocks and calls: what each tracer says, what limits a trace, and that it agrees with the receipt."""

from itertools import pairwise
from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running, text
from tests.unit.chain.node.programs import ECHO, INVALID, LOGGER, LOOP, REVERT_ECHO, STORE, creation, error_text, word
from zerog.primitives import decode_data

SENDER, OTHER = text(ACCOUNTS[1].address), "0x" + "d1" * 20
CALLED = "0x" + "c1" * 20


def calling(address: str, value: int = 0) -> str:
    """Code that calls `address` with its call data and stops."""
    return f"0x365f5f375f5f365f60{value:02x}73{address[2:]}5af100"


def call(chain: Running, to: str, data: str = "0x", **changes: Any) -> str:
    """Send a call; returns its hash."""
    return chain.send(to=decode_data(to), data=decode_data(data), **{"gas_limit": 200_000} | changes)


def trace(chain: Running, transaction_hash: str, tracer: str | None = None, **config: Any) -> Any:
    options = {} if tracer is None else {"tracer": tracer, "tracerConfig": config}
    return chain.rpc("debug_traceTransaction", transaction_hash, options)


# ---- the struct logger -----------------------------------------------------------------------------------------------


def test_the_struct_logger_writes_each_step_with_stack_and_storage(chain: Running) -> None:
    store = chain.place(STORE)
    answer = trace(chain, call(chain, store, word(1) + word(5)[2:]))
    assert (answer["failed"], answer["returnValue"]) == (False, "0x")
    steps = answer["structLogs"]
    assert [step["op"] for step in steps] == ["PUSH1", "CALLDATALOAD", "PUSH0", "CALLDATALOAD", "SSTORE", "STOP"]
    assert [step["pc"] for step in steps] == [0, 2, 3, 4, 5, 6]
    assert steps[4]["stack"] == ["0x5", "0x1"]
    assert steps[4]["storage"] == {word(1): word(5)}
    assert all("memory" not in step and step["depth"] == 1 for step in steps)
    assert all(first["gas"] - first["gasCost"] == second["gas"] for first, second in pairwise(steps))


def test_memory_and_return_data_are_written_when_asked_for(chain: Running) -> None:
    outer = chain.place(calling(chain.place(ECHO)), OTHER)
    transaction_hash = call(chain, outer, word(7))
    steps = chain.rpc("debug_traceTransaction", transaction_hash, {"enableMemory": True, "enableReturnData": True})["structLogs"]
    assert steps[-1]["memory"] == [word(7)]
    assert steps[-1]["returnData"] == word(7)
    assert {step["depth"] for step in steps} == {1, 2}
    bare = chain.rpc("debug_traceTransaction", transaction_hash, {"disableStack": True, "disableStorage": True, "limit": 3})["structLogs"]
    assert len(bare) == 3
    assert set(bare[0]) == {"pc", "op", "gas", "gasCost", "depth"}


def test_a_refund_and_a_failing_step_are_told(chain: Running) -> None:
    store = chain.place(STORE)
    chain.rpc("anvil_setStorageAt", store, word(1), word(9))
    steps = trace(chain, call(chain, store, word(1) + word(0)[2:]))["structLogs"]
    assert steps[-1]["refund"] == 4_800
    starved = trace(chain, call(chain, store, word(2) + word(1)[2:], gas_limit=24_000))
    assert starved["failed"]
    assert starved["structLogs"][-1]["error"] == "out of gas"


def test_a_trace_that_is_too_large_or_too_slow_is_refused(chain: Running) -> None:
    loop = {"to": chain.place(LOOP), "gas": hex(50_000_000)}
    assert "larger than 134217728 bytes" in chain.refusal("debug_traceCall", loop, "latest", {}).message
    assert "timeout" in chain.refusal("debug_traceCall", loop, "latest", {"tracer": "callTracer", "timeout": "10ms"}).message


# ---- the named tracers -----------------------------------------------------------------------------------------------


def test_the_call_tracer_nests_calls_with_logs_and_reasons(chain: Running) -> None:
    outer = chain.place(calling(chain.place(REVERT_ECHO)), OTHER)
    transaction_hash = call(chain, outer, error_text("no"))
    frame = trace(chain, transaction_hash, "callTracer")
    receipt = chain.rpc("eth_getTransactionReceipt", transaction_hash)
    assert (frame["type"], frame["from"], frame["to"], frame["gas"]) == ("CALL", SENDER, outer, hex(200_000))
    assert frame["gasUsed"] == receipt["gasUsed"]
    (inner,) = frame["calls"]
    assert (inner["error"], inner["revertReason"]) == ("execution reverted", "no")
    logger = chain.place(LOGGER)
    (log,) = trace(chain, call(chain, logger, word(3)), "callTracer", withLog=True)["logs"]
    assert log == {"address": logger, "topics": [word(3)], "data": "0x", "position": "0x0", "index": "0x0"}
    assert "calls" not in trace(chain, transaction_hash, "callTracer", onlyTopCall=True)


def test_the_prestate_tracer_tells_what_was_there_and_what_changed(chain: Running) -> None:
    store = chain.place(STORE)
    chain.rpc("anvil_setStorageAt", store, word(1), word(9))
    transaction_hash = call(chain, store, word(1) + word(5)[2:], value=0)
    before = trace(chain, transaction_hash, "prestateTracer")
    assert before[store] == {"balance": "0x0", "code": STORE, "storage": {word(1): word(9)}}
    assert set(trace(chain, transaction_hash, "prestateTracer", disableCode=True, disableStorage=True)[store]) == {"balance"}
    changed = trace(chain, transaction_hash, "prestateTracer", diffMode=True)
    assert changed["post"][store] == {"storage": {word(1): word(5)}}
    assert changed["post"][SENDER]["nonce"] == changed["pre"][SENDER].get("nonce", 0) + 1


def test_the_small_tracers_and_the_mux_over_them(chain: Running) -> None:
    outer = chain.place(calling(chain.place(ECHO)), OTHER)
    transaction_hash = call(chain, outer, "0x01020304" + word(0)[2:])
    assert trace(chain, transaction_hash, "4byteTracer") == {"0x01020304-32": 2}
    assert trace(chain, transaction_hash, "noopTracer") == {}
    flat = trace(chain, transaction_hash, "flatCallTracer")
    assert [item["traceAddress"] for item in flat] == [[], [0]]
    assert {item["transactionHash"] for item in flat} == {transaction_hash}
    mux = {
        "4byteTracer": {},
        "noopTracer": {},
        "callTracer": {"onlyTopCall": True},
        "prestateTracer": {"diffMode": True},
        "flatCallTracer": None,
    }
    answer = trace(chain, transaction_hash, "muxTracer", **mux)
    assert answer == {name: trace(chain, transaction_hash, name, **(config or {})) for name, config in mux.items()}


@pytest.mark.parametrize("tracer", ["{step: function() {}, result: function() {}}", "unknownTracer"])
def test_a_tracer_that_we_lack_is_named(chain: Running, tracer: str) -> None:
    assert f'tracer not found: "{tracer[:20]}' in chain.refusal("debug_traceTransaction", chain.send(), {"tracer": tracer}).message


def test_a_geth_client_may_send_every_option(chain: Running) -> None:
    options = {"tracer": "callTracer", "timeout": "1m", "reexec": 128, "debug": False, "enableMemory": True}
    assert chain.rpc("debug_traceTransaction", chain.send(), options)["type"] == "CALL"


# ---- blocks and calls ------------------------------------------------------------------------------------------------


def test_a_block_is_traced_as_it_was_executed_edits_included(chain: Running) -> None:
    echo = chain.place(ECHO)
    chain.rpc("evm_setAutomine", False)
    hashes = [call(chain, echo, word(number)) for number in range(3)]
    chain.rpc("anvil_setCode", echo, REVERT_ECHO)
    chain.rpc("evm_mine")
    chain.rpc("evm_setAutomine", True)
    number = chain.rpc("eth_getTransactionByHash", hashes[0])["blockNumber"]
    traces = chain.rpc("debug_traceBlockByNumber", number, {"tracer": "callTracer"})
    assert [item["txHash"] for item in traces] == hashes
    assert [item["result"]["error"] for item in traces] == ["execution reverted"] * 3
    assert [item["result"]["output"] for item in traces] == [word(index) for index in range(3)]
    block = chain.rpc("eth_getBlockByNumber", number, False)
    assert chain.rpc("debug_traceBlockByHash", block["hash"], {"tracer": "callTracer"}) == traces
    assert chain.rpc("debug_traceBlock", chain.rpc("debug_getRawBlock", number), {"tracer": "callTracer"}) == traces


def test_a_call_is_traced_before_any_transaction_of_a_block(chain: Running) -> None:
    load, store = chain.place("0x5f545f5260205ff3"), chain.place(STORE, CALLED)
    chain.rpc("anvil_setCode", load, "0x365f5560015f5500")
    outcome = {"to": store, "data": word(1) + word(5)[2:]}
    chain.rpc("evm_setAutomine", False)
    for value in (3, 4):
        call(chain, store, word(1) + word(value)[2:])
    chain.rpc("evm_mine")
    chain.rpc("evm_setAutomine", True)

    def slot_before(index: str | None) -> str:
        options = {"tracer": "prestateTracer"} | ({} if index is None else {"txIndex": index})
        found: str = chain.rpc("debug_traceCall", outcome, "latest", options)[store]["storage"][word(1)]
        return found

    assert [slot_before(index) for index in ("0x0", "0x1", None)] == [word(0), word(3), word(4)]
    assert "out of range" in chain.refusal("debug_traceCall", outcome, "latest", {"txIndex": "0x2"}).message


def test_a_traced_call_takes_overrides_and_says_why_it_cannot_begin(chain: Running) -> None:
    overrides = {"stateOverrides": {OTHER: {"code": "0x435f5260205ff3"}}, "blockOverrides": {"number": "0x1234"}}
    assert chain.rpc("debug_traceCall", {"to": OTHER}, "latest", overrides)["returnValue"] == word(0x1234)
    poor = {"from": "0x" + "99" * 20, "to": OTHER, "value": "0x5"}
    assert "insufficient funds for gas * price + value" in chain.refusal("debug_traceCall", poor, "latest", {}).message


# ---- OpenEthereum's forms --------------------------------------------------------------------------------------------


def test_calls_are_listed_by_block_transaction_address_and_filter(chain: Running) -> None:
    outer = chain.place(calling(chain.place(ECHO), 0), OTHER)
    transaction_hash = call(chain, outer)
    traces = chain.rpc("trace_transaction", transaction_hash)
    assert [item["traceAddress"] for item in traces] == [[], [0]]
    assert [item["action"]["callType"] for item in traces] == ["call", "call"]
    assert chain.rpc("trace_block", "latest") == traces
    assert chain.rpc("trace_get", transaction_hash, ["0x0"]) == traces[1]
    everything = {"fromBlock": "0x0", "toBlock": "latest"}
    assert chain.rpc("trace_filter", everything | {"fromAddress": [outer]}) == traces[1:]
    assert chain.rpc("trace_filter", everything | {"toAddress": [outer]}) == traces[:1]
    assert chain.rpc("trace_filter", everything | {"toAddress": [outer], "fromAddress": [OTHER]}) == []
    assert chain.rpc("trace_filter", everything | {"after": 1, "count": 1}) == chain.rpc("trace_filter", everything)[1:2]
    assert chain.rpc("trace_transaction", "0x" + "ab" * 32) is None


def test_a_replay_answers_what_it_is_asked_for(chain: Running) -> None:
    store = chain.place(STORE)
    transaction_hash = call(chain, store, word(1) + word(5)[2:], value=0)
    answer = chain.rpc("trace_replayTransaction", transaction_hash, ["trace", "vmTrace", "stateDiff"])
    assert answer["stateDiff"][store]["storage"][word(1)] == {"*": {"from": word(0), "to": word(5)}}
    assert [step["op"] for step in answer["vmTrace"]["ops"]][-1] == "STOP"
    assert answer["trace"] == [
        {name: item[name] for name in ("action", "result", "subtraces", "traceAddress", "type")}
        for item in chain.rpc("trace_transaction", transaction_hash)
    ]
    (whole,) = chain.rpc("trace_replayBlockTransactions", "latest", ["stateDiff"])
    assert (whole["transactionHash"], whole["stateDiff"], whole["vmTrace"]) == (transaction_hash, answer["stateDiff"], None)


def test_each_of_many_calls_sees_those_before_it(chain: Running) -> None:
    store = chain.place(STORE)
    message = {"to": store, "data": word(1) + word(5)[2:]}
    first, second = chain.rpc("trace_callMany", [[message, ["stateDiff"]], [message, ["stateDiff"]]])
    assert first["stateDiff"][store]["storage"] == {word(1): {"*": {"from": word(0), "to": word(5)}}}
    assert store not in second["stateDiff"]
    assert chain.rpc("trace_call", message, ["stateDiff"]) == first
    raw = chain.raw(to=decode_data(store), data=decode_data(word(2) + word(6)[2:]), gas_limit=100_000)
    assert chain.rpc("trace_rawTransaction", raw, ["stateDiff"])["stateDiff"][store]["storage"][word(2)]["*"]["to"] == word(6)


# ---- access lists and storage ----------------------------------------------------------------------------------------


def test_an_access_list_leaves_out_sender_recipient_and_precompiles(chain: Running) -> None:
    store = chain.place(STORE, CALLED)
    identity = "0x" + "00" * 19 + "04"
    outer = chain.place(calling(store)[:-2] + calling(identity)[2:], OTHER)
    data = word(1) + word(5)[2:]
    answer = chain.rpc("eth_createAccessList", {"from": SENDER, "to": outer, "data": data})
    assert answer["accessList"] == [{"address": store, "storageKeys": [word(1)]}]
    sent = chain.send(
        to=decode_data(outer),
        data=decode_data(data),
        value=0,
        gas_limit=200_000,
        access_list=[(decode_data(store), [decode_data(word(1))])],
    )
    assert chain.rpc("eth_getTransactionReceipt", sent)["gasUsed"] == answer["gasUsed"]
    failed = chain.rpc("eth_createAccessList", {"to": chain.place(INVALID, CALLED)})
    assert failed["accessList"] == []
    assert "invalid opcode" in failed["error"]


def test_a_range_of_storage_pages_by_hashed_slots_before_a_transaction(chain: Running) -> None:
    store = chain.place(STORE)
    for slot in range(4):
        call(chain, store, word(slot) + word(slot + 1)[2:])
    block = chain.rpc("eth_getBlockByNumber", "latest", False)["hash"]
    page = chain.rpc("debug_storageRangeAt", block, 0, store, "0x0", 2)
    rest = chain.rpc("debug_storageRangeAt", block, 0, store, page["nextKey"], 9)
    found = {entry["key"]: entry["value"] for entry in [*page["storage"].values(), *rest["storage"].values()]}
    assert found == {word(slot): word(slot + 1) for slot in range(3)}
    assert list(page["storage"]) == sorted(page["storage"])
    assert rest["nextKey"] is None
    after = chain.rpc("debug_storageRangeAt", block, 1, store, "0x0", 9)
    assert len(after["storage"]) == 4


def test_a_creation_is_traced_as_one(chain: Running) -> None:
    transaction_hash = chain.send(to=None, data=decode_data(creation(ECHO)), gas_limit=200_000, value=0)
    created = chain.rpc("eth_getTransactionReceipt", transaction_hash)["contractAddress"]
    frame = trace(chain, transaction_hash, "callTracer")
    assert (frame["type"], frame["to"], frame["output"]) == ("CREATE", created, ECHO)
    (listed,) = chain.rpc("trace_transaction", transaction_hash)
    assert (listed["type"], listed["result"]["address"], listed["result"]["code"]) == ("create", created, ECHO)
