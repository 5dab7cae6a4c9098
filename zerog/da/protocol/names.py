"""How a blob is named once a quorum has it: by its root, and by the epoch and the quorum whose signers hold its rows."""

from dataclasses import dataclass
from typing import Final

from zerog.primitives import Hash32

__all__ = ["BlobName"]

UINT64_END: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class BlobName:
    """All that is needed to get a blob back, and to hold it against what was dispersed."""

    root: Hash32
    """Data root: the root of the encoded rows, which is also that of the encoded file on storage."""
    epoch: int
    quorum_id: int

    def __post_init__(self) -> None:
        """Raises `ValueError` for numbers that the wire cannot carry."""
        if not (0 <= self.epoch < UINT64_END and 0 <= self.quorum_id < UINT64_END):
            raise ValueError(f"an epoch and a quorum are numbers of 64 bits, not {self.epoch} and {self.quorum_id}")

    def __str__(self) -> str:
        return f"{self.root} of epoch {self.epoch}, quorum {self.quorum_id}"
