"""What is no longer what was written is never returned: the segment counts as not held, is said to be corrupt, and can be brought again."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import SampleFile, some_file
from zerog.storage.node.store import Store, StoreDamagedError, StoreFailedError, StoreFormatError, StoreOptions
from zerog.storage.node.store.data_files import FILE_HEADER, RECORD_HEADER
from zerog.storage.protocol.units import HASH_BYTES, SEGMENT_BYTES

FILE = some_file("damage", 2 * SEGMENT_BYTES + 5000)
BESIDE = some_file("beside", 3000)
OPTIONS = StoreOptions(data_file_bytes_max=1 << 20)
DATA_FILE = "00000001.segments"
SIBLINGS_AT = FILE_HEADER.size + RECORD_HEADER.size
DATA_AT = SIBLINGS_AT + 2 * HASH_BYTES
"""Of the first segment, whose way to the root has two steps."""


def flip(path: Path, offset: int) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


async def filled(folder: Path) -> None:
    """A store with two files, closed."""
    with Store.open(folder, options=OPTIONS) as store:
        await store.put(FILE.segments)
        await store.put(BESIDE.segments)


def require_lost_and_brought_again(store: Store, file: SampleFile, index: int, read: Callable[[int], object]) -> None:
    assert read(index) is None
    assert not store.has(file.root, index)
    assert store.held_count(file.root) == len(file.segments) - 1
    assert store.read(file.root, index) is None
    assert store.statistics()["corrupt_segments"] == 1
    assert all(store.read(file.root, other) == file.uploaded(other) for other in range(3) if other != index)


@pytest.mark.parametrize("offset", [DATA_AT, DATA_AT + 1, DATA_AT + SEGMENT_BYTES // 2, DATA_AT + SEGMENT_BYTES - 1])
async def test_a_changed_bit_of_data_is_not_returned(tmp_path: Path, offset: int) -> None:
    await filled(tmp_path)
    flip(tmp_path / "data" / DATA_FILE, offset)
    with Store.open(tmp_path, options=OPTIONS) as store:
        require_lost_and_brought_again(store, FILE, 0, lambda index: store.read(FILE.root, index))
        await store.put(FILE.segments)
        assert store.read(FILE.root, 0) == FILE.uploaded(0)
    audit(tmp_path)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert store.read(FILE.root, 0) == FILE.uploaded(0)
        assert store.statistics()["corrupt_segments"] == 1


async def test_a_changed_proof_is_written_again_where_the_whole_file_leads_to_it(tmp_path: Path) -> None:
    await filled(tmp_path)
    before = (tmp_path / "data" / DATA_FILE).read_bytes()
    flip(tmp_path / "data" / DATA_FILE, SIBLINGS_AT + 40)
    with Store.open(tmp_path, options=OPTIONS) as store:
        found = store.read_with_proof(FILE.root, 0)
        assert found is not None
        assert found.proof == FILE.tree.segment_proof(0)
        assert (store.statistics()["corrupt_segments"], len(store.damage)) == (0, 0)
    assert (tmp_path / "data" / DATA_FILE).read_bytes() == before


async def test_a_changed_proof_is_not_returned_where_nothing_leads_to_it(tmp_path: Path) -> None:
    await filled(tmp_path)
    flip(tmp_path / "data" / DATA_FILE, DATA_AT + SEGMENT_BYTES + RECORD_HEADER.size + 2 * HASH_BYTES)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert store.read(FILE.root, 1) is None
    flip(tmp_path / "data" / DATA_FILE, SIBLINGS_AT + 40)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert store.read_with_proof(FILE.root, 0) is None
        assert list(store.held(FILE.root)) == [2]
        await store.put(FILE.segments)
        found = store.read_with_proof(FILE.root, 0)
        assert found is not None
        assert found.proof == FILE.tree.segment_proof(0)


async def test_a_wrong_root_in_the_catalogue_is_noticed(tmp_path: Path) -> None:
    await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)) as catalogue:
        catalogue.execute("UPDATE segments SET segment_root = zeroblob(32) WHERE place = 1")
    with Store.open(tmp_path, options=OPTIONS) as store:
        require_lost_and_brought_again(store, FILE, 1, lambda index: store.read(FILE.root, index))


@pytest.mark.parametrize("keep_bytes", [None, 0, FILE_HEADER.size, DATA_AT + 10])
async def test_a_data_file_that_is_cut_or_gone_loses_only_what_was_in_it(tmp_path: Path, keep_bytes: int | None) -> None:
    await filled(tmp_path)
    path = tmp_path / "data" / DATA_FILE
    if keep_bytes is None:
        path.unlink()
    else:
        with path.open("r+b") as file:
            file.truncate(keep_bytes)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert [store.read(FILE.root, index) for index in range(3)] == [None, None, None]
        assert store.read(BESIDE.root, 0) is None
        assert store.held_count(FILE.root) == 0
        await store.put(FILE.segments)
        assert store.read(FILE.root, 2) == FILE.uploaded(2)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["00000002.segments"]
        assert store.read(FILE.root, 2) == FILE.uploaded(2)
    audit(tmp_path)


async def test_what_lies_behind_the_last_group_does_not_count(tmp_path: Path) -> None:
    await filled(tmp_path)
    with (tmp_path / "data" / DATA_FILE).open("ab") as file:
        file.write(b"left over from a crash" * 1000)
    (tmp_path / "data" / "00000007.segments").write_bytes(b"left over as well")
    with Store.open(tmp_path, options=OPTIONS) as store:
        again = some_file("behind", 2000)
        await store.put(again.segments)
        assert store.read(again.root, 0) == again.uploaded(0)
        assert store.read(BESIDE.root, 0) == BESIDE.uploaded(0)
    audit(tmp_path)


async def test_a_catalogue_of_another_version_is_refused(tmp_path: Path) -> None:
    await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)) as catalogue:
        catalogue.execute("PRAGMA user_version = 7")
    with pytest.raises(StoreFormatError, match="format 7"):
        Store.open(tmp_path)


async def test_a_catalogue_that_is_garbage_is_made_anew(tmp_path: Path) -> None:
    await filled(tmp_path)
    (tmp_path / "catalogue.sqlite").write_bytes(b"garbage" * 1000)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert store.read(BESIDE.root, 0) == BESIDE.uploaded(0)
        assert store.mark() is None  # The chain's log is read again.
    audit(tmp_path)


async def test_a_catalogue_that_is_damaged_inside_is_made_anew(tmp_path: Path) -> None:
    await filled(tmp_path)
    size = (tmp_path / "catalogue.sqlite").stat().st_size
    with (tmp_path / "catalogue.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert store.read(BESIDE.root, 0) == BESIDE.uploaded(0)
    audit(tmp_path)


async def test_damage_to_the_catalogue_that_a_read_meets_is_mended_by_the_next_start(tmp_path: Path) -> None:
    await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)) as catalogue:
        catalogue.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_bytes,) = catalogue.execute("PRAGMA page_size").fetchone()
        (page,) = catalogue.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'segments'").fetchone()
    with (tmp_path / "catalogue.sqlite").open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)
    with Store.open(tmp_path, options=OPTIONS) as store:
        with pytest.raises(StoreDamagedError, match="malformed"):
            store.read(BESIDE.root, 0)
        assert store.failure is not None
        with pytest.raises(StoreFailedError, match="makes it anew"):
            await store.put(some_file("refused", 2000).segments)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert store.read(BESIDE.root, 0) == BESIDE.uploaded(0)
    audit(tmp_path)
