"""Each rule of an upload, in the reference's order and words, asked of a running node."""

import base64
from itertools import count
from typing import Any

import pytest

from tests.unit.storage.node.network import Chain, File, Network, Node, RefusedError, pattern
from zerog.storage.protocol.merkle import zero_root

seeds = count(1_000)

BY_SEQ = "zgs_uploadSegmentsByTxSeq"
BY_ROOT = "zgs_uploadSegments"


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


def hex_of(value: bytes) -> str:
    return "0x" + value.hex()


def announced(chain: Chain, node: Node, file: File) -> int:
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    return seq


@pytest.fixture(scope="module")
def known(chain: Chain, node: Node) -> tuple[File, int]:
    """A file of 17 segments, of which the tree has 18; nothing of it is uploaded."""
    file = file_of(17 * 262144)
    return file, announced(chain, node, file)


def changed(file: File, index: int, change: str) -> dict[str, object]:
    """A segment that is wrong in one way."""
    good = file.segment(index)
    proof: Any = good["proof"]
    data = base64.b64decode(str(good["data"]))
    lemma, path = proof["lemma"], proof["path"]
    changes: dict[str, dict[str, object]] = {
        "empty": {"data": ""},
        "odd": {"data": base64.b64encode(data[:-1]).decode()},
        "root": {"root": "0x" + "77" * 32},
        "size": {"fileSize": file.size - 1},
        "index beyond": {"index": 17},
        "index far beyond": {"index": 2**63 - 1},
        "short": {"data": base64.b64encode(data[:-256]).decode()},
        "proof form": {"proof": {"lemma": lemma[:-1], "path": path}},
        "proof without anything": {"proof": {"lemma": [], "path": []}},
        "position": {"index": index + 1},
        "path too short": {"proof": {"lemma": [*lemma[:-2], lemma[-1]], "path": path[:-1]}},
        "path too long": {"proof": {"lemma": [*lemma[:-1], lemma[1], lemma[-1]], "path": [*path, True]}},
        "root of proof": {"proof": file_of(file.size).segment(index)["proof"]},
        "data": {"data": base64.b64encode(bytes(len(data))).decode()},
        "chain": {"proof": {"lemma": [lemma[0], "0x" + "55" * 32, *lemma[2:]], "path": path}},
    }
    return good | changes[change]


REFUSALS = [
    ("empty", (-32000, "data is empty", None)),
    ("odd", (-32000, "invalid data length", None)),
    ("root", (-32603, "Internal error", "data root and tx seq not match")),
    ("size", (-32602, "Invalid params: file_size", "segment file size not matched with tx file size")),
    ("index beyond", (-32602, "Invalid params: index", "index out of bound")),
    ("index far beyond", (-32602, "Invalid params: index", "index out of bound")),
    ("short", (-32602, "Invalid params: data", "invalid data length")),
    ("proof form", (-32602, "Invalid params: proof", "invalid proof")),
    ("proof without anything", (-32602, "Invalid params: proof", "invalid proof")),
    ("chain", (-32602, "Invalid params: proof", "validation failed")),
]


@pytest.mark.parametrize(("change", "refusal"), REFUSALS, ids=[change for change, _ in REFUSALS])
@pytest.mark.parametrize("method", ["zgs_uploadSegmentByTxSeq", BY_SEQ])
def test_what_is_wrong_is_refused_in_the_references_words(
    node: Node, known: tuple[File, int], method: str, change: str, refusal: tuple[int, str, object]
) -> None:
    file, seq = known
    segment: object = changed(file, 0, change)
    assert node.refusal(method, segment if method == "zgs_uploadSegmentByTxSeq" else [segment], seq) == refusal
    assert node.info(seq)["uploadedSegNum"] == 0


@pytest.mark.parametrize("change", ["position", "path too short", "path too long", "root of proof", "data"])
def test_a_proof_of_something_else_is_refused_with_its_text_alone(node: Node, known: tuple[File, int], change: str) -> None:
    file, seq = known
    code, message, data = node.refusal(BY_SEQ, [changed(file, 0, change)], seq)
    assert (code, data) == (-32000, None)
    assert {
        "position": "position",
        "path too short": "short",
        "path too long": "long",
        "root of proof": "root",
        "data": "data",
    }[change] in message
    assert node.info(seq)["uploadedSegNum"] == 0


