"""`eth_simulateV1`: shapes and codes of the official tests, and roots that are those of mined blocks."""

from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, RefusedError, Running, text
from tests.unit.chain.node.programs import (
    COINBASE,
    ECHO,
    INVALID,
    LOAD,
    LOGGER,
    LOOP,
    NUMBER,
    REVERT_ECHO,
    STORE,
    TIMESTAMP,
    error_text,
    word,
)
from zerog.primitives import checksum_address, decode_data

POOR, RICH, OTHER = "0x" + "c0" * 20, "0x" + "c1" * 20, "0x" + "c2" * 20
SENDER = text(ACCOUNTS[1].address)
BLOCKHASH = "0x5f35405f5260205ff3"
"""Returns the hash of the block that the call data names."""
FORWARD = "0x5f5f5f5f345f355af100"
"""Sends what it gets to the account that the call data names."""
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
ECRECOVER = "0x" + "00" * 19 + "01"
IDENTITY = "0x" + "00" * 19 + "04"
ETHER = 10**18


def simulate(chain: Running, *blocks: dict[str, Any], block: str = "latest", **options: Any) -> Any:
    return chain.rpc("eth_simulateV1", {"blockStateCalls": list(blocks), **options}, block)


def refused(chain: Running, *blocks: dict[str, Any], **options: Any) -> RefusedError:
    return chain.refusal("eth_simulateV1", {"blockStateCalls": list(blocks), **options}, "latest")


def calls(*wanted: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"calls": list(wanted), **others}


def has_code(code: str, address: str = RICH) -> dict[str, Any]:
    return {address: {"code": code}}


# ---- shapes ----------------------------------------------------------------------------------------------------------


def test_a_transfer_has_the_shape_of_the_specification(chain: Running) -> None:
    (block,) = simulate(chain, calls({"from": SENDER, "to": OTHER, "value": "0x1"}))
    head = chain.rpc("eth_getBlockByNumber", "latest", False)
    (call,) = block["calls"]
    assert call == {"returnData": "0x", "logs": [], "gasUsed": "0x5208", "maxUsedGas": "0x5208", "status": "0x1"}
    assert block["parentHash"] == head["hash"]
    assert int(block["number"], 16) == int(head["number"], 16) + 1
    assert int(block["timestamp"], 16) == int(head["timestamp"], 16) + 12
    assert (block["baseFeePerGas"], block["extraData"], block["gasUsed"]) == ("0x0", "0x", "0x5208")
    assert set(block) == (set(head) | {"calls"}) - {"totalDifficulty"}
    assert len(block["transactions"][0]) == 66


def test_whole_transactions_name_their_sender_and_carry_no_signature(chain: Running) -> None:
    overrides = {"blockOverrides": {"baseFeePerGas": "0xf"}}
    call = {"from": SENDER, "to": OTHER, "maxFeePerGas": "0x10", "value": "0x3e8"}
    (block,) = simulate(chain, calls(call, **overrides), validation=True, returnFullTransactions=True)
    (transaction,) = block["transactions"]
    assert transaction["from"] == SENDER
    assert {transaction[name] for name in ("v", "r", "s", "yParity")} == {"0x0"}
    assert (transaction["type"], transaction["gas"], transaction["gasPrice"]) == ("0x2", "0x2faf080", "0xf")
    assert (transaction["blockHash"], transaction["blockTimestamp"]) == (block["hash"], block["timestamp"])


def test_a_gas_price_makes_a_legacy_transaction(chain: Running) -> None:
    (block,) = simulate(chain, calls({"from": SENDER, "to": OTHER, "gasPrice": "0x0"}), returnFullTransactions=True)
    assert (block["transactions"][0]["type"], block["transactions"][0]["v"]) == ("0x0", "0x0")


