"""Base fees and tips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.chain.protocol.constants import DEFAULT_TIP_WEI, TIP_WEI_MAX
from zerog.chain.protocol.fees import next_base_fee, suggested_tip

GWEI = 10**9


# ethereum/go-ethereum, consensus/misc/eip1559/eip1559_test.go, TestCalcBaseFee.
@pytest.mark.parametrize(("gas_used", "expected"), [(10_000_000, 1_000_000_000), (9_000_000, 987_500_000), (11_000_000, 1_012_500_000)])
def test_the_base_fee_moves_as_in_geth(gas_used: int, expected: int) -> None:
    assert next_base_fee(GWEI, gas_used, 20_000_000) == expected


@given(st.integers(0, 2**64), st.integers(1, 2**32), st.data())
def test_the_base_fee_moves_by_an_eighth_at_most(base_fee: int, gas_limit: int, data: st.DataObject) -> None:
    gas_used = data.draw(st.integers(0, gas_limit))
    if gas_limit < 2:
        return
    following = next_base_fee(base_fee, min(gas_used, gas_limit // 2 * 2), gas_limit)
    assert base_fee - base_fee // 8 - 1 <= following <= base_fee + max(base_fee // 8, 1)


def test_without_transactions_the_default_tip_is_suggested() -> None:
    assert suggested_tip([]) == DEFAULT_TIP_WEI


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=40))
def test_the_suggested_tip_is_one_that_was_paid_or_the_most_we_suggest(tips: list[int]) -> None:
    tip = suggested_tip(tips)
    assert tip in tips or tip == TIP_WEI_MAX
    assert sum(paid <= tip for paid in tips) * 10 >= len(tips) * 5 or tip == TIP_WEI_MAX
