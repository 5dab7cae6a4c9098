"""Two stores that are fed in different order, with restarts, reorganisations and streams added late, end in one state: that of the log."""

from pathlib import Path
from random import Random

import pytest

from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from tests.unit.storage.kv.store.histories import STREAMS, Feeding, History, dump, require_agreement

HISTORIES = 5000 if LONG else 500
BATCHES = 20
SEED = commit_seed()


@pytest.mark.parametrize("batch", range(BATCHES))
def test_stores_that_are_fed_differently_end_in_equal_state(tmp_path: Path, batch: int) -> None:
    for number in range(batch, HISTORIES, BATCHES):
        seed = SEED + number
        print(f"ZEROG_TEST_SEED={seed}")
        live_through(seed, tmp_path / str(number))


def live_through(seed: int, folder: Path) -> None:
    dice = Random(f"life {seed}")
    history = History.drawn(seed)
    follow_all = dice.random() < 0.4
    chosen = set() if follow_all else set(dice.sample(STREAMS, dice.randint(1, len(STREAMS))))
    folder.mkdir()
    feedings = [Feeding(history, Random(f"{seed} {name}"), folder / name, follow_all, chosen) for name in ("one", "other")]
    for feeding in feedings:
        while feeding.step():
            pass
        feeding.settle()
        assert feeding.known == history.log
        require_agreement(feeding.store, feeding.model(), dice, looks=5)
        assert not feeding.store.wanted(10)
    one, other = (feeding.store for feeding in feedings)
    assert dump(one) == dump(other)
    for feeding in feedings:
        feeding.store.close()


def test_the_full_count_is_kept() -> None:
    """Runs after the batches."""
    record("histories_of_streams", seed=SEED, histories=HISTORIES)
