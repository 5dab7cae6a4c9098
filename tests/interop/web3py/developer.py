"""web3.py: what a developer's chain adds, many calls in one, and signatures over typed data."""

from collections.abc import Mapping, Sequence

import pytest
from eth_account.messages import encode_defunct
from web3 import Web3
from web3.exceptions import ContractCustomError, MethodUnavailable, TransactionNotFound, Web3RPCError
from web3.types import StateOverride, StateOverrideParams, Wei

from tests.interop.web3py.common import COUNTER, MULTICALL3, Context, artefact, as_hex, decode_error, deploy, write

WHALE = Web3.to_checksum_address("0x00000000000000000000000000000000deadbeef")
TOKEN = artefact("testing/Token")
MAIL_TYPES = {
    "Person": [{"name": "name", "type": "string"}, {"name": "wallets", "type": "address[]"}],
    "Mail": [
        {"name": "from", "type": "Person"},
        {"name": "to", "type": "Person[]"},
        {"name": "contents", "type": "string"},
        {"name": "stamp", "type": "uint96"},
    ],
}
MAIL_DOMAIN = {"name": "Mail", "version": "1", "chainId": 31337, "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"}
MAIL = {
    "from": {"name": "Cow", "wallets": ["0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"]},
    "to": [
        {"name": "Bob", "wallets": ["0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB", "0xB0BdaBea57B0BDABeA57b0bdABEA57b0BDabEa57"]},
    ],
    "contents": "Hello, Bob!",
    "stamp": 2**96 - 1,
}


def snapshots(context: Context) -> Mapping[str, object]:
    """A snapshot brings back state, blocks, receipts and nonces, and serves once."""
    eth, account = context.w3.eth, context.accounts[1]
    counter = deploy(context, account, COUNTER, 1)
    before, nonce = eth.get_block("latest"), eth.get_transaction_count(account.address)
    outer = context.send("evm_snapshot")
    write(context, account, counter, "add", 10)
    inner = context.send("evm_snapshot")
    lost = write(context, account, counter, "add", 100)
    assert context.send("evm_revert", inner) is True
    assert counter.functions.value().call() == 11
    assert context.send("evm_revert", outer) is True
    assert counter.functions.value().call() == 1
    assert eth.get_block("latest")["hash"] == before["hash"]
    assert eth.get_transaction_count(account.address) == nonce
    with pytest.raises(TransactionNotFound):
        eth.get_transaction_receipt(lost["transactionHash"])
    assert context.send("evm_revert", outer) is False
    write(context, account, counter, "add", 5)
    return {"value": counter.functions.value().call()}


def time_travel(context: Context) -> Mapping[str, object]:
    """Time runs ahead by an offset or to a second, and blocks come many at once."""
    eth = context.w3.eth
    context.send("evm_mine")  # After the genesis, time is today's.
    start = eth.get_block("latest")
    context.send("evm_increaseTime", 3600)
    context.send("evm_mine")
    later = eth.get_block("latest")
    assert later["number"] == start["number"] + 1
    passed = later["timestamp"] - start["timestamp"]
    assert 3600 <= passed < 4200, passed
    chosen = later["timestamp"] + 86_400
    context.send("evm_setNextBlockTimestamp", chosen)
    context.send("evm_mine")
    assert eth.get_block("latest")["timestamp"] == chosen
    with pytest.raises(Web3RPCError):
        context.send("evm_setNextBlockTimestamp", chosen - 1)
    context.send("hardhat_mine", hex(100), hex(60))
    far = eth.get_block("latest")
    previous = eth.get_block(far["number"] - 1)
    assert far["number"] == start["number"] + 102
    assert far["parentHash"] == previous["hash"]
    assert far["timestamp"] - previous["timestamp"] == 60
    return {"mined": far["number"] - start["number"]}


def impersonation(context: Context) -> Mapping[str, object]:
    """Any account may send while it is impersonated, and state changes by hand."""
    eth, account = context.w3.eth, context.accounts[1]
    counter = deploy(context, account, COUNTER, 0)
    context.send("anvil_setBalance", WHALE, hex(3 * 10**18))
    context.send("anvil_impersonateAccount", WHALE)
    sent = counter.functions.add(2).transact({"from": WHALE})
    receipt = eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
    assert (receipt["from"], receipt["status"]) == (WHALE, 1)
    assert counter.functions.timesBy(WHALE).call() == 1
    context.send("anvil_stopImpersonatingAccount", WHALE)
    with pytest.raises(Web3RPCError):
        counter.functions.add(2).transact({"from": WHALE, "gas": 100_000})
    context.send("anvil_setStorageAt", counter.address, hex(0), as_hex((77).to_bytes(32)))
    assert counter.functions.value().call() == 77
    context.send("anvil_setCode", WHALE, COUNTER["deployedBytecode"])
    assert as_hex(eth.get_code(WHALE)) == COUNTER["deployedBytecode"]
    context.send("anvil_setCode", WHALE, "0x")
    nonce = eth.get_transaction_count(WHALE) + 100
    context.send("anvil_setNonce", WHALE, hex(nonce))
    assert eth.get_transaction_count(WHALE) == nonce
    return {"from": receipt["from"]}


