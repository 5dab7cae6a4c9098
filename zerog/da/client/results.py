"""What a client of DA gives back, and tells while it waits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from zerog.da.protocol.names import BlobName
from zerog.da.protocol.sampling import Sample
from zerog.da.protocol.status import BlobState, BlobStatus
from zerog.primitives import Hash32

__all__ = ["CheckedSample", "Dispersal", "DispersalProgress", "ProgressCallback", "WaitUntil"]

WaitUntil: TypeAlias = Literal["accepted", "confirmed", "finalized"]
"""How far a blob shall be: taken by the disperser, signed by a quorum and in a block, or in a block that cannot go back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersal:
    """A blob that was dispersed."""

    request_id: str
    """By which its disperser knows it."""
    size_bytes: int
    status: BlobStatus
    name: BlobName | None
    """`None` while no quorum has it."""

    @property
    def root(self) -> Hash32:
        """Raises `ValueError` while no quorum has the blob, as the next two do."""
        return self._named.root

    @property
    def epoch(self) -> int:
        return self._named.epoch

    @property
    def quorum_id(self) -> int:
        return self._named.quorum_id

    @property
    def _named(self) -> BlobName:
        if self.name is None:
            raise ValueError("the blob has no name yet: wait until it is confirmed")
        return self.name


@dataclass(frozen=True, slots=True)
class DispersalProgress:
    """Where a blob is now."""

    state: BlobState
    size_bytes: int


ProgressCallback: TypeAlias = Callable[[DispersalProgress], None]
"""Called with every change; what it raises ends the wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSample:
    """A kibibyte of a blob that was held against its root."""

    name: BlobName
    row_index: int
    subline_index: int
    signer: str
    """Who gave it: an address."""
    sample: Sample
