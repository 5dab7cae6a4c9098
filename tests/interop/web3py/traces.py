"""web3.py: what transactions and calls did, by geth's tracers and in OpenEthereum's form, and the lists of what they touch."""

from collections.abc import Mapping
from typing import Any

from hexbytes import HexBytes
from web3.types import Wei

from tests.interop.web3py.common import COUNTER, MULTICALL3, Context, artefact, as_hex, deploy, sign, write
from tests.interop.web3py.inspection import FRESH


def word(storage: Mapping[str, HexBytes]) -> int:
    """What stands in the first slot."""
    return int.from_bytes(HexBytes(storage[as_hex(bytes(32))]))


def geth_traces(context: Context) -> Mapping[str, object]:
    """A call within a call, as tree, as states before and after, and step by step."""
    account, debug = context.accounts[1], context.w3.geth.debug
    counter = deploy(context, account, COUNTER, 1)
    multicall = context.w3.eth.contract(address=MULTICALL3, abi=artefact("chain/Multicall3")["abi"])
    calls = [(counter.address, True, counter.encode_abi("add", [step])) for step in (5, 1001)]
    receipt = write(context, account, multicall, "aggregate3", calls)
    sent = receipt["transactionHash"]

    tree: Any = debug.trace_transaction(sent, {"tracer": "callTracer", "tracerConfig": {"withLog": True}})
    assert (tree["type"], tree["to"], tree["gasUsed"]) == ("CALL", MULTICALL3, receipt["gasUsed"])
    done, failed = tree["calls"]
    assert (done["to"], failed["to"], "error" in done, failed["error"]) == (counter.address, counter.address, False, "execution reverted")
    assert [log["address"] for log in done["logs"]] == [counter.address]

    before: Any = debug.trace_transaction(sent, {"tracer": "prestateTracer"})
    assert word(before[counter.address]["storage"]) == 1
    difference: Any = debug.trace_transaction(sent, {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}})
    assert word(difference["post"][counter.address]["storage"]) == 6

    steps: Any = debug.trace_transaction(sent)
    assert (steps["gas"], steps["failed"]) == (receipt["gasUsed"], False)
    opcodes = [step["op"] for step in steps["structLogs"]]
    selectors: Any = debug.trace_transaction(sent, {"tracer": "4byteTracer"})
    assert selectors[f"0x{counter.encode_abi('add', [5])[2:10]}-32"] == 2
    return {"calls": opcodes.count("CALL"), "reverts": opcodes.count("REVERT")}


def tree_traces(context: Context) -> Mapping[str, object]:
    """The flat form that explorers of OpenEthereum's line read."""
    account = context.accounts[1]
    tracing = context.w3.tracing  # type: ignore[attr-defined]  # It is attached at run time.
    counter = deploy(context, account, COUNTER, 1)
    receipt = write(context, account, counter, "add", 5)
    block, sent = receipt["blockNumber"], receipt["transactionHash"]
    (found,) = tracing.trace_transaction(sent)
    whole: Any = found
    assert (whole["action"]["from"], whole["action"]["to"], whole["type"]) == (account.address, counter.address, "call")
    assert (whole["transactionHash"], whole["blockHash"], whole["blockNumber"]) == (sent, receipt["blockHash"], block)
    assert tracing.trace_block(block)[0] == found
    filtered = tracing.trace_filter({"fromBlock": block, "toBlock": block, "toAddress": [counter.address]})
    assert list(filtered) == [found]
    replayed: Any = tracing.trace_replay_transaction(sent, ["trace", "stateDiff", "vmTrace"])
    assert counter.address.lower() in replayed["stateDiff"]
    assert replayed["vmTrace"]["ops"]
    assert tracing.trace_replay_block_transactions(block, ["trace"])[0]["transactionHash"] == sent

    call = {"from": account.address, "to": counter.address, "data": counter.encode_abi("value", [])}
    answered: Any = tracing.trace_call(call, ["trace"], block)
    assert int.from_bytes(HexBytes(answered["output"])) == 6
    nonce = context.w3.eth.get_transaction_count(account.address)
    base = {"to": FRESH, "value": Wei(1), "gas": 21_000, "gasPrice": context.w3.eth.gas_price * 2, "nonce": nonce, "chainId": 31337}
    raw: Any = tracing.trace_raw_transaction(HexBytes(sign(account, base)).to_0x_hex(), ["trace"])
    assert raw["trace"][0]["action"]["value"] == 1
    assert nonce == context.w3.eth.get_transaction_count(account.address), "nothing of it stays"
    return {"traces": len(filtered)}


def access_lists(context: Context) -> Mapping[str, object]:
    """The list that a node makes, and what it saves to announce it."""
    eth, account = context.w3.eth, context.accounts[1]
    counter = deploy(context, account, COUNTER, 1)
    data = counter.encode_abi("add", [5])
    made: Any = eth.create_access_list({"from": account.address, "to": counter.address, "data": data})
    assert [item["address"] for item in made["accessList"]] == [counter.address]
    nonce = eth.get_transaction_count(account.address)
    base = {"to": counter.address, "data": data, "gas": 200_000, "gasPrice": eth.gas_price * 2, "nonce": nonce, "chainId": eth.chain_id}
    raw = sign(account, {**base, "type": 1, "accessList": [dict(item) for item in made["accessList"]]})
    receipt = eth.wait_for_transaction_receipt(eth.send_raw_transaction(raw), poll_latency=0.02)
    assert receipt["gasUsed"] == made["gasUsed"]
    return {"slots": len(made["accessList"][0]["storageKeys"])}