def multicall(context: Context) -> Mapping[str, object]:
    """Multicall3 answers at its canonical address; calls that may fail tell how."""
    eth, account = context.w3.eth, context.accounts[1]
    calls = eth.contract(address=MULTICALL3, abi=artefact("chain/Multicall3")["abi"])
    counter = deploy(context, account, COUNTER, 3)
    value, failing = counter.encode_abi("value"), counter.encode_abi("add", [1001])
    results = calls.functions.aggregate3([(counter.address, False, value), (counter.address, True, failing)]).call()
    assert results[0] == (True, (3).to_bytes(32))
    assert results[1][0] is False
    assert decode_error(counter.abi, as_hex(results[1][1])) == ("StepTooLarge", (1001, 1000))
    batch = [(counter.address, False, counter.encode_abi("add", [step])) for step in (1, 2, 3)]
    receipt = write(context, account, calls, "aggregate3", batch)
    assert len(counter.events.Counted().process_receipt(receipt)) == 3
    assert counter.functions.value().call() == 9
    return {"results": len(results)}


def overrides(context: Context) -> Mapping[str, object]:
    """A call may read over a state that is not, and leaves no trace of it."""
    counter = deploy(context, context.accounts[1], COUNTER, 3)
    slot = {as_hex(bytes(32)): as_hex((99).to_bytes(32))}
    override = StateOverride({counter.address: StateOverrideParams(stateDiff=slot)})
    assert counter.functions.value().call(state_override=override) == 99
    assert counter.functions.value().call() == 3
    with context.w3.batch_requests() as batch:
        for step in range(20):
            batch.add(counter.functions.divide(step, 1))
        answers: Sequence[object] = batch.execute()
    assert list(answers) == list(range(20))
    return {"overridden": 99}


def typed_data(context: Context) -> Mapping[str, object]:
    """web3.py and the node sign typed data alike, and a contract checks it."""
    eth, account, spender = context.w3.eth, context.accounts[1], context.accounts[2]
    signature = as_hex(account.sign_typed_data(MAIL_DOMAIN, MAIL_TYPES, MAIL).signature)
    domain_type = [{"name": name, "type": kind} for name, kind in zip(MAIL_DOMAIN, ("string", "string", "uint256", "address"), strict=True)]
    full = {"types": {"EIP712Domain": domain_type, **MAIL_TYPES}, "primaryType": "Mail", "domain": MAIL_DOMAIN}
    by_node = context.send("eth_signTypedData_v4", account.address, {**full, "message": {**MAIL, "stamp": str(MAIL["stamp"])}})
    assert by_node == signature
    text = as_hex(account.sign_message(encode_defunct(text="zero gravity")).signature)
    assert context.send("eth_sign", account.address, as_hex(b"zero gravity")) == text
    assert context.send("personal_sign", as_hex(b"zero gravity"), account.address) == text

    token = deploy(context, account, TOKEN, "Coin", "COIN", 1000)
    domain = {"name": "Coin", "version": "1", "chainId": eth.chain_id, "verifyingContract": token.address}
    permit = {"owner": account.address, "spender": spender.address, "value": 250, "nonce": 0, "deadline": 2**64}
    fields = [{"name": name, "type": "uint256" if isinstance(value, int) else "address"} for name, value in permit.items()]
    signed = account.sign_typed_data(domain, {"Permit": fields}, permit)
    v, r, s = signed.v, signed.r.to_bytes(32), signed.s.to_bytes(32)
    write(context, spender, token, "permit", account.address, spender.address, 250, 2**64, v, r, s)
    assert token.functions.allowance(account.address, spender.address).call() == 250
    with pytest.raises(ContractCustomError) as replay:
        token.functions.permit(account.address, spender.address, 250, 2**64, v, r, s).call()
    assert decode_error(token.abi, replay.value.data)[0] == "ERC2612InvalidSigner"
    return {"signature": signature, "text": text}


def unknown_method(context: Context) -> Mapping[str, object]:
    """A method that is not there is one that web3.py calls unavailable."""
    with pytest.raises(MethodUnavailable) as unavailable:
        context.send("eth_noSuchMethod")
    assert unavailable.value.rpc_response is not None
    assert Wei(unavailable.value.rpc_response["error"]["code"]) == -32601
    return {"message": unavailable.value.rpc_response["error"]["message"]}
