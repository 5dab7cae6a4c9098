"""Torn, damaged, foreign and full: what the store notices, what it mends by itself, and what it says."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.unit.storage.kv.store.test_store import A, B, Log, mark, put, value
from zerog.storage.kv.store import KvStore, StoreDamagedError, StoreFailedError, StoreFormatError, StoreFullError

Harm = Callable[[Path], None]


def fill(folder: Path) -> dict[int, bytes]:
    """A store with some items, one of them in a file of its own; their data by sequence."""
    with KvStore.open(folder, follow_all=False, streams=[A], durable=False) as store:
        log = Log(store)
        for number in range(40):
            log.add(put(b"key %d" % number, bytes([number]) * 3000))
        large = log.add(put(b"large", b"x" * 100_000))
        for seq in range(large):
            log.supply(seq)
        path = store.incoming / "large"
        path.write_bytes(log.data[large])
        entry = store.submission(large)
        assert entry is not None
        store.supply(large, entry.root, path)
        assert log.settle() == ["Commit"] * 41
        return log.data


def cut(folder: Path) -> None:
    path = folder / "catalogue.sqlite"
    path.write_bytes(path.read_bytes()[:5000])


def overwrite_head(folder: Path) -> None:
    with (folder / "catalogue.sqlite").open("r+b") as file:
        file.write(b"not a database at all")


def delete(folder: Path) -> None:
    (folder / "catalogue.sqlite").unlink()


def interrupt_a_mending(folder: Path) -> None:
    """As a crash leaves it that strikes while the catalogue is made anew."""
    (folder / "catalogue.damaged").touch()
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue:
        catalogue.execute("DELETE FROM data")
        catalogue.commit()


@pytest.mark.parametrize("harm", [cut, overwrite_head, delete, interrupt_a_mending])
def test_a_lost_catalogue_is_made_anew_from_the_chain_and_the_items(tmp_path: Path, harm: Harm) -> None:
    data = fill(tmp_path)
    harm(tmp_path)
    with KvStore.open(tmp_path, follow_all=False, durable=False) as store:
        assert store.holding_streams() == [A]  # Chosen streams stand in a file of their own.
        assert store.next_seq == 0
        log = Log(store)
        for item in data.values():
            log.add(item)
        assert store.wanted(99) == []  # No item is downloaded again.
        assert log.settle() == ["Commit"] * 41
        assert value(store, b"key 7") == b"\7" * 3000
        assert value(store, b"large") == b"x" * 100_000
    with KvStore.open(tmp_path, follow_all=False, durable=False) as store:
        assert value(store, b"key 39") == b"\x27" * 3000


def test_of_damaged_items_only_those_are_wanted_again(tmp_path: Path) -> None:
    data = fill(tmp_path)
    delete(tmp_path)
    items = tmp_path / "data" / "00000001.items"
    content = bytearray(items.read_bytes())
    content[3 * 3200 + 100] ^= 1
    items.write_bytes(content[:-10])
    with KvStore.open(tmp_path, follow_all=False, durable=False) as store:
        log = Log(store)
        for item in data.values():
            log.add(item)
        lost = [entry.seq for entry in store.wanted(99)]
        assert len(lost) == 2
        assert lost[-1] == 39
        assert log.settle(*lost) == ["Commit"] * 41


def read_all(folder: Path) -> None:
    with KvStore.open(folder, follow_all=False, durable=False) as store:
        for number in range(40):
            value(store, b"key %d" % number)


def test_damage_that_shows_later_is_named_and_mended_at_the_next_start(tmp_path: Path) -> None:
    fill(tmp_path)
    catalogue = tmp_path / "catalogue.sqlite"
    content = bytearray(catalogue.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xee" * 200
    catalogue.write_bytes(content)
    with pytest.raises(StoreDamagedError) as raised:
        read_all(tmp_path)
    assert raised.value.code == "kv_store_damaged"
    assert "anew from the chain" in raised.value.remedy
    with KvStore.open(tmp_path, follow_all=False, durable=False) as store:
        assert (store.next_seq, store.holding_streams()) == (0, [A])


def test_a_write_that_was_torn_is_cut_off(tmp_path: Path) -> None:
    data = fill(tmp_path)
    items = tmp_path / "data" / "00000001.items"
    size = items.stat().st_size
    with items.open("ab") as file:
        file.write(b"0gKV half of a record")
    (tmp_path / "data" / "00000009.items").write_bytes(b"begun and not noted")
    (tmp_path / "incoming" / "half").write_bytes(b"of a download")
    with KvStore.open(tmp_path, follow_all=False, durable=False) as store:
        assert items.stat().st_size == size
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["00000001.items", "00000002.item"]
        assert list(store.incoming.iterdir()) == []
        log = Log(store)
        log.data = data
        log.add(put(b"next", b"one"))
        assert log.settle(41) == ["Commit"] * 42
        assert value(store, b"next") == b"one"


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 2", "PRAGMA application_id = 5"])
def test_another_format_is_refused_and_left_alone(tmp_path: Path, statement: str) -> None:
    fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite")) as catalogue:
        catalogue.execute(statement)
    with pytest.raises(StoreFormatError, match="format") as raised:
        KvStore.open(tmp_path, follow_all=False)
    assert raised.value.code == "kv_store_format"
    assert (tmp_path / "catalogue.sqlite").exists()


def test_a_broken_list_of_streams_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "streams.json").write_text('["0x12"]')
    with pytest.raises(StoreDamagedError, match=r"streams\.json is no list of streams.*delete it"):
        KvStore.open(tmp_path, follow_all=False)


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    """No process of this one's may write a file beyond that: the system answers as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_takes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    with KvStore.open(tmp_path / "kv", follow_all=True) as store:
        log = Log(store)
        log.add(put(b"small", b"before"))
        log.add(put(b"large", bytes(2_000_000), B), B)
        assert log.settle(0) == ["Commit", None]
        with files_no_larger_than(1_000_000):
            with pytest.raises(StoreFullError) as raised:
                log.supply(1)
            assert (raised.value.code, raised.value.http_status) == ("kv_store_full", 507)
            assert value(store, b"small") == b"before"
            log.add(put(b"small", b"meanwhile"))
            assert log.settle(2) == ["Commit", None, "Commit"]
        assert store.failure is None
        assert log.settle(1) == ["Commit"] * 3


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = KvStore.open(tmp_path / "kv", follow_all=True, durable=False)
    store.close()
    for use in (store.mark, lambda: store.record(mark(0), 0, []), store.apply):
        with pytest.raises(StoreFailedError, match="it is closed"):
            use()
