"""What goes into the book and what comes out of it. Amounts are wei, times are milliseconds since 1970."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from zerog.primitives import Address, Hash32

__all__ = [
    "Charge",
    "JobAnswer",
    "JobState",
    "NewJob",
    "Operation",
    "Page",
    "Release",
    "Reserve",
    "StoredJob",
    "StoredReceipt",
    "StoredSignature",
]

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Money set aside for a request under way. `locked_wei` is what the chain says that the user has locked, less refunds."""

    request_id: str
    user: Address
    expected_wei: int
    highest_wei: int
    locked_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One answered request: what it costs, and the signed papers that both sides can show."""

    request_id: str
    user: Address
    fee_wei: int
    receipt: bytes
    """Canonical bytes of the receipt."""
    leaf: Hash32
    receipt_signature: bytes
    signed_text: str
    text_signature: bytes
    signing_address: Address
    created_at_ms: int
    provider_type: str | None = None
    provider_identity: str | None = None
    tls_cert_fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """The end of a request that costs nothing."""

    request_id: str


Operation = Reserve | Charge | Release


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignature:
    """What `GET /v1/proxy/signature/{id}` answers with."""

    request_id: str
    signed_text: str
    text_signature: bytes
    signing_address: Address
    provider_type: str | None
    provider_identity: str | None
    tls_cert_fingerprint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceipt:
    """A charge as it stands in the book. `settlement_entry_id` is `None` until the charge is part of a settlement."""

    sequence: int
    request_id: str
    user: Address
    fee_wei: int
    receipt: bytes
    leaf: Hash32
    receipt_signature: bytes
    created_at_ms: int
    settlement_entry_id: int | None


class JobState(StrEnum):
    """The official names."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A request to be answered later. `details` is whatever text the provider needs beside it."""

    job_id: str
    user: Address
    path: str
    content_type: str
    body: bytes
    created_at_ms: int
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAnswer:
    """How a job ended: an HTTP status and what goes with it."""

    state: JobState
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job as it stands in the book. `attempts` counts how often a broker took it up."""

    sequence: int
    job_id: str
    user: Address
    state: JobState
    path: str
    content_type: str
    details: str
    body: bytes
    attempts: int
    created_at_ms: int
    finished_at_ms: int | None
    answer: JobAnswer | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows, newest first. `next_cursor` asks for the page after this one; `None` when there is none."""

    rows: tuple[Row, ...]
    next_cursor: int | None
