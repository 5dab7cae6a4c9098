"""What a key-value store is led through while it is killed: a random history of streams, its data, and streams that are added late."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from tests.unit.storage.kv.store.histories import STREAMS, Block, History, Rewind, dump, require_agreement
from tests.unit.storage.kv.store.model import Entry, Model
from zerog.primitives import Hash32
from zerog.storage.kv import records
from zerog.storage.kv.records import StreamSubmission
from zerog.storage.kv.store import KvStore

__all__ = ["Add", "Plan", "Settle", "State", "Step", "Supply", "SupplyMany", "carry_out", "make_plan", "open_store"]

FIRST_STREAMS = STREAMS[:2]


@dataclass(frozen=True, slots=True)
class Supply:
    seq: int
    root: Hash32
    is_file: bool


@dataclass(frozen=True, slots=True)
class SupplyMany:
    """All of these, or none."""

    supplies: tuple[Supply, ...]


@dataclass(frozen=True, slots=True)
class Settle:
    """Apply all that can be."""


@dataclass(frozen=True, slots=True)
class Add:
    stream: Hash32


Step = Block | Rewind | Supply | SupplyMany | Settle | Add


@dataclass(frozen=True, slots=True)
class State:
    """What a store has been told."""

    log: tuple[StreamSubmission, ...] = ()
    marks: tuple[int, ...] = ()
    next_seq: int = 0
    given: frozenset[Hash32] = frozenset()
    followed: frozenset[Hash32] = frozenset(FIRST_STREAMS)

    def after(self, step: Step, next_seqs: dict[int, int]) -> "State":
        match step:
            case Block(mark, next_seq, submissions):
                next_seqs[mark.number] = next_seq
                return replace(self, log=self.log + submissions, marks=(*self.marks, mark.number), next_seq=next_seq)
            case Rewind(number):
                marks = tuple(mark for mark in self.marks if mark <= number)
                log = tuple(entry for entry in self.log if entry.block_number <= number)
                return replace(self, log=log, marks=marks, next_seq=next_seqs[marks[-1]] if marks else 0)
            case Supply(_, root):
                return replace(self, given=self.given | {root})
            case SupplyMany(supplies):
                return replace(self, given=self.given | {supply.root for supply in supplies})
            case Add(stream):
                return replace(self, followed=self.followed | {stream})
            case Settle():
                return self

    def facts(self) -> tuple[object, ...]:
        """What a store in this state says, however much of it is applied."""
        wanted = [e.seq for e in self.log if e.root not in self.given and self.followed.issuperset(e.streams)]
        held = [(entry.seq, entry.root in self.given) for entry in self.log]
        return self.log, self.marks, self.next_seq, held, wanted, sorted(self.followed)


def facts_of(store: KvStore) -> tuple[object, ...]:
    items = store.items(0, 10_000)
    log = tuple(item.submission for item in items)
    marks = tuple(mark.number for mark in reversed(store.marks()))
    held = [(item.submission.seq, item.is_held) for item in items]
    unsettled = {item.submission.seq for item in items if item.result is None}
    wanted = [entry.seq for entry in store.wanted(10_000)]
    assert {entry.seq for entry in store.wanted(10_000)} <= unsettled, "data of a settled item is lost"
    refused = {item.submission.seq for item in items if item.result == "SenderNoWritePermission" and not item.is_held}
    return log, marks, store.next_seq, held, sorted({*wanted, *refused}), store.holding_streams()


@dataclass(frozen=True, slots=True)
class Plan:
    history: History
    steps: tuple[Step, ...]
    states: tuple[State, ...] = field(repr=False)
    """Before the first step and after each."""

    def model(self, number: int) -> Model:
        """All that can be applied after so many steps."""
        state = self.states[number]
        log = [Entry(entry.seq, entry.root, entry.streams, entry.sender) for entry in state.log]
        data: dict[bytes, bytes] = {root: self.history.data[root] for root in state.given}
        return Model(log, data, state.followed)

    def reached(self, store: KvStore, done: int) -> int:
        """How many steps a store has made of which `done` were acknowledged: so many, or one more. Fails if anything else is wrong."""
        found = facts_of(store)
        reached = done if found == self.states[done].facts() else done + 1
        assert reached < len(self.states), f"{found} is not the state at the end"
        assert found == self.states[reached].facts(), f"{found} is neither of the states around step {done + 1}"
        results = {entry.seq: store.result(entry.seq) for entry in self.states[reached].log}
        applied = {seq: result for seq, result in results.items() if result is not None}
        wanted = self.model(reached).results
        assert applied.items() <= wanted.items(), "a result that is not that of the log"
        if done and isinstance(self.steps[done - 1], Settle) and reached == done:
            assert applied == wanted, "an item that was settled is not any more"
        return reached


def open_store(folder: Path) -> KvStore:
    return KvStore.open(folder, follow_all=False, streams=FIRST_STREAMS)


def carry_out(store: KvStore, plan: Plan, step: Step) -> None:
    match step:
        case Block(mark, next_seq, submissions):
            store.record(mark, next_seq, submissions)
        case Rewind(number):
            store.unwind(number)
        case Supply(seq, root):
            store.supply(seq, root, _data(store, plan, step))
        case SupplyMany(supplies):
            store.supply_many([records.Supply(each.seq, each.root, _data(store, plan, each)) for each in supplies])
        case Add(stream):
            store.add_stream(stream)
        case Settle():
            while store.apply(2):
                pass


def _data(store: KvStore, plan: Plan, supply: Supply) -> bytes | Path:
    data = plan.history.data[supply.root]
    if not supply.is_file:
        return data
    path = store.incoming / f"item-{supply.seq}"
    path.write_bytes(data)
    return path


def make_plan(seed: int) -> Plan:
    """The plan of a seed."""
    dice = Random(f"kv plan {seed}")
    history = History.drawn(seed)
    steps: list[Step] = []
    states = [State()]
    next_seqs: dict[int, int] = {}
    for step in _steps(dice, history, states):
        steps.append(step)
        states.append(states[-1].after(step, next_seqs))
    return Plan(history, tuple(steps), tuple(states))


def _steps(dice: Random, history: History, states: list[State]) -> Iterator[Step]:
    events = iter(history.events)
    event: Block | Rewind | None = next(events)
    while True:
        missing = [entry for entry in states[-1].log if entry.root not in states[-1].given]
        late = sorted(set(STREAMS) - states[-1].followed)
        kinds = ["log"] * 2 * (event is not None) + ["supply"] * 3 * bool(missing) + ["add"] * bool(late)
        if not kinds:
            yield Settle()
            return
        match dice.choice([*kinds, "settle"]):
            case "supply":
                entries = [dice.choice(missing)] if dice.random() < 0.5 else dice.sample(missing, dice.randint(1, min(4, len(missing))))
                supplies = tuple(Supply(entry.seq, entry.root, dice.random() < 0.3) for entry in entries)
                yield supplies[0] if len(supplies) == 1 else SupplyMany(supplies)
            case "add":
                yield Add(dice.choice(late))
            case "log" if event is not None:
                yield event
                event = next(events, None)
            case _:
                yield Settle()


def require_end(store: KvStore, plan: Plan, dice: Random) -> None:
    """At the end of the plan the store is what the model is, and knows what a store does that nothing happened to."""
    model = plan.model(len(plan.steps))
    require_agreement(store, model, dice, looks=10)
    for stream in STREAMS:
        keys, _ = store.list_keys(stream, None, 100)
        assert [(found.version, store.read(found, 0, found.size)) for found in keys] == [
            model.value(stream, key) for key in model.keys(stream)
        ]
    with KvStore.open(None, follow_all=False, streams=FIRST_STREAMS) as other:
        for step in plan.steps:
            carry_out(other, plan, step)
        assert dump(store) == dump(other)
