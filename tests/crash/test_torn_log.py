"""A block log whose end was torn off or is garbage: the ledger opens with every block that is whole, and says so when more is wrong."""

import shutil
from pathlib import Path
from random import Random

import pytest

from tests.crash.plan import Plan, carry_out, make_plan, state_of
from tests.crash.test_ledger_survives import require_all_there
from tests.ledger.counts import commit_seed
from zerog._kernel import Ledger, LedgerCorruptError

SEED = commit_seed()
STEPS = 8
CUTS = 40
LOG = "blocks-000000.log"


class Grown:
    """A ledger that was left without a checkpoint or a close, and the length of its log after each step."""

    def __init__(self, folder: Path) -> None:
        self.plan: Plan = make_plan(SEED, STEPS)
        self.folder = folder
        self.ledger = Ledger.open(str(folder), self.plan.genesis, checkpoint_blocks=1_000_000, checkpoint_seconds=1e9)
        self.lengths = [self.log_bytes()]
        for step in self.plan.steps:
            carry_out(self.ledger, step.change)
            self.lengths.append(self.log_bytes())

    def log_bytes(self) -> int:
        return (self.folder / LOG).stat().st_size

    def copy(self, to: Path) -> Path:
        """A copy of the files as they lie on the disk."""
        shutil.copytree(self.folder, to)
        return to


@pytest.fixture
def grown(tmp_path: Path) -> Grown:
    return Grown(tmp_path / "ledger")


def test_every_step_adds_to_the_log(grown: Grown) -> None:
    assert grown.lengths == sorted(set(grown.lengths))


def test_a_log_cut_anywhere_opens_at_the_last_whole_step(grown: Grown, tmp_path: Path) -> None:
    dice = Random(f"torn log {SEED}")
    for cut in range(CUTS):
        length = dice.randint(grown.lengths[0], grown.lengths[-1])
        folder = grown.copy(tmp_path / f"cut-{cut}")
        with (folder / LOG).open("r+b") as log:
            log.truncate(length)
        whole = max(done for done, end in enumerate(grown.lengths) if end <= length)
        ledger = Ledger.open(str(folder), grown.plan.genesis)
        assert state_of(ledger) == grown.plan.state(whole), f"seed {SEED}, cut at {length} of {grown.lengths}"
        ledger.close()


def test_garbage_after_the_last_step_is_dropped(grown: Grown, tmp_path: Path) -> None:
    dice = Random(f"garbage {SEED}")
    whole = (grown.folder / LOG).read_bytes()
    tails = (
        dice.randbytes(1),
        dice.randbytes(5000),
        bytes(4096),
        whole[grown.lengths[0] : grown.lengths[0] + 7],
        whole[grown.lengths[-2] + 3 :],
    )
    for index, tail in enumerate(tails):
        folder = grown.copy(tmp_path / f"garbage-{index}")
        with (folder / LOG).open("ab") as log:
            log.write(tail)
        require_all_there(grown.plan, folder, STEPS, finished=True)


def test_damage_before_whole_records_is_not_taken_for_a_crash(grown: Grown, tmp_path: Path) -> None:
    folder = grown.copy(tmp_path / "damaged")
    with (folder / LOG).open("r+b") as log:
        log.seek((grown.lengths[0] + grown.lengths[1]) // 2)
        byte = log.read(1)
        log.seek(-1, 1)
        log.write(bytes([byte[0] ^ 0x40]))
    with pytest.raises(LedgerCorruptError):
        Ledger.open(str(folder), grown.plan.genesis)


def test_the_harness_finds_a_lost_step(grown: Grown, tmp_path: Path) -> None:
    """The check that all crash tests rely on fails when one acknowledged step is missing."""
    folder = grown.copy(tmp_path / "lost")
    with (folder / LOG).open("r+b") as log:
        log.truncate(grown.lengths[-2])
    with pytest.raises(AssertionError, match="is neither of"):
        require_all_there(grown.plan, folder, STEPS, finished=True)
