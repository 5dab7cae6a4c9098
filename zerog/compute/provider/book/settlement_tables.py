"""The tables of settlements: who settles, what was signed for whom, the transactions that carry it, what is left of receipts paid in part,
and what was published. Amounts are wei as decimal text, times are milliseconds since 1970."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text

from zerog.compute.provider.book.schema import metadata

__all__ = ["batches", "entries", "lease", "publications", "remainders", "settled_users", "transactions"]

_Sequence: Final = BigInteger().with_variant(Integer, "sqlite")

lease = Table(
    "settlement_lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)
"""One row: which of the brokers settles now."""

batches = Table(
    "settlement_batches",
    metadata,
    Column("batch_id", _Sequence, primary_key=True, autoincrement=True),
    Column("is_pending", Boolean, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("transaction_hash", LargeBinary(32)),  # Of the transaction that took effect, and where it is.
    Column("block_number", BigInteger),
    Column("block_hash", LargeBinary(32)),
    Index("settlement_batches_pending", "batch_id", sqlite_where=text("is_pending"), postgresql_where=text("is_pending")),
    Index("settlement_batches_by_block", "block_number"),
)
"""One call of the contract a row, written before it is sent."""

transactions = Table(
    "settlement_transactions",
    metadata,
    Column("transaction_hash", LargeBinary(32), primary_key=True),
    Column("batch_id", BigInteger, nullable=False, index=True),
    Column("account_nonce", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("sent_at_ms", BigInteger, nullable=False),
    Column("is_abandoned", Boolean, nullable=False),  # It is not sent again.
)
"""Signed transactions that carry a batch: one, unless its number was taken, the chain went back, or it paid too little."""

entries = Table(
    "settlement_entries",
    metadata,
    Column("entry_id", _Sequence, primary_key=True, autoincrement=True),
    Column("batch_id", BigInteger, nullable=False, index=True),
    Column("user_address", LargeBinary(20), nullable=False, index=True),
    Column("nonce", Text, nullable=False),
    Column("total_wei", Text, nullable=False),
    Column("requests_hash", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("paid_wei", Text, nullable=False),
    Column("leaves", LargeBinary, nullable=False),  # 32 bytes a row, in the order in which rows are paid.
    Column("rows", Text, nullable=False),  # JSON: for each leaf the charge's sequence, or minus the remainder's id, and the amount.
)
"""What was signed for one user. It is not deleted: the proofs of its receipts are made from it."""

remainders = Table(
    "settlement_remainders",
    metadata,
    Column("remainder_id", _Sequence, primary_key=True, autoincrement=True),
    Column("user_address", LargeBinary(20), nullable=False, index=True),
    Column("charge_sequence", BigInteger, nullable=False, index=True),
    Column("parent_entry_id", BigInteger, nullable=False, index=True),  # Which paid the last part.
    Column("document", LargeBinary, nullable=False),  # Canonical bytes.
    Column("leaf", LargeBinary(32), nullable=False),
    Column("amount_wei", Text, nullable=False),
    Column("settlement_entry_id", BigInteger),
)
"""What is left of receipts within which the money ran out."""

settled_users = Table(
    "settlement_users",
    metadata,
    Column("user_address", LargeBinary(20), primary_key=True),
    Column("last_nonce", Text, nullable=False),
    Column("hold_until_ms", BigInteger, nullable=False),
    Column("hold_reason", Text),
)
"""The newest nonce that was signed for each user, and until when he is left alone."""

publications = Table(
    "settlement_publications",
    metadata,
    Column("batch_id", _Sequence, primary_key=True, autoincrement=False),
    Column("file_root", LargeBinary(32)),  # Set once the nodes of storage have the file.
    Column("blob_request_id", LargeBinary),  # What the disperser calls the blob on its way.
    Column("blob_root", LargeBinary(32)),  # These three name the blob; set once its quorum is confirmed on chain.
    Column("blob_epoch", BigInteger),
    Column("blob_quorum", BigInteger),
)
"""What was published of a batch; one without a row is still to be published."""
