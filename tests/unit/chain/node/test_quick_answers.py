"""The kernel's answers to plain reads are those of the methods, to the byte; everything else it leaves to them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.chain.node.conftest import ACCOUNTS, LOCAL, HandClock
from zerog.chain.node.calls import QUICK_S_MAX
from zerog.chain.node.chain import Chain, open_chain
from zerog.chain.node.rpc import NAMESPACES
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.constants import CALL_GAS_MAX
from zerog.runtime.jsonrpc import ANYBODY, Dispatcher

ECHO = "0x" + "ec" * 20
ECHO_CODE = bytes.fromhex("365f5f37365ff3")  # Returns its input.
REVERTER = "0x" + "ee" * 20
REVERTER_CODE = bytes.fromhex("5f5ffd")
LOOPER = "0x" + "ed" * 20
LOOPER_CODE = bytes.fromhex("5b5f56")
RICH = ACCOUNTS[1].address


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    chain = open_chain(ChainNodeSettings(data_dir=None), LOCAL, HandClock())
    for address, code in [(ECHO, ECHO_CODE), (REVERTER, REVERTER_CODE), (LOOPER, LOOPER_CODE)]:
        chain.ledger.set_code(bytes.fromhex(address[2:]), code)
    yield chain
    chain.ledger.close()


def quick(chain: Chain, body: bytes) -> tuple[str, bytes] | None:
    return chain.ledger.quick_answer(body, CALL_GAS_MAX, QUICK_S_MAX)


def by_the_methods(chain: Chain, body: bytes) -> bytes:
    answer = Dispatcher(chain, NAMESPACES).answer(body, ANYBODY)
    assert isinstance(answer, bytes)
    return answer


def request(method: str, *parameters: Any, **members: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters} | members).encode()


PLAIN = [
    request("eth_blockNumber"),
    b'{"jsonrpc":"2.0","id":0,"method":"eth_blockNumber"}',
    request("eth_chainId", id=123456789012345),
    request("eth_getBalance", "0x" + RICH.hex(), "latest"),
    request("eth_getBalance", "0x" + RICH.hex().upper(), "latest"),
    request("eth_getBalance", "0x" + "00" * 20, "latest"),
    request("eth_call", {"to": ECHO, "data": "0x1234aBcD"}, "latest"),
    request("eth_call", {"to": ECHO, "input": "0x12", "from": "0x" + RICH.hex()}, "latest"),
    request("eth_call", {"to": ECHO}, "latest"),
    request("eth_call", {"to": "0x" + "77" * 20, "data": "0x"}, "latest"),
]


@pytest.mark.parametrize("body", PLAIN, ids=lambda body: body.decode()[:100])
def test_a_plain_read_is_answered_as_the_method_answers_it(chain: Chain, body: bytes) -> None:
    found = quick(chain, body)
    assert found is not None
    assert found == (json.loads(body)["method"], by_the_methods(chain, body))


@pytest.mark.parametrize(
    "body",
    [
        request("eth_call", {"to": REVERTER}, "latest"),
        request("eth_call", {"to": LOOPER}, "latest"),
        request("eth_call", {"to": ECHO, "data": "0x1", "input": "0x1"}, "latest"),
        request("eth_call", {"to": ECHO, "value": "0x1"}, "latest"),
        request("eth_call", {"data": "0x00"}, "latest"),
        request("eth_call", {"to": ECHO}, "pending"),
        request("eth_call", {"to": ECHO}),
        request("eth_call", {"to": ECHO}, "latest", {}),
        request("eth_getBalance", "0x12", "latest"),
        request("eth_getBalance", "0x0x" + "00" * 19, "latest"),
        request("eth_getBalance", RICH.hex(), "latest"),
        request("eth_getBalance", "0x" + RICH.hex(), "0x0"),
        request("eth_blockNumber", 1),
        request("eth_blockNumber", id="text"),
        request("eth_blockNumber", id=None),
        request("eth_blockNumber", id=-1),
        request("eth_blockNumber", id=1.5),
        request("eth_blockNumber", jsonrpc="1.0"),
        request("eth_blockNumber", more=1),
        request("eth_sendRawTransaction", "0x00"),
        b'{"jsonrpc":"2.0","id":01,"method":"eth_blockNumber"}',
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_blockNumber"}',
        b'{"jsonrpc":"2.0","method":"eth_blockNumber"}',
        b'[{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}]',
        b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"} x',
        b"",
        b"\xff",
    ],
    ids=lambda body: body.decode(errors="replace")[:100],
)
def test_what_is_not_plain_or_does_not_succeed_is_left_to_the_methods(chain: Chain, body: bytes) -> None:
    assert quick(chain, body) is None


texts = st.sampled_from(["latest", "pending", "0x0", "0x" + RICH.hex(), ECHO, "0x", "0x1", "0xzz", ""]) | st.text(max_size=8)
values = st.none() | st.booleans() | st.integers() | texts | st.dictionaries(st.sampled_from(["to", "from", "data", "input", "gas"]), texts)
methods = st.sampled_from(["eth_blockNumber", "eth_chainId", "eth_getBalance", "eth_call"])


@given(methods, st.lists(values, max_size=3), st.integers() | texts)
def test_whatever_is_answered_quickly_the_methods_answer_alike(method: str, parameters: list[Any], request_id: int | str) -> None:
    body = request(method, *parameters, id=request_id)
    found = quick(shared_chain(), body)
    assert found is None or found == (method, by_the_methods(shared_chain(), body))


def shared_chain() -> Chain:
    """One for all examples of a property."""
    if not KEPT:
        KEPT.append(open_chain(ChainNodeSettings(data_dir=None), LOCAL, HandClock()))
    return KEPT[0]


KEPT: list[Chain] = []


def test_a_quick_answer_is_counted_as_a_call_of_its_method(chain: Chain) -> None:
    dispatcher = Dispatcher(chain, NAMESPACES, quick_answer=lambda body: quick(chain, body))
    assert dispatcher.answer(PLAIN[0], ANYBODY) == by_the_methods(chain, PLAIN[0])
    assert dispatcher.statistics()["eth_blockNumber"].calls == 1
