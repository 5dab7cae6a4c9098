"""The same blocks and edits give the same hashes whatever the threads, checkpoints, restarts and unwinds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from random import Random

import pytest

from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from tests.ledger.scenario import Block, Edit, Scenario, apply_edit, block_env, genesis_json
from zerog._kernel import BlockSummary, Ledger

BLOCKS = 5_000 if LONG else 2_000
AUDIT_EVERY = 250
UNWIND_MAX = 20
SAMPLES = 3
LOOKS_BACK = 40
CHECKPOINT_BLOCKS = (1, 7, 64, 1024)
CONFIGURATIONS = list(product((1, 2), CHECKPOINT_BLOCKS)) if LONG else [(2, 1), (1, 7), (2, 64), (1, 1024), (2, 1024)]
"""(threads, checkpoint interval in blocks); each number is tried in every run, each pair in the long one."""
TIMEOUT_S = 1800 if LONG else 300


@dataclass(frozen=True, slots=True)
class Sample:
    """What one account was after a block."""

    address: bytes
    balance: int
    nonce: int
    code: bytes
    slot: bytes
    value: bytes


def sample(ledger: Ledger, address: bytes, slot: bytes, at: int | None = None) -> Sample:
    """Read one account and one of its slots, now or as they were after block `at`."""
    return Sample(
        address,
        ledger.balance(address, at),
        ledger.nonce(address, at),
        ledger.code(address, at),
        slot,
        ledger.storage(address, slot, at),
    )


@dataclass(frozen=True, slots=True)
class RecordedBlock:
    """A block with the edits before it, and what the first run found: its hash, its state root and some of its state."""

    edits: tuple[Edit, ...]
    block: Block
    hash: bytes
    state_root: bytes
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """One scenario, run once in memory on one thread."""

    seed: int
    genesis: bytes
    blocks: tuple[RecordedBlock, ...]


@cache
def recording() -> Recording:
    """The scenario of this commit."""
    seed = commit_seed()
    genesis = genesis_json(seed)
    ledger = Ledger.open(None, genesis, threads=1)
    return Recording(seed, genesis, tuple(record_blocks(ledger, seed)))


def record_blocks(ledger: Ledger, seed: int) -> Iterator[RecordedBlock]:
    scenario, dice = Scenario(seed, ledger), Random(f"samples {seed}")
    made: tuple[Sequence[Edit], Block, BlockSummary] | None = None
    for _ in range(BLOCKS):
        edits = scenario.next_edits()
        for edit in edits:
            apply_edit(ledger, edit)
        if made is not None:
            yield recorded(ledger, scenario, dice, *made)  # As it was last seen: with the edits that stood on it.
        block = scenario.next_block()
        made = (edits, block, ledger.commit(ledger.execute(block_env(block), block.transactions)))
    if made is not None:
        yield recorded(ledger, scenario, dice, *made)


def recorded(ledger: Ledger, scenario: Scenario, dice: Random, edits: Sequence[Edit], block: Block, made: BlockSummary) -> RecordedBlock:
    addresses = dice.sample(scenario.targets(), SAMPLES)
    samples = [sample(ledger, address, dice.randrange(4).to_bytes(32, "big")) for address in addresses]
    return RecordedBlock(tuple(edits), block, made.hash, made.state_root, tuple(samples))


@dataclass(slots=True)
class Replay:
    """A ledger on disk that is led through a recording, with restarts and unwinds on the way."""

    recording: Recording
    folder: Path
    threads: int
    checkpoint_blocks: int
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.ledger = Ledger.open(
            str(self.folder),
            self.recording.genesis,
            threads=self.threads,
            checkpoint_blocks=self.checkpoint_blocks,
            checkpoint_seconds=1e9,
        )

    def restart(self) -> None:
        """Close and open again; nothing may have changed, edits on top of the newest block included."""
        before, edits = self.ledger.head().hash, self.ledger.edit_count
        self.ledger.close()
        self.open()
        assert (self.ledger.head().hash, self.ledger.edit_count) == (before, edits)

    def edit(self, number: int) -> None:
        """The edits before block `number`."""
        for edit in self.recording.blocks[number - 1].edits:
            apply_edit(self.ledger, edit)

    def produce(self, number: int) -> None:
        """Execute and commit block `number` of the recording."""
        expected = self.recording.blocks[number - 1]
        summary = self.ledger.commit(self.ledger.execute(block_env(expected.block), expected.block.transactions))
        assert summary.hash == expected.hash, f"seed {self.recording.seed}, block {number}"

    def unwind(self, number: int) -> None:
        """Go back to block `number`; its state is what it was, its edits are gone."""
        self.ledger.unwind(number)
        head = self.ledger.head()
        assert head.number == number
        assert head.hash == (self.recording.blocks[number - 1].hash if number else self.ledger.genesis_hash)

    def look_back(self, dice: Random) -> None:
        """The state after older blocks reads as it was when they were new."""
        for number in dice.sample(range(1, self.ledger.head().number), LOOKS_BACK):
            for expected in self.recording.blocks[number - 1].samples:
                assert sample(self.ledger, expected.address, expected.slot, number) == expected, (
                    f"seed {self.recording.seed}, block {number}"
                )

    def audit(self) -> None:
        """The state root from the flat state alone is the header's."""
        number = self.ledger.head().number
        assert self.ledger.edit_count == 0
        assert self.ledger.recompute_root() == self.recording.blocks[number - 1].state_root, f"seed {self.recording.seed}, block {number}"


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize(("threads", "checkpoint_blocks"), CONFIGURATIONS)
def test_roots_do_not_depend_on_threads_checkpoints_restarts_or_unwinds(tmp_path: Path, threads: int, checkpoint_blocks: int) -> None:
    recorded = recording()
    print(f"seed {recorded.seed}")
    dice = Random(f"replay {recorded.seed} {threads} {checkpoint_blocks}")
    replay = Replay(recorded, tmp_path, threads, checkpoint_blocks)
    restarts = unwound = 0
    number = 0
    while number < BLOCKS:
        number += 1
        replay.edit(number)
        if dice.random() < 0.01:
            replay.restart()
            restarts += 1
        replay.produce(number)
        if number % AUDIT_EVERY == 0 or number == BLOCKS:
            replay.audit()
            replay.look_back(dice)
        elif dice.random() < 0.02:
            back = dice.randint(1, min(UNWIND_MAX, number))
            number -= back
            unwound += back
            replay.unwind(number)
            replay.audit() if number else None
    assert restarts > 0
    assert unwound > 0
    record(
        f"random_blocks_threads_{threads}_checkpoint_{checkpoint_blocks}",
        seed=recorded.seed,
        blocks=BLOCKS,
        restarts=restarts,
        blocks_unwound=unwound,
    )


