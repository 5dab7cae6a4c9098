"""Multicall3 at its canonical address: every method, both reverts, and the value that goes along."""

from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from web3.contract import Contract
from web3.exceptions import ContractLogicError
from web3.types import TxParams, Wei

from tests.interop.web3py.common import COUNTER, MULTICALL3, Context, artefact, as_hex, decode_error, deploy, write

CALL_FAILED = "execution reverted: Multicall3: call failed"
VALUE_MISMATCH = "execution reverted: Multicall3: value mismatch"


@pytest.fixture(scope="module")
def caller(context: Context) -> LocalAccount:
    return context.accounts[7]


@pytest.fixture(scope="module")
def calls(context: Context) -> Contract:
    return context.w3.eth.contract(address=MULTICALL3, abi=artefact("chain/Multicall3")["abi"])


@pytest.fixture(scope="module")
def counter(context: Context, caller: LocalAccount) -> Contract:
    return deploy(context, caller, COUNTER, 3)


@pytest.fixture(scope="module")
def good(counter: Contract) -> tuple[str, str]:
    return counter.address, counter.encode_abi("value")


@pytest.fixture(scope="module")
def bad(counter: Contract) -> tuple[str, str]:
    return counter.address, counter.encode_abi("add", [1001])


def number(data: bytes) -> int:
    return int.from_bytes(data)


def test_the_genesis_holds_exactly_the_compiled_code(context: Context) -> None:
    assert as_hex(context.w3.eth.get_code(MULTICALL3)) == artefact("chain/Multicall3")["deployedBytecode"]


def test_aggregate_gives_the_block_and_what_each_call_returned(context: Context, calls: Contract, good: tuple[str, str]) -> None:
    block, results = calls.functions.aggregate([good, good]).call()
    assert block == context.w3.eth.block_number
    assert [number(result) for result in results] == [3, 3]
    assert calls.functions.aggregate([]).call()[1] == []


def test_aggregate_fails_as_a_whole(calls: Contract, good: tuple[str, str], bad: tuple[str, str]) -> None:
    with pytest.raises(ContractLogicError) as failure:
        calls.functions.aggregate([good, bad]).call()
    assert failure.value.message == CALL_FAILED


def test_try_aggregate_tells_each_failure_unless_success_is_required(
    calls: Contract, counter: Contract, good: tuple[str, str], bad: tuple[str, str]
) -> None:
    (first, value), (second, reason) = calls.functions.tryAggregate(False, [good, bad]).call()
    assert (first, number(value), second) == (True, 3, False)
    assert decode_error(counter.abi, as_hex(reason)) == ("StepTooLarge", (1001, 1000))
    with pytest.raises(ContractLogicError) as failure:
        calls.functions.tryAggregate(True, [good, bad]).call()
    assert failure.value.message == CALL_FAILED


def test_block_and_aggregate_says_at_which_block(context: Context, calls: Contract, good: tuple[str, str], bad: tuple[str, str]) -> None:
    head = context.w3.eth.block_number
    assert calls.functions.blockAndAggregate([good]).call() == [head, bytes(32), [(True, (3).to_bytes(32))]]
    block, block_hash, results = calls.functions.tryBlockAndAggregate(False, [bad]).call()
    assert (block, block_hash, results[0][0]) == (head, bytes(32), False)
    for method in (calls.functions.blockAndAggregate([bad]), calls.functions.tryBlockAndAggregate(True, [bad])):
        with pytest.raises(ContractLogicError) as failure:
            method.call()
        assert failure.value.message == CALL_FAILED


def test_aggregate3_lets_each_call_say_whether_it_may_fail(calls: Contract, good: tuple[str, str], bad: tuple[str, str]) -> None:
    results = calls.functions.aggregate3([(good[0], False, good[1]), (bad[0], True, bad[1])]).call()
    assert [success for success, _ in results] == [True, False]
    with pytest.raises(ContractLogicError) as failure:
        calls.functions.aggregate3([(bad[0], False, bad[1])]).call()
    assert failure.value.message == CALL_FAILED


def test_a_call_to_an_account_without_code_succeeds_with_no_data(calls: Contract) -> None:
    assert calls.functions.aggregate3([("0x1111111111111111111111111111111111111111", False, b"\x01")]).call() == [(True, b"")]


def test_aggregate3_value_sends_each_its_share(context: Context, calls: Contract, caller: LocalAccount, counter: Contract) -> None:
    eth, add = context.w3.eth, counter.encode_abi("add", [2])
    before, value = eth.get_balance(counter.address), counter.functions.value().call()
    failing = (counter.address, True, 0, counter.encode_abi("failSilently"))
    batch = [(counter.address, False, 5, add), (counter.address, False, 7, add), failing]
    receipt = write(context, caller, calls, "aggregate3Value", batch, value=12)
    assert receipt["status"] == 1
    assert eth.get_balance(counter.address) == before + 12
    events = counter.events.Counted().process_receipt(receipt)
    assert [(event["args"]["by"], event["args"]["step"]) for event in events] == [(MULTICALL3, 2), (MULTICALL3, 2)]
    assert counter.functions.value().call() == value + 4
    assert eth.get_balance(MULTICALL3) == 0


@pytest.mark.parametrize("sent", [11, 13])
def test_aggregate3_value_must_be_paid_to_the_wei(
    context: Context, calls: Contract, caller: LocalAccount, counter: Contract, sent: int
) -> None:
    context.send("anvil_setBalance", MULTICALL3, hex(100))  # So that what fails is the sum, not a transfer.
    batch = [(counter.address, False, share, counter.encode_abi("add", [1])) for share in (5, 7)]
    with pytest.raises(ContractLogicError) as failure:
        calls.functions.aggregate3Value(batch).call(TxParams({"from": caller.address, "value": Wei(sent)}))
    assert failure.value.message == VALUE_MISMATCH
    context.send("anvil_setBalance", MULTICALL3, hex(0))


def test_shares_that_wrap_around_pay_nobody(calls: Contract, caller: LocalAccount, counter: Contract) -> None:
    batch = [(counter.address, True, share, counter.encode_abi("add", [1])) for share in (2**256 - 1, 1)]
    results = calls.functions.aggregate3Value(batch).call({"from": caller.address})
    assert [success for success, _ in results] == [False, False]


def test_the_chain_is_told_as_it_is(context: Context, calls: Contract, caller: LocalAccount) -> None:
    eth = context.w3.eth
    context.send("anvil_mine", hex(3))
    block: Any = eth.get_block("latest")
    ask = calls.functions
    assert ask.getBlockNumber().call() == block["number"]
    assert ask.getCurrentBlockTimestamp().call() == block["timestamp"]
    assert ask.getCurrentBlockGasLimit().call() == block["gasLimit"]
    assert ask.getCurrentBlockCoinbase().call() == block["miner"]
    assert ask.getCurrentBlockDifficulty().call() == number(block["mixHash"])
    paid = TxParams({"from": caller.address, "gas": 100_000, "gasPrice": block["baseFeePerGas"]})  # A call that pays nothing sees no fee.
    assert ask.getBasefee().call(paid) == block["baseFeePerGas"]
    assert ask.getChainId().call() == eth.chain_id
    assert ask.getEthBalance(caller.address).call() == eth.get_balance(caller.address)
    assert ask.getLastBlockHash().call() == block["parentHash"]
    older = eth.get_block(block["number"] - 2)
    assert ask.getBlockHash(block["number"] - 2).call() == older.get("hash")
    assert ask.getBlockHash(block["number"] + 1).call() == bytes(32)
