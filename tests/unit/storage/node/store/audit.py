"""Holds a closed store's catalogue against itself and its data files: nothing is miscounted, in another's place or left over."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from zerog.storage.node.store.data_files import FILE_HEADER, RECORD_HEADER
from zerog.storage.protocol.units import HASH_BYTES

__all__ = ["audit"]


def audit(folder: Path) -> None:
    """Fail unless all sums are right, all records lie apart from each other and within their files, and no file is a stranger."""
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue:
        assert catalogue.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        require_right_sums(catalogue)
        ends = dict(catalogue.execute("SELECT id, end FROM data_files").fetchall())
        records = catalogue.execute("SELECT data_file, offset, siblings, data_bytes FROM segments ORDER BY data_file, offset").fetchall()
        assert catalogue.execute("SELECT count(*) FROM data_files WHERE sealed = 0").fetchone()[0] <= 1
    spans = [(file, offset, offset + RECORD_HEADER.size + HASH_BYTES * siblings + size) for file, offset, siblings, size in records]
    assert all(FILE_HEADER.size <= begin and end <= ends[file] for file, begin, end in spans)
    assert all(one[0] != other[0] or one[2] <= other[1] for one, other in pairwise(spans))
    sizes = {int(path.stem): path.stat().st_size for path in (folder / "data").iterdir()}
    assert sizes.keys() == ends.keys()
    assert all(sizes[number] >= end for number, end in ends.items())


def require_right_sums(catalogue: sqlite3.Connection) -> None:
    strangers = catalogue.execute("SELECT count(*) FROM segments WHERE file NOT IN (SELECT id FROM files)").fetchone()
    assert strangers == (0,)
    assert catalogue.execute("SELECT count(*) FROM dropped_files").fetchone() == (0,)
    held = catalogue.execute(
        "SELECT root FROM files WHERE held <> (SELECT count(*) FROM segments WHERE file = id)",
    ).fetchall()
    assert held == []
    counters = dict(catalogue.execute("SELECT name, value FROM counters"))
    assert catalogue.execute("SELECT count(*), ifnull(sum(held), 0) FROM files").fetchone() == (counters["files"], counters["segments"])
    live = catalogue.execute(
        "SELECT id FROM data_files WHERE live_segments <> (SELECT count(*) FROM segments WHERE data_file = id) OR"
        " live_bytes <> (SELECT ifnull(sum(? + ? * siblings + data_bytes), 0) FROM segments WHERE data_file = id)",
        (RECORD_HEADER.size, HASH_BYTES),
    ).fetchall()
    assert live == []
