"""What a DA node keeps: rows in one file a blob, and beside them a database of what was announced, confirmed and signed."""

from zerog.da.signer.store.row_files import HeldRow, RowsHead
from zerog.da.signer.store.store import HeldBlob, SignedBlob, SignerStore

__all__ = ["HeldBlob", "HeldRow", "RowsHead", "SignedBlob", "SignerStore"]
