"""The flow: where submissions begin, its root, its proofs, its checkpoints."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.storage.protocol import plain
from tests.unit.storage.protocol.plain import pattern
from tests.unit.storage.protocol.vectors import FLOW
from zerog._kernel import FlowRefusedError
from zerog.primitives import ZERO_HASH, Hash32
from zerog.storage.protocol.errors import InvalidSubmissionError
from zerog.storage.protocol.flow import FIRST_SECTOR, FlowTree, segment_of_sector, siblings_inside, start_sector, verify_sector
from zerog.storage.protocol.merkle import FileTree, MerkleProof
from zerog.storage.protocol.padding import padded_sectors_of
from zerog.storage.protocol.submission import Submission, SubmissionNode, node_heights
from zerog.storage.protocol.units import SEGMENT_BYTES, SEGMENT_SECTORS


def test_the_flow_agrees_with_the_contract() -> None:
    flow = FlowTree()
    assert (flow.sectors, flow.root) == (FIRST_SECTOR, ZERO_HASH)
    for vector in FLOW:
        submission = FileTree(pattern(vector.size_bytes)).submission()
        start = start_sector(flow.sectors, submission)
        assert start == vector.start
        flow.append(start, submission.nodes)
        assert (flow.sectors, flow.root.hex()) == (vector.sectors_after, vector.root_hex)


@given(st.integers(min_value=1, max_value=2**40), st.integers(min_value=1, max_value=2**34))
def test_a_submission_is_aligned_and_never_crosses_a_segment_from_its_middle(flow_sectors: int, size_bytes: int) -> None:
    nodes = tuple(SubmissionNode(ZERO_HASH, height) for height in node_heights(padded_sectors_of(size_bytes)))
    submission = Submission(size_bytes=size_bytes, nodes=nodes)
    start = start_sector(flow_sectors, submission)
    assert start >= flow_sectors
    place = start
    for node in nodes:
        assert place % node.sectors == 0
        place += node.sectors
    if start % SEGMENT_SECTORS:
        assert start // SEGMENT_SECTORS == (place - 1) // SEGMENT_SECTORS
    assert start - flow_sectors < max(nodes[0].sectors, SEGMENT_SECTORS) * 2


def test_a_submission_without_nodes_has_no_place() -> None:
    with pytest.raises(InvalidSubmissionError, match="no nodes"):
        start_sector(1, Submission(size_bytes=1, nodes=()))


class Flow:
    """The kernel's flow beside all its leaves."""

    def __init__(self) -> None:
        self.tree = FlowTree()
        self.leaves = [bytes(32)]
        self.nodes: list[tuple[int, int]] = []
        """First sector and height of each node."""

    def submit(self, size_bytes: int) -> None:
        data = pattern(size_bytes)
        submission = FileTree(data).submission()
        start = start_sector(self.tree.sectors, submission)
        self.tree.append(start, submission.nodes)
        self.leaves += [plain.ZERO_LEAF] * (start - len(self.leaves))
        self.leaves += plain.sector_hashes(data, submission.sectors)
        for node in submission.nodes:
            self.nodes.append((start, node.height))
            start += node.sectors

    def height_at(self, sector: int) -> int:
        """Height of the node that a sector lies in; 0 in a gap."""
        return next((height for start, height in self.nodes if start <= sector < start + (1 << height)), 0)

    def leaf_and_siblings(self, sector: int, height: int) -> list[Hash32]:
        padded = self.leaves + [plain.ZERO_LEAF] * ((1 << (len(self.leaves) - 1).bit_length()) - len(self.leaves))
        siblings = [padded[start : start + (1 << level)] for level in range(height) for start in [(sector >> level ^ 1) << level]]
        return [Hash32(plain.tree_root(leaves)) for leaves in [[padded[sector]], *siblings]]


SIZES = st.lists(st.integers(min_value=1, max_value=5000), min_size=1, max_size=10)


@given(SIZES, st.data())
def test_roots_and_proofs_follow_the_plain_rule(sizes: list[int], draw: st.DataObject) -> None:
    flow = Flow()
    for size_bytes in sizes:
        flow.submit(size_bytes)
    root = flow.tree.root
    assert root == plain.flow_root(flow.leaves)
    sector = draw.draw(st.integers(min_value=0, max_value=len(flow.leaves) - 1))
    proof = flow.tree.proof(sector, flow.leaf_and_siblings(sector, flow.height_at(sector)))
    assert list(proof.lemma) == [*flow.leaf_and_siblings(sector, len(proof.path)), root]
    assert verify_sector(root, sector=sector, proof=proof)
    assert not verify_sector(root, sector=sector ^ 1, proof=proof)
    assert not verify_sector(plain_other(root), sector=sector, proof=proof)
    assert not verify_sector(root, sector=sector, proof=replace(proof, lemma=(plain_other(proof.lemma[0]), *proof.lemma[1:])))
    assert not verify_sector(root, sector=sector, proof=replace(proof, lemma=proof.lemma[1:]))


def plain_other(item: Hash32) -> Hash32:
    return Hash32(bytes([item[0] ^ 1]) + item[1:])


