"""A store and a plain model are led through the same random steps: they agree after each, also after the store was opened again."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import SampleFile, block_hash, kept_in, some_file, submissions_of
from tests.unit.storage.node.store.test_damage import flip
from zerog.primitives import Hash32
from zerog.storage.following import LoggedExtension
from zerog.storage.node.store import BlockMark, SegmentWrite, ShedCursor, Store, StoredSubmission, StoreOptions
from zerog.storage.protocol.shards import Shard
from zerog.storage.protocol.units import SEGMENT_BYTES

FILES = [some_file(number, size) for number, size in enumerate((200, 4096, SEGMENT_BYTES, 3 * SEGMENT_BYTES + 1, 9 * SEGMENT_BYTES))]
POOL = [(number, segment.index) for number, file in enumerate(FILES) for segment in file.segments]
OPTIONS = StoreOptions(data_file_bytes_max=1 << 20, marks_max=4, queue_puts_max=3, durable=False)


class StoreBesideModel(RuleBasedStateMachine):
    """The model: what is held, and what the log has."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="zerog-model-")
        self.path = Path(self.folder.name)
        self.store = Store.open(self.path, options=OPTIONS)
        self.held: set[tuple[int, int]] = set()
        self.entries: list[StoredSubmission] = []
        self.marks: list[BlockMark] = []
        self.doomed: dict[int, int] = {}
        """Pruned submissions whose data is still there, with the time of its end."""
        self.extensions: list[LoggedExtension] = []

    @rule(calls=st.lists(st.lists(st.sampled_from(POOL), max_size=6), min_size=1, max_size=5))
    def put(self, calls: list[list[tuple[int, int]]]) -> None:
        anyio.run(put_together, self.store, [[FILES[file].segments[index] for file, index in call] for call in calls])
        self.held.update(segment for call in calls for segment in call)

    @rule(files=st.lists(st.sampled_from(FILES), max_size=3), step=st.integers(1, 3))
    def record(self, files: list[SampleFile], step: int) -> None:
        number = (self.marks[-1].number if self.marks else 0) + step
        start_sector = self.entries[-1].end_sector if self.entries else 1
        added = submissions_of(files, first_seq=len(self.entries), block=number, start_sector=start_sector)
        mark = BlockMark(number, block_hash(number))
        self.store.record(mark, added, number.to_bytes(8))
        self.entries += added
        self.marks = [*self.marks, mark][-OPTIONS.marks_max :]

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(range(len(self.entries))))
        self.store.prune(seq)
        self.entries[seq] = replace(self.entries[seq], pruned=True)
        self.doomed.pop(seq, None)
        self.drop_unneeded(self.entries[seq].root)

    def drop_unneeded(self, root: Hash32) -> None:
        if not any(entry.root == root for entry in self.entries if self.is_needing(entry)):
            self.held = {(file, index) for file, index in self.held if FILES[file].root != root}

    def is_needing(self, entry: StoredSubmission) -> bool:
        return not entry.pruned or entry.seq in self.doomed

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), drop_s=st.integers(2, 9))
    def expire(self, data: st.DataObject, drop_s: int) -> None:
        seqs = data.draw(st.lists(st.sampled_from(range(len(self.entries))), max_size=4))
        self.store.lives.expire(seqs, drop_s)
        for seq in seqs:
            if not self.entries[seq].pruned:
                self.entries[seq] = replace(self.entries[seq], pruned=True)
                self.doomed[seq] = drop_s

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def revive(self, data: st.DataObject) -> None:
        seqs = data.draw(st.lists(st.sampled_from(range(len(self.entries))), max_size=3))
        self.store.lives.revive(seqs)
        for seq in seqs:
            self.entries[seq] = replace(self.entries[seq], pruned=False)
            self.doomed.pop(seq, None)

    @rule(now_s=st.integers(2, 9))
    def drop_due(self, now_s: int) -> None:
        due = [seq for seq, drop_s in self.doomed.items() if drop_s <= now_s]
        assert self.store.lives.drop_due(now_s, 100) == len(due)
        for seq in due:
            del self.doomed[seq]
        for seq in due:
            self.drop_unneeded(self.entries[seq].root)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(range(len(self.entries))))
        count = sum(entry.seq == seq for entry in self.extensions) + 1
        added = LoggedExtension(seq=seq, extensions=count, block_number=self.marks[-1].number if self.marks else 0)
        self.store.lives.extend([added])
        self.extensions.append(added)

    @rule(number=st.integers(-1, 20))
    def unwind(self, number: int) -> None:
        self.marks = [mark for mark in self.marks if mark.number <= number]
        last = self.marks[-1].number if self.marks else -1
        self.entries = [entry for entry in self.entries if entry.block_number <= last]
        self.doomed = {seq: drop_s for seq, drop_s in self.doomed.items() if seq < len(self.entries)}
        self.extensions = [entry for entry in self.extensions if entry.block_number <= last]
        assert self.store.unwind(number) == (last.to_bytes(8) if self.marks else None)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        """A bit of a held segment changes on the disk; it is noticed by the next read."""
        file, index = data.draw(st.sampled_from(sorted(self.held)))
        located = self.store._index.locate(FILES[file].root, index)
        assert located is not None
        place = located.place
        flip(self.store._files.path(place.data_file), place.data_offset + data.draw(st.integers(0, place.data_bytes - 1)))
        assert self.store.read(FILES[file].root, index) is None
        self.held.remove((file, index))

    @rule(dead_share=st.floats(0.05, 0.9), bytes_max=st.sampled_from((1, SEGMENT_BYTES, 1 << 20)), steps=st.integers(1, 8))
    def compact(self, dead_share: float, bytes_max: int, steps: int) -> None:
        for _ in range(steps):
            if self.store.compact(dead_share=dead_share, bytes_max=bytes_max).is_idle:
                assert self.store._index.sparse(dead_share) is None
                break

    @rule(shard=st.sampled_from([Shard(count, number) for count in (1, 2, 4) for number in range(count)]))
    def shed(self, shard: Shard) -> None:
        cursor: ShedCursor | None = ShedCursor()
        while cursor is not None:
            cursor = self.store.shed(cursor, shard)
        self.held = kept_in(shard, self.held, [file.root for file in FILES], filter(self.is_needing, self.entries))

    def close(self) -> None:
        """What is dropped goes in the background, and at the latest before the sums are held against the rows."""
        while self.store.sweep_some():
            pass
        self.store.close()
        audit(self.path)

    @rule(is_swept=st.booleans())
    def open_again(self, is_swept: bool) -> None:
        if is_swept:
            self.close()
        else:
            self.store.close()
        self.store = Store.open(self.path, options=OPTIONS)

    @invariant()
    def agree(self) -> None:
        for number, file in enumerate(FILES):
            held = {index for owner, index in self.held if owner == number}
            assert set(self.store.held(file.root)) == held
            assert self.store.held_count(file.root) == len(held)
            for index in held:
                found = self.store.read_with_proof(file.root, index)
                assert found is not None
                assert (found.data, found.proof) == (file.uploaded(index), file.tree.segment_proof(index))
            assert self.store.seqs_of(file.root) == [entry.seq for entry in self.entries if entry.root == file.root]
        assert self.store.submissions(0, 1000) == self.entries
        assert self.store.marks() == self.marks[::-1]
        assert self.store.lives.counts() == (sum(entry.pruned for entry in self.entries), len(self.doomed))
        assert self.store.lives.alive_from(0, 1000) == [entry.seq for entry in self.entries if not entry.pruned]
        extended = Counter(entry.seq for entry in self.extensions)
        assert {life.seq: life.extensions for life in self.store.lives.extended(0, 1000)} == extended
        assert self.store.next_seq == len(self.entries)
        assert self.store.statistics()["segments"] == len(self.held)

    def teardown(self) -> None:
        self.close()
        self.folder.cleanup()


async def put_together(store: Store, calls: Sequence[Sequence[SegmentWrite]]) -> None:
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(store.put, call)


TestStoreBesideModel = StoreBesideModel.TestCase
TestStoreBesideModel.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
