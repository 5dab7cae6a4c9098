"""Whatever is sent as a call is answered as JSON-RPC says, never as a bug of ours, and the node goes on."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.storage.node.network import Node

METHODS = [
    "getStatus",
    "getShardConfig",
    "getFileInfo",
    "getFileInfoByTxSeq",
    "checkFileFinalized",
    "uploadSegment",
    "uploadSegments",
    "uploadSegmentByTxSeq",
    "uploadSegmentsByTxSeq",
    "downloadSegment",
    "downloadSegmentByTxSeq",
    "downloadSegmentWithProof",
    "downloadSegmentWithProofByTxSeq",
    "getSectorProof",
    "getHashAtNodeIndex",
    "getFlowContext",
    "getDataByNodeIndex",
    "getMetaDataByNodeIndex",
    "getAvailability",
    "listFiles",
]
ADMIN = [
    "findFile",
    "startSyncFile",
    "startSyncChunks",
    "terminateSync",
    "getSyncStatus",
    "getSyncServiceState",
    "getSyncInfo",
    "getNetworkInfo",
    "getMetrics",
]

HASHES = st.binary(min_size=32, max_size=32).map(lambda value: "0x" + value.hex())
NUMBERS = st.one_of(
    st.integers(-1, 5),
    st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), 10**40]),
    st.floats(allow_nan=False, allow_infinity=False),
)
SEGMENTS = st.fixed_dictionaries(
    {},
    optional={
        "root": HASHES,
        "data": st.sampled_from(["", "AA==", "A" * 344, "!!", "0x12"]),
        "index": NUMBERS,
        "fileSize": NUMBERS,
        "proof": st.fixed_dictionaries({}, optional={"lemma": st.lists(HASHES, max_size=4), "path": st.lists(st.booleans(), max_size=3)}),
        "more": st.none(),
    },
)
VALUES = st.one_of(
    HASHES,
    NUMBERS,
    NUMBERS.map(str),
    st.none(),
    st.booleans(),
    st.text(max_size=20),
    SEGMENTS,
    st.lists(SEGMENTS, max_size=3),
    st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
)
PARAMS = st.one_of(st.lists(VALUES, max_size=4), st.none(), st.dictionaries(st.text(max_size=5), VALUES, max_size=2))
IDS = st.one_of(st.integers(-(2**70), 2**70), st.text(max_size=10))


def check(answer: Any, identifier: object) -> None:
    assert answer["id"] == identifier
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert answer["error"]["code"] in (-32602, -32601, -32603, -32000), answer
        assert "reference" not in answer["error"]["message"], answer


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(METHODS), params=PARAMS, identifier=IDS)
def test_every_method_takes_anything(node: Node, method: str, params: Any, identifier: object) -> None:
    check(node.post({"jsonrpc": "2.0", "id": identifier, "method": f"zgs_{method}", "params": params}), identifier)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(ADMIN), params=PARAMS, identifier=IDS)
def test_every_method_of_the_operator_takes_anything(node: Node, method: str, params: Any, identifier: object) -> None:
    check(node.admin.post({"jsonrpc": "2.0", "id": identifier, "method": f"admin_{method}", "params": params}), identifier)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.tuples(st.sampled_from(METHODS), PARAMS), min_size=1, max_size=8))
def test_batches_are_answered_one_by_one(node: Node, calls: list[tuple[str, Any]]) -> None:
    body = [{"jsonrpc": "2.0", "id": turn, "method": f"zgs_{method}", "params": params} for turn, (method, params) in enumerate(calls)]
    answers = node.post(body)
    assert len(answers) == len(calls)
    for turn, answer in enumerate(answers):
        check(answer, turn)


def test_calls_without_parameters_are_answered(node: Node) -> None:
    for method in METHODS:
        answer = node.post({"jsonrpc": "2.0", "id": 7, "method": f"zgs_{method}"})
        check(answer, 7)
        assert ("result" in answer) == (method in ("getStatus", "getShardConfig", "getFlowContext", "listFiles"))
