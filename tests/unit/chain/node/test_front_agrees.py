"""What the kernel answers by itself, from the bytes of a request, is what the methods answer; all else, and every error, is left to them.

Requests are mutated byte by byte, put together from odd parts, and sent through the front and past it.
"""

import socket
from collections.abc import Iterator
from functools import partial

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.chain.node.conftest import ACCOUNTS, LOCAL, HandClock, Running, run_node
from zerog.chain.node.calls import QUICK_S_MAX
from zerog.chain.node.chain import Chain, open_chain
from zerog.chain.node.rpc import NAMESPACES
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.constants import CALL_GAS_MAX
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.jsonrpc import ANYBODY, Dispatcher, JsonRpcApplication
from zerog.runtime.server import serve

ECHO = b"0x" + b"ec" * 20
ECHO_CODE = "0x365f5f37365ff3"
"""Returns its input."""
REVERTER = b"0x" + b"ee" * 20
REVERTER_CODE = "0x5f5ffd"
RICH = b"0x" + ACCOUNTS[1].address.hex().encode()
ANSWER_S_MAX = 10

PLAIN = [
    b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}',
    b'{"jsonrpc":"2.0","id":0,"method":"eth_chainId"}',
    b'{"jsonrpc":"2.0","id":7,"method":"eth_getBalance","params":["' + RICH + b'","latest"]}',
    b'{"jsonrpc":"2.0","method":"eth_call","params":[{"to":"' + ECHO + b'","data":"0x1234"},"latest"],"id":3}',
    b'{"id":9,"jsonrpc":"2.0","method":"eth_call","params":[{"from":"' + RICH + b'","to":"' + ECHO + b'","input":"0x"},"latest"]}',
]
"""What the kernel answers as it stands."""

# ---- requests whose bytes were changed -------------------------------------------------------------------------------

