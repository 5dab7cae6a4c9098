"""Where a blob is on its way to its quorum, as a disperser tells it.

Source: 0glabs/0g-da-client, api/proto/disperser/disperser.proto; reason and step are ours.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from zerog.da.protocol.names import BlobName

__all__ = ["LIST_LIMIT_MAX", "BlobPage", "BlobState", "BlobStatus", "ListedBlob"]

LIST_LIMIT_MAX: Final = 1_000
"""Blobs on one page of a list."""


class BlobStatus(IntEnum):
    """The numbers are those of the wire."""

    UNKNOWN = 0
    PROCESSING = 1
    CONFIRMED = 2
    """Two thirds of a quorum have signed, and the chain has it in a block."""
    FAILED = 3
    FINALIZED = 4
    """That block cannot go back any more."""
    INSUFFICIENT_SIGNATURES = 5
    """Defined, and never used."""

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self in (BlobStatus.FAILED, BlobStatus.FINALIZED, BlobStatus.INSUFFICIENT_SIGNATURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobState:
    """One blob now."""

    status: BlobStatus
    name: BlobName | None = None
    """Once it is CONFIRMED."""
    reason: str = ""
    """Why it FAILED; official dispersers do not tell."""
    step: str = ""
    """Where in PROCESSING it is, such as "encoding"; likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBlob:
    """One blob in a list."""

    request_id: str
    state: BlobState
    size_bytes: int
    received_ms: int
    """Milliseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPage:
    """A part of a list, the newest blobs first."""

    blobs: tuple[ListedBlob, ...]
    next_cursor: str = ""
    """What to ask for next; empty on the last page."""
