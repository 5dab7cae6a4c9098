"""web3.py: transactions of every type, delegation, fees, the pool, and the errors of sending."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from eth_account import Account
from eth_typing import HexStr
from eth_utils.crypto import keccak
from eth_utils.currency import to_wei
from web3.exceptions import ContractCustomError, TransactionNotFound, Web3RPCError
from web3.types import Wei

from tests.interop.web3py.common import COUNTER, GAS_PRICE, Context, artefact, as_hex, decode_error, deploy, sign, write


@contextmanager
def mining_by_hand(context: Context) -> Iterator[None]:
    """Nothing is mined inside unless somebody asks."""
    context.send("evm_setAutomine", False)
    try:
        yield
    finally:
        context.send("evm_setAutomine", True)


def transaction_types(context: Context) -> Mapping[str, object]:
    """Types 0, 1 and 2 go in as raw bytes and read back with every field."""
    eth, account = context.w3.eth, context.accounts[1]
    counter = deploy(context, account, COUNTER, 0)
    access_list = [{"address": counter.address, "storageKeys": [as_hex(bytes(32))]}]
    caps = {"maxFeePerGas": GAS_PRICE, "maxPriorityFeePerGas": to_wei(1, "gwei")}
    kinds: list[dict[str, Any]] = [
        {"gasPrice": GAS_PRICE},
        {"type": 1, "gasPrice": GAS_PRICE, "accessList": access_list},
        {"type": 2, **caps, "accessList": access_list},
    ]
    data, found = counter.encode_abi("add", [1]), {}
    for kind, extra in enumerate(kinds):
        nonce = eth.get_transaction_count(account.address)
        base = {"to": counter.address, "data": data, "nonce": nonce, "gas": 200_000, "value": 3, "chainId": eth.chain_id}
        signed = account.sign_transaction({**base, **extra})
        sent = eth.send_raw_transaction(signed.raw_transaction)
        assert sent == keccak(signed.raw_transaction) == signed.hash
        receipt = eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        assert (receipt["type"], receipt["status"]) == (kind, 1)
        mined = eth.get_transaction(sent)
        assert (mined["type"], mined["from"], mined["nonce"], mined["to"]) == (kind, account.address, nonce, counter.address)
        assert (int.from_bytes(mined["r"]), int.from_bytes(mined["s"])) == (signed.r, signed.s)
        assert mined["chainId"] == eth.chain_id
        if kind:
            assert [(item["address"], len(item["storageKeys"])) for item in mined["accessList"]] == [(counter.address, 1)]
        found[str(kind)] = receipt["gasUsed"]
    assert counter.functions.value().call() == 3
    return found


def delegation(context: Context) -> Mapping[str, object]:
    """EIP-7702: an account without a coin gets code by somebody else's transaction and runs a batch in its own name."""
    eth, sponsor = context.w3.eth, context.accounts[1]
    implementation = deploy(context, sponsor, artefact("testing/BatchAccount"))
    counter = deploy(context, sponsor, COUNTER, 0)
    account = Account.create()
    authorization = account.sign_authorization({"chainId": eth.chain_id, "address": implementation.address, "nonce": 0})
    request: dict[str, Any] = {
        "type": 4,
        "chainId": eth.chain_id,
        "nonce": eth.get_transaction_count(sponsor.address),
        "maxFeePerGas": GAS_PRICE,
        "maxPriorityFeePerGas": 1,
        "gas": 200_000,
        "to": account.address,
        "value": to_wei(1, "ether"),
        "data": "0x",
        "accessList": [],
        "authorizationList": [authorization],
    }
    sent = eth.send_raw_transaction(sign(sponsor, request))
    receipt = eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
    assert (receipt["type"], receipt["status"]) == (4, 1)
    [listed] = eth.get_transaction(sent)["authorizationList"]
    assert (listed["address"], listed["nonce"], listed["chainId"]) == (implementation.address, 0, eth.chain_id)
    assert eth.get_code(account.address) == b"\xef\x01\x00" + bytes.fromhex(implementation.address[2:])
    assert eth.get_transaction_count(account.address) == 1

    own = eth.contract(address=account.address, abi=implementation.abi)
    add = [(counter.address, 0, counter.encode_abi("add", [step])) for step in (4, 5)]
    nonce = eth.get_transaction_count(account.address)
    batch = own.functions.run(add).build_transaction({"from": account.address, "nonce": nonce})
    eth.wait_for_transaction_receipt(eth.send_raw_transaction(account.sign_transaction(batch).raw_transaction), poll_latency=0.02)
    assert counter.functions.timesBy(account.address).call() == 2
    assert own.functions.batches().call() == 1
    with pytest.raises(ContractCustomError) as foreign:
        own.functions.run([]).call({"from": sponsor.address})
    assert decode_error(own.abi, foreign.value.data)[0] == "NotTheAccount"
    return {"type": receipt["type"], "batches": own.functions.batches().call()}


