"""Chain nodes that are not ours: a real chain behind a front that knows fewer methods, refuses, forgets, or lags behind."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from tests.unit.storage.client.peers import answer_of, peer, read_request
from tests.unit.storage.node.network import Chain, File, Network, Node, pattern

seeds = count(80_000)

Change = Callable[[Any], Any]
"""From a call to the answer in its place; `None` lets the chain answer."""


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


@dataclass
class Front:
    """Stands before a chain and does not know what only nodes of ours know."""

    chain: Chain
    change: Change = lambda _call: None
    asked: list[Any] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        with httpx.Client() as http:
            while request := read_request(connection):
                call = json.loads(request.partition(b"\r\n\r\n")[2])
                self.asked.append(call)
                if call["method"].startswith("zerog_"):
                    answer: Any = {"error": {"code": -32601, "message": "the method does not exist/is not available"}}
                else:
                    answer = self.change(call) or http.post(self.chain.url, json=call).json()
                connection.sendall(answer_of(json.dumps({"jsonrpc": "2.0", "id": call["id"]} | answer).encode()))

    def count(self, method: str) -> int:
        return sum(call["method"] == method for call in self.asked)


@contextmanager
def node_behind(network: Network, front: Front, **changes: Any) -> Iterator[Node]:
    with peer(front.serve) as url:
        behind = Chain(front.chain.node, front.chain.url, front.chain.http)
        with network.running(behind, **({"chain_url": url, "sync_interval_s": 0.02} | changes)) as node:
            yield node
        behind.client.close()


def test_a_node_that_cannot_wait_is_asked_again_and_again(network: Network) -> None:
    front = Front(network.chain())
    with node_behind(network, front) as node:
        for _ in range(3):
            [seq] = front.chain.submit(file_of(300).submission())
            node.wait_for_seq(seq)
        assert front.count("zerog_waitForBlock") == 1
        snapshot = front.chain.rpc("evm_snapshot")
        [gone] = front.chain.submit(file_of(400).submission())
        node.wait_for_seq(gone)
        assert front.chain.rpc("evm_revert", snapshot)
        node.wait(lambda: node.keeper.store.next_seq == gone)
        [again] = front.chain.submit(file_of(500).submission())
        node.wait_for_seq(again)


def test_smaller_pages_are_asked_for_where_large_ones_are_refused(network: Network) -> None:
    def change(call: Any) -> Any:
        if call["method"] != "eth_getLogs":
            return None
        query = call["params"][0]
        wanted = int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1
        return {"error": {"code": -32005, "message": "query exceeds max block range 100"}} if wanted > 100 else None

    front = Front(network.chain(), change)
    front.chain.rpc("hardhat_mine", hex(700))
    [seq] = front.chain.submit(file_of(300).submission())
    front.chain.rpc("hardhat_mine", hex(300))
    with node_behind(network, front) as node:
        node.wait_for_seq(seq)
        node.wait(lambda: node.keeper.follower.read.number == 1_001)
        assert node.keeper.counters.chain_failures == 0


def test_a_log_that_was_left_out_is_asked_for_again(network: Network) -> None:
    left_out = count()

    def change(call: Any) -> Any:
        """The first answers with logs have only the last of them."""
        if call["method"] != "eth_getLogs":
            return None
        answer = front.chain.post(call)
        if len(answer["result"]) > 1 and next(left_out) < 2:
            return {"result": answer["result"][-1:]}
        return answer

    front = Front(network.chain(), change)
    seqs = front.chain.submit(*(file_of(300).submission() for _ in range(4)))
    with node_behind(network, front) as node:
        node.wait_for_seq(seqs[-1])
        assert [node.info(seq)["tx"]["seq"] for seq in seqs] == seqs
        assert node.keeper.counters.chain_failures == 2


def test_a_node_that_lags_for_a_moment_takes_nothing_back(network: Network) -> None:
    """As behind an address with several nodes, of which one does not know the newest blocks yet."""
    head: list[int | None] = [None]

    def change(call: Any) -> Any:
        if call["method"] != "eth_getBlockByNumber" or head[0] is None:
            return None
        number = call["params"][0]
        if number == "latest":
            return front.chain.post(call | {"params": [hex(head[0]), False]})
        return {"result": None} if int(number, 16) > head[0] else None

    front = Front(network.chain(), change)
    with node_behind(network, front, sync_interval_s=0.05) as node:
        seqs = front.chain.submit(file_of(300).submission()) + front.chain.submit(file_of(400).submission())
        node.wait_for_seq(seqs[-1])
        newest = front.chain.client.block_number()
        head[0] = newest - 1
        node.wait(lambda: node.keeper.follower.head_number == newest - 1)
        head[0] = None
        node.wait(lambda: node.keeper.follower.head_number == newest)
        assert (node.keeper.counters.reorganizations, node.keeper.store.next_seq) == (0, 2)
        head[0] = newest - 1
        node.wait(lambda: node.keeper.store.next_seq == 1)
        assert node.keeper.counters.reorganizations == 1


def test_nonsense_is_survived(network: Network) -> None:
    """An answer of another shape, an error, and no JSON: the node waits and asks again."""
    turns = count()
    nonsense: list[Any] = [{"result": {"number": "0x1"}}, {"error": {"code": -32603, "message": "oops"}}, {"result": "0x"}, {"result": []}]

    def change(call: Any) -> Any:
        turn = next(turns)
        return (
            nonsense[turn % len(nonsense)] if call["method"] in ("eth_getBlockByNumber", "eth_getLogs") and turn < 8 and turn % 2 else None
        )

    front = Front(network.chain(), change)
    [seq] = front.chain.submit(file_of(300).submission())
    with node_behind(network, front) as node:
        node.wait_for_seq(seq)
        assert node.keeper.counters.chain_failures > 0
        assert node.info(seq)["tx"]["size"] == 300
