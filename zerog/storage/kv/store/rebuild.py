"""Opens the catalogue, and makes a lost or damaged one anew: items are found in their files, all else comes from the chain again."""

from pathlib import Path
from typing import Final

import structlog

from zerog.storage.kv.store.catalogue import CATALOGUE_FILE, DAMAGED_FILE, Catalogue
from zerog.storage.kv.store.errors import StoreDamagedError
from zerog.storage.kv.store.item_files import ItemFiles, RecordFound, sync_folder

__all__ = ["known_ends", "open_catalogue"]

log = structlog.get_logger(__name__)

RECORDS_AT_ONCE: Final = 1000
"""Of one transaction."""


def open_catalogue(folder: Path, files: ItemFiles, *, durable: bool) -> Catalogue:
    """The catalogue in `folder`. One that is damaged, or missing beside items, is made anew, at the speed at which the items are read.

    Raises `OSError`, `StoreFormatError`, `StoreFailedError`.
    """
    path = folder / CATALOGUE_FILE
    marker = folder / DAMAGED_FILE
    if not marker.exists() and (path.exists() or not files.numbers()):
        try:
            return Catalogue.open(path, durable=durable)
        except StoreDamagedError as error:
            log.warning("kv_catalogue_damaged", folder=str(folder), cause=error.cause, remedy="made anew from the chain and the items")
    marker.touch()  # Until the new one is whole, whoever opens begins again.
    sync_folder(folder)
    for suffix in ("", "-wal", "-shm"):  # A log of writes that was left alone would be taken for that of the next database of the name.
        path.with_name(CATALOGUE_FILE + suffix).unlink(missing_ok=True)
    catalogue = Catalogue.open(path, durable=durable)
    try:
        _find_items(catalogue, files)
        marker.unlink()
        sync_folder(folder)
    except BaseException:
        catalogue.close()
        raise
    return catalogue


def _find_items(catalogue: Catalogue, files: ItemFiles) -> None:
    found: list[RecordFound] = []
    count = 0
    for number in files.numbers():
        for record in files.records(number):
            found.append(record)
            count += 1
            if len(found) == RECORDS_AT_ONCE:
                _note(catalogue, found)
                found = []
    _note(catalogue, found)
    log.info("kv_catalogue_made_anew", items=count)


def _note(catalogue: Catalogue, found: list[RecordFound]) -> None:
    rows = [(one.root, one.size_bytes, one.place.size, one.place.file, one.place.offset) for one in found]
    with catalogue.transaction() as connection:
        connection.executemany("INSERT OR IGNORE INTO data (root, size_bytes, item_bytes, file, offset) VALUES (?, ?, ?, ?, ?)", rows)


def known_ends(catalogue: Catalogue) -> dict[int, int]:
    """Where the last known item of each file ends, by file."""
    query = "SELECT file, max(offset + item_bytes + 4 * ((item_bytes + 4095) / 4096)) FROM data GROUP BY file"
    with catalogue.reading() as connection:
        return dict(connection.execute(query).fetchall())