def test_blobs_are_seen_by_their_hashes(chain: Running) -> None:
    blob = "0x01" + "06" * 31
    call = {"from": SENDER, "to": RICH, "maxFeePerBlobGas": "0xa", "blobVersionedHashes": [blob], "maxFeePerGas": "0x3b9aca00"}
    block_hash_of_blob = "0x5f495f5260205ff3"  # BLOBHASH(0).
    (block,) = simulate(chain, calls(call, stateOverrides=has_code(block_hash_of_blob)), returnFullTransactions=True)
    assert block["calls"][0]["returnData"] == blob
    assert (block["blobGasUsed"], block["transactions"][0]["type"]) == ("0x20000", "0x3")


def test_nothing_is_kept(chain: Running) -> None:
    before = (chain.number(), chain.balance(ACCOUNTS[2].address), chain.nonce(ACCOUNTS[1]))
    simulate(chain, calls({"from": SENDER, "to": text(ACCOUNTS[2].address), "value": hex(ETHER)}))
    assert (chain.number(), chain.balance(ACCOUNTS[2].address), chain.nonce(ACCOUNTS[1])) == before
    chain.send()
    chain.rpc("evm_mine")


# ---- roots -----------------------------------------------------------------------------------------------------------


def as_mined(chain: Running, block: dict[str, Any]) -> dict[str, Any]:
    """Overrides with which a simulated block is the mined one."""
    return {
        "time": block["timestamp"],
        "gasLimit": block["gasLimit"],
        "feeRecipient": block["miner"],
        "prevRandao": block["mixHash"],
        "baseFeePerGas": block["baseFeePerGas"],
    }


def unsigned(chain: Running, transaction: dict[str, Any]) -> dict[str, Any]:
    names = ("from", "to", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "value", "input", "nonce")
    return {name: transaction[name] for name in names if transaction[name] is not None}


def test_simulated_blocks_have_the_roots_of_the_mined_ones(chain: Running) -> None:
    store, logger = chain.place(STORE, RICH), chain.place(LOGGER, OTHER)
    chain.rpc("evm_mine", {"timestamp": chain.timestamp() + 5})
    base = chain.number()
    for index in range(4):
        chain.rpc("evm_setNextBlockTimestamp", chain.timestamp() + 3)
        chain.send(to=decode_data(store), data=decode_data(word(index % 2) + word(index)[2:]), gas_limit=100_000)
        chain.rpc("evm_setNextBlockTimestamp", chain.timestamp() + 3)
        chain.send(to=decode_data(logger), data=decode_data(word(index)), gas_limit=100_000)
    mined = [chain.rpc("eth_getBlockByNumber", hex(number), True) for number in range(base + 1, base + 9)]
    wanted = [calls(*(unsigned(chain, it) for it in block["transactions"]), blockOverrides=as_mined(chain, block)) for block in mined]
    simulated = simulate(chain, *wanted, block=hex(base), validation=True)
    for real, pretended in zip(mined, simulated, strict=True):
        # The history contract (EIP-2935) keeps parents' hashes, which differ by signatures: only the first block is the same all over.
        for name in ("receiptsRoot", "gasUsed", "logsBloom", "number", "timestamp"):
            assert pretended[name] == real[name], name
    assert simulated[0]["stateRoot"] == mined[0]["stateRoot"]
    assert [block["parentHash"] for block in simulated[1:]] == [block["hash"] for block in simulated[:-1]]


def test_the_root_of_an_empty_simulated_block_is_that_of_the_next_mined_one_with_edits(chain: Running) -> None:
    chain.place(STORE, RICH)
    chain.rpc("evm_mine")
    chain.rpc("anvil_setStorageAt", RICH, "0x5", word(7))
    chain.rpc("anvil_setBalance", OTHER, "0x99")
    pending = chain.rpc("eth_getBlockByNumber", "pending", False)
    (simulated,) = simulate(chain, {"blockOverrides": as_mined(chain, pending) | {"time": hex(chain.timestamp() + 1)}})
    chain.rpc("evm_mine", {"timestamp": chain.timestamp() + 1})
    assert simulated["stateRoot"] == chain.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]


