"""A copy of a store that goes on working: full data files get a second name, since they never change; the rest is copied as committed."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from zerog.storage.node.store.data_files import FILE_MODE, DataFiles, sync_folder

__all__ = ["copy_data_files"]

log = structlog.get_logger(__name__)

BUFFER_BYTES: Final = 1 << 20


def copy_data_files(files: DataFiles, catalogue: Path, folder: Path) -> None:
    """Bring the files that a copied `catalogue` knows into `folder`. None of them may be deleted meanwhile. Raises `OSError`."""
    with closing(sqlite3.connect(catalogue)) as connection:
        known = connection.execute("SELECT id, end, sealed FROM data_files").fetchall()
    for number, end, is_sealed in known:
        source, target = files.path(number), folder / files.path(number).name
        try:
            if not is_sealed or not _link(source, target):
                _copy(source, target, end)
        except FileNotFoundError:
            log.warning("store_data_file_missing", path=str(source))  # What was in it is not held in the copy either.
    sync_folder(folder)


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name; whether it could be done. It cannot on another disk."""
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def _copy(source: Path, target: Path, size_bytes: int) -> None:
    """The first bytes of a file, durably."""
    with source.open("rb") as original, os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE), "wb") as copy:
        shutil.copyfileobj(original, copy, BUFFER_BYTES)
        copy.truncate(size_bytes)
        copy.flush()
        os.fsync(copy.fileno())
