"""Sizes that all programs of DA share. Source: 0glabs/0g-da-encoder, crates/encoder/src/constants.rs; 0glabs/0g-da-contract, contracts/."""

from typing import Final

__all__ = [
    "BLOB_BYTES_MAX",
    "BLOB_ROWS",
    "COLUMNS",
    "COSETS",
    "ENCODED_ROWS",
    "ROWS_FOR_QUORUM",
    "ROW_BYTES",
    "SLICE_BYTES",
    "SUBLINES",
    "SUBLINE_BYTES",
]

BLOB_ROWS: Final = 1024
"""Rows that hold the blob itself, and how many of any rows give it back."""
COLUMNS: Final = 1024
COSETS: Final = 3
ENCODED_ROWS: Final = COSETS * BLOB_ROWS
ELEMENT_BYTES: Final = 32
RAW_ELEMENT_BYTES: Final = 31
"""Bytes of user data in an element, so that every value stays below the field's modulus."""
TRAILER_BYTES: Final = 4
BLOB_BYTES_MAX: Final = RAW_ELEMENT_BYTES * BLOB_ROWS * COLUMNS - TRAILER_BYTES
"""The longest blob."""
ROW_BYTES: Final = ELEMENT_BYTES * COLUMNS
SLICE_BYTES: Final = 34_680
"""A row with its index, its proofs and its path, as encoders and signers exchange it."""
ROWS_FOR_QUORUM: Final = 2048
"""Signed rows that the entrance contract asks for."""
SUBLINES: Final = 32
"""Pieces of a row that can be sampled."""
SUBLINE_BYTES: Final = ROW_BYTES // SUBLINES
