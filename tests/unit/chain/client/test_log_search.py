"""Logs of a long chain from a node that refuses wide ranges, as public ones do: a real node behind a proxy that counts and refuses."""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from zerog import networks
from zerog.chain.client import AsyncChainClient, ChainClient, RpcError
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.logs import LogCriteria
from zerog.primitives import Address

LOCAL = networks.load("local")
EMITTER = Address(b"\xe1" * 20)
LOGGER = "0x60006000a000"
"""PUSH0-free code that emits a log without topics: PUSH1 0, PUSH1 0, LOG0, STOP."""
BLOCKS = 14_000
EMPTY, FIRST_LOG = 7_000, 8_000
"""Heights: below the first the contract does not stand."""


class Gate(ThreadingHTTPServer):
    """Passes JSON-RPC on to a node, and refuses ranges of logs wider than `blocks_max`."""

    def __init__(self, node: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.node = httpx.Client(base_url=node, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # Which loads no certificates.
        self.blocks_max = 1 << 62
        self.refusal: dict[str, object] = {"code": -32005, "message": "query exceeds max block range"}
        self.knows_past = True
        self.ranges: list[tuple[int, int]] = []
        """Of logs that were asked for and given."""
        self.refused = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def refusal_of(self, request: dict[str, Any]) -> dict[str, object] | None:
        if request["method"] == "eth_getCode" and request["params"][1] != "latest" and not self.knows_past:
            return {"code": -32000, "message": "missing trie node"}
        if request["method"] != "eth_getLogs":
            return None
        first, last = (int(request["params"][0][name], 16) for name in ("fromBlock", "toBlock"))
        if last - first + 1 > self.blocks_max:
            self.refused += 1
            return self.refusal
        self.ranges.append((first, last))
        return None


class Handler(BaseHTTPRequestHandler):
    server: Gate

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        request = json.loads(body)
        refusal = self.server.refusal_of(request)
        if refusal is None:
            answer = self.server.node.post("/", content=body, headers={"content-type": "application/json"}).content
        else:
            answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": refusal}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_words: object) -> None:
        """Nothing: pytest shows what fails."""


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    """A chain of 14,000 blocks with a log at 8,000, 12,000 and 13,990, of a contract that stands since 7,001."""
    account = network_accounts(LOCAL)[0]
    with start_blocking_portal() as portal:
        future, url = portal.start_task(ChainNode(ChainNodeSettings(rpc_port=0), LOCAL).run)
        with ChainClient(str(url), account=account) as chain:

            def mine_to(height: int) -> None:
                missing = height - chain.block_number()
                if missing > 0:
                    chain.request("hardhat_mine", hex(missing))

            mine_to(EMPTY)
            chain.request("hardhat_setCode", str(EMITTER), LOGGER)
            for height in (FIRST_LOG, 12_000, 13_990):
                mine_to(height - 1)
                assert chain.send_and_wait(EMITTER).block_number == height
            mine_to(BLOCKS)
        yield str(url)
        future.cancel()


@pytest.fixture
def gate(node: str) -> Iterator[Gate]:
    with Gate(node) as gate:
        thread = threading.Thread(target=gate.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield gate
        gate.shutdown()
        thread.join()
        gate.node.close()


CRITERIA = LogCriteria((EMITTER,), ())


def heights(gate: Gate, **options: Any) -> list[int]:
    with ChainClient(gate.url) as chain:
        return [int(log.block_number) for log in chain.find_logs(CRITERIA, **options)]


def test_a_generous_node_is_asked_a_few_times_and_not_beyond_the_contract_s_beginning(gate: Gate) -> None:
    assert heights(gate) == [8_000, 12_000, 13_990]
    assert gate.ranges == [(9_001, 14_000), (0, 9_000)]


@pytest.mark.parametrize(
    "refusal",
    [
        {"code": -32005, "message": "query exceeds max results"},
        {"code": -32602, "message": "eth_getLogs is limited to a 1000 block range"},
        {"code": -32000, "message": "Log response size exceeded"},
        {"code": -32000, "message": "query timed out"},
    ],
    ids=lambda refusal: refusal["message"],
)
def test_a_node_that_refuses_wide_ranges_gives_the_same(gate: Gate, refusal: dict[str, object]) -> None:
    gate.blocks_max, gate.refusal = 1_000, refusal
    assert heights(gate) == [8_000, 12_000, 13_990]
    assert gate.refused == 3, "5,000, 2,500 and 1,250 are refused, and what was refused is not tried again"
    assert {last - first + 1 for first, last in gate.ranges} == {625}
    assert min(first for first, _ in gate.ranges) > EMPTY - 2 * 625, "where the contract does not stand, nothing is looked for"


def test_where_the_past_is_not_known_the_first_block_is_the_end(gate: Gate) -> None:
    gate.blocks_max, gate.knows_past = 2_000, False
    assert heights(gate) == [8_000, 12_000, 13_990]
    assert min(first for first, _ in gate.ranges) == 0


def test_it_ends_when_enough_is_found(gate: Gate) -> None:
    gate.blocks_max = 1_250
    assert heights(gate, enough=lambda logs: len(logs) >= 2) == [12_000, 13_990]
    assert min(first for first, _ in gate.ranges) > 10_000
    gate.ranges.clear()
    assert heights(gate, first=12_001, last=13_995) == [13_990]
    assert (min(first for first, _ in gate.ranges), max(last for _, last in gate.ranges)) == (12_001, 13_995)
    assert heights(gate, first=BLOCKS + 5) == []


def test_another_refusal_is_told(gate: Gate) -> None:
    gate.blocks_max, gate.refusal = 1_000, {"code": -32000, "message": "no such account"}
    with pytest.raises(RpcError, match="no such account"):
        heights(gate)
    gate.blocks_max, gate.refusal = 0, {"code": -32005, "message": "limit exceeded"}
    with pytest.raises(RpcError, match="limit exceeded"):
        heights(gate)
    assert gate.refused < 20


@pytest.mark.anyio
async def test_events_of_a_contract_are_found_that_way_with_an_event_loop_too(gate: Gate) -> None:
    gate.blocks_max = 1_250
    async with AsyncChainClient(gate.url) as chain:
        found = await chain.find_logs(CRITERIA, timeout_s=30)
        assert [log.block_number for log in found] == [8_000, 12_000, 13_990]
        contract = chain.contract(EMITTER, '[{"type":"event","name":"Nothing","inputs":[],"anonymous":false}]')
        gate.ranges.clear()
        assert await contract.events("Nothing") == []
        assert max(last - first + 1 for first, last in gate.ranges) <= 1_250
