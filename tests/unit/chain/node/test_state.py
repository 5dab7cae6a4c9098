"""Reading state, and calls that change nothing."""

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, run_node, text
from tests.unit.chain.node.programs import (
    BASE_FEE,
    COINBASE,
    ECHO,
    INVALID,
    LOAD,
    LOOP,
    NUMBER,
    PREVRANDAO,
    REVERT_ECHO,
    STORE,
    TIMESTAMP,
    creation,
    error_text,
    panic,
    word,
)
from zerog.chain.node.settings import ChainNodeSettings

FIRST, SENDER, OTHER = ACCOUNTS[0], ACCOUNTS[1], ACCOUNTS[2]
STRANGER = "0x" + "77" * 20


def test_account_zero_begins_at_nonce_fifteen_with_ten_thousand(chain: Running) -> None:
    assert chain.nonce(FIRST, "earliest") == 15
    assert [chain.balance(account.address, "earliest") for account in ACCOUNTS] == [10_000 * 10**18] * 10


@pytest.mark.parametrize("name", ["create2_deployer", "multicall3", "w0g"])
def test_helpers_stand_on_the_chain_from_its_beginning(chain: Running, name: str) -> None:
    address = chain.node.network.addresses[name]
    assert len(chain.rpc("eth_getCode", text(address), "earliest")) > 100


def test_w0g_says_its_name_without_any_storage(chain: Running) -> None:
    answer = chain.rpc("eth_call", {"to": text(chain.node.network.addresses["w0g"]), "data": "0x95d89b41"})
    assert bytes.fromhex(answer[2:]).rstrip(b"\0").endswith(b"W0G")


def test_the_hash_of_a_parent_can_be_read_on_chain(chain: Running) -> None:
    chain.rpc("anvil_mine", 3)
    history = "0x0000f90827f1c53a10cb7a02335b175320002935"
    parent = chain.rpc("eth_getBlockByNumber", "latest", False)["parentHash"]
    assert chain.rpc("eth_call", {"to": history, "data": word(chain.number() - 1)}) == parent


def test_old_state_can_be_read_by_tag_number_and_hash(chain: Running) -> None:
    height, before = chain.number(), chain.balance(OTHER.address)
    block_hash = chain.rpc("eth_getBlockByNumber", "latest", False)["hash"]
    chain.send(SENDER, value=7)
    for block in (hex(height), height, block_hash, {"blockHash": block_hash, "requireCanonical": True}, {"blockNumber": hex(height)}):
        assert int(chain.rpc("eth_getBalance", text(OTHER.address), block), 16) == before
    for block in ("latest", "safe", "finalized", "pending"):
        assert chain.balance(OTHER.address, block) == before + 7
    assert int(chain.rpc("eth_getBalance", text(OTHER.address)), 16) == before + 7


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", [STRANGER]),
        ("eth_getTransactionCount", [STRANGER]),
        ("eth_getCode", [STRANGER]),
        ("eth_getStorageAt", [STRANGER, "0x0"]),
        ("eth_call", [{"to": STRANGER}]),
        ("eth_estimateGas", [{"to": STRANGER}]),
    ],
)
@pytest.mark.parametrize("block", ["0xffffff", {"blockHash": "0x" + "ab" * 32}])
def test_state_of_an_unknown_block_is_refused(chain: Running, method: str, params: list[object], block: object) -> None:
    refused = chain.refusal(method, *params, block)
    assert (refused.code, refused.message) == (-32000, "header not found")


def test_storage_is_read_by_quantity_and_by_word(chain: Running) -> None:
    contract = chain.place(STORE)
    chain.rpc("anvil_setStorageAt", contract, "0x1", word(99))
    assert chain.rpc("eth_getStorageAt", contract, "0x1", "latest") == word(99)
    assert chain.rpc("eth_getStorageAt", contract, word(1), "latest") == word(99)
    assert chain.rpc("eth_getStorageAt", contract, "0x2", "latest") == word(0)


