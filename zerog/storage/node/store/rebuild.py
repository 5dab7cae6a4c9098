"""Opens the catalogue, and makes a lost or damaged one anew from the data files, whose records explain themselves and are checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from zerog._kernel import segment_root
from zerog.primitives import Hash32
from zerog.storage.node.store.catalogue import CATALOGUE_FILE, DAMAGED_FILE, Catalogue
from zerog.storage.node.store.data_files import FILE_HEADER, RECORD_HEADER, RECORD_MAGIC, Appended, DataFiles, Place, sync_folder
from zerog.storage.node.store.errors import StoreDamagedError
from zerog.storage.node.store.records import SIBLINGS_MAX, SegmentWrite, StoredSegment, sectors_of_segment, split_hashes
from zerog.storage.node.store.segment_index import SegmentIndex
from zerog.storage.protocol.units import HASH_BYTES, SECTOR_BYTES

__all__ = ["open_catalogue"]

log = structlog.get_logger(__name__)

DRAFT_FILE: Final = "catalogue.draft"
RECORDS_AT_ONCE: Final = 512
"""Of one transaction."""
WINDOW_BYTES: Final = 1 << 20
MAGIC: Final = RECORD_MAGIC.to_bytes(4, "little")


def open_catalogue(folder: Path, files: DataFiles, *, durable: bool) -> Catalogue:
    """The catalogue in `folder`. One that was found damaged, now or when it was last open, or is missing beside segments, is made anew.

    Raises `OSError`, `StoreFormatError`, `StoreFailedError`.
    """
    path, marker = folder / CATALOGUE_FILE, folder / DAMAGED_FILE
    if path.exists() and not marker.exists():
        try:
            return Catalogue.open(path, durable=durable)
        except StoreDamagedError as error:
            log.warning("store_catalogue_damaged", folder=str(folder), cause=error.cause)
    _make_anew(folder, files)
    marker.unlink(missing_ok=True)
    return Catalogue.open(path, durable=durable)


def _make_anew(folder: Path, files: DataFiles) -> None:
    """Write a catalogue of the segments in `files`, if there are any; the chain's log in it is empty. Takes about a second a gibibyte.

    What is there when this is interrupted is a draft that does not count. Raises `OSError`, `StoreFailedError`.
    """
    draft = folder / DRAFT_FILE
    _remove(draft)
    _remove(folder / CATALOGUE_FILE)
    if not files.numbers():
        return
    catalogue = Catalogue.open(draft, durable=True)
    try:
        index = SegmentIndex(catalogue)
        numbers = files.numbers()
        for number in numbers:
            found = _restore(index, files, number)
            log.info("store_catalogue_rebuilding", data_file=number, of=len(numbers), segments=found)
    finally:
        catalogue.close()
    draft.replace(folder / CATALOGUE_FILE)
    sync_folder(folder)


def _remove(catalogue: Path) -> None:
    """A database with its log of writes: a log that was left alone would be taken for that of the next database of the name."""
    for suffix in ("", "-wal", "-shm"):
        catalogue.with_name(catalogue.name + suffix).unlink(missing_ok=True)


def _restore(index: SegmentIndex, files: DataFiles, number: int) -> int:
    """Note what a data file has that is not known yet; how many segments that are. A file without any is put aside."""
    size_bytes = files.size_bytes(number)
    count = 0
    batch: dict[tuple[Hash32, int], tuple[SegmentWrite, Place]] = {}
    for segment, place in _records(files, number, size_bytes):
        if segment.index not in index.held(segment.root):
            batch.setdefault((segment.root, segment.index), (segment, place))
        if len(batch) == RECORDS_AT_ONCE:
            count += _note(index, batch, number, size_bytes)
    if batch:
        count += _note(index, batch, number, size_bytes)
    if count:
        index.seal(number)  # New segments go into a new file.
    elif size_bytes > FILE_HEADER.size:
        log.warning("store_data_file_put_aside", path=str(files.path(number)))
        files.path(number).rename(files.path(number).with_suffix(".damaged"))
    return count


def _note(index: SegmentIndex, batch: dict[tuple[Hash32, int], tuple[SegmentWrite, Place]], number: int, size_bytes: int) -> int:
    segments, places = zip(*batch.values(), strict=True)
    index.add(segments, Appended(list(places), {number: size_bytes}))
    batch.clear()
    return len(segments)


def _records(files: DataFiles, number: int, size_bytes: int) -> Iterator[tuple[SegmentWrite, Place]]:
    """The sound records of a file. Where one is damaged, the next is looked for behind its beginning."""
    content = _Content(files, number, size_bytes)
    offset: int | None = FILE_HEADER.size
    while offset is not None:
        header = content.header(offset)
        segment = None if header is None else content.segment(header)
        if header is not None and segment is not None:
            yield segment, header.place
            offset = header.place.end
            continue
        if header is not None:
            log.warning("store_record_damaged", path=str(files.path(number)), offset=offset)
        offset = content.find(MAGIC, offset + 1)


@dataclass(frozen=True, slots=True)
class _Header:
    """What a record says of itself."""

    place: Place
    root: Hash32
    padded_sectors: int
    index: int


@dataclass(frozen=True, slots=True)
class _Content:
    """The bytes of a data file, of which some may be wrong or unreadable."""

    files: DataFiles
    number: int
    size_bytes: int

    def read(self, offset: int, size_bytes: int) -> bytes:
        """What is there; nothing where the disk fails."""
        try:
            return self.files.read(self.number, offset, size_bytes)
        except OSError as error:
            log.warning("store_data_file_unreadable", path=str(self.files.path(self.number)), offset=offset, cause=error.strerror)
            return b""

    def find(self, wanted: bytes, offset: int) -> int | None:
        """Where `wanted` stands first, from `offset` on."""
        while offset < self.size_bytes:
            found = self.read(offset, WINDOW_BYTES).find(wanted)
            if found >= 0:
                return offset + found
            offset += WINDOW_BYTES - len(wanted) + 1
        return None

    def header(self, offset: int) -> _Header | None:
        """The header of a record, if there can be one at `offset`."""
        raw = self.read(offset, RECORD_HEADER.size)
        if len(raw) < RECORD_HEADER.size or not raw.startswith(MAGIC):
            return None
        _, siblings, _, data_bytes, root, padded_sectors, index, _ = RECORD_HEADER.unpack(raw)
        place = Place(self.number, offset, siblings, data_bytes)
        fits = 0 < data_bytes <= SECTOR_BYTES * sectors_of_segment(padded_sectors, index) and data_bytes % SECTOR_BYTES == 0
        return _Header(place, Hash32(root), padded_sectors, index) if fits and siblings <= SIBLINGS_MAX else None

    def segment(self, header: _Header) -> SegmentWrite | None:
        """The segment of a record, if its bytes lead to the file's root."""
        place = header.place
        data = self.read(place.data_offset, place.data_bytes)
        siblings = self.read(place.siblings_offset, HASH_BYTES * place.siblings)
        if len(data) < place.data_bytes or len(siblings) < HASH_BYTES * place.siblings:
            return None
        stored = StoredSegment(
            root=header.root,
            index=header.index,
            padded_sectors=header.padded_sectors,
            data=data,
            segment_root=Hash32(segment_root(data, sectors_of_segment(header.padded_sectors, header.index))),
            siblings=split_hashes(siblings),
        )
        if not stored.leads_to_root():
            return None
        return SegmentWrite(
            root=stored.root,
            size_bytes=stored.padded_sectors * SECTOR_BYTES,  # Of all sizes with this root the one that needs no rounding.
            index=stored.index,
            data=stored.data,
            segment_root=stored.segment_root,
            siblings=stored.siblings,
        )