def fees(context: Context) -> Mapping[str, object]:
    """What a transaction pays is base fee and tip; the fee history tells the same."""
    eth, account = context.w3.eth, context.accounts[1]
    assert eth.gas_price >= eth.get_block("latest")["baseFeePerGas"]
    assert eth.max_priority_fee >= 0
    tip = Wei(to_wei(2, "gwei"))
    sent = eth.send_transaction({"from": account.address, "to": account.address, "maxFeePerGas": GAS_PRICE, "maxPriorityFeePerGas": tip})
    receipt = eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
    block = eth.get_block(receipt["blockNumber"])
    assert receipt["effectiveGasPrice"] == block["baseFeePerGas"] + tip
    history = eth.fee_history(2, "latest", [10, 90])
    assert history["oldestBlock"] == receipt["blockNumber"] - 1
    assert len(history["baseFeePerGas"]) == 3
    assert history["baseFeePerGas"][1] == block["baseFeePerGas"]
    assert history["reward"][1] == [tip, tip]
    assert history["gasUsedRatio"][1] == block["gasUsed"] / block["gasLimit"]
    return {"tip": receipt["effectiveGasPrice"] - block["baseFeePerGas"]}


def pool(context: Context) -> Mapping[str, object]:
    """While nothing is mined: nonces run ahead, gaps wait, a higher bid replaces, and one block takes all in order."""
    eth, account = context.w3.eth, context.accounts[3]
    with mining_by_hand(context):
        nonce = eth.get_transaction_count(account.address)

        def send(offset: int, max_fee: int = GAS_PRICE, tip: int = 1000) -> bytes:
            base = {"from": account.address, "to": account.address, "gas": 30_000, "nonce": nonce + offset}
            request: Any = {**base, "maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip}
            return eth.send_transaction(request)

        third, first = send(2), send(0)
        assert eth.get_transaction_count(account.address, "pending") == nonce + 1
        replaced = send(1)
        assert eth.get_transaction_count(account.address, "pending") == nonce + 3
        second = send(1, 2 * GAS_PRICE, 2000)
        with pytest.raises(TransactionNotFound):
            eth.get_transaction_receipt(as_hex(second))
        with pytest.raises(TransactionNotFound):
            eth.get_transaction(as_hex(replaced))
        assert eth.get_transaction(as_hex(first)).get("blockNumber") is None
        context.send("evm_mine")
        receipts = [eth.get_transaction_receipt(as_hex(sent)) for sent in (first, second, third)]
        assert [receipt["status"] for receipt in receipts] == [1, 1, 1]
        assert len({receipt["blockHash"] for receipt in receipts}) == 1
        indexes = [receipt["transactionIndex"] for receipt in receipts]
        assert indexes == sorted(indexes)
        assert eth.get_transaction_count(account.address) == nonce + 3
    return {"mined": len(receipts)}


def pool_errors(context: Context) -> Mapping[str, object]:
    """What the pool refuses is an RPC error with geth's wording."""
    eth, account = context.w3.eth, context.accounts[4]
    write(context, account, deploy(context, account, COUNTER, 0), "increment")
    nonce = eth.get_transaction_count(account.address)
    found: dict[str, object] = {}

    def raw(**extra: int) -> bytes:
        base = {"type": 2, "chainId": eth.chain_id, "to": account.address, "gas": 21_000, "nonce": nonce, "value": 0}
        return sign(account, {**base, "maxFeePerGas": GAS_PRICE, "maxPriorityFeePerGas": 1000, **extra})

    def refused(name: str, transaction: bytes) -> None:
        with pytest.raises(Web3RPCError) as refusal:
            eth.send_raw_transaction(transaction)
        assert refusal.value.rpc_response is not None
        found[name] = refusal.value.rpc_response["error"]

    refused("nonceTooLow", raw(nonce=nonce - 1))
    refused("insufficientFunds", raw(value=to_wei(1_000_000, "ether")))
    refused("intrinsicGas", raw(gas=20_999))
    with mining_by_hand(context):
        sent = eth.send_raw_transaction(raw())
        refused("replacement", raw(value=1))
        refused("known", raw())
        context.send("evm_mine")
        assert eth.get_transaction_receipt(sent)["status"] == 1
    refused("wrongChain", raw(chainId=1, nonce=nonce + 1))
    refused("badBytes", b"\x02\xc0")
    refused("unknownType", b"\x09\xc0")
    unprotected: dict[str, Any] = {"to": account.address, "gas": 21_000, "nonce": nonce + 1, "value": 0, "gasPrice": GAS_PRICE}
    refused("unprotected", sign(account, unprotected))
    return found


def unlocked(context: Context) -> Mapping[str, object]:
    """The node signs for its own accounts, also without sending."""
    eth = context.w3.eth
    assert list(eth.accounts[:10]) == [account.address for account in context.accounts]
    request = {"from": context.accounts[5].address, "to": context.accounts[6].address, "value": hex(7), "gas": hex(21_000)}
    before = eth.get_balance(context.accounts[6].address)
    sent = HexStr(context.send("eth_sendTransaction", {**request, "gasPrice": hex(GAS_PRICE)}))
    assert eth.wait_for_transaction_receipt(sent, poll_latency=0.02)["status"] == 1
    assert eth.get_balance(context.accounts[6].address) == before + 7
    nonce = eth.get_transaction_count(context.accounts[5].address)
    answer = context.send("eth_signTransaction", {**request, "gasPrice": hex(GAS_PRICE), "nonce": hex(nonce)})
    raw = answer["raw"] if isinstance(answer, Mapping) else answer
    assert Account.recover_transaction(raw) == context.accounts[5].address
    return {"accounts": len(eth.accounts)}
