"""Key-value nodes that lie, are official, late or away, and what the client makes of them."""

import itertools
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
import pytest

from tests.unit.storage.client.peers import answer_of, peer, read_request
from zerog.primitives import Hash32
from zerog.storage.client import PeerAnswerError, PeerError, PeerUnreachableError, StorageClient, UploadOptions
from zerog.storage.client.kv import (
    Batch,
    KvClient,
    ResultTimeoutError,
    StreamNotFollowedError,
    ValueChangedError,
    ValueTooLargeError,
    VersionConflictError,
    WriteOptions,
)

STREAM = Hash32(bytes(31) + b"\x07")
Answers = Mapping[str, Callable[..., object]]
"""What is answered to each method, given its parameters; to all others that they are unknown."""


class AwayError(OSError):
    """The node closes the connection without an answer."""


@contextmanager
def kv_node(answers: Answers, storage: StorageClient | None = None) -> Iterator[KvClient]:
    """A client of a node that answers so."""

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            call = msgspec.json.decode(request.partition(b"\r\n\r\n")[2])
            answer: dict[str, object] = {"jsonrpc": "2.0", "id": call["id"]}
            if call["method"] in answers:
                answer["result"] = answers[call["method"]](*call["params"])
            else:
                answer["error"] = {"code": -32601, "message": "Method not found"}
            connection.sendall(answer_of(msgspec.json.encode(answer, enc_hook=str)))

    with peer(script) as url, KvClient(url, storage=storage) as client:
        yield client


def value(data: bytes, size: int, version: int = 5) -> dict[str, object]:
    return {"version": version, "data": b64encode(data).decode(), "size": size}


# ---- reads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (value(b"1234", 3), "gives 4 bytes at 0 of a value of 3"),
        (value(b"", 3), "gives no byte at 0 of a value of 3"),
        (value(b"", -1), "Expected `int` >= 0"),
        ({"version": 1, "data": "no base64!", "size": 1}, "Invalid base64"),
        ([], "Expected `object"),
    ],
    ids=["more than there is", "nothing of it", "less than nothing", "no base64", "no object"],
)
def test_a_value_that_cannot_be_is_the_node_s_fault(answer: object, cause: str) -> None:
    with kv_node({"kv_getValue": lambda *_: answer}) as kv, pytest.raises(PeerAnswerError, match=cause):
        kv.get(STREAM, b"k")


def test_a_value_that_never_ends_is_not_fetched() -> None:
    with kv_node({"kv_getValue": lambda *_: value(b"1" * 1000, 1 << 40)}) as kv, pytest.raises(ValueTooLargeError):
        kv.get(STREAM, b"k")


def test_a_value_that_changes_all_the_time_is_given_up_and_one_that_changed_once_is_read_again() -> None:
    versions = itertools.count(1)
    with kv_node({"kv_getValue": lambda *_: value(b"1", 2, next(versions))}) as kv, pytest.raises(ValueChangedError):
        kv.get(STREAM, b"k")
    steps = iter([value(b"1", 2, 1), value(b"x", 2, 2), value(b"ab", 4, 2), value(b"cd", 4, 2)])
    with kv_node({"kv_getValue": lambda *_: next(steps)}) as kv:
        assert (found := kv.get(STREAM, b"k")) is not None
        assert (found.version, found.data) == (2, b"abcd")


def test_all_parts_are_of_the_version_of_the_first() -> None:
    asked = []

    def part(_stream: str, _key: str, start: int, _length: int, version: int | None = None) -> object:
        asked.append((start, version))
        return value(b"abcdefgh"[start : start + 3], 8, 5)

    with kv_node({"kv_getValue": part}) as kv:
        assert (found := kv.get(STREAM, b"k")) is not None
        assert found.data == b"abcdefgh"
    assert asked == [(0, None), (3, 5), (6, 5)]