def test_a_call_takes_data_or_input_or_both_when_equal(chain: Running) -> None:
    contract = chain.place(ECHO)
    for fields in ({"data": "0x12"}, {"input": "0x12"}, {"data": "0x12", "input": "0x12"}):
        assert chain.rpc("eth_call", {"to": contract, **fields}) == "0x12"
    refused = chain.refusal("eth_call", {"to": contract, "data": "0x12", "input": "0x34"})
    assert refused.code == -32000
    assert refused.message.startswith('both "data" and "input" are set and not equal')


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (error_text("not yours"), "execution reverted: not yours"),
        (panic(0x01), "execution reverted: assert(false)"),
        (panic(0x11), "execution reverted: arithmetic underflow or overflow"),
        (panic(0x77), "execution reverted: unknown panic code: 0x77"),
        ("0xdeadbeef", "execution reverted"),
        ("0x08c379a0ff", "execution reverted"),
        ("0x", "execution reverted"),
    ],
)
@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_revert_carries_its_data_and_reason(chain: Running, method: str, returned: str, message: str) -> None:
    contract = chain.place(REVERT_ECHO)
    refused = chain.refusal(method, {"from": text(SENDER.address), "to": contract, "data": returned}, "latest")
    assert (refused.code, refused.message, refused.data) == (3, message, returned)


def test_a_creation_that_reverts_is_a_revert_too(chain: Running) -> None:
    refused = chain.refusal("eth_call", {"data": "0x5f5ffd"})
    assert (refused.code, refused.data) == (3, "0x")


def test_an_invalid_opcode_is_named(chain: Running) -> None:
    refused = chain.refusal("eth_call", {"to": chain.place(INVALID)})
    assert refused.code == -32000
    assert refused.message.startswith("invalid opcode")


def test_a_call_that_never_ends_runs_out_of_gas(chain: Running) -> None:
    refused = chain.refusal("eth_call", {"to": chain.place(LOOP), "gas": "0x1e8480"})
    assert (refused.code, refused.message) == (-32000, "out of gas")


def test_a_call_gets_fifty_million_gas_at_most(chain: Running) -> None:
    gas_left = chain.place("0x5a5f5260205ff3")
    assert 49_000_000 < int(chain.rpc("eth_call", {"to": gas_left, "gas": hex(10**9)}), 16) <= 50_000_000


def test_an_estimate_that_no_gas_satisfies_says_what_was_tried(chain: Running) -> None:
    refused = chain.refusal("eth_estimateGas", {"to": chain.place(LOOP)})
    assert (refused.code, refused.message) == (-32000, "gas required exceeds allowance (50000000)")


def test_an_estimate_tries_no_more_gas_than_the_caller_gives(chain: Running) -> None:
    refused = chain.refusal("eth_estimateGas", {"to": chain.place(LOOP), "gas": "0x7530"})
    assert (refused.code, refused.message) == (-32000, "gas required exceeds allowance (30000)")


def test_an_estimate_tries_no_more_gas_than_the_caller_can_pay(chain: Running) -> None:
    chain.rpc("anvil_setBalance", STRANGER, hex(30_000 * GWEI))
    refused = chain.refusal("eth_estimateGas", {"from": STRANGER, "to": chain.place(LOOP), "gasPrice": hex(GWEI)})
    assert (refused.code, refused.message) == (-32000, "gas required exceeds allowance (30000)")


def test_an_estimate_ignores_a_limit_that_no_transaction_could_have(chain: Running) -> None:
    assert chain.rpc("eth_estimateGas", {"to": STRANGER, "gas": "0x5207"}) == "0x5208"


def test_a_call_with_less_gas_than_any_transaction_needs_is_refused(chain: Running) -> None:
    refused = chain.refusal("eth_call", {"to": STRANGER, "gas": "0x1"})
    assert refused.code == -32000
    assert "intrinsic gas too low: have 1, want 21000" in refused.message


