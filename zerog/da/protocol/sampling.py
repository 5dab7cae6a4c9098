"""A kibibyte of a blob with the path that leads to the blob's root, and the lottery that pays signers who can show one.

A row is cut into 32 sub-lines of 1,024 bytes. A sub-line has four leaves of 256 bytes; above its root stand 5 siblings inside the row and
10 above it, up to the root of the coset, and three of those make the data root. Nobody needs more than 1.6 KiB to see that a signer still
has a row. Source: 0glabs/0g-da-contract, contracts/utils/SampleVerifier.sol.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog._kernel import keccak256
from zerog.da.protocol.constants import BLOB_ROWS, COSETS, ENCODED_ROWS, SUBLINE_BYTES, SUBLINES
from zerog.da.protocol.errors import DaError
from zerog.primitives import Hash32

__all__ = [
    "PATH_LENGTH",
    "Sample",
    "SampleInvalidError",
    "SamplePositionError",
    "check_position",
    "data_quality",
    "line_quality",
    "sample_quality",
    "verify_sample",
]

LEAF_BYTES: Final = 256
PATH_LENGTH: Final = (SUBLINES * BLOB_ROWS).bit_length() - 1
"""15 siblings from a sub-line up to the root of its coset: 5 inside the row, 10 above it."""
QUALITY_END: Final = 1 << 256


@dataclass(eq=False)
class SampleInvalidError(DaError):
    """What was sent as a sample of a blob is none; whoever sent it lies, or holds something else."""

    cause: str

    code = "da_sample_invalid"
    remedy = "ask another signer of the row, and name the one that sent this"
    http_status = 502

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class SamplePositionError(DaError):
    """A row or a sub-line that no blob has."""

    cause: str

    code = "da_sample_position"
    remedy = f"name a row from 0 to {ENCODED_ROWS - 1} and a sub-line from 0 to {SUBLINES - 1}"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, slots=True)
class Sample:
    """One sub-line and its way up."""

    data: bytes
    """1,024 bytes: 32 elements, little-endian."""
    path: tuple[Hash32, ...]
    """15 siblings, bottom to top."""
    coset_roots: tuple[Hash32, ...]
    """Of the three cosets."""


def check_position(row_index: int, subline_index: int) -> None:
    """Raises `SamplePositionError`."""
    if not 0 <= row_index < ENCODED_ROWS:
        raise SamplePositionError(f"a blob has {ENCODED_ROWS} rows, and no row {row_index}")
    if not 0 <= subline_index < SUBLINES:
        raise SamplePositionError(f"a row has {SUBLINES} sub-lines, and no sub-line {subline_index}")


def verify_sample(sample: Sample, root: Hash32, row_index: int, subline_index: int) -> None:
    """Hold a sample against the data root. Raises `SampleInvalidError`, `SamplePositionError`."""
    check_position(row_index, subline_index)
    if len(sample.data) != SUBLINE_BYTES:
        raise SampleInvalidError(f"a sub-line has {SUBLINE_BYTES} bytes, and this one {len(sample.data)}")
    if len(sample.path) != PATH_LENGTH or len(sample.coset_roots) != COSETS:
        raise SampleInvalidError(f"a path has {PATH_LENGTH} siblings, and a blob the roots of {COSETS} cosets")
    position = (row_index % BLOB_ROWS) * SUBLINES + subline_index
    if _climb(_subline_root(sample.data), sample.path, position) != sample.coset_roots[row_index // BLOB_ROWS]:
        raise SampleInvalidError(f"sub-line {subline_index} of row {row_index} does not lead to the root of its coset")
    first, second, third = sample.coset_roots
    if keccak256(keccak256(first + second) + third) != root:
        raise SampleInvalidError(f"the roots of the cosets are not those of {root}")


def _subline_root(data: bytes) -> bytes:
    first, second, third, fourth = (keccak256(data[start : start + LEAF_BYTES]) for start in range(0, SUBLINE_BYTES, LEAF_BYTES))
    return keccak256(keccak256(first + second) + keccak256(third + fourth))


def _climb(node: bytes, siblings: Sequence[bytes], position: int) -> bytes:
    """From a node to the root; the bits of `position` say, lowest first, on which side each sibling stands."""
    for sibling in siblings:
        node = keccak256(sibling + node if position & 1 else node + sibling)
        position >>= 1
    return node


def line_quality(seed: bytes, epoch: int, quorum_id: int, root: Hash32, row_index: int) -> int:
    """How good a row is in the round of `seed` (32 bytes); the lower, the better. It needs no data, so miners look at rows first."""
    return _number(seed + _word(epoch) + _word(quorum_id) + root + row_index.to_bytes(8, "big"))


def data_quality(quality_of_line: int, subline_index: int, data: bytes) -> int:
    """How good a sub-line of a row is, to be added to that of the row."""
    return _number(_word(quality_of_line) + _word(subline_index) + data)


def sample_quality(seed: bytes, epoch: int, quorum_id: int, root: Hash32, row_index: int, subline_index: int, data: bytes) -> int | None:
    """What is held against the round's target; `None` where the sum has more than 256 bits, which the contract refuses."""
    quality_of_line = line_quality(seed, epoch, quorum_id, root, row_index)
    quality = quality_of_line + data_quality(quality_of_line, subline_index, data)
    return quality if quality < QUALITY_END else None


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _number(data: bytes) -> int:
    return int.from_bytes(keccak256(data), "big")