@pytest.mark.parametrize("backwards", [False, True])
def test_keys_without_an_order_end_the_walk(backwards: bool) -> None:
    entry = {**value(b"v", 1), "key": b64encode(b"same").decode()}
    answers = dict.fromkeys(("kv_getFirst", "kv_getNext", "kv_getLast", "kv_getPrev"), lambda *_: entry)
    with kv_node(answers) as kv, pytest.raises(PeerAnswerError, match="in no order"):
        list(kv.entries(STREAM, backwards=backwards))


# ---- writes ------------------------------------------------------------------------------------------------------

QUICK = WriteOptions(upload=UploadOptions(threads=1))
LATE_S = 2.0
"""Enough to store a small batch, or to find it."""
PASSED = {"appliedSeq": 1 << 40, "firstTxSeq": 0}
BEHIND = {"appliedSeq": 0, "firstTxSeq": 0}
BATCH = Batch().set(STREAM, b"k", b"v")


def official(result: Callable[[int], object], progress: object = BEHIND, streams: list[Hash32] | None = None) -> Answers:
    """The methods that an official node has."""
    return {
        "kv_getStatus": lambda: True,
        "kv_getTransactionResult": result,
        "kv_getReplayProgress": lambda: progress,
        "kv_getHoldingStreamIds": lambda: [STREAM] if streams is None else streams,
    }


def test_an_official_node_is_enough_to_write(client: StorageClient) -> None:
    results = iter([None, None, "Commit", "VersionConfliction"])
    with kv_node(official(lambda _seq: next(results)), client) as kv:
        written = kv.write(BATCH, QUICK)
        assert client.stat(written.tx_seq).finalized
        with pytest.raises(VersionConflictError):
            kv.write(BATCH, QUICK)


def test_a_node_that_is_late_does_not_hide_the_number_of_what_is_stored(client: StorageClient) -> None:
    with kv_node(official(lambda _seq: None), client) as kv, pytest.raises(ResultTimeoutError) as late:
        kv.write(BATCH, QUICK, timeout_s=LATE_S)
    assert client.stat(late.value.tx_seq).finalized
    assert "do not write it again" in late.value.remedy


def test_a_node_that_goes_away_meanwhile_is_waited_for(client: StorageClient) -> None:
    calls = itertools.count()

    def result(_seq: int) -> object:
        if next(calls) % 2 == 0:
            raise AwayError
        return "Commit"

    with kv_node(official(result), client) as kv:
        assert kv.write(BATCH, QUICK).streams == (STREAM,)


def test_a_node_that_passes_the_stream_by_is_found_out(client: StorageClient) -> None:
    with kv_node(official(lambda _seq: None, PASSED, []), client) as kv, pytest.raises(StreamNotFollowedError):
        kv.write(BATCH, QUICK)
    with kv_node(official(lambda _seq: None, PASSED), client) as kv, pytest.raises(ResultTimeoutError):
        kv.write(BATCH, QUICK, timeout_s=LATE_S)  # It holds the stream, so it may have followed a chain that went back.


def test_a_result_of_another_item_of_that_number_is_not_taken_for_ours(client: StorageClient) -> None:
    """A node of ours tells which item it means, so one that has not noticed that the chain went back shows itself."""
    item = {"root": Hash32(bytes(32)), "streams": [STREAM], "sender": "0x" + "11" * 20, "transactionHash": Hash32(bytes(32))}

    def items(seq: int, _count: int) -> object:
        return {"items": [{**item, "txSeq": seq, "size": 1, "result": "Commit"}], "next": None}

    with kv_node({**official(lambda _seq: "Commit"), "kv_getItems": items}, client) as kv, pytest.raises(ResultTimeoutError):
        kv.write(BATCH, QUICK, timeout_s=LATE_S)


def test_nothing_is_paid_where_nobody_could_tell_the_result(client: StorageClient) -> None:
    before = client.files().files[-1].tx.seq
    with KvClient("http://127.0.0.1:1", storage=client) as kv, pytest.raises(PeerUnreachableError):
        kv.write(BATCH)
    with kv_node({}, client) as kv, pytest.raises(PeerError):
        kv.write(BATCH)
    assert client.files().files[-1].tx.seq == before
