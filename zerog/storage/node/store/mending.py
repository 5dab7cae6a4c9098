"""Writes damaged headers and proofs again in place, where all of them is known: the data itself is right, and no peer is needed."""

from typing import Final

import structlog

from zerog.primitives import Hash32
from zerog.storage.node.store.data_files import DataFiles, record_header
from zerog.storage.node.store.segment_index import Record, SegmentIndex
from zerog.storage.protocol.merkle import SegmentTree, zero_root
from zerog.storage.protocol.merkle import segment_root as root_of_segment
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_HEIGHT, SEGMENT_SECTORS

__all__ = ["Mender"]

SEGMENTS_MAX: Final = 1 << 16
"""Of a file of 16 GiB, whose tree takes 2 MiB; the proofs of a larger one come from peers."""

log = structlog.get_logger(__name__)


class Mender:
    """Of one store; any thread."""

    def __init__(self, index: SegmentIndex, files: DataFiles) -> None:
        self._index: Final = index
        self._files: Final = files

    def header(self, record: Record) -> bool:
        """Write the header of a record; whether it could be done. Nothing but a lost catalogue would have needed it."""
        place = record.located.place
        return self.write(place.data_file, place.offset, record_header(record.root, record.index, record.located.padded_sectors, place))

    def proof(self, record: Record) -> bool:
        """Write the siblings of a record, if the roots of the file's other segments lead to them; whether it could be done."""
        place = record.located.place
        siblings = self._siblings(record)
        if siblings is None or len(siblings) != place.siblings:
            return False
        return self.write(place.data_file, place.siblings_offset, b"".join(siblings))

    def write(self, data_file: int, offset: int, content: bytes) -> bool:
        """Write something that is known; whether it could be done."""
        path = str(self._files.path(data_file))
        try:
            self._files.mend(data_file, offset, content)
        except OSError as error:
            log.warning("store_record_not_mended", path=path, offset=offset, cause=error.strerror)
            return False
        log.warning("store_record_mended", path=path, offset=offset)
        return True

    def _siblings(self, record: Record) -> tuple[Hash32, ...] | None:
        """The way from a segment to the root, if all segments that hold bytes are here; those behind them are zeros."""
        padded_sectors = record.located.padded_sectors
        segments = -(-padded_sectors // SEGMENT_SECTORS)
        if segments > SEGMENTS_MAX:
            return None
        roots = self._index.segment_roots(record.root)
        if roots is None or len(roots) > segments:
            return None
        held = len(roots)
        roots += [zero_root(SEGMENT_HEIGHT)] * (segments - held)
        if held < segments and padded_sectors % SEGMENT_SECTORS:
            roots[-1] = root_of_segment(b"", padded_sectors % SEGMENT_SECTORS)
        # Of all sizes with this root this is the one that needs no padding.
        tree = SegmentTree(padded_sectors * SECTOR_BYTES, roots)
        return tree.segment_proof(record.index).lemma[1:-1] if tree.root == record.root else None