def test_a_simulation_stands_on_an_older_block(chain: Running) -> None:
    chain.place(STORE, RICH)
    chain.rpc("evm_mine")
    base = chain.number()
    for value in (1, 2, 3):
        chain.send(to=decode_data(RICH), data=decode_data(word(9) + word(value)[2:]), gas_limit=100_000)
    for height, expected in ((base, 0), (base + 1, 1), (base + 2, 2)):
        block = calls({"to": RICH, "data": word(9)}, stateOverrides=has_code(LOAD))
        (answer,) = simulate(chain, block, block=hex(height))
        assert answer["calls"][0]["returnData"] == word(expected)
        assert answer["parentHash"] == chain.rpc("eth_getBlockByNumber", hex(height), False)["hash"]


def test_a_simulation_stands_on_the_pending_block(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    chain.send()
    expected = chain.balance(ACCOUNTS[2].address, "pending")
    balance = "0x5f35315f5260205ff3"  # BALANCE of the account that the call data names.
    block = calls({"to": RICH, "data": "0x" + "00" * 12 + ACCOUNTS[2].address.hex()}, stateOverrides=has_code(balance))
    (answer,) = simulate(chain, block, block="pending")
    assert int(answer["calls"][0]["returnData"], 16) == expected
    assert answer["number"] == hex(chain.number() + 2)
    chain.rpc("evm_setAutomine", True)
    chain.rpc("evm_mine")


# ---- state and calls -------------------------------------------------------------------------------------------------


def test_later_calls_and_blocks_see_what_earlier_ones_did(chain: Running) -> None:
    first = calls(
        {"from": POOR, "to": RICH, "data": word(1) + word(5)[2:]},
        {"from": POOR, "to": OTHER, "value": "0x3e8"},
        stateOverrides={POOR: {"balance": "0x7d0"}, RICH: {"code": STORE}},
    )
    second = calls({"from": OTHER, "to": RICH, "data": word(1), "value": "0x64"}, stateOverrides=has_code(LOAD))
    blocks = simulate(chain, first, second)
    assert blocks[1]["calls"][0]["returnData"] == word(5)
    assert [call["status"] for block in blocks for call in block["calls"]] == ["0x1"] * 3


def test_slots_are_replaced_one_by_one_or_all_together(chain: Running) -> None:
    load = [{"to": RICH, "data": word(slot)} for slot in (0, 1)]
    chain.rpc("anvil_setStorageAt", RICH, "0x0", word(1))
    chain.rpc("anvil_setStorageAt", RICH, "0x1", word(2))
    chain.rpc("evm_mine")
    answers = simulate(
        chain,
        calls(*load, stateOverrides=has_code(LOAD)),
        calls(*load, stateOverrides={RICH: {"stateDiff": {word(0): word(0x12)}}}),
        calls(*load, stateOverrides={RICH: {"state": {word(0): word(0x13)}}}),
    )
    values = [[int(call["returnData"], 16) for call in block["calls"]] for block in answers]
    assert values == [[1, 2], [0x12, 2], [0x13, 0]]


def test_nonces_grow_from_call_to_call(chain: Running) -> None:
    (block,) = simulate(chain, calls(*[{"from": SENDER, "to": OTHER}] * 3), returnFullTransactions=True)
    first = chain.nonce(ACCOUNTS[1])
    assert [int(transaction["nonce"], 16) for transaction in block["transactions"]] == [first, first + 1, first + 2]


def test_a_block_is_what_its_overrides_say(chain: Running) -> None:
    overrides = {"number": hex(chain.number() + 3), "time": "0x7fffffff", "feeRecipient": OTHER, "baseFeePerGas": "0xa"}
    codes = {RICH: NUMBER, POOR: TIMESTAMP, "0x" + "c3" * 20: COINBASE}
    block = calls(
        *({"to": address} for address in codes),
        blockOverrides=overrides,
        stateOverrides={address: {"code": code} for address, code in codes.items()},
    )
    blocks = simulate(chain, block)
    assert [len(it["calls"]) for it in blocks] == [0, 0, 3]
    assert [int(call["returnData"], 16) for call in blocks[2]["calls"]] == [chain.number() + 3, 0x7FFFFFFF, int(OTHER, 16)]
    assert (blocks[2]["miner"], blocks[2]["baseFeePerGas"]) == (OTHER, "0xa")


def test_hashes_of_simulated_and_real_blocks_can_be_asked_for(chain: Running) -> None:
    chain.rpc("anvil_mine", "0x2")
    head = chain.number()
    asked = [{"to": RICH, "data": word(number)} for number in (head - 1, head, head + 1, head + 2)]
    blocks = simulate(chain, {"stateOverrides": has_code(BLOCKHASH)}, calls(*asked))
    real = [chain.rpc("eth_getBlockByNumber", hex(number), False)["hash"] for number in (head - 1, head)]
    assert [call["returnData"] for call in blocks[1]["calls"]] == [*real, blocks[0]["hash"], word(0)]


def test_with_validation_the_base_fee_follows_the_parent(chain: Running) -> None:
    (block,) = simulate(chain, calls({"from": SENDER, "to": OTHER, "maxFeePerGas": hex(10 * GWEI)}), validation=True)
    pending = chain.rpc("eth_getBlockByNumber", "pending", False)
    assert block["baseFeePerGas"] == pending["baseFeePerGas"]


def test_a_revert_and_a_halt_are_told_in_their_call(chain: Running) -> None:
    (block,) = simulate(
        chain,
        calls(
            {"to": RICH, "data": error_text("no")},
            {"to": RICH, "data": "0x12345678"},
            {"to": POOR, "gas": "0x10000"},
            stateOverrides=has_code(REVERT_ECHO) | has_code(INVALID, POOR),
        ),
    )
    reason, custom, halt = block["calls"]
    assert reason["error"] == {"message": "execution reverted: no", "code": 3, "data": error_text("no")}
    assert custom["error"] == {"message": "execution reverted", "code": 3, "data": "0x12345678"}
    assert halt["error"]["code"] == -32015
    assert halt["error"]["message"].startswith("invalid opcode")
    assert {call["status"] for call in block["calls"]} == {"0x0"}
    assert {call["returnData"] for call in block["calls"]} == {"0x"}


def test_an_account_without_code_can_be_called_as_any_sender(chain: Running) -> None:
    (block,) = simulate(chain, calls({"from": RICH, "to": RICH, "data": "0x1234"}, stateOverrides=has_code(ECHO)), validation=False)
    assert block["calls"][0]["returnData"] == "0x1234"


def test_refunds_are_in_the_gas_used_but_not_in_the_most_that_was_used(chain: Running) -> None:
    clear = {"to": RICH, "data": word(1) + word(0)[2:]}
    (block,) = simulate(chain, calls(clear, stateOverrides={RICH: {"code": STORE, "stateDiff": {word(1): word(1)}}}))
    (call,) = block["calls"]
    # 4,800 less for the slot that was cleared, but never below the floor for the call data (EIP-7623).
    assert (int(call["gasUsed"], 16), int(call["maxUsedGas"], 16)) == (max(26_279 - 4_800, 21_000 + 67 * 10), 26_279)


# ---- logs ------------------------------------------------------------------------------------------------------------


def test_logs_stand_at_their_place_in_the_simulated_block(chain: Running) -> None:
    log = {"to": RICH, "data": word(7)}
    (block,) = simulate(chain, calls(log, {"to": OTHER}, log, stateOverrides=has_code(LOGGER)))
    first, _, third = (call["logs"] for call in block["calls"])
    assert [(it["logIndex"], it["transactionIndex"]) for it in (*first, *third)] == [("0x0", "0x0"), ("0x1", "0x2")]
    assert first[0]["topics"] == [word(7)]
    assert {it["blockHash"] for it in (*first, *third)} == {block["hash"]}
    assert third[0]["transactionHash"] == block["transactions"][2]
    assert (first[0]["blockNumber"], first[0]["blockTimestamp"]) == (block["number"], block["timestamp"])
    assert int(block["logsBloom"], 16) != 0


def test_transfers_are_told_as_logs_of_nobody_and_are_in_no_bloom(chain: Running) -> None:
    forward = {"from": POOR, "to": RICH, "value": "0x3e8", "data": "0x" + "00" * 12 + OTHER[2:]}
    state = {POOR: {"balance": "0x7d0"}, RICH: {"code": FORWARD}}
    (block,) = simulate(chain, calls(forward, stateOverrides=state), traceTransfers=True)
    logs = block["calls"][0]["logs"]
    ways = [(topics[1][-40:], topics[2][-40:]) for topics in (log["topics"] for log in logs)]
    assert ways == [(POOR[2:], RICH[2:]), (RICH[2:], OTHER[2:])]
    assert {(log["address"], log["topics"][0], log["data"]) for log in logs} == {("0x" + "ee" * 20, TRANSFER_TOPIC, word(0x3E8))}
    assert [log["logIndex"] for log in logs] == ["0x0", "0x1"]
    assert int(block["logsBloom"], 16) == 0
    (silent,) = simulate(chain, calls(forward, stateOverrides=state))
    assert silent["calls"][0]["logs"] == []
    assert silent["receiptsRoot"] == block["receiptsRoot"]


def test_a_transfer_that_is_reverted_is_not_told(chain: Running) -> None:
    state = {POOR: {"balance": "0x7d0"}, RICH: {"code": REVERT_ECHO}}
    (block,) = simulate(chain, calls({"from": POOR, "to": RICH, "value": "0x1"}, stateOverrides=state), traceTransfers=True)
    assert block["calls"][0]["logs"] == []


# ---- precompiled contracts -------------------------------------------------------------------------------------------


def test_a_precompiled_contract_moves(chain: Running) -> None:
    state = {IDENTITY: {"movePrecompileToAddress": OTHER, "code": INVALID}}
    (block,) = simulate(chain, calls({"to": OTHER, "data": "0xabcd"}, {"to": IDENTITY, "gas": "0x10000"}, stateOverrides=state))
    assert (block["calls"][0]["returnData"], block["calls"][1]["status"]) == ("0xabcd", "0x0")


def test_code_in_place_of_a_precompiled_contract_runs(chain: Running) -> None:
    answer = "0x602a60005260206000f3"
    (block,) = simulate(chain, calls({"to": IDENTITY, "data": "0x1234"}, stateOverrides=has_code(answer, IDENTITY)))
    assert block["calls"][0]["returnData"] == word(42)
    assert chain.rpc("eth_call", {"to": IDENTITY, "data": "0x1234"}, "latest", has_code(answer, IDENTITY)) == word(42)


def test_a_call_moves_a_precompiled_contract_too(chain: Running) -> None:
    moved = {IDENTITY: {"movePrecompileToAddress": OTHER}}
    assert chain.rpc("eth_call", {"to": OTHER, "data": "0xabcd"}, "latest", moved) == "0xabcd"
    refusal = chain.refusal("eth_call", {"to": OTHER}, "latest", {OTHER: {"movePrecompileToAddress": POOR}})
    assert (refusal.code, refusal.message) == (-32000, f"account {checksum_address(decode_data(OTHER))} is not a precompile")


# ---- refusals --------------------------------------------------------------------------------------------------------

POOR_NAME, SENDER_NAME = checksum_address(decode_data(POOR)), checksum_address(ACCOUNTS[1].address)
FEE = {"maxFeePerGas": hex(100 * GWEI)}


@pytest.mark.parametrize(
    ("block", "options", "code", "message"),
    [
        (calls({"from": SENDER, "to": OTHER, "nonce": "0x0"} | FEE), {"validation": True}, -38010, "err: nonce too low: address"),
        (calls({"from": SENDER, "to": OTHER, "nonce": "0x999"} | FEE), {"validation": True}, -38011, "err: nonce too high: address"),
        (
            calls({"from": SENDER, "to": OTHER}, blockOverrides={"baseFeePerGas": "0xa"}),
            {"validation": True},
            -38012,
            f"err: max fee per gas less than block base fee: address {SENDER_NAME}, maxFeePerGas: 0, baseFee: 10 (supplied gas 50000000)",
        ),
        (calls({"from": SENDER, "to": OTHER, "gas": "0x0"}), {}, -38013, "err: intrinsic gas too low: have 0, want 21000 (supplied gas 0)"),
        (
            calls({"from": POOR, "to": OTHER, "value": "0x3e8"}),
            {},
            -38014,
            f"insufficient funds for gas * price + value: address {POOR_NAME} have 0 want 1000 (supplied gas 50000000)",
        ),
        (calls({"to": OTHER, "gas": "0x10000000"}), {}, -38015, "block gas limit reached: 0 >= 120000000"),
        ({"blockOverrides": {"number": "0x0"}}, {}, -38020, "block numbers must be in order: 0 <= "),
        ({"blockOverrides": {"time": "0x1"}}, {}, -38021, "block timestamps must be in order: 1 <= "),
        ({"stateOverrides": {ECRECOVER: {"movePrecompileToAddress": ECRECOVER}}}, {}, -38022, "is moved to itself"),
        ({"stateOverrides": {OTHER: {"movePrecompileToAddress": OTHER}}}, {}, -32000, "is not a precompile"),
        ({"stateOverrides": {ECRECOVER: {"movePrecompileToAddress": OTHER}, OTHER: {"nonce": "0x1"}}}, {}, -32000, "is already overridden"),
        (calls({"from": SENDER, "data": "0x" + "00" * 49_153}), {}, -38025, "err: max initcode size exceeded: code size 49153 limit 49152"),
        ({"blockOverrides": {"number": "0xfffff"}}, {}, -38026, "too many blocks"),
        (
            calls({"from": SENDER, "to": OTHER, "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}),
            {"validation": True},
            -32000,
            "maxFeePerGas (1) < maxPriorityFeePerGas (2)",
        ),
        ({"stateOverrides": {OTHER: {"state": {}, "stateDiff": {}}}}, {}, -32602, "has both 'state' and 'stateDiff'"),
        (calls({"to": OTHER, "nonce": "0x"}), {}, -32602, "invalid argument 0"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused_with_its_code(
    chain: Running, block: dict[str, Any], options: dict[str, Any], code: int, message: str
) -> None:
    chain.send()
    answer = refused(chain, block, **options)
    assert answer.code == code
    assert message in answer.message


@pytest.mark.parametrize("payload", [{}, {"blockStateCalls": []}])
def test_no_blocks_at_all_are_refused(chain: Running, payload: dict[str, Any]) -> None:
    answer = chain.refusal("eth_simulateV1", payload, "latest")
    assert (answer.code, answer.message) == (-32602, "empty input")


def test_a_simulation_on_a_block_that_does_not_exist_is_refused(chain: Running) -> None:
    assert chain.refusal("eth_simulateV1", {"blockStateCalls": [{}]}, "0xffffff").message == "header not found"


def test_all_calls_together_have_as_much_gas_as_one_call_alone(chain: Running) -> None:
    loop = {"to": RICH, "gas": hex(30_000_000)}
    (block,) = simulate(chain, calls(loop, loop, stateOverrides=has_code(LOOP)))
    assert [int(call["gasUsed"], 16) for call in block["calls"]] == [30_000_000, 20_000_000]
    assert refused(chain, calls(loop, loop, loop, stateOverrides=has_code(LOOP))).code == -38013


def test_the_longest_chain_is_simulated_in_good_time(chain: Running) -> None:
    blocks = simulate(chain, calls({"from": SENDER, "to": OTHER}, blockOverrides={"number": hex(chain.number() + 256)}))
    assert len(blocks) == 256