def test_an_estimate_is_tight_and_enough(chain: Running) -> None:
    contract = chain.place(STORE)
    message = {"from": text(SENDER.address), "to": contract, "data": word(1) + word(2)[2:]}
    gas = int(chain.rpc("eth_estimateGas", message), 16)
    used = chain.send(SENDER, to=bytes.fromhex(contract[2:]), value=0, data=bytes.fromhex(str(message["data"])[2:]), gas_limit=gas)
    receipt = chain.rpc("eth_getTransactionReceipt", used)
    assert receipt["status"] == "0x1"
    assert int(receipt["gasUsed"], 16) <= gas <= int(receipt["gasUsed"], 16) * 102 // 100


def test_an_estimate_of_a_creation_deploys(chain: Running) -> None:
    gas = int(chain.rpc("eth_estimateGas", {"from": text(SENDER.address), "data": creation(ECHO)}), 16)
    sent = chain.send(SENDER, to=None, value=0, data=bytes.fromhex(creation(ECHO)[2:]), gas_limit=gas)
    assert chain.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_call_that_its_sender_cannot_pay_is_refused(chain: Running, method: str) -> None:
    refused = chain.refusal(method, {"from": STRANGER, "to": STRANGER, "value": "0x1"})
    assert refused.code == -32000
    assert "insufficient funds for " in refused.message


def test_a_call_with_prices_pays_the_base_fee(chain: Running) -> None:
    refused = chain.refusal("eth_call", {"from": text(SENDER.address), "to": STRANGER, "maxFeePerGas": "0x1"})
    assert refused.code == -32000
    assert "max fee per gas less than block base fee" in refused.message


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"gasPrice": "0x1", "maxFeePerGas": "0x1"}, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"),
        ({"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}, "maxFeePerGas (1) < maxPriorityFeePerGas (2)"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(chain: Running, fields: dict[str, object], part: str) -> None:
    for method in ("eth_call", "eth_estimateGas", "eth_sendTransaction"):
        refused = chain.refusal(method, {"from": text(SENDER.address), "to": STRANGER, **fields})
        assert refused.code == -32000
        assert part in refused.message


def test_a_call_may_carry_blobs_although_transactions_may_not(chain: Running) -> None:
    blob, blobhash = "0x01" + "06" * 31, "0x5f495f5260205ff3"  # The program returns BLOBHASH(0).
    call = {"from": text(SENDER.address), "to": STRANGER, "blobVersionedHashes": [blob]}
    for price in ({}, {"maxFeePerBlobGas": "0x5"}):
        assert chain.rpc("eth_call", call | price, "latest", {STRANGER: {"code": blobhash}}) == blob
        assert chain.rpc("eth_estimateGas", call | price) == "0x5208"
    refused = chain.refusal("eth_sendTransaction", call)
    assert (refused.code, refused.message) == (-32000, "blob transactions are not accepted by this chain")


@pytest.mark.parametrize(("nonce", "start"), [("0x0", "nonce too low"), ("0xffff", "nonce too high")])
def test_a_nonce_in_a_call_is_not_checked_as_in_geth(chain: Running, nonce: str, start: str) -> None:
    """geth ignores it in `eth_call`; the texts are tested where they occur, in the pool."""
    assert chain.rpc("eth_call", {"from": text(FIRST.address), "to": STRANGER, "nonce": nonce}) == "0x", start


def test_a_call_can_pretend_state(chain: Running) -> None:
    contract = "0x" + "c1" * 20
    overrides = {contract: {"code": LOAD, "stateDiff": {word(5): word(7)}}, STRANGER: {"balance": hex(10**18), "nonce": "0x9"}}
    assert chain.rpc("eth_call", {"from": STRANGER, "to": contract, "data": word(5), "value": "0x1"}, "latest", overrides) == word(7)
    assert chain.rpc("eth_getCode", contract) == "0x"
    assert int(chain.rpc("eth_estimateGas", {"from": STRANGER, "to": contract, "data": word(5)}, "latest", overrides), 16) > 21_000


def test_a_whole_storage_can_be_pretended(chain: Running) -> None:
    contract = chain.place(LOAD)
    chain.rpc("anvil_setStorageAt", contract, "0x1", word(11))
    override = {contract: {"state": {word(2): word(22)}}}
    assert chain.rpc("eth_call", {"to": contract, "data": word(1)}, "latest", override) == word(0)
    assert chain.rpc("eth_call", {"to": contract, "data": word(2)}, "latest", override) == word(22)


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ({"state": {}, "stateDiff": {}}, "has both 'state' and 'stateDiff'"),
        ({"balance": "10"}, "invalid argument 2"),
        ({"state": {"0x1": word(1)}}, "invalid argument 2"),
    ],
)
def test_overrides_that_make_no_sense_are_refused(chain: Running, override: dict[str, object], part: str) -> None:
    refused = chain.refusal("eth_call", {"to": STRANGER}, "latest", {STRANGER: override})
    assert refused.code == -32602
    assert part in refused.message


