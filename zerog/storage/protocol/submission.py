"""Which submissions the chain takes. Source: 0gfoundation/0g-storage-contracts, `libraries/Submission.sol`."""

from itertools import pairwise
from typing import Final

from zerog.contracts.submission import Submission, SubmissionNode
from zerog.storage.protocol.errors import InvalidSubmissionError
from zerog.storage.protocol.padding import PADDING_SHARE
from zerog.storage.protocol.units import SECTOR_BYTES

__all__ = ["HEIGHT_SPREAD_MAX", "Submission", "SubmissionNode", "check_submission", "node_heights"]

HEIGHT_SPREAD_MAX: Final = 3
"""Highest and lowest node differ by at most so much: padding is in sixteenths."""
HEIGHT_MAX: Final = 63
PADDED_SECTORS_MIN: Final = 16
"""Fewer sectors are never padded."""


def node_heights(padded_sectors: int) -> tuple[int, ...]:
    """Heights of the subtrees that so many sectors split into, highest first: one for each bit that is set."""
    return tuple(height for height in reversed(range(padded_sectors.bit_length())) if padded_sectors >> height & 1)


def check_submission(submission: Submission) -> None:
    """Hold a submission against the rules of the Flow contract. Raises `InvalidSubmissionError`."""
    heights = [node.height for node in submission.nodes]
    if not heights:
        raise InvalidSubmissionError("it has no nodes")
    if max(heights) > HEIGHT_MAX or min(heights) < 0:
        raise InvalidSubmissionError(f"heights are 0 to {HEIGHT_MAX}, not {heights}")
    if any(left <= right for left, right in pairwise(heights)):
        raise InvalidSubmissionError(f"heights must fall from node to node, not {heights}")
    if heights[0] - heights[-1] > HEIGHT_SPREAD_MAX:
        raise InvalidSubmissionError(f"heights span more than {HEIGHT_SPREAD_MAX}: {heights}")
    if not _fewer_sectors(submission) * SECTOR_BYTES < submission.size_bytes <= submission.sectors * SECTOR_BYTES:
        raise InvalidSubmissionError(f"{submission.size_bytes} bytes are not submitted as {submission.sectors} sectors")


def _fewer_sectors(submission: Submission) -> int:
    """The next smaller number of sectors that a file could be padded to."""
    sectors, first = submission.sectors, submission.nodes[0]
    if sectors < PADDED_SECTORS_MIN:
        return sectors - 1
    if len(submission.nodes) == 1:
        return sectors - sectors // PADDING_SHARE
    return sectors - (first.sectors >> HEIGHT_SPREAD_MAX)