@given(SIZES, SIZES)
def test_a_flow_goes_on_from_its_checkpoint_and_back_to_it(before: list[int], after: list[int]) -> None:
    flow = Flow()
    for size_bytes in before:
        flow.submit(size_bytes)
    checkpoint, root = flow.tree.checkpoint(), flow.tree.root
    opened = FlowTree(checkpoint)
    assert (opened.sectors, opened.root) == (flow.tree.sectors, root)
    for size_bytes in after:
        submission = FileTree(pattern(size_bytes)).submission()
        opened.append(start_sector(opened.sectors, submission), submission.nodes)
        flow.submit(size_bytes)
    assert (opened.root, opened.checkpoint()) == (flow.tree.root, flow.tree.checkpoint())
    for tree in (opened, flow.tree):
        tree.unwind(checkpoint)
        assert (tree.root, tree.checkpoint()) == (root, checkpoint)


SECTOR_SIZES = [1, 300, 257 * 256, SEGMENT_BYTES, SEGMENT_BYTES + 1, 300_000, 3 * SEGMENT_BYTES, 5 * SEGMENT_BYTES + 1, 17 * SEGMENT_BYTES]
"""Within a segment, whole segments, a last one that is padded in part, and one that is all padding."""


def sector_proof(flow: Flow, start: int, data: bytes, sector: int, *, sectors: int | None = None) -> MerkleProof:
    """As a node proves a sector: from what it keeps of the file's segment."""
    tree = FileTree(data)
    index = segment_of_sector(len(data), sector)
    segment = memoryview(data)[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
    inside = siblings_inside(tree.submission(), sector, segment, tree.segment_proof(index).lemma[1:-1])
    return flow.tree.proof(start + sector, inside, sectors=sectors)


@pytest.fixture(scope="module")
def filled() -> tuple[Flow, list[tuple[int, bytes]]]:
    """A flow with files of many shapes: where each begins, and its bytes."""
    flow, files = Flow(), []
    for size_bytes in SECTOR_SIZES:
        data = pattern(size_bytes)
        files.append((start_sector(flow.tree.sectors, FileTree(data).submission()), data))
        flow.submit(size_bytes)
    return flow, files


def test_every_file_proves_its_sectors(filled: tuple[Flow, list[tuple[int, bytes]]]) -> None:
    flow, files = filled
    root = flow.tree.root
    assert root == plain.flow_root(flow.leaves)
    for start, data in files:
        padded = padded_sectors_of(len(data))
        borders = [border + near for border in range(0, padded, SEGMENT_SECTORS) for near in (-1, 0, 1, 700)]
        for sector in sorted({place for place in [*borders, padded - 1] if 0 <= place < padded}):
            proof = sector_proof(flow, start, data, sector)
            assert (proof.lemma[0], proof.lemma[-1]) == (flow.leaves[start + sector], root)
            assert verify_sector(root, sector=start + sector, proof=proof)


def test_a_sector_is_proved_to_an_old_root(filled: tuple[Flow, list[tuple[int, bytes]]]) -> None:
    flow, files = filled
    for (start, data), (next_start, _) in pairwise(files):
        sectors = start + padded_sectors_of(len(data))
        assert sectors <= next_start
        root = Hash32(plain.flow_root(flow.leaves[:sectors]))
        assert (flow.tree.root_at(sectors), flow.tree.sectors_of_root(root)) == (root, sectors)
        proof = sector_proof(flow, start, data, 0, sectors=sectors)
        assert proof.lemma[-1] == root
        assert verify_sector(root, sector=start, proof=proof)
    with pytest.raises(FlowRefusedError, match="never had 9999999 sectors"):
        flow.tree.root_at(9_999_999)
    assert flow.tree.sectors_of_root(ZERO_HASH) is None


def test_a_sector_that_a_file_does_not_have_is_a_mistake() -> None:
    submission = FileTree(pattern(3 * SEGMENT_BYTES)).submission()
    for sector in (-1, 3 * SEGMENT_SECTORS):
        with pytest.raises(ValueError, match="has no sector"):
            siblings_inside(submission, sector, b"", ())
    with pytest.raises(ValueError, match="1 siblings of segment 0 are needed, not 0"):
        siblings_inside(submission, 0, b"", ())
    with pytest.raises(InvalidSubmissionError, match="end before sector 2048"):
        siblings_inside(replace(submission, nodes=submission.nodes[:1]), 2048, b"", ())


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    flow = FlowTree()
    flow.append(4, FileTree(pattern(513)).submission().nodes)
    checkpoint = flow.checkpoint()
    for start, height, cause in [
        (6, 0, "already has 7"),
        (7, 1, "cannot stand at sector 7"),
        (8, 64, "cannot stand"),
        (2**63, 0, "cannot stand"),
    ]:
        with pytest.raises(FlowRefusedError, match=cause):
            flow.append(start, [SubmissionNode(ZERO_HASH, height)])
    with pytest.raises(FlowRefusedError, match="no sector 8"):
        flow.proof(8)
    with pytest.raises(FlowRefusedError, match="sector 5 lies in a submission of height 1"):
        flow.proof(5)
    with pytest.raises(FlowRefusedError, match="has 7 bytes"):
        FlowTree(bytes(7))
    with pytest.raises(FlowRefusedError, match="not one of this flow's past"):
        FlowTree().unwind(checkpoint)
    assert flow.checkpoint() == checkpoint