def test_padding_in_a_proof_must_be_zeros(node: Node, known: tuple[File, int]) -> None:
    """The last segment's neighbour is padding; whoever gives it another hash than that of zeros breaks the chain first of all."""
    file, seq = known
    good = file.segment(16)
    proof: Any = good["proof"]
    assert proof["lemma"][1] == hex_of(zero_root(10))
    wrong = {"lemma": [proof["lemma"][0], "0x" + "44" * 32, *proof["lemma"][2:]], "path": proof["path"]}
    assert node.refusal(BY_SEQ, [good | {"proof": wrong}], seq)[0] == -32602


def test_the_first_rule_that_is_broken_is_told(node: Node, known: tuple[File, int]) -> None:
    """Empty data before the root, that before the size, that before the index, that before the length, that before the proof."""
    file, seq = known
    broken = {"data": "", "root": "0x" + "77" * 32, "fileSize": 1, "index": 99, "proof": {"lemma": [], "path": []}}
    texts = []
    for repaired in ([], ["data"], ["root"], ["fileSize"], ["index"]):
        for member in repaired:
            broken[member] = base64.b64encode(bytes(256)).decode() if member == "data" else file.segment(0)[member]
        texts.append(node.refusal(BY_SEQ, [file.segment(0) | broken], seq)[1:])
    assert texts == [
        ("data is empty", None),
        ("Internal error", "data root and tx seq not match"),
        ("Invalid params: file_size", "segment file size not matched with tx file size"),
        ("Invalid params: index", "index out of bound"),
        ("Invalid params: data", "invalid data length"),
    ]


def test_segments_before_a_refused_one_are_kept(chain: Chain, node: Node) -> None:
    file = file_of(4 * 262144)
    seq = announced(chain, node, file)
    batch = [file.segment(0), file.segment(1), changed(file, 2, "chain"), file.segment(3)]
    assert node.refusal(BY_SEQ, batch, seq) == (-32602, "Invalid params: proof", "validation failed")
    availability = node.rpc("zgs_getAvailability", seq)
    assert (availability["held"], availability["heldCount"], availability["required"]) == ("0x03", 2, 4)


def test_duplicates_are_success_until_the_file_is_complete(chain: Chain, node: Node) -> None:
    file = file_of(3 * 262144)
    seq = announced(chain, node, file)
    twice = [file.segment(0), file.segment(0), file.segment(1)]
    assert node.rpc(BY_SEQ, twice, seq) == 0
    assert node.rpc(BY_SEQ, twice, seq) == 0
    assert node.rpc("zgs_uploadSegment", file.segment(0)) == 0
    assert node.rpc(BY_SEQ, [file.segment(2)], seq) == 0
    refusal = (-32602, "Invalid params: root; data: already uploaded and finalized", "already uploaded and finalized")
    assert node.refusal(BY_SEQ, twice, seq) == refusal
    assert node.refusal(BY_ROOT, [file.segment(2)]) == refusal


def test_the_text_for_a_complete_file_is_success_for_every_client(chain: Chain, node: Node) -> None:
    """TypeScript looks into `data`, Go joins message and data, Python reads the message."""
    file = file_of(100)
    seq = announced(chain, node, file)
    node.upload(file, seq)
    _, message, data = node.refusal(BY_SEQ, [file.segment(0)], seq)
    assert "already uploaded and finalized" in str(data)
    assert "Invalid params: root; data: already uploaded and finalized" in f"{message}; data: {data}"
    assert "invalid params" in message.lower()
    assert "already uploaded" in message.lower()


def test_an_empty_list_and_members_that_nobody_knows_are_fine(chain: Chain, node: Node) -> None:
    file = file_of(500)
    seq = announced(chain, node, file)
    assert node.rpc(BY_SEQ, [], seq) == 0
    assert node.rpc(BY_ROOT, []) == 0
    segment = file.segment(0)
    proof: Any = segment["proof"]
    odd = segment | {
        "proof": proof | {"hash": "0x", "extra": {"deep": []}},
        "note": None,
        "root": str(segment["root"]).upper().replace("0X", "0x"),
    }
    assert node.rpc(BY_SEQ, [odd], str(seq)) == 0
    assert node.is_finalized(seq)


def test_a_small_file_may_come_before_its_block(chain: Chain, node: Node) -> None:
    file = file_of(2 * 262144 + 5)
    assert node.rpc(BY_ROOT, [file.segment(0), file.segment(2)]) == 0
    assert node.info(file.root) is None
    assert node.keeper.uploads.cache.cost_bytes > 262144
    seq = announced(chain, node, file)
    node.wait(lambda: not len(node.keeper.uploads.cache))
    assert node.rpc("zgs_getAvailability", str(file.root))["held"] == "0x05"
    assert node.rpc(BY_ROOT, [file.segment(1)]) == 0
    assert node.is_finalized(seq)
    assert node.keeper.uploads.cache.cost_bytes == 0


