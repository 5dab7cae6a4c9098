"""What a ledger is led through while it is killed: blocks, developer edits and unwinds, with the state that each must leave."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.ledger.scenario import Block, Edit, Scenario, apply_edit, block_env, genesis_json
from zerog._kernel import Ledger

__all__ = ["Plan", "State", "Step", "Unwind", "carry_out", "make_plan", "state_of"]

UNWIND_MAX = 3


@dataclass(frozen=True, slots=True)
class Unwind:
    """Back to block `number`, with none of the edits on top of it."""

    number: int


@dataclass(frozen=True, slots=True)
class State:
    """Where a ledger stands."""

    number: int
    hash: bytes
    edit_count: int


@dataclass(frozen=True, slots=True)
class Step:
    """One change and the state after it, with the hashes of all blocks from the first to the newest."""

    change: Edit | Block | Unwind
    state: State
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A genesis, the state it gives, and the steps from there."""

    genesis: bytes
    start: State
    steps: tuple[Step, ...]

    def state(self, done: int) -> State:
        """The state after the first `done` steps."""
        return self.steps[done - 1].state if done else self.start

    def hashes(self, done: int) -> tuple[bytes, ...]:
        """The block hashes after the first `done` steps, genesis excluded."""
        return self.steps[done - 1].hashes if done else ()

    def reached(self, ledger: Ledger, done: int) -> int:
        """How many steps a ledger holds when `done` were acknowledged: so many, or one more that nobody was told of."""
        found = state_of(ledger)
        possible = range(done, min(done + 1, len(self.steps)) + 1)
        held = [step for step in possible if self.state(step) == found]
        assert held, f"{found} is neither of {[self.state(step) for step in possible]}"
        return held[-1]


def make_plan(seed: int, step_count: int) -> Plan:
    """The plan of this seed, found by carrying it out on a ledger in memory."""
    genesis = genesis_json(seed)
    ledger = Ledger.open(None, genesis)
    start = state_of(ledger)
    changes = draw_changes(ledger, seed)
    hashes: list[bytes] = []
    steps = []
    for _ in range(step_count):
        change = next(changes)
        carry_out(ledger, change)
        match change:
            case Block():
                hashes.append(ledger.head().hash)
            case Unwind(number):
                del hashes[number:]
        steps.append(Step(change, state_of(ledger), tuple(hashes)))
    return Plan(genesis, start, tuple(steps))


def draw_changes(ledger: Ledger, seed: int) -> Iterator[Edit | Block | Unwind]:
    """Changes that fit the ledger as it stands at each moment."""
    dice = Random(f"crash plan {seed}")
    scenario = Scenario(seed, ledger)
    while True:
        yield from scenario.next_edits()
        yield scenario.next_block()
        if dice.random() < 0.1:
            yield Unwind(max(0, ledger.head().number - dice.randint(1, UNWIND_MAX)))


def carry_out(ledger: Ledger, change: Edit | Block | Unwind) -> None:
    """Make one change; on return it is durable."""
    match change:
        case Edit():
            apply_edit(ledger, change)
        case Block():
            ledger.commit(ledger.execute(block_env(change), change.transactions))
        case Unwind(number):
            ledger.unwind(number)


def state_of(ledger: Ledger) -> State:
    head = ledger.head()
    return State(head.number, head.hash, ledger.edit_count)
