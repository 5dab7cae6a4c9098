"""The flow: one endless row of sectors, in which the chain gives each submission its place.

Source: 0gfoundation/0g-storage-contracts, `Flow.sol`; 0gfoundation/0g-storage-node, `common/append_merkle`.
"""

from collections.abc import Sequence
from typing import Final

from zerog import _kernel
from zerog.primitives import ZERO_HASH, Hash32
from zerog.storage.protocol.errors import InvalidSubmissionError
from zerog.storage.protocol.merkle import ByteBuffer, MerkleProof, segment_root, zero_root
from zerog.storage.protocol.padding import padded_sectors_of, padded_sectors_of_segment, segments_of
from zerog.storage.protocol.submission import Submission, SubmissionNode
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_HEIGHT, SEGMENT_SECTORS

__all__ = ["FIRST_SECTOR", "FlowTree", "segment_of_sector", "siblings_inside", "start_sector", "verify_sector"]

FIRST_SECTOR: Final = 1
"""Sector 0 holds a hash of 32 zero bytes, which is the hash of nothing."""

ROOTS_SEARCHED: Final = 1_000
"""Nodes of submissions among whose ends an old root is looked for, which takes some milliseconds."""


def start_sector(flow_sectors: int, submission: Submission) -> int:
    """Where a submission begins on a flow of `flow_sectors`: aligned to its highest node, and across the border of a segment only from the
    beginning of one. Raises `InvalidSubmissionError` if it has no nodes."""
    if not submission.nodes:
        raise InvalidSubmissionError("it has no nodes")
    alignment = submission.nodes[0].sectors
    start = _aligned(flow_sectors, alignment)
    last = start + submission.sectors - 1
    if start % SEGMENT_SECTORS and start // SEGMENT_SECTORS != last // SEGMENT_SECTORS:
        start = _aligned(start, SEGMENT_SECTORS)
    return _aligned(start, alignment)


def _aligned(sector: int, unit: int) -> int:
    return -(-sector // unit) * unit


class FlowTree:
    """The tree over the flow: grows by submissions, goes back to checkpoints, gives its root and proofs of sectors."""

    def __init__(self, checkpoint: bytes | None = None) -> None:
        """From the start, or from a checkpoint; then sectors before it cannot be proved. Raises `FlowRefusedError`."""
        self._tree = _kernel.FlowTree(checkpoint)

    @property
    def sectors(self) -> int:
        """Sectors so far, with the gaps between submissions."""
        return self._tree.sectors

    @property
    def root(self) -> Hash32:
        return Hash32(self._tree.root)

    def append(self, start: int, nodes: Sequence[SubmissionNode]) -> None:
        """Put a submission at the sector that the chain gave it; what is skipped is zero.

        Raises `FlowRefusedError`, and changes nothing, if it begins before the end of the flow or a node has no place there.
        """
        self._tree.append(start, [(node.root, node.height) for node in nodes])

    def root_at(self, sectors: int) -> Hash32:
        """Root when the flow had `sectors`, which was after a submission. Raises `FlowRefusedError`."""
        return Hash32(self._tree.root_at(sectors))

    def sectors_of_root(self, root: Hash32) -> int | None:
        """How many sectors the flow had when `root` was its root; `None` if it never was, or before the latest `ROOTS_SEARCHED` nodes."""
        return self._tree.sectors_of_root(root, ROOTS_SEARCHED)

    def proof(self, sector: int, inside: Sequence[Hash32] = (), *, sectors: int | None = None) -> MerkleProof:
        """From a sector to the root, or to the one that the flow had when its length was `sectors`. Raises `FlowRefusedError`.

        Where the sector lies in a submission's node of some height, `inside` is its leaf and the siblings up to that node, from the bottom
        (`siblings_inside` gives them); elsewhere it may be left out.
        """
        lemma, path = self._tree.proof(sector, inside, sectors)
        return MerkleProof(tuple(map(Hash32, lemma)), tuple(path))

    def checkpoint(self) -> bytes:
        """All that is needed to go on from here: at most some 2 KiB."""
        return self._tree.checkpoint()

    def unwind(self, checkpoint: bytes) -> None:
        """Back to a checkpoint, as if what came after had never been submitted. Raises `FlowRefusedError` if it is not of this flow."""
        self._tree.unwind(checkpoint)


def segment_of_sector(size_bytes: int, sector: int) -> int:
    """The segment whose bytes and proof `siblings_inside` needs: the one that a file's sector lies in, or the last that holds bytes.

    Raises `ValueError` if the file has no such sector.
    """
    if not 0 <= sector < padded_sectors_of(size_bytes):
        raise ValueError(f"a file of {size_bytes} bytes has no sector {sector}")
    return min(sector // SEGMENT_SECTORS, segments_of(size_bytes) - 1)


def siblings_inside(submission: Submission, sector: int, data: ByteBuffer, siblings: Sequence[Hash32]) -> list[Hash32]:
    """Leaf of a file's sector and its siblings up to the node of the submission that it lies in: what a proof on the flow begins with.

    `sector` counts from the start of the file, with its padding. `data` and `siblings` (without leaf and root, from the bottom) are of the
    segment that `segment_of_sector` names. Raises `ValueError` if there is no such sector or a sibling is missing.
    """
    held = segment_of_sector(submission.size_bytes, sector)
    height = _height_at(submission, sector)
    segment, place = divmod(sector, SEGMENT_SECTORS)
    own = memoryview(data) if segment == held else memoryview(b"")
    inside = [_subtree(own, place, 0)] + [_subtree(own, (place >> level) ^ 1, level) for level in range(min(height, SEGMENT_HEIGHT))]
    above = max(0, height - SEGMENT_HEIGHT)
    if len(siblings) < above:
        raise ValueError(f"{above} siblings of segment {held} are needed, not {len(siblings)}")
    ancestor = segment_root(data, padded_sectors_of_segment(submission.size_bytes, held)) if segment != held and above else ZERO_HASH
    for level in range(above):
        if segment >> level == held >> level:
            inside.append(siblings[level])
        elif (segment >> level) ^ 1 == held >> level:
            inside.append(ancestor)
        else:
            inside.append(zero_root(SEGMENT_HEIGHT + level))
        pair = (siblings[level], ancestor) if held >> level & 1 else (ancestor, siblings[level])
        ancestor = Hash32(_kernel.keccak256(b"".join(pair)))
    return inside


def _height_at(submission: Submission, sector: int) -> int:
    """Height of the node that a sector lies in."""
    end = 0
    for node in submission.nodes:
        end += node.sectors
        if sector < end:
            return node.height
    raise InvalidSubmissionError(f"its nodes end before sector {sector}")


def _subtree(segment: memoryview, index: int, height: int) -> Hash32:
    """Root of the perfect subtree `index` of a height within a segment, which zeros follow."""
    size_bytes = SECTOR_BYTES << height
    return segment_root(segment[index * size_bytes : (index + 1) * size_bytes], 1 << height)


def verify_sector(root: Hash32, *, sector: int, proof: MerkleProof) -> bool:
    """Whether `proof` leads from the leaf of `sector` to the root of a flow."""
    siblings = proof.lemma[1:-1] if proof.path else ()
    if len(siblings) != len(proof.path) or not proof.lemma or proof.lemma[-1] != root:
        return False
    position = sum(1 << height for height, from_left in enumerate(proof.path) if not from_left)
    node: bytes = proof.lemma[0]
    for sibling, from_left in zip(siblings, proof.path, strict=True):
        node = _kernel.keccak256(node + sibling if from_left else sibling + node)
    return position == sector and node == root
