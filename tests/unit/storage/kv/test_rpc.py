"""The rules for parameters and the words of refusals, and that nothing that is sent is answered as a bug of ours."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.storage.kv.network import ADDRESSES, Item, KvNode, put, stream
from tests.unit.storage.node.network import Chain, Node
from tests.unit.storage.node.test_fuzz import HASHES, IDS, NUMBERS, check
from zerog.storage.kv.rpc import NAMESPACES

METHODS = sorted(name for namespace in NAMESPACES for name in namespace.methods)
STREAM = stream(0)
TEXTS = st.sampled_from(["", "aw==", "aw", "!!", "0x6b", "a2V5", "A" * 400, str(STREAM), str(ADDRESSES[1]), "5", "all"])
VALUES = st.one_of(
    st.just(str(STREAM)),
    st.just("aw=="),
    st.just(str(ADDRESSES[1])),
    HASHES,
    NUMBERS,
    NUMBERS.map(str),
    TEXTS,
    st.none(),
    st.booleans(),
    st.text(max_size=10),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
PARAMS = st.one_of(st.lists(VALUES, max_size=8), st.none(), st.dictionaries(st.text(max_size=5), VALUES, max_size=2))


@pytest.fixture(scope="module")
def filled(chain: Chain, node: Node, kv: KvNode) -> int:
    """An item with a value of five bytes, and its number."""
    seq = put(chain, node, Item.of((STREAM, b"k", b"value"), (STREAM, b"z", b"")))
    kv.wait_for_result(seq)
    return seq


@pytest.mark.parametrize(
    ("method", "params", "refusal"),
    [
        ("getValue", ["aw==", 0, 262_145], ("Invalid params: len", "query length too large")),
        ("getValue", ["aw==", 0, 2**64 - 1], ("Invalid params: len", "query length too large")),
        ("getValue", ["", 0, 10], ("Invalid params: key", "key is empty")),
        ("getValue", ["aw==", 6, 10], ("Invalid params: start_index", "start index is greater than value length")),
        ("getValue", ["aw==", 2**64 - 1, 10], ("Invalid params: start_index", "start index is greater than value length")),
        ("getNext", ["", 0, 10, True], ("Invalid params: key", "key is empty")),
        ("getNext", ["aw==", 0, 262_145, True], ("Invalid params: len", "query length too large")),
        ("getNext", ["aw==", 6, 10, True], ("Invalid params: start_index", "start index is greater than value length")),
        ("getPrev", ["aw==", 6, 10, True], ("Invalid params: start_index", "start index is greater than value length")),
        ("getFirst", [6, 10], ("Invalid params: start_index", "start index is greater than value length")),
        ("getFirst", [0, 262_145], ("Invalid params: len", "query length too large")),
        ("getLast", [0, 262_145], ("Invalid params: len", "query length too large")),
        ("isSpecialKey", [""], ("Invalid params: key", "key is empty")),
        ("getProof", [""], ("Invalid params: key", "key is empty")),
    ],
)
def test_what_does_not_fit_is_refused_in_the_official_words(
    kv: KvNode, filled: int, method: str, params: list[object], refusal: tuple[str, str]
) -> None:
    assert kv.refusal(f"kv_{method}", str(STREAM), *params) == (-32602, *refusal)


def test_the_forms_of_all_clients_are_taken(kv: KvNode, filled: int) -> None:
    value = {"version": filled, "data": "dmFsdWU=", "size": 5}
    for version in ((), (None,), (filled,), (str(filled),), (2**64 - 1,), (hex(filled),)):
        assert kv.rpc("kv_getValue", str(STREAM), "aw==", 0, 5, *version) == value
    assert kv.rpc("kv_getValue", str(STREAM).upper().replace("X", "x"), "aw==", "0", "5") == value
    assert [kv.rpc("kv_getTransactionResult", name) for name in (filled, str(filled))] == ["Commit", "Commit"]
    assert kv.rpc("kv_getValue", str(STREAM), "aw==", 5, 5)["data"] == ""
    assert kv.rpc("kv_getValue", str(STREAM), "aw==", 0, 0) == {"version": filled, "data": "", "size": 5}
    assert kv.rpc("kv_getValue", str(STREAM), "bm9uZQ==", 7, 7) == {"version": 0, "data": "", "size": 0}
    assert kv.rpc("kv_getFirst", str(STREAM), 0, 0) == {"version": filled, "key": "aw==", "data": "", "size": 5}
    assert kv.rpc("kv_hasWritePermission", str(ADDRESSES[1]).lower(), str(STREAM), "aw==") is True


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(METHODS), params=PARAMS, identifier=IDS)
def test_every_method_takes_anything(kv: KvNode, filled: int, method: str, params: Any, identifier: object) -> None:
    check(kv.post({"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}), identifier)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.tuples(st.sampled_from(METHODS), PARAMS), min_size=1, max_size=8))
def test_batches_are_answered_one_by_one(kv: KvNode, filled: int, calls: list[tuple[str, Any]]) -> None:
    body = [{"jsonrpc": "2.0", "id": turn, "method": method, "params": params} for turn, (method, params) in enumerate(calls)]
    answers = kv.post(body)
    assert [answer["id"] for answer in answers] == list(range(len(calls)))
    for turn, answer in enumerate(answers):
        check(answer, turn)


def test_calls_without_parameters_are_answered(kv: KvNode) -> None:
    for method in METHODS:
        answer = kv.post({"jsonrpc": "2.0", "id": 7, "method": method})
        check(answer, 7)
        without = ("kv_getStatus", "kv_getHoldingStreamIds", "kv_getReplayProgress", "kv_listStreams")
        assert ("result" in answer) == (method in without), method
