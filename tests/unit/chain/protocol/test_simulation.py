"""The order of simulated blocks."""

import pytest

from zerog.chain.protocol.errors import LimitExceededError
from zerog.chain.protocol.simulation import Place, SimulationError, in_order


def test_blocks_follow_each_other_twelve_seconds_apart() -> None:
    assert in_order([(None, None), (None, None)], 5, 100) == [Place(6, 112, 0), Place(7, 124, 1)]


def test_a_gap_between_numbers_is_filled_with_empty_blocks() -> None:
    assert in_order([(8, None), (None, 500)], 5, 100) == [Place(6, 112, None), Place(7, 124, None), Place(8, 136, 0), Place(9, 500, 1)]


@pytest.mark.parametrize("number", [4, 5])
def test_numbers_must_grow(number: int) -> None:
    with pytest.raises(SimulationError, match=f"block numbers must be in order: {number} <= 5") as refused:
        in_order([(number, None)], 5, 100)
    assert refused.value.rpc_code == -38020


@pytest.mark.parametrize(("number", "time"), [(None, 100), (None, 99), (8, 124)])
def test_times_must_grow(number: int | None, time: int) -> None:
    with pytest.raises(SimulationError, match="block timestamps must be in order") as refused:
        in_order([(number, time)], 5, 100)
    assert refused.value.rpc_code == -38021


def test_a_chain_of_256_blocks_is_the_longest() -> None:
    assert len(in_order([(5 + 256, None)], 5, 100)) == 256
    for wanted in ([(5 + 257, None)], [(None, None)] * 257, [(2**63, None)]):
        with pytest.raises(LimitExceededError, match="too many blocks"):
            in_order(wanted, 5, 100)
