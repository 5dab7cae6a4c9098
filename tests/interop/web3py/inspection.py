"""web3.py: calls that are simulated in blocks, proofs, the pool's content and raw transactions.

Some types of web3.py do not say what it does (how a proof is asked for, the keys of the pool's content), so what has them is `Any` here.
"""

from collections.abc import Mapping
from typing import Any

from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3.types import RPCEndpoint, Wei

from tests.interop.web3py.common import COUNTER, Context, as_hex, deploy, sign, write
from tests.interop.web3py.transactions import mining_by_hand

FRESH = "0x3333333333333333333333333333333333333333"


def simulations(context: Context) -> Mapping[str, object]:
    """Blocks of calls with overrides: each block stands on the one before, and nothing of them stays."""
    eth: Any = context.w3.eth
    account = context.accounts[1]
    counter = deploy(context, account, COUNTER, 1)
    add = {"from": account.address, "to": counter.address, "data": counter.encode_abi("add", [5])}
    read = {"from": account.address, "to": counter.address, "data": counter.encode_abi("value", [])}
    first, second = eth.simulate_v1(
        {
            "blockStateCalls": [
                {"calls": [add, read]},
                {"stateOverrides": {FRESH: {"balance": hex(10)}}, "calls": [{"from": FRESH, "to": account.address, "value": hex(4)}, read]},
            ],
            "validation": False,
            "traceTransfers": True,
        },
        "latest",
    )
    head = eth.get_block("latest")
    assert (first["number"], second["number"]) == (head["number"] + 1, head["number"] + 2)
    assert (first["parentHash"], second["parentHash"]) == (head["hash"], first["hash"])
    values = [int.from_bytes(HexBytes(block["calls"][1]["returnData"])) for block in (first, second)]
    assert [call["status"] for block in (first, second) for call in block["calls"]] == [1, 1, 1, 1]
    assert len(second["calls"][0]["logs"]) == 1
    assert counter.functions.value().call() == 1
    return {"values": values}


def proofs(context: Context) -> Mapping[str, object]:
    """A proof begins at the block's state root and names what the account holds."""
    eth: Any = context.w3.eth
    account = context.accounts[1]
    counter = deploy(context, account, COUNTER, 42)
    block = eth.get_block("latest")
    write(context, account, counter, "add", 1)
    proof = eth.get_proof(counter.address, [0, 7], block["number"])
    assert keccak(proof["accountProof"][0]) == block["stateRoot"]
    assert proof["codeHash"] == keccak(eth.get_code(counter.address))
    slot, absent = proof["storageProof"]
    assert keccak(slot["proof"][0]) == proof["storageHash"] == keccak(absent["proof"][0])
    return {"values": [int.from_bytes(HexBytes(found["value"])) for found in (slot, absent)]}


def pool_content(context: Context) -> Mapping[str, object]:
    """The pool shows what can be mined and what waits for a nonce, and gives the bytes back as they came."""
    eth, account = context.w3.eth, context.accounts[4]
    txpool: Any = context.w3.geth.txpool
    nonce = eth.get_transaction_count(account.address)
    base = {"to": FRESH, "value": Wei(1), "gas": 21_000, "gasPrice": eth.gas_price * 2, "chainId": eth.chain_id}
    with mining_by_hand(context):
        ready, waiting = (sign(account, {**base, "nonce": nonce + ahead}) for ahead in (0, 2))
        hashes = [eth.send_raw_transaction(raw) for raw in (ready, waiting)]
        status, content = txpool.status(), txpool.content()
        assert set(content["pending"][account.address]) == {str(nonce)}
        assert set(content["queued"][account.address]) == {str(nonce + 2)}
        assert txpool.inspect()["pending"][account.address][str(nonce)].startswith(f"{FRESH}: 1 wei + 21000 gas")
        assert eth.get_raw_transaction(hashes[0]) == ready
    eth.wait_for_transaction_receipt(hashes[0], poll_latency=0.02)
    assert context.send("hardhat_dropTransaction", as_hex(hashes[1])) is True
    counts = {name: int(str(status[name]), 0) for name in ("pending", "queued")}
    raw = context.bare.manager.request_blocking(RPCEndpoint("debug_getRawTransaction"), [as_hex(hashes[0])])
    assert HexBytes(raw) == ready
    return counts
