"""The store of a key-value node: what waits and for whom, what is lost and comes again, and what it refuses."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.storage.kv.store.histories import submission_of
from zerog._kernel import keccak256
from zerog.primitives import Address, Hash32
from zerog.runtime.files import LockHeldError
from zerog.storage.following import BlockMark
from zerog.storage.kv.records import Found, StreamSubmission, Supply
from zerog.storage.kv.store import KvStore
from zerog.storage.protocol.streams import KEY_BYTES_MAX, VERSION_ANY, Control, Operation, StreamItem, StreamWrite, encode_item

A, B, C = (Hash32(bytes([number]) * 32) for number in (1, 2, 3))
OWNER, OTHER = Address(b"\xaa" * 20), Address(b"\xbb" * 20)


class Log:
    """A chain's log that grows item by item, and a store that reads it."""

    def __init__(self, store: KvStore) -> None:
        self.store = store
        self.data: dict[int, bytes] = {}

    def add(self, item: StreamItem | bytes, *streams: Hash32, sender: Address = OWNER) -> int:
        """Record a submission in a block of its own, without data; its sequence."""
        data = item if isinstance(item, bytes) else encode_item(item)
        seq = self.store.next_seq
        entry = submission_of(seq, Hash32(keccak256(data)), data, streams or (A,), sender, block_number=seq)
        self.store.record(mark(seq), seq + 1, [entry])
        self.data[seq] = data
        return seq

    def supply(self, seq: int) -> None:
        entry = self.store.submission(seq)
        assert entry is not None
        self.store.supply(seq, entry.root, self.data[seq])

    def settle(self, *seqs: int) -> list[str | None]:
        """Supply data and apply what can be; the results of all items so far."""
        for seq in seqs:
            self.supply(seq)
        while self.store.apply():
            pass
        return [self.store.result(seq) for seq in range(self.store.next_seq)]


def mark(number: int) -> BlockMark:
    return BlockMark(number, Hash32(keccak256(number.to_bytes(8))))


def put(key: bytes, value: bytes = b"value", stream: Hash32 = A, version: int = VERSION_ANY) -> StreamItem:
    return StreamItem(version=version, writes=[StreamWrite(stream=stream, key=key, value=value)])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KvStore]:
    with KvStore.open(tmp_path / "kv", follow_all=True, durable=False) as store:
        yield store


@pytest.fixture
def log(store: KvStore) -> Log:
    return Log(store)


def value(store: KvStore, key: bytes, stream: Hash32 = A, **version: int) -> bytes | None:
    found = store.value(stream, key, **version)
    return None if found is None else store.read(found, 0, found.size)


def test_missing_data_parks_its_streams_and_those_they_share_items_with(log: Log) -> None:
    log.add(put(b"k", b"late", A), A)
    log.add(put(b"k", b"joint", B), A, B)
    log.add(put(b"k", b"after", B), B)
    log.add(put(b"k", b"free", C), C)
    assert log.settle(1, 2, 3) == [None, None, None, "Commit"]
    assert {record.stream: record.is_parked for record in log.store.list_streams(None, 9)[0]} == {A: True, B: True, C: False}
    assert [entry.seq for entry in log.store.wanted(9)] == [0]
    assert (log.store.progress().applied_seq, log.store.progress().waiting_items) == (0, 3)
    assert log.settle(0) == ["Commit"] * 4
    assert value(log.store, b"k", B) == b"after"
    assert log.store.progress().applied_seq == 4


def test_an_item_waits_for_a_stream_that_it_only_reads(log: Log) -> None:
    log.add(put(b"k", b"one"), A)
    log.add(put(b"k", b"two"), A)
    log.add(StreamItem(version=0, reads=[(A, b"k")]), B)
    log.add(put(b"k", b"three"), A)
    assert log.settle(2, 3) == [None] * 4
    assert log.settle(0) == ["Commit", None, None, None]
    assert log.settle(1) == ["Commit", "Commit", "VersionConfliction", "Commit"]


