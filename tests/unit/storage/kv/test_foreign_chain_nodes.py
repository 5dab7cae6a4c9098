"""A chain node that is not ours, asked who signed: short batches, a transaction that is not known yet, and one of another block."""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from tests.unit.storage.client.peers import answer_of, peer, read_request
from tests.unit.storage.kv.network import ADDRESSES, Item, KvNetwork, KvNode, put, stream
from tests.unit.storage.node.network import Chain, Node

BATCH_MAX = 3


@dataclass
class Front:
    """Stands before a chain. `change` may answer in its place."""

    chain: Chain
    change: Callable[[Any], Any] = lambda _call: None
    longest_batches: list[int] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        with httpx.Client() as http:
            while request := read_request(connection):
                call = json.loads(request.partition(b"\r\n\r\n")[2])
                if isinstance(call, list):
                    self.longest_batches.append(len(call))
                if isinstance(call, list) and len(call) > BATCH_MAX:
                    answer: Any = {"jsonrpc": "2.0", "id": None, "error": {"code": -32005, "message": "batch too large"}}
                elif isinstance(call, list):
                    answer = [self.answer(one, http) for one in call]
                else:
                    answer = self.answer(call, http)
                connection.sendall(answer_of(json.dumps(answer).encode()))

    def answer(self, call: Any, http: httpx.Client) -> Any:
        if call["method"].startswith("zerog_"):
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32601, "message": "no such method"}}
        changed = self.change(call)
        return changed if changed is not None else http.post(self.chain.url, json=call).json()


def test_signers_are_asked_for_in_as_many_calls_as_the_node_takes(network: KvNetwork, chain: Chain, node: Node) -> None:
    first, front = stream(), Front(chain)
    seqs = [put(chain, node, Item.of((first, b"%d" % turn, b"v")), signer=1) for turn in range(8)]
    with peer(front.serve) as url, network.running_kv(chain, node, chain_url=url, sync_interval_s=0.02, stream=(str(first),)) as kv:
        assert kv.wait_for_result(seqs[-1]) == "Commit"
        assert kv.rpc("kv_isAdmin", str(ADDRESSES[1]), str(first)) is True
        assert front.longest_batches[0] > BATCH_MAX >= front.longest_batches[-1]
        assert kv.keeper.counters.chain_failures == 0


def test_a_signer_is_believed_only_of_a_transaction_that_is_where_the_log_says(
    network: KvNetwork, chain: Chain, node: Node, kv: KvNode
) -> None:
    """At first nobody knows the transaction, then it is told of another block, then of another transaction."""
    first, turns = stream(), count()

    def change(call: Any) -> Any:
        if call["method"] != "eth_getTransactionByHash" or call["params"] != [transaction]:
            return None
        answer, turn = chain.post(call), next(turns)
        wrong = {"blockHash": "0x" + "12" * 32} if turn == 1 else {"hash": "0x" + "34" * 32, "from": str(ADDRESSES[5])}
        return answer if turn > 2 else answer | {"result": answer["result"] | wrong if turn else None}

    front = Front(chain, change)
    seq = put(chain, node, Item.of((first, b"k", b"v")), signer=2)
    kv.wait_for_result(seq)
    [item] = kv.rpc("kv_getItems", seq, 1)["items"]
    transaction = item["transactionHash"]
    with peer(front.serve) as url, network.running_kv(chain, node, chain_url=url, sync_interval_s=0.02) as other:
        assert other.wait_for_result(seq) == "Commit"
        assert other.rpc("kv_getItems", seq, 1)["items"] == [item]
        assert item["sender"] == str(ADDRESSES[2]).lower()
        assert other.keeper.counters.chain_failures >= 3