PIECES = [
    b'"', b"\\", b"\\u0065", b"\\u0000", b"\\ud800", b"/", b"0", b"1", b"-", b"-1", b"1.0", b"1e2", b"01", b"9" * 20, b" ", b"\n", b"\t",
    b"\x00", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\xef\xbb\xbf", b",", b":", b"{", b"}", b"[", b"]", b"{}", b"[]", b"null", b"true",
    b'"id":2,', b'"jsonrpc":"2.0",', b'"jsonrpc":"1.0",', b'"params":[],', b'"params":null,', b'"method":"eth_call",', b'"more":1,',
    b"latest", b"pending", b"0x", b"0X", b"0x0", b"ff", b"F", b'"latest"', b'"0x1"', b'"data":"0x12",', b'"input":"0x12",', b'"to":null,',
    b'"gas":"0x1",', b'"value":"0x0",', REVERTER, ECHO, RICH,
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A plain request after a few edits."""
    body = draw(st.sampled_from(PLAIN))
    for _ in range(draw(st.integers(0, 2))):
        begin = draw(st.integers(0, len(body)))
        end = min(begin + draw(st.integers(0, 6)), len(body))
        middle = draw(st.sampled_from([b"", body[begin:end] * 2, body[begin:end].swapcase(), *PIECES]) | st.binary(max_size=2))
        body = body[:begin] + middle + body[end:]
    return body


# ---- requests of odd parts -------------------------------------------------------------------------------------------


def mostly(usual: list[bytes], odd: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the usual parts, and an odd one now and then, so that a request of many parts still has a chance."""
    return st.integers(0, 15).flatmap(lambda dice: st.sampled_from(odd if dice == 9 else usual))


SPACES = mostly([b"", b"", b" ", b"\r\n", b"\t "], [b"\x0b", b"\xa0", b"/**/"])
IDS = mostly([b"1", b"0", b"123456789012345"], [b"1234567890123456", b"-1", b"-0", b"1.0", b"1e1", b"01", b'"1"', b"null", b"true"])
NAMES = mostly(
    [b"eth_blockNumber", b"eth_chainId", b"eth_getBalance", b"eth_call", b"eth_call"], [b"eth_\\u0063all", b"eth_Call", b"eth_gasPrice"]
)
ADDRESSES = mostly(
    [ECHO, RICH, b"0x" + RICH[2:].upper()], [REVERTER, RICH.upper(), b"0x00", RICH[2:], b"0x" + b"0" * 41, b"\\u0030" + RICH[1:], b""]
)
INPUTS = mostly([b"0x", b"0x1234", b"0xABcd"], [b"0x1", b"0X12", b"", b"12", b"0xzz", b"0x0x12", b"0x12 "])
BLOCKS = mostly([b'"latest"'], [b'"pending"', b'"safe"', b'"0x0"', b'"Latest"', b'" latest"', b"0", b"null", b"{}"])


def quoted(text: bytes) -> bytes:
    return b'"' + text + b'"'


@st.composite
def joined(draw: st.DrawFn, opening: bytes, items: list[bytes], closing: bytes) -> bytes:
    """An object or array of these items, with space between them and, seldom, a comma too many."""
    parts = [draw(SPACES) + item + draw(SPACES) for item in items]
    return opening + b",".join(parts) + draw(mostly([b""], [b","])) + closing


@st.composite
def members(draw: st.DrawFn, known: dict[bytes, st.SearchStrategy[bytes]]) -> bytes:
    """An object of these members in any order; seldom one is missing, there twice, or nobody's."""
    names = list(draw(st.permutations(sorted(known))))
    match draw(st.integers(0, 15)):
        case 9:
            names.append(draw(st.sampled_from([*names, b"more"])))
        case 10:
            names.pop()
    return draw(joined(b"{", [quoted(name) + draw(SPACES) + b":" + draw(known.get(name, st.just(b"1"))) for name in names], b"}"))


ODD_VALUES = [b"null", b"1", b"{}", b"[]", b"true"]
ACCOUNTS_GIVEN = ADDRESSES.map(quoted) | st.sampled_from([quoted(RICH)] * 7 + ODD_VALUES)
CALLS = members({b"to": ACCOUNTS_GIVEN, b"data": INPUTS.map(quoted)}) | members(
    {b"from": ACCOUNTS_GIVEN, b"to": ACCOUNTS_GIVEN, b"input": INPUTS.map(quoted)}
)


@st.composite
def odd_requests(draw: st.DrawFn) -> bytes:
    """A request whose parts fit together, mostly."""
    method = draw(NAMES)
    subjects = {b"eth_getBalance": [ACCOUNTS_GIVEN, BLOCKS], b"eth_call": [CALLS, BLOCKS]}.get(method, [])
    items = [draw(part) for part in draw(mostly_all(subjects))]
    return draw(
        members(
            {
                b"jsonrpc": mostly([b'"2.0"'], [b'"2.\\u0030"', b'"1.0"', b"2.0"]),
                b"id": IDS,
                b"method": st.just(quoted(method)),
                b"params": joined(b"[", items, b"]") if draw(st.integers(0, 15)) != 9 else st.sampled_from(ODD_VALUES),
            }
        )
    )


def mostly_all(parts: list[st.SearchStrategy[bytes]]) -> st.SearchStrategy[list[st.SearchStrategy[bytes]]]:
    """All of them; seldom too few or too many."""
    return st.integers(0, 15).map(lambda dice: parts[:1] if dice == 9 else [*parts, st.just(b"{}")] if dice == 10 else parts)


odd = odd_requests()
batches = st.lists(mutated() | odd, max_size=3).map(lambda bodies: b"[" + b",".join(bodies) + b"]")


# ---- the kernel's answer beside the methods' -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    chain = open_chain(ChainNodeSettings(data_dir=None), LOCAL, HandClock())
    for address, code in ((ECHO, ECHO_CODE), (REVERTER, REVERTER_CODE)):
        chain.ledger.set_code(bytes.fromhex(address[2:].decode()), bytes.fromhex(code[2:]))
    yield chain
    chain.ledger.close()


@pytest.mark.parametrize("bodies", [mutated(), odd, batches], ids=["mutated", "odd", "batches"])
def test_what_the_kernel_answers_the_methods_answer_too(chain: Chain, bodies: st.SearchStrategy[bytes]) -> None:
    dispatcher = Dispatcher(chain, NAMESPACES)
    answered: list[bytes] = []

    @given(bodies)
    @settings(max_examples=400, deadline=None)
    def agrees(body: bytes) -> None:
        found = chain.ledger.quick_answer(body, CALL_GAS_MAX, QUICK_S_MAX)
        if found is not None:
            assert found[1] == dispatcher.answer(body, ANYBODY)
            assert f'"{found[0]}"'.encode() in body
            answered.append(body)

    agrees()
    assert (len(answered) > 10) == (bodies is not batches)


# ---- through the front, and past it ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ways() -> Iterator[tuple[Running, str]]:
    """A node, and the URL of a server of the same chain that has neither a front nor quick answers."""
    for node in run_node(ChainNodeSettings(rpc_port=0)):
        for address, code in ((ECHO, ECHO_CODE), (REVERTER, REVERTER_CODE)):
            node.rpc("anvil_setCode", address.decode(), code)
        app = JsonRpcApplication(Dispatcher(node.node.chain, NAMESPACES), Guard(AccessRules()))
        future, url = node.portal.start_task(partial(serve, app, "127.0.0.1", 0))
        yield node, url
        future.cancel()


heads = st.lists(
    st.sampled_from(
        [b"Accept: */*", b"content-type: application/json", b"Content-Type: text/plain", b"User-Agent: x", b"Connection: keep-alive",
         b"Connection: close", b"Origin: http://localhost", b"Host: evil.example", b"Expect: 100-continue", b"Accept-Encoding: gzip",
         b"Pragma : x", b" folded", b"X-Forwarded-For: 10.0.0.1", b"Transfer-Encoding: chunked", b"Content-Length: 5"]
    ),
    max_size=2,
)  # fmt: skip
lengths = st.sampled_from([b"%d", b"%d", b"%d", b"%d", b" %d ", b"0%d", b"+%d", b"%d,%d"])
targets = st.sampled_from([b"/", b"/", b"/", b"/", b"/?x", b"/other", b"http://localhost/"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """An HTTP request, mostly well formed."""
    body = draw(st.sampled_from(PLAIN) | mutated() | odd)
    length = draw(lengths).replace(b"%d", b"%d" % len(body))
    fields = [b"Host: localhost", b"Content-Length: " + length, *draw(heads)]
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]))
    return end.join([b"POST " + draw(targets) + b" HTTP/1.1", *fields, b"", body])


LAST = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(PLAIN[0]), PLAIN[0])
"""After it the server closes, whatever came before."""


def answers(url: str, stream: bytes) -> bytes:
    """All that comes back for a stream of bytes."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=ANSWER_S_MAX) as client:
        client.sendall(stream + LAST)
        return b"".join(iter(lambda: client.recv(65_536), b""))


@given(stream=st.lists(requests(), min_size=1, max_size=3).map(b"".join))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_connection_through_the_front_hears_what_one_past_it_hears(ways: tuple[Running, str], stream: bytes) -> None:
    node, past_the_front = ways
    assert answers(node.url, stream) == answers(past_the_front, stream)
