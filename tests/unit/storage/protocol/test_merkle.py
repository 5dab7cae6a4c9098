"""The root that names a file, and the proofs of its segments."""

import mmap
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.storage.protocol import plain
from tests.unit.storage.protocol.plain import pattern
from tests.unit.storage.protocol.vectors import FILES, PROOFS, ZERO_HIGHEST, ZERO_SECTOR, ZERO_SEGMENT, FileVector, ProofVector
from zerog.primitives import Hash32
from zerog.storage.protocol.errors import EmptyFileError, SegmentParameterError, SegmentProofError
from zerog.storage.protocol.merkle import (
    FileTree,
    MerkleProof,
    ProvedSegment,
    SegmentTree,
    faulty_segment,
    file_root,
    segment_root,
    verify_segment,
    zero_root,
)
from zerog.storage.protocol.padding import padded_sectors_of_segment, segments_of
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_BYTES


def uploaded(data: bytes, index: int) -> bytes:
    """A segment as it is uploaded: whole sectors."""
    segment = data[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
    return segment.ljust(-(-len(segment) // SECTOR_BYTES) * SECTOR_BYTES, b"\0")


@pytest.mark.parametrize("vector", FILES, ids=lambda vector: str(vector.size_bytes))
def test_roots_agree_with_the_official_client(vector: FileVector) -> None:
    assert file_root(pattern(vector.size_bytes)).hex() == vector.root_hex


@given(st.binary(min_size=1, max_size=40_000))
def test_roots_follow_the_plain_rule(data: bytes) -> None:
    assert file_root(data) == plain.file_root(data)


@given(st.integers(min_value=1, max_value=3 * SEGMENT_BYTES))
@settings(max_examples=10, deadline=None)
def test_larger_roots_follow_the_plain_rule(size_bytes: int) -> None:
    assert file_root(pattern(size_bytes)) == plain.file_root(pattern(size_bytes))


def test_zero_roots_agree_with_the_flow_contract() -> None:
    assert [zero_root(height).hex() for height in (0, 10, 63)] == [ZERO_SECTOR, ZERO_SEGMENT, ZERO_HIGHEST]
    with pytest.raises(ValueError, match="below 64"):
        zero_root(64)


def test_an_empty_file_has_no_root() -> None:
    with pytest.raises(EmptyFileError):
        file_root(b"")
    with pytest.raises(EmptyFileError):
        SegmentTree(0, [])


def test_bytes_are_read_wherever_they_lie(tmp_path: Path) -> None:
    data = pattern(300_000)
    path = tmp_path / "file"
    path.write_bytes(data)
    root = file_root(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
        assert file_root(view) == root
    assert file_root(bytearray(data)) == root
    assert file_root(memoryview(b"x" + data)[1:]) == root
    with pytest.raises(BufferError, match="one after another"):
        file_root(memoryview(data)[::2])


def test_other_threads_run_while_a_file_is_hashed() -> None:
    """A thread keeps the interpreter's lock for minutes here, unless it gives it up: then this one goes on while the file is hashed."""
    data = bytes(256 << 20)
    begun, hashed = threading.Event(), threading.Event()

    def hash_file() -> None:
        begun.set()
        file_root(data)
        hashed.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(600)
    try:
        hasher = threading.Thread(target=hash_file)
        hasher.start()
        begun.wait()
        assert not hashed.is_set()
        hasher.join()
    finally:
        sys.setswitchinterval(interval)
    assert hashed.is_set()


@pytest.mark.parametrize("vector", PROOFS, ids=lambda vector: f"{vector.size_bytes}-{vector.index}")
def test_proofs_agree_with_the_official_client(vector: ProofVector) -> None:
    data = pattern(vector.size_bytes)
    tree = FileTree(data)
    proof = tree.segment_proof(vector.index)
    assert tuple(item.hex() for item in proof.lemma) == (*vector.lemma_hex, tree.root.hex())
    assert proof.path == vector.path
    segment = uploaded(data, vector.index)
    assert len(segment) == vector.data_bytes
    verify_segment(tree.root, size_bytes=len(data), index=vector.index, data=segment, proof=proof)


def test_a_file_of_one_segment_is_proved_by_its_root() -> None:
    tree = FileTree(pattern(300))
    assert tree.segment_proof(0) == MerkleProof((tree.root,), ())
    with pytest.raises(IndexError, match="no segment 1"):
        tree.segment_proof(1)


@given(st.integers(min_value=1, max_value=6 * SEGMENT_BYTES), st.data())
@settings(max_examples=20, deadline=None)
def test_every_segment_is_proved_by_the_tree_of_its_file(size_bytes: int, draw: st.DataObject) -> None:
    data = pattern(size_bytes)
    tree = FileTree(data)
    index = draw.draw(st.integers(min_value=0, max_value=segments_of(size_bytes) - 1))
    segment = uploaded(data, index)
    assert tree.segment_roots[index] == segment_root(segment, padded_sectors_of_segment(size_bytes, index))
    verify_segment(tree.root, size_bytes=size_bytes, index=index, data=segment, proof=tree.segment_proof(index))
    rebuilt = SegmentTree(size_bytes, tree.segment_roots)
    assert (rebuilt.root, rebuilt.size_bytes, rebuilt.segment_proof(index)) == (tree.root, size_bytes, tree.segment_proof(index))


def test_a_tree_needs_the_root_of_each_segment() -> None:
    with pytest.raises(ValueError, match="1 segment roots for a file of 2 segments"):
        SegmentTree(SEGMENT_BYTES + 1, [zero_root(10)])
    with pytest.raises(ValueError, match="expected 32 bytes"):
        SegmentTree(1, [b"short"])  # type: ignore[list-item]  # What a peer may send.


def test_more_bytes_than_sectors_are_refused() -> None:
    with pytest.raises(ValueError, match="257 bytes do not make 1"):
        segment_root(bytes(257), 1)


def test_the_first_wrong_segment_of_several_is_refused_as_alone() -> None:
    data = pattern(5 * SEGMENT_BYTES + 1)
    tree = FileTree(data)
    proofs = tree.segment_proofs(0, 6)
    assert proofs == [tree.segment_proof(index) for index in range(6)] == SegmentTree(len(data), tree.segment_roots).segment_proofs(0, 6)
    segments = [ProvedSegment(index, memoryview(uploaded(data, index)), proof) for index, proof in enumerate(proofs)]
    assert faulty_segment(tree.root, size_bytes=len(data), segments=segments) is None
    segments[2] = replace(segments[2], data=uploaded(data, 1))
    segments[4] = replace(segments[4], data=b"")
    place, refusal = faulty_segment(tree.root, size_bytes=len(data), segments=segments) or (None, None)
    assert (place, type(refusal), str(refusal)) == (2, SegmentProofError, "data hash mismatch")
    place, refusal = faulty_segment(tree.root, size_bytes=len(data), segments=segments[3:]) or (None, None)
    assert (place, type(refusal), str(refusal)) == (1, SegmentParameterError, "Invalid params: data")
    with pytest.raises(IndexError, match="no segment 6"):
        tree.segment_proofs(3, 4)


SIZE = 4456448
TREE = FileTree(pattern(SIZE))
SEGMENT = uploaded(pattern(SIZE), 16)
PROOF = TREE.segment_proof(16)


def changed(proof: MerkleProof, place: int, item: Hash32) -> MerkleProof:
    return replace(proof, lemma=(*proof.lemma[:place], item, *proof.lemma[place + 1 :]))


@pytest.mark.parametrize(
    ("arguments", "parameter", "cause"),
    [
        ({"size_bytes": 0}, "file_size", "file is empty"),
        ({"index": 17}, "index", "index out of bound"),
        ({"data": SEGMENT[256:]}, "data", "invalid data length"),
        ({"proof": MerkleProof((), ())}, "proof", "invalid proof"),
        ({"proof": replace(PROOF, path=())}, "proof", "invalid proof"),
        ({"proof": changed(PROOF, 2, zero_root(0))}, "proof", "validation failed"),
        ({"proof": MerkleProof((TREE.root,), ())}, None, "path too short"),
        ({"proof": MerkleProof((TREE.root,) * 11, (True,) * 9)}, None, "path too long"),
        ({"index": 15}, None, "wrong position: expect=15 get=16"),
        ({"root": zero_root(0)}, None, "root mismatch"),
        ({"data": uploaded(pattern(SIZE), 3)}, None, "data hash mismatch"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_segment_is_refused_in_the_words_of_the_reference(arguments: dict[str, object], parameter: str | None, cause: str) -> None:
    right = {"root": TREE.root, "size_bytes": SIZE, "index": 16, "data": SEGMENT, "proof": PROOF}
    verify: Callable[..., None] = verify_segment
    verify(**right)
    with pytest.raises((SegmentParameterError, SegmentProofError)) as refusal:
        verify(**right | arguments)
    if parameter is None:
        assert (refusal.value.rpc_code, str(refusal.value), refusal.value.rpc_data) == (-32000, cause, None)
    else:
        assert (refusal.value.rpc_code, str(refusal.value), refusal.value.rpc_data) == (-32602, f"Invalid params: {parameter}", cause)


def test_data_hidden_in_the_padding_is_refused() -> None:
    """A root whose padding is not zero holds in every other respect."""
    hidden = Hash32(b"\1" * 32)
    right = Hash32(plain.tree_root([TREE.segment_roots[16], hidden]))
    left = Hash32(plain.tree_root(list(TREE.segment_roots[:16])))
    root = Hash32(plain.tree_root([left, right]))
    proof = MerkleProof((TREE.segment_roots[16], hidden, left, root), (True, False))
    with pytest.raises(SegmentParameterError) as refusal:
        verify_segment(root, size_bytes=SIZE, index=16, data=SEGMENT, proof=proof)
    assert refusal.value.rpc_data == "invalid proof node value in the padding range"