def test_a_reader_does_not_see_what_came_after_it(log: Log) -> None:
    log.add(StreamItem(version=0, reads=[(A, b"k")]), B)
    log.add(put(b"k", b"one"), A)
    log.add(put(b"k", b"two"), A)
    assert log.settle(1, 2) == [None, "Commit", "Commit"]
    assert log.settle(0)[0] == "Commit"


def test_who_may_not_write_needs_no_data(log: Log) -> None:
    log.add(put(b"k"), A)
    log.add(put(b"k", b"intruder"), A, sender=OTHER)
    assert log.settle() == [None, None]  # The first may yet turn out to be junk, and the stream be new.
    assert log.settle(0) == ["Commit", "SenderNoWritePermission"]
    assert log.store.wanted(9) == []


def test_the_same_file_again_needs_no_second_supply(log: Log) -> None:
    log.add(put(b"k", b"same"), A)
    assert log.settle(0) == ["Commit"]
    log.add(put(b"k", b"same"), A)
    assert log.settle() == ["Commit"] * 2
    assert [found.version for found in [log.store.value(A, b"k"), log.store.value(A, b"k", 0)] if found is not None] == [1, 0]


def test_data_is_told_apart_by_size_where_the_root_is_one(log: Log) -> None:
    data = encode_item(put(b"k"))
    root = Hash32(b"\x99" * 32)
    log.store.record(mark(0), 1, [submission_of(0, root, data, (A,), OWNER, 0)])
    log.store.record(mark(1), 2, [submission_of(1, root, data + b"\0", (A,), OWNER, 1)])
    log.store.supply(0, root, data)
    assert [entry.seq for entry in log.store.wanted(9)] == [1]


