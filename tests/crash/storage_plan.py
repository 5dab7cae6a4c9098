"""What a store is led through while it is killed: segments, the chain's log, reorganisations, pruning, compaction; and what each leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import anyio
from anyio import to_thread

from tests.unit.storage.node.store.samples import SampleFile, block_hash, kept_in, submissions_of
from zerog.storage.node.store import BlockMark, ShedCursor, Store, StoredSubmission, StoreOptions
from zerog.storage.protocol.shards import Shard

__all__ = ["Compact", "Plan", "Prune", "Put", "Record", "Shed", "State", "Step", "Unwind", "carry_out", "make_plan", "open_store"]

SIZES = (300, 4096, 20_000, 262_144, 700_000, 1_200_000)
FILES = 14
PUTS_MAX = 4
"""Calls that are under way together."""
OPTIONS = StoreOptions(data_file_bytes_max=1 << 20, marks_max=16)
"""Small, so that new data files are begun and old ones deleted as often as anything else happens."""
DEAD_SHARE = 0.1
MOVED_BYTES = 300_000
"""Of one step: a segment or some."""


@dataclass(frozen=True, slots=True)
class Put:
    """Calls that are made together, each with (file, index of the segment) of all that it brings."""

    calls: tuple[tuple[tuple[int, int], ...], ...]
    is_compacting: bool = False
    """Whether gaps are closed meanwhile."""

    @property
    def segments(self) -> frozenset[tuple[int, int]]:
        return frozenset(segment for call in self.calls for segment in call)


@dataclass(frozen=True, slots=True)
class Record:
    mark: BlockMark
    entries: tuple[StoredSubmission, ...]


@dataclass(frozen=True, slots=True)
class Unwind:
    number: int


@dataclass(frozen=True, slots=True)
class Prune:
    seq: int


@dataclass(frozen=True, slots=True)
class Compact:
    """Close all gaps."""


@dataclass(frozen=True, slots=True)
class Shed:
    """Hold only what is wanted in a shard."""

    shard: Shard


Step = Put | Record | Unwind | Prune | Compact | Shed


@dataclass(frozen=True, slots=True)
class State:
    """What a store holds: (file, index) of segments, submissions, and the blocks that were read."""

    held: frozenset[tuple[int, int]] = frozenset()
    entries: tuple[StoredSubmission, ...] = ()
    marks: tuple[BlockMark, ...] = ()

    def after(self, step: Step, files: Sequence[SampleFile]) -> "State":
        match step:
            case Put():
                return replace(self, held=self.held | step.segments)
            case Record(mark, entries):
                return replace(self, entries=self.entries + entries, marks=(*self.marks, mark)[-OPTIONS.marks_max :])
            case Unwind(number):
                marks = tuple(mark for mark in self.marks if mark.number <= number)
                last = marks[-1].number if marks else -1
                return replace(self, entries=tuple(entry for entry in self.entries if entry.block_number <= last), marks=marks)
            case Prune(seq):
                entries = tuple(replace(entry, pruned=entry.pruned or entry.seq == seq) for entry in self.entries)
                root = entries[seq].root
                if any(entry.root == root and not entry.pruned for entry in entries):
                    return replace(self, entries=entries)
                held = frozenset((file, index) for file, index in self.held if files[file].root != root)
                return replace(self, entries=entries, held=held)
            case Compact():
                return self
            case Shed(shard):
                alive = [entry for entry in self.entries if not entry.pruned]
                return replace(self, held=frozenset(kept_in(shard, self.held, [file.root for file in files], alive)))


@dataclass(frozen=True, slots=True)
class Plan:
    files: tuple[SampleFile, ...]
    steps: tuple[Step, ...]
    states: tuple[State, ...] = field(repr=False)
    """Before the first step and after each."""

    def reached(self, store: Store, done: int) -> int:
        """How many steps a store holds of which `done` were acknowledged: so many, or one more that nobody was told of.

        Of calls that were under way together any may be in it. Fails if anything else is wrong.
        """
        found = self.state_of(store)
        if found == self.states[done]:
            return done
        assert done < len(self.steps), f"{found} is not the state after {done} steps"
        if found == self.states[done + 1]:
            return done + 1
        step = self.steps[done]
        assert isinstance(step, Put), f"{found} is neither of the states around step {done + 1}"
        whole = {call for call in step.calls if found.held.issuperset(call)}
        assert found == replace(self.states[done], held=self.states[done].held.union(*whole)), f"a part of a call in step {done + 1}"
        return done

    def state_of(self, store: Store) -> State:
        """What a store holds, everything that it says it holds having been read."""
        held = set()
        for number, file in enumerate(self.files):
            for index in store.held(file.root):
                found = store.read_with_proof(file.root, index)
                assert found is not None, f"segment {index} of file {number} is held and cannot be read"
                assert found.data == file.uploaded(index)
                assert found.proof == file.tree.segment_proof(index)
                held.add((number, index))
        assert store.statistics()["segments"] == len(held)
        marks = tuple(reversed(store.marks()))
        if marks:
            assert store.flow_checkpoint() == checkpoint_of(marks[-1])
        return State(frozenset(held), tuple(store.submissions(0, 10_000)), marks)


def checkpoint_of(mark: BlockMark) -> bytes:
    return Random(f"checkpoint {mark.number}").randbytes(1500)


def make_plan(seed: int, step_count: int) -> Plan:
    """The plan of a seed."""
    dice = Random(f"storage plan {seed}")
    files = tuple(SampleFile(dice.randbytes(dice.choice(SIZES))) for _ in range(FILES))
    steps: list[Step] = []
    states = [State()]
    for step in _steps(dice, files, states):
        steps.append(step)
        states.append(states[-1].after(step, files))
        if len(steps) == step_count:
            break
    return Plan(files, tuple(steps), tuple(states))


def _steps(dice: Random, files: Sequence[SampleFile], states: Sequence[State]) -> Iterator[Step]:
    while True:
        state = states[-1]
        kind = dice.choice(("put", "put", "put", "record", "record", "prune", "unwind", "compact", "shed"))
        open_seqs = [entry.seq for entry in state.entries if not entry.pruned]
        if kind == "put":
            yield Put(tuple(_call(dice, files) for _ in range(dice.randint(1, PUTS_MAX))), is_compacting=dice.random() < 0.5)
        elif kind == "compact":
            yield Compact()
        elif kind == "shed":
            yield Shed(Shard(2, dice.randrange(2)))
        elif kind == "record":
            number = (state.marks[-1].number if state.marks else 0) + dice.randint(1, 3)
            first_seq = len(state.entries)
            start_sector = state.entries[-1].end_sector if state.entries else 1
            added = submissions_of(dice.choices(files, k=dice.randint(0, 3)), first_seq=first_seq, block=number, start_sector=start_sector)
            yield Record(BlockMark(number, block_hash(number)), tuple(added))
        elif kind == "prune" and open_seqs:
            yield Prune(dice.choice(open_seqs))
        elif kind == "unwind" and len(state.marks) > 2:
            yield Unwind(dice.choice(state.marks[-3:]).number)


def _call(dice: Random, files: Sequence[SampleFile]) -> tuple[tuple[int, int], ...]:
    """Some segments of some files."""
    pool = [(number, segment.index) for number, file in enumerate(files) for segment in file.segments]
    return tuple(dice.sample(pool, dice.randint(1, 5)))


def open_store(folder: Path) -> Store:
    return Store.open(folder, options=OPTIONS)


def carry_out(store: Store, plan: Plan, step: Step) -> None:
    """Do one step; when this returns, it is acknowledged."""
    match step:
        case Put(calls, is_compacting):
            anyio.run(_put_together, store, plan, calls, is_compacting)
        case Record(mark, entries):
            store.record(mark, entries, checkpoint_of(mark))
        case Unwind(number):
            checkpoint = store.unwind(number)
            left = store.mark()
            assert checkpoint == (None if left is None else checkpoint_of(left))
        case Prune(seq):
            store.prune(seq)
        case Compact():
            _close_gaps(store)
        case Shed(shard):
            cursor: ShedCursor | None = ShedCursor()
            while cursor is not None:
                cursor = store.shed(cursor, shard)


def _close_gaps(store: Store) -> None:
    while not store.compact(dead_share=DEAD_SHARE, bytes_max=MOVED_BYTES).is_idle:
        pass


async def _put_together(store: Store, plan: Plan, calls: Sequence[Sequence[tuple[int, int]]], is_compacting: bool) -> None:
    async with anyio.create_task_group() as tasks:
        if is_compacting:
            tasks.start_soon(to_thread.run_sync, _close_gaps, store)
        for call in calls:
            tasks.start_soon(store.put, [plan.files[file].segments[index] for file, index in call])