def test_a_large_file_may_not_come_before_its_block(node: Node) -> None:
    file = file_of((10 << 20) + 1)
    refusal = (-32602, "Invalid params: file_size", "caching of large file when tx is unavailable is not supported")
    assert node.refusal(BY_ROOT, [file.segment(0)]) == refusal
    assert node.refusal(BY_SEQ, [file.segment(0)], 2**64 - 1) == refusal


def test_what_waits_for_its_block_is_checked_as_well(node: Node) -> None:
    file = file_of(3 * 262144)
    assert node.refusal(BY_ROOT, [changed(file, 0, "chain")]) == (-32602, "Invalid params: proof", "validation failed")
    assert file.root not in node.keeper.uploads.cache


def test_the_cache_is_bounded_in_bytes_and_in_files_and_in_time(network: Network, chain: Chain) -> None:
    with network.running(chain, cache_bytes_max=600_000, cache_files_max=3, cache_s=0.4) as node:
        large = [file_of(262144) for _ in range(3)]
        assert [node.rpc("zgs_uploadSegment", file.segment(0)) for file in large[:2]] == [0, 0]
        assert node.refusal("zgs_uploadSegment", large[2].segment(0)) == (-32000, "too many data writing: 2", None)
        small = [file_of(100) for _ in range(2)]
        assert node.rpc("zgs_uploadSegment", small[0].segment(0)) == 0
        assert node.refusal("zgs_uploadSegment", small[1].segment(0)) == (-32000, "too many data writing: 3", None)
        node.wait(lambda: not len(node.keeper.uploads.cache))
        assert node.rpc("zgs_uploadSegment", large[2].segment(0)) == 0
        assert node.keeper.counters.uploads_refused["too_many_data"] == 2


def test_one_upload_completes_all_submissions_of_a_root(chain: Chain, node: Node) -> None:
    file = file_of(262144 + 9)
    first, second = chain.submit(file.submission(), file.submission())
    node.wait_for_seq(second)
    node.upload(file, second)
    assert (node.is_finalized(first), node.is_finalized(second)) == (True, True)
    [third] = chain.submit(file.submission())
    node.wait_for_seq(third)
    assert node.is_finalized(third)
    assert node.info(file.root)["tx"]["seq"] == first


def test_files_of_two_sizes_may_share_a_root(chain: Chain, node: Node) -> None:
    """Zeros up to what a file is padded to do not change its root: 17 sectors are padded to 18."""
    data = pattern(17 * 256, next(seeds))
    short, long = File(data), File(data + bytes(256))
    assert short.root == long.root
    first, second = chain.submit(short.submission(), long.submission())
    node.wait_for_seq(second)
    assert node.refusal(BY_SEQ, [long.segment(0)], first)[1] == "Invalid params: file_size"
    assert node.rpc("zgs_uploadSegment", long.segment(0)) == 0
    assert (node.is_finalized(first), node.is_finalized(second)) == (True, True)
    assert base64.b64decode(node.rpc("zgs_downloadSegmentByTxSeq", first, 0, 17)) == data
    assert base64.b64decode(node.rpc("zgs_downloadSegmentByTxSeq", second, 0, 18)) == data + bytes(256)
    assert node.rpc("zgs_downloadSegmentWithProofByTxSeq", first, 0) == short.segment(0)
    assert node.rpc("zgs_downloadSegmentWithProofByTxSeq", second, 0) == long.segment(0)


def test_segments_of_other_shards_are_dropped_without_a_word(network: Network, chain: Chain) -> None:
    file = file_of(5 * 262144)
    with network.running(chain, shard="1/2") as odd:
        seq = announced(chain, odd, file)
        begin = odd.info(seq)["tx"]["startEntryIndex"] // 1024
        assert odd.rpc("zgs_getShardConfig") == {"shardId": 1, "numShard": 2}
        required = [index for index in file.segments if (begin + index) % 2 == 1]
        assert odd.rpc(BY_SEQ, [file.segment(index) for index in file.segments], seq) == 0
        info = odd.info(seq)
        assert (info["finalized"], info["uploadedSegNum"]) == (True, 5)
        availability = odd.rpc("zgs_getAvailability", seq)
        assert availability["heldCount"] == availability["required"] == len(required)
        other = next(index for index in file.segments if index not in required)
        assert odd.rpc("zgs_downloadSegmentByTxSeq", seq, other * 1024, other * 1024 + 1) is None
        assert odd.rpc("zgs_downloadSegmentWithProofByTxSeq", seq, other) is None
        assert odd.keeper.counters.segments_of_others == 5 - len(required)


