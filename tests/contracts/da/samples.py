"""Blobs whose rows are all alike, so that a few hashes make their tree, and what a round's seed finds in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from zerog._kernel import keccak256
from zerog.contracts.da import SampleResponse
from zerog.da.protocol.constants import COSETS, ENCODED_ROWS, SUBLINE_BYTES, SUBLINES
from zerog.da.protocol.sampling import data_quality, line_quality
from zerog.primitives import Hash32

ROW_STEPS = 5
"""From a piece up to the root of its row."""
COSET_STEPS = 10
"""From there up to the root of the coset."""


@dataclass(frozen=True)
class AlikeRows:
    """A blob of 3,072 equal rows; another `salt` gives another one."""

    salt: int

    @cached_property
    def pieces(self) -> list[bytes]:
        """The 32 pieces of its row, 1,024 bytes each."""
        return [keccak256(self.salt.to_bytes(8) + index.to_bytes(8)) * (SUBLINE_BYTES // 32) for index in range(SUBLINES)]

    @cached_property
    def levels(self) -> list[list[bytes]]:
        """The nodes of the row's tree from the pieces' roots up to its own."""
        levels = [[_piece_root(piece) for piece in self.pieces]]
        while len(levels[-1]) > 1:
            level = levels[-1]
            levels.append([keccak256(left + right) for left, right in zip(level[::2], level[1::2], strict=True)])
        return levels

    @cached_property
    def above(self) -> list[bytes]:
        """The nodes from the row's root to the coset's: both children of each are alike."""
        nodes = [self.levels[-1][0]]
        for _ in range(COSET_STEPS):
            nodes.append(keccak256(nodes[-1] + nodes[-1]))
        return nodes

    @cached_property
    def coset_roots(self) -> tuple[Hash32, Hash32, Hash32]:
        root = Hash32(self.above[-1])
        return root, root, root

    @cached_property
    def root(self) -> Hash32:
        """The data root."""
        first, second, third = self.coset_roots
        return Hash32(keccak256(keccak256(first + second) + third))

    def path(self, subline: int) -> tuple[Hash32, ...]:
        """From a piece to the root of a coset; that of every row is the same."""
        within = [self.levels[step][(subline >> step) ^ 1] for step in range(ROW_STEPS)]
        return tuple(map(Hash32, (*within, *self.above[:COSET_STEPS])))

    def response(self, seed: Hash32, line: int, subline: int, *, epoch: int = 1, quorum_id: int = 0) -> SampleResponse:
        """A sample, however good it is; its quality without the bits above 256."""
        of_line = line_quality(seed, epoch, quorum_id, self.root, line)
        return SampleResponse(
            sample_seed=seed,
            epoch=epoch,
            quorum_id=quorum_id,
            line_index=line,
            subline_index=subline,
            quality=(of_line + data_quality(of_line, subline, self.pieces[subline])) % (1 << 256),
            data_root=self.root,
            blob_roots=self.coset_roots,
            proof=self.path(subline),
            data=self.pieces[subline],
        )

    def found(self, seed: Hash32, target: int, *, epoch: int = 1, quorum_id: int = 0) -> Iterator[SampleResponse]:
        """All samples that are good enough."""
        for line in range(ENCODED_ROWS):
            of_line = line_quality(seed, epoch, quorum_id, self.root, line)
            if of_line > target:
                continue
            for subline, piece in enumerate(self.pieces):
                if of_line + data_quality(of_line, subline, piece) <= target:
                    yield self.response(seed, line, subline, epoch=epoch, quorum_id=quorum_id)


def _piece_root(piece: bytes) -> bytes:
    leaves = [keccak256(piece[start : start + 256]) for start in range(0, SUBLINE_BYTES, 256)]
    return keccak256(keccak256(leaves[0] + leaves[1]) + keccak256(leaves[2] + leaves[3]))


assert COSETS == 3
