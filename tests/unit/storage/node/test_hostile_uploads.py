"""Uploaders that lie, overlap or drown a node: each is refused and counted, none costs memory, and the honest one gets through."""

import json
import socket
import threading
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.unit.storage.node.network import Chain, File, RefusedError, pattern
from tests.unit.storage.node.process import NodeProcess, node_process

seeds = count(40_000)

BY_SEQ = "zgs_uploadSegmentsByTxSeq"
BY_ROOT = "zgs_uploadSegments"
MEMORY_MIB_MAX = 64
TINY_FILES = 10_000
CACHED_FILES_MAX = 4_096
DROWNERS = 24
"""Connections that send bodies without an end at once."""


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


@pytest.fixture(scope="module")
def victim(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """One node for all of them, whose memory is looked at after each."""
    with node_process(chain, tmp_path_factory.mktemp("victim"), "--shard", "0/2") as victim:
        yield victim


@pytest.fixture(autouse=True)
def within_memory(victim: NodeProcess) -> Iterator[None]:
    yield
    assert victim.highest_mib_over_idle <= MEMORY_MIB_MAX


def announced(chain: Chain, victim: NodeProcess, file: File) -> tuple[int, list[int]]:
    """Number of a file's submission, and which of its segments the node must hold."""
    [seq] = chain.submit(file.submission())
    victim.until(lambda: victim.rpc("zgs_getStatus")["nextTxSeq"] > seq)
    begin = victim.rpc("zgs_getFileInfoByTxSeq", seq)["tx"]["startEntryIndex"] // 1024
    return seq, [index for index in file.segments if (begin + index) % 2 == 0]


def refused_more(victim: NodeProcess, reason: str, before: dict[str, int]) -> int:
    return victim.refused("uploads").get(reason, 0) - before.get(reason, 0)


def assert_takes(victim: NodeProcess, file: File, seq: int) -> None:
    """The honest uploader of the same file is served."""
    assert victim.rpc(BY_SEQ, [file.segment(index) for index in file.segments], seq) == 0
    assert victim.rpc("zgs_checkFileFinalized", seq) is True


def test_wrong_proofs(chain: Chain, victim: NodeProcess) -> None:
    file, other = file_of(8 * 262144), file_of(8 * 262144)
    seq, _ = announced(chain, victim, file)
    before = victim.refused("uploads")
    for index in file.segments:
        with pytest.raises(RefusedError):
            victim.rpc(BY_SEQ, [other.segment(index) | {"root": str(file.root)}], seq)
    assert refused_more(victim, "segment_proof", before) == len(file.segments)
    assert_takes(victim, file, seq)


def test_right_proofs_for_other_places(chain: Chain, victim: NodeProcess) -> None:
    file = file_of(8 * 262144)
    seq, _ = announced(chain, victim, file)
    before = victim.refused("uploads")
    for index in file.segments:
        with pytest.raises(RefusedError):
            victim.rpc(BY_SEQ, [file.segment(index) | {"index": (index + 1) % 8}], seq)
    assert refused_more(victim, "segment_proof", before) == len(file.segments)
    assert_takes(victim, file, seq)


def test_wrong_lengths(chain: Chain, victim: NodeProcess) -> None:
    file = file_of(3 * 262144 + 600)
    seq, _ = announced(chain, victim, file)
    before = victim.refused("uploads")
    for data in ("", "AA==", file_of(256).segment(0)["data"], file.segment(0)["data"]):
        with pytest.raises(RefusedError):
            victim.rpc(BY_SEQ, [file.segment(3) | {"data": data}], seq)
    assert refused_more(victim, "upload_refused", before) == 2
    assert refused_more(victim, "segment_parameter:data", before) == 2
    assert_takes(victim, file, seq)


def test_overlapping_uploads(chain: Chain, victim: NodeProcess) -> None:
    """Eight uploaders send the same file at once, each the segments in another order and some twice."""
    file = file_of(8 * 262144)
    seq, required = announced(chain, victim, file)
    failures: list[RefusedError] = []

    def send(turn: int) -> None:
        order = [(index * 3 + turn) % 8 for index in (*file.segments, 0, 3)]
        try:
            NodeProcess(victim.process, victim.url, victim.http).rpc(BY_SEQ, [file.segment(index) for index in order], seq)
        except RefusedError as refused:
            failures.append(refused)

    uploaders = [threading.Thread(target=send, args=(turn,)) for turn in range(8)]
    for uploader in uploaders:
        uploader.start()
    for uploader in uploaders:
        uploader.join()
    assert all(failure.data == "already uploaded and finalized" for failure in failures)
    availability = victim.rpc("zgs_getAvailability", seq)
    assert (availability["heldCount"], availability["finalized"]) == (len(required), True)


def test_bodies_without_an_end(chain: Chain, victim: NodeProcess) -> None:
    """Each sends until it is cut off; an honest upload gets through while they do."""
    file = file_of(4 * 262144)
    seq, _ = announced(chain, victim, file)
    address = urlsplit(victim.url)
    cut: list[int] = []

    def drown(path: str) -> None:
        sent = 0
        try:
            with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
                connection.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
                while True:
                    connection.sendall(b"40000\r\n" + b"[" * 0x40000 + b"\r\n")
                    sent += 0x40000
        except OSError:
            cut.append(sent)

    drowners = [threading.Thread(target=drown, args=(("/", "/segments")[turn % 2],)) for turn in range(DROWNERS)]
    for drowner in drowners:
        drowner.start()
    assert_takes(victim, file, seq)
    for drowner in drowners:
        drowner.join()
    assert len(cut) == DROWNERS


@pytest.mark.parametrize("size", [2**63 - 1, 2**63, 2**64 - 1, 10**30, -1, 0])
def test_impossible_sizes(chain: Chain, victim: NodeProcess, size: int) -> None:
    file = file_of(262144)
    seq, _ = announced(chain, victim, file)
    segment = file.segment(0) | {"fileSize": size}
    for method, params in ((BY_SEQ, [[segment], seq]), (BY_ROOT, [[segment | {"root": "0x" + "31" * 32}]])):
        with pytest.raises(RefusedError) as refused:
            victim.rpc(method, *params)
        assert refused.value.code == -32602
    [bulk] = msgspec.to_builtins([file.bulk([0])])
    if 0 <= size < 2**64:
        bulk[1] = size
        answer = victim.http.post(f"{victim.url}/segments", content=msgspec.msgpack.encode([bulk]))
        assert answer.status_code == 400 or answer.json()[0]["code"]


def test_ten_thousand_tiny_files_that_no_block_announces(victim: NodeProcess) -> None:
    before = victim.refused("uploads")
    batch = [File(next(seeds).to_bytes(8, "big") * 30) for _ in range(TINY_FILES)]
    calls = [{"jsonrpc": "2.0", "id": turn, "method": BY_ROOT, "params": [[file.segment(0)]]} for turn, file in enumerate(batch)]
    answers = [answer for begin in range(0, TINY_FILES, 500) for answer in victim.post(calls[begin : begin + 500])]
    taken = [answer for answer in answers if "result" in answer]
    refused = [answer["error"]["message"] for answer in answers if "error" in answer]
    assert len(taken) == victim.metrics()["zerog_storage_cache_files"] == CACHED_FILES_MAX
    assert set(refused) == {f"too many data writing: {CACHED_FILES_MAX}"}
    assert refused_more(victim, "too_many_data", before) == len(refused) == TINY_FILES - CACHED_FILES_MAX


def test_more_data_than_the_cache_holds(victim: NodeProcess) -> None:
    """Files of 10 MiB that no block announces: the cache fills up, and stays within its bytes."""
    before = victim.refused("uploads")
    texts = []
    for _ in range(6):
        file = file_of(10 << 20)
        for index in range(0, len(file.segments), 4):
            call = {"jsonrpc": "2.0", "id": 1, "method": BY_ROOT, "params": [[file.segment(each) for each in range(index, index + 4)]]}
            texts.append(victim.post(call).get("error", {"message": "taken"})["message"])
    assert {text.rstrip("0123456789") for text in texts} <= {"taken", "too many data writing: "}
    assert refused_more(victim, "too_many_data", before) == sum(text != "taken" for text in texts) > 0
    assert victim.metrics()["zerog_storage_cache_bytes"] <= 16 << 20


def test_the_same_root_twice(chain: Chain, victim: NodeProcess) -> None:
    """Two submissions of one file and an uploader who sends it to both: it is kept once."""
    file = file_of(6 * 262144)
    [first, second] = chain.submit(file.submission(), file.submission())
    victim.until(lambda: victim.rpc("zgs_getStatus")["nextTxSeq"] > second)
    before = victim.metrics()["zerog_storage_store_segments"]
    assert victim.rpc(BY_SEQ, [file.segment(index) for index in file.segments], first) == 0
    with pytest.raises(RefusedError) as refused:
        victim.rpc(BY_SEQ, [file.segment(index) for index in file.segments], second)
    assert refused.value.data == "already uploaded and finalized"
    assert victim.metrics()["zerog_storage_store_segments"] - before == 3


def test_a_large_file_that_no_block_announces(victim: NodeProcess) -> None:
    before = victim.refused("uploads")
    file = file_of((10 << 20) + 256)
    for index in range(10):
        with pytest.raises(RefusedError):
            victim.rpc(BY_ROOT, [file.segment(index)])
    assert refused_more(victim, "invalid_member", before) == 10


def test_segments_of_another_shard(chain: Chain, victim: NodeProcess) -> None:
    """They are proved like all others and then dropped."""
    file = file_of(20 * 262144)
    seq, required = announced(chain, victim, file)
    before = victim.metrics()
    others = [index for index in file.segments if index not in required]
    for _ in range(5):
        assert victim.rpc(BY_SEQ, [file.segment(index) for index in others], seq) == 0
    after = victim.metrics()
    assert after["zerog_storage_store_segments"] == before["zerog_storage_store_segments"]
    assert after["zerog_storage_segments_of_others_total"] - before["zerog_storage_segments_of_others_total"] == 5 * len(others)
    assert victim.rpc("zgs_checkFileFinalized", seq) is False


def test_bodies_that_are_no_calls(victim: NodeProcess) -> None:
    """Deep, broken and enormous JSON and MessagePack, on both ways in."""
    bombs = [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 1_000_000,
        b"\xc1",
        b"",
        json.dumps([[1] * 100]).encode(),
    ]
    for bomb in bombs:
        rpc = victim.http.post(victim.url, content=bomb, timeout=20)
        bulk = victim.http.post(f"{victim.url}/segments", content=bomb, timeout=20)
        assert (rpc.status_code, bulk.status_code) == (200, 400)
    assert victim.http.get(f"{victim.url}/segments/0x12?first=0&count=1").status_code == 400
    assert victim.http.get(f"{victim.url}/segments/0x{'12' * 32}?first=-1&count=1").status_code == 400
    assert victim.http.get(f"{victim.url}/segments/0x{'12' * 32}?first=0&count={'9' * 40}").status_code == 400
    assert victim.http.put(f"{victim.url}/segments", content=b"").status_code == 405
    assert victim.http.post(f"{victim.url}/segments/0x{'12' * 32}", content=b"").status_code == 405
