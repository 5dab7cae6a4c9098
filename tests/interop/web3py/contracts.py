"""web3.py: contracts are deployed, called, fail, and tell by events and filters."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.exceptions import BlockNotFound, ContractCustomError, ContractLogicError, ContractPanicError, TransactionNotFound, Web3RPCError
from web3.types import FilterParams
from web3.utils.address import get_create_address

from tests.interop.web3py.common import COUNTER, Context, artefact, as_hex, decode_error, deploy, write


def deployment(context: Context) -> Mapping[str, object]:
    """A contract stands at the address that follows from sender and nonce, with its value and its constructor's argument."""
    eth, account = context.w3.eth, context.accounts[1]
    nonce = eth.get_transaction_count(account.address)
    counter = deploy(context, account, COUNTER, 7, value=5)
    assert counter.address == get_create_address(account.address, nonce)
    assert counter.functions.value().call() == 7
    assert counter.functions.owner().call() == account.address
    assert eth.get_balance(counter.address) == 5
    assert len(eth.get_code(counter.address)) == len(COUNTER["deployedBytecode"]) // 2 - 1
    assert int.from_bytes(eth.get_storage_at(counter.address, 0)) == 7

    factory = deploy(context, account, artefact("testing/CounterFactory"))
    salt = keccak(text="a counter")
    expected = factory.functions.addressOf(42, salt).call()
    code_hash = keccak(bytes.fromhex(COUNTER["bytecode"][2:]) + (42).to_bytes(32))
    raw = keccak(b"\xff" + bytes.fromhex(factory.address[2:]) + salt + code_hash)[12:]
    assert expected == to_checksum_address(raw)
    receipt = write(context, account, factory, "create2", 42, salt)
    [created] = factory.events.Created().process_receipt(receipt)
    assert created["args"]["counter"] == expected
    assert eth.contract(address=expected, abi=COUNTER["abi"]).functions.value().call() == 42
    return {"deployer": account.address, "nonce": nonce, "address": counter.address}


def failures(context: Context) -> Mapping[str, object]:
    """Each way to fail is the exception that web3.py has for it."""
    owner, stranger = context.accounts[1], context.accounts[2]
    counter = deploy(context, owner, COUNTER, 0)
    with pytest.raises(ContractCustomError) as large:
        counter.functions.add(1001).call()
    assert decode_error(counter.abi, large.value.data) == ("StepTooLarge", (1001, 1000))
    with pytest.raises(ContractCustomError) as foreign:
        counter.functions.set(1).transact({"from": stranger.address})
    assert decode_error(counter.abi, foreign.value.data) == ("NotOwner", (stranger.address.lower(), owner.address.lower()))
    with pytest.raises(ContractCustomError) as estimated:
        counter.functions.set(1).estimate_gas({"from": stranger.address})
    assert estimated.value.data == foreign.value.data
    with pytest.raises(ContractLogicError) as required:
        counter.functions.failWithReason().call()
    assert required.value.message == "execution reverted: Counter: this always fails"
    with pytest.raises(ContractPanicError, match="0x01"):
        counter.functions.failAssertion().call()
    with pytest.raises(ContractPanicError, match="0x11"):
        counter.functions.underflow(1).call()
    with pytest.raises(ContractPanicError, match="0x12"):
        counter.functions.divide(1, 0).call()
    with pytest.raises(ContractLogicError, match=re.escape("execution reverted")) as silent:
        counter.functions.failSilently().call()
    assert silent.value.data == "0x"

    receipt = write(context, stranger, counter, "set", 1, gas=100_000)
    assert receipt["status"] == 0
    assert receipt["logs"] == []
    return {"customError": decode_error(counter.abi, large.value.data), "reason": required.value.message}


def events(context: Context) -> Mapping[str, object]:
    """Events are found by contract, by argument, by block, and in a receipt."""
    eth, account, other = context.w3.eth, context.accounts[1], context.accounts[2]
    counter = deploy(context, account, COUNTER, 10)
    first = write(context, account, counter, "add", 1)
    write(context, other, counter, "add", 2)
    last = write(context, account, counter, "add", 3)
    tags = [keccak(b"x"), keccak(b"y")]
    labelled = write(context, account, counter, "label", "zero gravity", tags)
    start = first["blockNumber"]

    found = list(counter.events.Counted().get_logs(from_block=start))
    assert [log["args"]["value"] for log in found] == [11, 13, 16]
    mine = counter.events.Counted().get_logs(from_block=start, argument_filters={"by": account.address})
    assert [log["args"]["step"] for log in mine] == [1, 3]
    either = counter.events.Counted().get_logs(from_block=start, argument_filters={"step": [2, 3]})
    assert len(list(either)) == 2
    [in_block] = eth.get_logs(FilterParams(address=counter.address, blockHash=last["blockHash"]))
    assert in_block["transactionHash"] == last["transactionHash"]
    [named] = counter.events.Named().process_receipt(labelled)
    assert named["args"] == {"nameHash": keccak(text="zero gravity"), "name": "zero gravity", "tags": tags}
    return {"values": [log["args"]["value"] for log in found], "address": counter.address}


def filters(context: Context) -> Mapping[str, object]:
    """The node keeps filters of logs, of blocks and of pending transactions, and tells each thing once."""
    eth, account = context.w3.eth, context.accounts[1]
    counter = deploy(context, account, COUNTER, 0)
    logs = counter.events.Counted().create_filter(from_block=eth.block_number)
    blocks, pending = eth.filter("latest"), eth.filter("pending")
    one = write(context, account, counter, "add", 5)
    assert [log["args"]["step"] for log in logs.get_new_entries()] == [5]
    two = write(context, account, counter, "add", 6)
    steps = [log["args"]["step"] for log in logs.get_new_entries()]
    assert steps == [6]
    assert logs.get_new_entries() == []
    assert [log["args"]["step"] for log in logs.get_all_entries()] == [5, 6]
    told: dict[str, Any] = {"blocks": blocks.get_new_entries(), "pending": pending.get_new_entries()}
    assert told["blocks"] == [one["blockHash"], two["blockHash"]]
    assert told["pending"] == [one["transactionHash"], two["transactionHash"]]
    assert blocks.filter_id is not None
    assert eth.uninstall_filter(blocks.filter_id) is True
    assert eth.uninstall_filter(blocks.filter_id) is False
    with pytest.raises(Web3RPCError, match="filter not found"):
        blocks.get_new_entries()
    return {"steps": steps}


def missing(context: Context) -> Mapping[str, object]:
    """What is not there is said with the exception that web3.py has for it."""
    eth = context.w3.eth
    with pytest.raises(BlockNotFound):
        eth.get_block(eth.block_number + 1000)
    with pytest.raises(Web3RPCError, match="header not found"):
        eth.get_balance(context.accounts[1].address, eth.block_number + 1000)
    with pytest.raises(TransactionNotFound):
        eth.get_transaction(as_hex(bytes(32)))
    with pytest.raises(TransactionNotFound):
        eth.get_transaction_receipt(as_hex(bytes(32)))
    with pytest.raises(BlockNotFound):
        eth.get_block_receipts(eth.block_number + 1000)
    return {"head": eth.block_number > 0}