JUNK = {
    "one byte": b"\0",
    "ten bytes": b"\x13" * 10,
    "count without entries": bytes(8) + b"\xff\xff\0\0",
    "65,537 reads": bytes(8) + (65_537).to_bytes(4) + (A + b"\0\0\1k") * 65_537,
    "65,537 writes": bytes(12) + (65_537).to_bytes(4) + (A + b"\0\0\1k" + bytes(8)) * 65_537 + bytes(4),
    "65,537 controls": bytes(16) + (65_537).to_bytes(4) + (b"\x22" + A) * 65_537,
    "key of 2^24 bytes": bytes(12) + b"\0\0\0\1" + A + b"\0\0\0" + bytes(1 << 24) + bytes(12),
    "undecryptable": b"",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_is_recorded_and_passed(log: Log, junk: bytes) -> None:
    log.add(put(b"before"))
    log.add(junk, A, B)
    log.add(put(b"after"))
    log.add(put(b"after", stream=B), B, sender=OTHER)
    results = log.settle(3, 2, 1, 0)
    assert results[1] is not None
    assert results[1].startswith("DataParseError: ")
    assert [results[0], *results[2:]] == ["Commit"] * 3  # Junk does not take a new stream either.


def test_the_longest_key_is_found_again(log: Log) -> None:
    key = b"\xfe" * KEY_BYTES_MAX
    log.add(put(key))
    log.add(put(b"short"))
    assert log.settle(0, 1) == ["Commit"] * 2
    assert value(log.store, key) == b"value"
    last = log.store.last(A)
    assert last is not None
    assert last.key == key
    assert [len(found.key) for found in log.store.list_keys(A, None, 9)[0]] == [5, KEY_BYTES_MAX]


def test_wrong_streams_and_conflicts_are_results(log: Log) -> None:
    log.add(put(b"k", stream=B), A)
    log.add(put(b"k"), A)
    log.add(put(b"k", version=0), A)
    assert log.settle(0, 1, 2) == ["TagsMismatch", "Commit", "VersionConfliction"]


def test_values_are_read_by_their_parts_and_checked(log: Log) -> None:
    content = bytes(range(256)) * 80
    log.add(put(b"k", content))
    log.settle(0)
    found = log.store.value(A, b"k")
    assert found is not None
    for start, length in ((0, 20_480), (1, 4095), (4096, 4096), (20_479, 5), (20_480, 1), (5, 0), (0, 1 << 40)):
        assert log.store.read(found, start, length) == content[start : start + length]


def test_a_large_item_is_moved_in_and_never_read_as_a_whole(log: Log) -> None:
    size = 9 << 20
    content = (b"0123456789abcdef" * (size // 16))[:size]
    seq = log.add(put(b"large", content))
    path = log.store.incoming / "download"
    path.write_bytes(log.data[seq])
    entry = log.store.submission(seq)
    assert entry is not None
    log.store.supply(seq, entry.root, path)
    assert not path.exists()
    assert log.settle() == ["Commit"]
    found = log.store.value(A, b"large")
    assert found == Found(b"large", 0, size, found.start if found else 0)
    assert log.store.read(found, size - 20, 100) == content[-20:]
    whole = log.store.item(seq)
    assert whole is not None
    assert isinstance(whole.obj, mmap.mmap)
    assert bytes(whole) == log.data[seq]


def flip(store: KvStore, offset_from_end: int) -> None:
    """Change a bit in the newest data file."""
    path = max((store.folder / "data").iterdir())
    content = bytearray(path.read_bytes())
    content[-offset_from_end] ^= 4
    path.write_bytes(content)


def test_lost_data_is_never_served_and_is_wanted_again(log: Log) -> None:
    log.add(put(b"k", b"good"))
    log.settle(0)
    flip(log.store, 10)
    assert value(log.store, b"k") is None
    found = log.store.value(A, b"k")
    assert found is not None
    assert (found.version, found.size) == (0, 4)
    assert [entry.seq for entry in log.store.wanted(9)] == [0]
    log.supply(0)
    assert value(log.store, b"k") == b"good"
    assert log.store.wanted(9) == []
    assert log.settle() == ["Commit"]


def test_an_item_that_is_damaged_before_it_is_judged_is_wanted_again(log: Log) -> None:
    log.add(put(b"k", b"good"))
    log.supply(0)
    flip(log.store, 10)
    assert log.settle() == [None]
    assert [entry.seq for entry in log.store.wanted(9)] == [0]
    assert log.settle(0) == ["Commit"]
    assert value(log.store, b"k") == b"good"


def test_a_reorganisation_is_undone(log: Log) -> None:
    log.add(put(b"k", b"first"))
    log.add(put(b"k", b"second"))
    log.add(StreamItem(controls=[Control(operation=Operation.GRANT_WRITER, stream=A, account=OTHER)]))
    log.add(put(b"k", b"of another stream", B), B)
    log.settle(0, 1, 2, 3)
    assert log.store.is_writer(OTHER, A)
    assert log.store.unwind(0) == mark(0)
    assert (value(log.store, b"k"), value(log.store, b"k", B), log.store.is_writer(OTHER, A)) == (b"first", None, False)
    assert (log.store.next_seq, log.store.result(1), log.store.holding_streams()) == (1, None, [A])
    log.add(put(b"k", b"another second"))
    assert log.settle(1) == ["Commit"] * 2
    assert value(log.store, b"k") == b"another second"
    assert log.store.unwind(-1) is None
    assert (log.store.next_seq, log.store.marks(), log.store.holding_streams()) == (0, [], [])


def test_a_stream_that_is_added_late_is_replayed_from_the_beginning(tmp_path: Path) -> None:
    with KvStore.open(tmp_path / "kv", follow_all=False, streams=[A], durable=False) as store:
        log = Log(store)
        log.add(put(b"k", b"of B", B), B)
        log.add(put(b"k", b"of both"), A, B)
        log.add(put(b"k", b"of A", version=0), A)
        log.add(StreamItem(reads=[(B, b"k")]), A)
        assert log.settle(2, 3) == [None, None, "Commit", "TagsMismatch"]
        assert not log.store.items(0, 9)[0].is_followed
        assert [store.add_stream(B), store.add_stream(B)] == [True, False]
        assert [entry.seq for entry in store.wanted(9)] == [0, 1]
        assert store.holding_streams() == [A, B]
        # The second item now precedes the third, which conflicts with it.
        assert log.settle(0, 1) == ["Commit", "Commit", "VersionConfliction", "Commit"]
        assert value(store, b"k") == b"of both"
    with KvStore.open(tmp_path / "kv", follow_all=False, durable=False) as store:
        assert store.holding_streams() == [A, B]


def test_a_late_stream_also_changes_what_read_the_streams_that_it_shares_items_with(tmp_path: Path) -> None:
    with KvStore.open(tmp_path / "kv", follow_all=False, streams=[A, C], durable=False) as store:
        log = Log(store)
        log.add(put(b"first"))
        log.add(put(b"k"), A, B)
        log.add(StreamItem(version=0, reads=[(A, b"k")]), C)
        log.add(put(b"k", version=2, stream=C), C)
        assert log.settle(0, 2, 3) == ["Commit", None, "Commit", "Commit"]
        store.add_stream(B)
        assert log.settle() == ["Commit", None, None, None]
        assert log.settle(1) == ["Commit", "Commit", "VersionConfliction", "Commit"]
        assert store.value(C, b"k") is not None


def test_another_set_of_streams_at_the_start_is_judged_anew(tmp_path: Path) -> None:
    with KvStore.open(tmp_path / "kv", follow_all=False, streams=[A], durable=False) as store:
        log = Log(store)
        log.add(put(b"k"), A)
        log.add(put(b"k", stream=B), B)
        assert log.settle(0) == ["Commit", None]
    with KvStore.open(tmp_path / "kv", follow_all=True, durable=False) as store:
        log.store = store
        assert store.holding_streams() == [A, B]
        assert log.settle(1) == ["Commit"] * 2
    with KvStore.open(tmp_path / "kv", follow_all=False, durable=False) as store:
        log.store = store
        assert log.settle() == ["Commit", None]
        assert store.holding_streams() == [A]


def test_a_log_that_does_not_follow_is_refused(store: KvStore) -> None:
    entries = [submission_of(seq, Hash32(bytes(32)), b"x", (A,), OWNER, 1) for seq in range(3)]
    for next_seq, submissions in ((1, entries[1:]), (3, [entries[1], entries[0]]), (2, [entries[0], entries[0]])):
        with pytest.raises(ValueError, match="do not follow on 0"):
            store.record(mark(5), next_seq, submissions)
    with pytest.raises(ValueError, match="after 0"):
        store.record(mark(0), 3, entries)
    assert (store.next_seq, store.mark()) == (0, None)


def test_what_nobody_asked_for_is_passed_over(log: Log) -> None:
    seq = log.add(put(b"k"))
    path = log.store.incoming / "late"
    path.write_bytes(b"item")
    log.store.supply(seq, Hash32(b"\x12" * 32), path)
    log.store.supply(99, Hash32(b"\x12" * 32), b"item")
    assert not path.exists()
    assert [entry.seq for entry in log.store.wanted(9)] == [seq]
    assert list((log.store.folder / "data").iterdir()) == []


def test_many_items_are_supplied_at_once(log: Log) -> None:
    """Small ones and a file; two of the same data, one of another root, and one that nobody submitted."""
    seqs = [log.add(put(b"%d" % number)) for number in range(5)]
    again = log.add(log.data[0])
    path, late = log.store.incoming / "file", log.store.incoming / "late"
    path.write_bytes(log.data[3])
    late.write_bytes(log.data[0])
    roots = {seq: entry.root for seq in (*seqs, again) if (entry := log.store.submission(seq))}
    log.store.supply_many(
        [
            Supply(again, roots[again], log.data[0]),
            *(Supply(seq, roots[seq], log.data[seq]) for seq in (0, 1, 2)),
            Supply(3, roots[3], path),
            Supply(4, roots[3], log.data[4]),
            Supply(99, roots[0], late),
        ]
    )
    assert not list(log.store.incoming.iterdir())
    assert log.settle() == ["Commit"] * 4 + [None] * 2
    log.store.supply_many([Supply(4, roots[4], log.data[4])])
    assert log.settle() == ["Commit"] * 6
    assert [bytes(item) for seq in (*seqs, again) if (item := log.store.item(seq)) is not None] == list(log.data.values())
    log.store.supply_many([])


def test_many_items_wait_for_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    with KvStore.open(tmp_path, follow_all=True) as store:
        log = Log(store)
        for number in range(100):
            log.add(put(b"%d" % number))
        log.supply(0)
        monkeypatch.setattr(os, "fsync", waits.append)
        store.supply_many([Supply(entry.seq, entry.root, log.data[entry.seq]) for entry in store.wanted(100)])
        assert len(waits) == 1
        assert log.settle() == ["Commit"] * 100


def test_wanted_is_asked_page_by_page(log: Log) -> None:
    for number in range(5):
        log.add(put(bytes([number])))
    assert [entry.seq for entry in log.store.wanted(2)] == [0, 1]
    assert [entry.seq for entry in log.store.wanted(2, first_seq=3)] == [3, 4]


def test_submissions_come_back_as_they_were_also_with_sizes_that_are_lies(store: KvStore) -> None:
    entry = StreamSubmission(
        seq=0,
        root=Hash32(b"\1" * 32),
        size_bytes=(1 << 64) - 1,
        start_sector=(1 << 64) - 1,
        sectors=1 << 63,
        streams=(A, B, A),
        sender=OWNER,
        transaction_hash=Hash32(b"\2" * 32),
        block_number=7,
    )
    store.record(mark(7), 1, [entry])
    assert store.submission(0) == entry
    assert store.wanted(9) == [entry]
    assert store.submission(1 << 64) is None


def test_lists_are_paged(log: Log) -> None:
    for stream in (A, B, C):
        log.add(StreamItem(writes=[StreamWrite(stream=stream, key=bytes([key]), value=b"v") for key in range(5)]), stream)
    log.settle(0, 1, 2)
    records, cursor = log.store.list_streams(None, 2)
    assert ([record.stream for record in records], cursor) == ([A, B], B)
    records, cursor = log.store.list_streams(cursor, 2)
    assert ([(record.stream, record.first_seq, record.last_seq) for record in records], cursor) == ([(C, 2, 2)], None)
    keys, after = log.store.list_keys(A, None, 3)
    assert ([found.key for found in keys], after) == ([b"\0", b"\1", b"\2"], b"\2")
    keys, after = log.store.list_keys(A, after, 3)
    assert ([found.key for found in keys], after) == ([b"\3", b"\4"], None)


def test_a_second_store_in_the_folder_is_refused(store: KvStore) -> None:
    with pytest.raises(LockHeldError):
        KvStore.open(store.folder, follow_all=True)


def test_a_copy_is_a_store_as_of_one_moment(log: Log, tmp_path: Path) -> None:
    log.add(put(b"k", b"copied"))
    log.settle(0)
    log.store.copy_to(tmp_path / "copy")
    log.add(put(b"k", b"later"))
    log.settle(1)
    with KvStore.open(tmp_path / "copy", follow_all=True) as copy:
        assert (value(copy, b"k"), copy.next_seq) == (b"copied", 1)
        other = Log(copy)
        other.add(put(b"k", b"otherwise"))
        assert other.settle(1) == ["Commit"] * 2
        assert value(copy, b"k") == b"otherwise"
    assert value(log.store, b"k") == b"later"
