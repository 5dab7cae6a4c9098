"""The tables of the book. Amounts are wei as decimal text, being exact and beyond 64 bits; times are milliseconds since 1970."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

__all__ = ["SCHEMA_VERSION", "SEQUENCE_MAX", "accounts", "brokers", "charges", "facts", "jobs", "metadata", "pictures", "reservations"]

SCHEMA_VERSION: Final = 1
SEQUENCE_MAX: Final = 2**63 - 1

metadata = MetaData()

_Sequence = BigInteger().with_variant(Integer, "sqlite")  # Only INTEGER PRIMARY KEY is SQLite's own row number.

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What holds for the whole database: `schema_version`, and what it was bound to."""

brokers = Table(
    "brokers",
    metadata,
    Column("broker_id", Text, primary_key=True),
    Column("instance", Text, nullable=False),  # Drawn by each process that opens the book, so that a replaced one notices.
    Column("group_number", BigInteger, nullable=False),  # The last group it committed: tells a broker whether a lost answer was a yes.
    Column("lease_until_ms", BigInteger, nullable=False),
)
"""Who writes. What a broker holds open ends with its lease."""

accounts = Table(
    "accounts",
    metadata,
    Column("user_address", LargeBinary(20), primary_key=True),
    Column("unsettled_wei", Text, nullable=False),
    Column("reserved_wei", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Running sums for each user: charges that are not settled, and reservations that are open."""

reservations = Table(
    "reservations",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("user_address", LargeBinary(20), nullable=False),
    Column("highest_wei", Text, nullable=False),
    Column("broker_id", Text, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Requests under way, each with the most that it can cost."""

charges = Table(
    "charges",
    metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("request_id", Text, nullable=False, unique=True),
    Column("user_address", LargeBinary(20), nullable=False),
    Column("fee_wei", Text, nullable=False),
    Column("leaf", LargeBinary(32), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("settlement_entry_id", BigInteger),
    Column("skip_until_ms", BigInteger),
    Column("receipt", LargeBinary, nullable=False),  # Canonical bytes.
    Column("receipt_signature", LargeBinary, nullable=False),
    Column("signed_text", Text, nullable=False),
    Column("text_signature", LargeBinary, nullable=False),
    Column("signing_address", LargeBinary(20), nullable=False),
    Column("provider_type", Text),
    Column("provider_identity", Text),
    Column("tls_cert_fingerprint", Text),
    Index("charges_of_user", "user_address", "sequence"),
    Index("charges_to_settle", "user_address", "sequence", "fee_wei",
          sqlite_where=text("settlement_entry_id IS NULL"), postgresql_where=text("settlement_entry_id IS NULL")),
    Index("charges_of_entry", "settlement_entry_id", "sequence",
          sqlite_where=text("settlement_entry_id IS NOT NULL"), postgresql_where=text("settlement_entry_id IS NOT NULL")),
)  # fmt: skip
"""One row a charged request, never deleted: its receipt and signatures can be fetched without limit. `sequence` is the order of arrival."""

jobs = Table(
    "jobs",
    metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("job_id", Text, nullable=False, unique=True),
    Column("user_address", LargeBinary(20), nullable=False),
    Column("state", Text, nullable=False),
    Column("broker_id", Text),  # Who works on it.
    Column("attempts", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("finished_at_ms", BigInteger),
    Column("path", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("answer_status", Integer),
    Column("answer_content_type", Text),
    Column("answer", LargeBinary),
    Index("jobs_of_user", "user_address", "sequence"),
    Index("jobs_open", "state", "sequence",
          sqlite_where=text("finished_at_ms IS NULL"), postgresql_where=text("finished_at_ms IS NULL")),
)  # fmt: skip
"""Requests that are answered later."""

pictures = Table(
    "pictures",
    metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("request_id", Text, nullable=False),
    Column("number", Integer, nullable=False),  # Within its answer, from 0.
    Column("created_at_ms", BigInteger, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("pictures_of_request", "request_id", "number", unique=True),
)
"""Pictures whose address was given out; they go when their time is over."""