def test_the_recording_holds_what_it_should() -> None:
    """Blocks with edits, without transactions and with many; every transaction type; most transactions are included."""
    recorded = recording()
    transactions = [raw for step in recorded.blocks for raw in step.block.transactions]
    assert {raw[0] if raw[0] < 0xC0 else 0 for raw in transactions} == {0, 1, 2, 4}
    assert any(step.edits for step in recorded.blocks)
    assert any(not step.block.transactions for step in recorded.blocks)
    ledger = Ledger.open(None, recorded.genesis)
    sent = dropped = 0
    for step in recorded.blocks[:200]:
        for edit in step.edits:
            apply_edit(ledger, edit)
        executed = ledger.execute(block_env(step.block), step.block.transactions)
        ledger.commit(executed)
        sent += len(step.block.transactions)
        dropped += len(executed.dropped)
    assert 0 < dropped < sent / 3


def test_a_ledger_with_edits_left_out_differs() -> None:
    """The comparison has teeth: leaving out a block's edits changes its hash, unless they write what was there."""
    recorded = recording()
    ledger = Ledger.open(None, recorded.genesis)
    edited = noticed = 0
    for step in recorded.blocks[:300]:
        if step.edits:
            edited += 1
            noticed += ledger.execute(block_env(step.block), step.block.transactions).summary.hash != step.hash
        for edit in step.edits:
            apply_edit(ledger, edit)
        ledger.commit(ledger.execute(block_env(step.block), step.block.transactions))
    assert noticed > edited / 2 > 0
