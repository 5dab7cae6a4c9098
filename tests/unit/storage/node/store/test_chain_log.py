"""The store's part of the chain's log: submissions in their order, and the way back when the chain reorganises."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.storage.node.store.samples import block_hash, some_file, submissions_of
from zerog.primitives import Hash32
from zerog.storage.node.store import BlockMark, Store, StoredSubmission, StoreOptions
from zerog.storage.protocol.submission import Submission, SubmissionNode

FILES = [some_file(number, 1000 * (number + 1)) for number in range(6)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, options=StoreOptions(marks_max=8)) as store:
        yield store


def test_an_empty_log(store: Store) -> None:
    assert (store.mark(), store.marks(), store.flow_checkpoint(), store.next_seq) == (None, [], None, 0)
    assert store.submission(0) is None
    assert store.submissions(0, 10) == []
    assert store.submission_at_sector(1) is None
    assert store.unwind(10) is None


def test_submissions_come_back_as_they_were_recorded(store: Store, tmp_path: Path) -> None:
    entries = submissions_of(FILES, first_seq=0, block=7)
    store.record(BlockMark(7, block_hash(7)), entries, b"checkpoint")
    store.close()
    with Store.open(tmp_path) as again:
        assert again.submissions(0, 100) == entries
        assert again.submissions(2, 2) == entries[2:4]
        assert [again.submission(seq) for seq in range(6)] == entries
        assert (again.mark(), again.flow_checkpoint(), again.next_seq) == (BlockMark(7, block_hash(7)), b"checkpoint", 6)


def test_the_submission_at_a_sector(store: Store) -> None:
    entries = submissions_of(FILES[:2], first_seq=0, block=1)
    far = submissions_of(FILES[2:3], first_seq=2, block=1, start_sector=1000)
    store.record(BlockMark(1, block_hash(1)), [*entries, *far], b"")
    for entry in [*entries, *far]:
        assert store.submission_at_sector(entry.start_sector) == entry
        assert store.submission_at_sector(entry.end_sector - 1) == entry
    assert store.submission_at_sector(0) is None
    assert store.submission_at_sector(entries[1].end_sector) is None
    assert store.submission_at_sector(far[0].end_sector) is None
    assert store.submission_at_sector(1 << 200) is None


def test_the_submissions_of_a_root(store: Store) -> None:
    store.record(BlockMark(1, block_hash(1)), submissions_of([FILES[0], FILES[1], FILES[0]], first_seq=0, block=1), b"")
    store.prune(0)
    assert store.seqs_of(FILES[0].root) == [0, 2]
    assert store.seqs_of(Hash32(bytes(32))) == []


def test_unwinding_forgets_what_came_after_a_mark(store: Store) -> None:
    entries: list[StoredSubmission] = []
    for number, file in enumerate(FILES, 1):
        added = submissions_of([file], first_seq=len(entries), block=10 * number)
        store.record(BlockMark(10 * number, block_hash(10 * number)), added, bytes([number]))
        entries += added
    assert [mark.number for mark in store.marks()] == [60, 50, 40, 30, 20, 10]
    assert store.unwind(40) == bytes([4])
    assert (store.mark(), store.next_seq, store.submissions(0, 100)) == (BlockMark(40, block_hash(40)), 4, entries[:4])
    assert store.unwind(39) == bytes([3])
    assert (store.mark(), store.next_seq) == (BlockMark(30, block_hash(30)), 3)
    store.record(BlockMark(31, block_hash(31, "other")), submissions_of([FILES[5]], first_seq=3, block=31), b"other")
    assert store.seqs_of(FILES[5].root) == [3]
    assert store.unwind(9) is None
    assert (store.mark(), store.next_seq, store.submissions(0, 100)) == (None, 0, [])


async def test_segments_survive_unwinding(store: Store) -> None:
    store.record(BlockMark(1, block_hash(1)), submissions_of(FILES[:1], first_seq=0, block=1), b"")
    await store.put(FILES[0].segments)
    store.unwind(0)
    assert store.has(FILES[0].root, 0)


def test_marks_go_back_so_far_and_no_further(store: Store) -> None:
    for number in range(1, 21):
        store.record(BlockMark(number, block_hash(number)), (), bytes([number]))
    assert [mark.number for mark in store.marks()] == list(range(20, 12, -1))
    assert store.unwind(12) is None


def test_a_log_with_a_gap_is_refused_and_changes_nothing(store: Store) -> None:
    entries = submissions_of(FILES, first_seq=0, block=1)
    with pytest.raises(ValueError, match="submission 0 comes next"):
        store.record(BlockMark(1, block_hash(1)), entries[1:], b"")
    with pytest.raises(ValueError, match="after 0"):
        store.record(BlockMark(0, block_hash(0)), entries, b"")
    assert (store.mark(), store.next_seq) == (None, 0)


def test_sizes_beyond_every_integer_of_the_database_are_kept(store: Store) -> None:
    nodes = (SubmissionNode(block_hash(1), 63), SubmissionNode(block_hash(2), 62))
    (entry,) = submissions_of(FILES[:1], first_seq=0, block=1)
    submission = Submission(size_bytes=1 << 71, nodes=nodes)
    huge = replace(entry, submission=submission, root=submission.root, start_sector=1 << 64)
    store.record(BlockMark(1, block_hash(1)), [huge], b"")
    assert store.submission(0) == huge
    assert store.submission_at_sector((1 << 64) + (1 << 63)) == huge