def test_a_node_of_which_nothing_is_asked_is_complete_at_once(network: Network, chain: Chain) -> None:
    """One of two shards must hold the only segment; the other has nothing to do."""
    file = file_of(300)
    with network.running(chain, shard="0/2") as even, network.running(chain, shard="1/2") as odd:
        [seq] = chain.submit(file.submission())
        finalized = []
        for node in (even, odd):
            node.wait_for_seq(seq)
            finalized.append(node.is_finalized(seq))
        assert sorted(finalized) == [False, True]


def test_reads_beyond_a_file_are_refused_and_unknown_files_are_null(chain: Chain, node: Node) -> None:
    file = file_of(262144 + 300)
    seq = announced(chain, node, file)
    invalid = (-32602, "Invalid params: end_index", "invalid chunk index")
    assert node.refusal("zgs_downloadSegment", str(file.root), 1, 1) == invalid
    assert node.refusal("zgs_downloadSegmentByTxSeq", seq, 2, 1) == invalid
    assert node.refusal("zgs_downloadSegmentByTxSeq", seq, 0, 1025) == (-32602, "Invalid params: end_index", "exceeds maximum chunks 1024")
    assert node.refusal("zgs_downloadSegmentByTxSeq", seq, 1024, 1027)[0] == -32000
    assert node.refusal("zgs_downloadSegmentWithProofByTxSeq", seq, 2) == (-32602, "Invalid params: index", "index out of bound")
    assert node.rpc("zgs_downloadSegmentByTxSeq", seq, 0, 1024) is None
    assert node.rpc("zgs_downloadSegmentWithProof", str(file.root), 1) is None
    unknown = "0x" + "99" * 32
    assert node.rpc("zgs_downloadSegment", unknown, 0, 1) is None
    assert node.rpc("zgs_downloadSegmentByTxSeq", 10**6, 0, 1) is None
    assert node.rpc("zgs_downloadSegmentWithProof", unknown, 0) is None
    assert node.rpc("zgs_checkFileFinalized", unknown) is None
    assert node.rpc("zgs_checkFileFinalized", 10**6) is None
    assert node.rpc("zgs_getFileInfo", unknown, False) is None
    assert node.rpc("zgs_getFileInfoByTxSeq", 2**64 - 1) is None
    node.upload(file, seq)
    across = base64.b64decode(node.rpc("zgs_downloadSegment", str(file.root), 1000, 1026))
    assert across == file.data.ljust(1026 * 256, b"\0")[1000 * 256 : 1026 * 256]


def test_a_pruned_file_takes_and_gives_nothing(chain: Chain, node: Node) -> None:
    file = file_of(700)
    seq = announced(chain, node, file)
    node.upload(file, seq)
    node.keeper.store.prune(seq)
    node.keeper.files.forget()
    assert node.info(file.root) is None
    info = node.info(seq)
    assert (info["pruned"], info["finalized"], info["uploadedSegNum"]) == (True, False, 1)
    assert node.refusal(BY_SEQ, [file.segment(0)], seq) == (-32602, "Invalid params: root", "already pruned")
    assert node.refusal(BY_ROOT, [file.segment(0)]) == (-32602, "Invalid params: root", "already pruned")
    assert node.rpc("zgs_downloadSegmentByTxSeq", seq, 0, 1) is None


@pytest.mark.parametrize(
    "params",
    [[], [None], [{}], ["x", 1], [[{"root": "0x1"}], 0], [[], -1], [[], 2**64], [[], "x"], [[], 1.5], [[], True], {"segments": []}],
    ids=repr,
)
def test_parameters_of_another_form_are_refused(node: Node, params: object) -> None:
    answer = node.post({"jsonrpc": "2.0", "id": 2**60 + 1, "method": BY_SEQ, "params": params})
    assert (answer["id"], answer["error"]["code"]) == (2**60 + 1, -32602)


def test_a_refusal_of_a_segment_names_its_reason_in_the_metrics(node: Node, known: tuple[File, int]) -> None:
    file, seq = known
    before = node.keeper.counters.uploads_refused["segment_parameter:proof"]
    with pytest.raises(RefusedError):
        node.rpc(BY_SEQ, [changed(file, 0, "chain")], seq)
    text = node.http.get(f"{node.url}/metrics").text
    assert f'zerog_storage_uploads_refused_total{{reason="segment_parameter:proof"}} {before + 1}\n' in text
