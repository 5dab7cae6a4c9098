"""Gas at its limits, as a client sees it: what runs out, what is estimated, what comes back, what a block holds."""

import re
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from web3.contract import Contract
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import TxParams

from tests.interop.web3py.common import Context, artefact, deploy, write

CALL_DEPTH_MAX = 1024
"""Source: Ethereum yellow paper, section 9.4.2."""


@pytest.fixture(scope="module")
def account(context: Context) -> LocalAccount:
    return context.accounts[5]


@pytest.fixture(scope="module")
def burner(context: Context, account: LocalAccount) -> Contract:
    return deploy(context, account, artefact("testing/GasBurner"))


def test_a_transaction_that_runs_out_pays_for_all_its_gas(context: Context, account: LocalAccount, burner: Contract) -> None:
    before = context.w3.eth.get_balance(account.address)
    receipt = write(context, account, burner, "burnAll", gas=100_000)
    assert (receipt["status"], receipt["gasUsed"], receipt["logs"]) == (0, 100_000, [])
    assert context.w3.eth.get_balance(account.address) == before - 100_000 * receipt["effectiveGasPrice"]


def test_a_call_that_runs_out_says_so(account: LocalAccount, burner: Contract) -> None:
    with pytest.raises(Web3RPCError, match="out of gas"):
        burner.functions.burnAll().call({"from": account.address, "gas": 100_000})


def test_an_estimate_of_what_needs_too_much_names_the_allowance(account: LocalAccount, burner: Contract) -> None:
    with pytest.raises(Web3RPCError, match=re.escape("gas required exceeds allowance (200000)")):
        burner.functions.burnAll().estimate_gas({"from": account.address, "gas": 200_000})


@pytest.mark.parametrize(
    ("name", "arguments"), [("recurse", (60,)), ("fill", (0, 50, 1)), ("fill", (0, 50, 0)), ("emitMany", (30,)), ("burn", (10**6,))]
)
def test_what_is_estimated_is_enough(
    context: Context, account: LocalAccount, burner: Contract, name: str, arguments: tuple[int, ...]
) -> None:
    estimate = burner.functions[name](*arguments).estimate_gas({"from": account.address})
    assert write(context, account, burner, name, *arguments, gas=estimate)["status"] == 1


def test_clearing_storage_gives_at_most_a_fifth_back(context: Context, account: LocalAccount, burner: Contract) -> None:
    filled = write(context, account, burner, "fill", 1000, 20, 1, gas=2_000_000)
    cleared = write(context, account, burner, "fill", 1000, 20, 0, gas=2_000_000)
    assert burner.functions.filled(1000).call() == 0
    assert cleared["gasUsed"] < filled["gasUsed"] / 3
    # EIP-3529: the refund is capped at a fifth of what was used before it, which an estimate covers with little to spare.
    before_refund = burner.functions.fill(1000, 20, 0).estimate_gas({"from": account.address}, filled["blockNumber"])
    assert before_refund * 3 // 4 <= cleared["gasUsed"] <= before_refund - before_refund // 5


def test_the_call_depth_is_limited(burner: Contract) -> None:
    assert burner.functions.recurse(100).call() == 100
    with pytest.raises(ContractLogicError):
        burner.functions.recurse(CALL_DEPTH_MAX + 1).call({"gas": 100_000_000})


def test_many_logs_keep_their_order_and_their_indexes(context: Context, account: LocalAccount, burner: Contract) -> None:
    receipt = write(context, account, burner, "emitMany", 500, gas=5_000_000)
    events = burner.events.Burnt().process_receipt(receipt)
    assert [event["args"]["index"] for event in events] == list(range(500))
    assert [event["logIndex"] for event in events] == list(range(500))
    [one] = burner.events.Burnt().get_logs(from_block=receipt["blockNumber"], argument_filters={"index": 333})
    assert one["logIndex"] == 333


def test_what_does_not_fit_one_block_goes_into_the_next(context: Context, account: LocalAccount, burner: Contract) -> None:
    eth = context.w3.eth
    limit = eth.get_block("latest")["gasLimit"]
    first = eth.get_transaction_count(account.address)
    context.send("evm_setAutomine", False)
    try:
        requests: list[Any] = [{"from": account.address, "gas": limit * 2 // 5, "nonce": first + offset} for offset in range(3)]
        sent = [burner.functions.burn(limit * 2 // 5 - 1_000_000).transact(request) for request in requests]
        context.send("evm_mine")
        assert eth.get_transaction_count(account.address) == first + 2
        context.send("evm_mine")
    finally:
        context.send("evm_setAutomine", True)
    receipts = [eth.get_transaction_receipt(transaction) for transaction in sent]
    assert [receipt["status"] for receipt in receipts] == [1, 1, 1]
    assert receipts[0]["blockNumber"] == receipts[1]["blockNumber"] == receipts[2]["blockNumber"] - 1
    assert receipts[1]["cumulativeGasUsed"] == receipts[0]["gasUsed"] + receipts[1]["gasUsed"] <= limit


def test_more_gas_than_a_block_holds_is_refused(context: Context, account: LocalAccount) -> None:
    limit = context.w3.eth.get_block("latest")["gasLimit"]
    with pytest.raises(Web3RPCError, match="exceeds block gas limit"):
        context.w3.eth.send_transaction(TxParams({"from": account.address, "to": account.address, "gas": limit + 1}))
