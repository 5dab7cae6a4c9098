"""The flow: one endless row of sectors, in which the chain gives each submission its place.

Source: 0gfoundation/0g-storage-contracts, `Flow.sol`; 0gfoundation/0g-storage-node, `common/append_merkle`.
"""

from collections.abc import Sequence
from typing import Final

from zerog import _kernel
from zerog.primitives import Hash32
from zerog.storage.protocol.errors import InvalidSubmissionError
from zerog.storage.protocol.merkle import MerkleProof
from zerog.storage.protocol.submission import Submission, SubmissionNode
from zerog.storage.protocol.units import SEGMENT_SECTORS

__all__ = ["FIRST_SECTOR", "FlowTree", "start_sector", "verify_sector"]

FIRST_SECTOR: Final = 1
"""Sector 0 holds a hash of 32 zero bytes, which is the hash of nothing."""


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

    def proof(self, sector: int, inside: Sequence[Hash32] = ()) -> MerkleProof:
        """From a sector to the root. Raises `FlowRefusedError`.

        Where the sector lies in a submission's node of some height, `inside` is its leaf and the siblings up to that node, from the bottom;
        elsewhere it may be left out.
        """
        lemma, path = self._tree.proof(sector, inside)
        return MerkleProof(tuple(map(Hash32, lemma)), tuple(path))

    def checkpoint(self) -> bytes:
        """All that is needed to go on from here: at most some 2 KiB."""
        return self._tree.checkpoint()

    def unwind(self, checkpoint: bytes) -> None:
        """Back to a checkpoint, as if what came after had never been submitted. Raises `FlowRefusedError` if it is not of this flow."""
        self._tree.unwind(checkpoint)


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
