"""How a blob is named once a quorum has it: by its root, and by the epoch and the quorum whose signers hold its rows."""

from dataclasses import dataclass
from typing import Final

from zerog.da.protocol.errors import DaError
from zerog.primitives import Hash32

__all__ = ["BlobName", "BlobNameError"]

UINT64_END: Final = 1 << 64
DIGITS_MAX: Final = 20
PARTS: Final = 3


@dataclass(eq=False)
class BlobNameError(DaError):
    """Text that names no blob."""

    text: str

    code = "da_blob_name"
    remedy = "write root, epoch and quorum with slashes between them: 0x…/1/0"

    def __str__(self) -> str:
        return f"{self.text[:100]!r} is no name of a blob"


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
        """Root, epoch and quorum with slashes between them."""
        return f"{self.root}/{self.epoch}/{self.quorum_id}"

    @classmethod
    def parse(cls, text: str) -> "BlobName":
        """The inverse of `str`. Raises `BlobNameError`."""
        parts = text.split("/")
        if len(parts) != PARTS or not all(part.isascii() and part.isdecimal() and len(part) <= DIGITS_MAX for part in parts[1:]):
            raise BlobNameError(text)
        try:
            return cls(Hash32.from_json(parts[0]), int(parts[1]), int(parts[2]))
        except ValueError:
            raise BlobNameError(text) from None