@pytest.mark.parametrize(
    ("code", "override", "expected"),
    [
        (NUMBER, {"number": "0x1234"}, 0x1234),
        (TIMESTAMP, {"time": "0x7fffffff"}, 0x7FFFFFFF),
        (COINBASE, {"feeRecipient": STRANGER}, int(STRANGER, 16)),
        (COINBASE, {"coinbase": STRANGER}, int(STRANGER, 16)),
        (PREVRANDAO, {"prevRandao": word(3)}, 3),
        (PREVRANDAO, {"random": word(4)}, 4),
        (BASE_FEE, {"baseFeePerGas": "0x5"}, 5),
    ],
)
def test_a_call_can_pretend_its_block(chain: Running, code: str, override: dict[str, object], expected: int) -> None:
    assert int(chain.rpc("eth_call", {"to": chain.place(code)}, "latest", {}, override), 16) == expected


def test_a_call_on_pending_sees_the_pool(chain: Running) -> None:
    contract = chain.place(STORE)
    chain.rpc("evm_setAutomine", False)
    chain.send(SENDER, to=bytes.fromhex(contract[2:]), value=0, data=(1).to_bytes(32, "big") + (2).to_bytes(32, "big"), gas_limit=60_000)
    assert chain.rpc("eth_getStorageAt", contract, "0x1", "pending") == word(2)
    assert chain.rpc("eth_getStorageAt", contract, "0x1", "latest") == word(0)
    numbers = chain.place(NUMBER, "0x" + "c2" * 20)
    assert int(chain.rpc("eth_call", {"to": numbers}, "pending"), 16) == chain.number() + 1
    assert int(chain.rpc("eth_call", {"to": numbers}, "latest"), 16) == chain.number()


def test_sender_zero_calls_without_funds(chain: Running) -> None:
    assert chain.rpc("eth_call", {"to": chain.place(ECHO), "data": "0x01", "gasPrice": "0x0"}) == "0x01"
    assert chain.rpc("eth_getBalance", "0x" + "00" * 20) is not None
    assert chain.balance(SENDER.address) > GWEI


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_call_that_takes_too_long_is_stopped(method: str) -> None:
    for node in run_node(ChainNodeSettings(rpc_port=0, call_time_s=0.002)):
        refused = node.refusal(method, {"to": node.place(LOOP)})
        assert (refused.code, refused.message) == (-32000, "execution aborted (timeout = 0.002s)")


def test_a_long_call_keeps_nobody_waiting_and_ends(chain: Running) -> None:
    """It outlives its first try on the event loop and goes on in a thread, up to the end of its gas."""
    refused = chain.refusal("eth_call", {"to": chain.place(LOOP)})
    assert (refused.code, refused.message) == (-32000, "out of gas")
