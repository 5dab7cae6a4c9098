"""The state of all accounts carried between this node and anvil, in both directions, by RPC and by file."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.interop.against_anvil import running_anvil
from tests.interop.node import running_node
from zerog.chain.client import ChainClient

CONTRACT, RICH = "0x" + "c9" * 20, "0x" + "77" * 20
LOAD = "0x5f35545f5260205ff3"
"""Returns the word at the slot that the call data names."""
SENDER = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"


def word(number: int) -> str:
    return f"0x{number:064x}"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ChainClient]]:
    """Makes fresh nodes of either kind, all of which stop at the end."""
    with ExitStack() as stack:

        def start(kind: str) -> ChainClient:
            running = running_node(tmp_path_factory.mktemp("node")) if kind == "zerog" else running_anvil()
            return stack.enter_context(ChainClient(stack.enter_context(running)))

        yield start


def fill(chain: ChainClient) -> dict[str, Any]:
    chain.request("anvil_setCode", CONTRACT, LOAD)
    for slot in (0, 1, 2**255):
        chain.request("anvil_setStorageAt", CONTRACT, word(slot), word(slot + 5))
    chain.request("anvil_setBalance", RICH, hex(2**200))
    chain.request("anvil_setNonce", RICH, "0x4d")
    chain.request("eth_sendTransactionSync", {"from": SENDER, "to": RICH, "value": "0x9"})
    return facts(chain)


def facts(chain: ChainClient) -> dict[str, Any]:
    return {
        "slots": [chain.request("eth_call", {"to": CONTRACT, "data": word(slot)}, "latest") for slot in (0, 1, 2, 2**255)],
        "code": chain.request("eth_getCode", CONTRACT, "latest"),
        "rich": [chain.request(method, RICH, "latest") for method in ("eth_getBalance", "eth_getTransactionCount")],
        "sender": [chain.request(method, SENDER, "latest") for method in ("eth_getBalance", "eth_getTransactionCount")],
    }


@pytest.mark.parametrize(("source", "target"), [("anvil", "zerog"), ("zerog", "anvil"), ("zerog", "zerog")])
def test_what_one_dumps_the_other_loads(clients: Callable[[str], ChainClient], source: str, target: str) -> None:
    giver, taker = clients(source), clients(target)
    expected = fill(giver)
    assert expected["slots"] == [word(5), word(6), word(0), word(2**255 + 5)]
    assert taker.request("anvil_loadState", giver.request("anvil_dumpState")) is True
    assert facts(taker) == expected
    taker.request("evm_mine")
    assert facts(taker) == expected
    receipt: Any = taker.request("eth_sendTransactionSync", {"from": SENDER, "to": CONTRACT, "gas": "0xffff"})
    assert receipt["status"] == "0x1"


def test_a_file_that_anvil_leaves_behind_is_loaded(clients: Callable[[str], ChainClient], tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with running_anvil("--dump-state", str(path)) as url, ChainClient(url) as anvil:
        expected = fill(anvil)
    document = path.read_bytes()
    assert CONTRACT in json.loads(document)["accounts"]
    taker = clients("zerog")
    assert taker.request("anvil_loadState", "0x" + document.hex()) is True
    assert facts(taker) == expected
