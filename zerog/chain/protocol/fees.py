"""What a block costs: base fee and the tip that we suggest.

Sources: EIP-1559; ethereum/go-ethereum, eth/gasprice/.
"""

from collections.abc import Sequence

from zerog.chain.protocol.constants import (
    BASE_FEE_CHANGE_DENOMINATOR,
    DEFAULT_TIP_WEI,
    ELASTICITY_MULTIPLIER,
    TIP_PERCENTILE,
    TIP_WEI_MAX,
)
from zerog.primitives import Wei

__all__ = ["gas_used_ratio", "next_base_fee", "suggested_tip"]


def next_base_fee(base_fee: int, gas_used: int, gas_limit: int) -> Wei:
    """Base fee in wei of the block after one with these fields. Source: EIP-1559, specification."""
    target = gas_limit // ELASTICITY_MULTIPLIER
    if gas_used == target:
        return Wei(base_fee)
    change = base_fee * abs(gas_used - target) // target // BASE_FEE_CHANGE_DENOMINATOR
    if gas_used > target:
        return Wei(base_fee + max(change, 1))
    return Wei(max(base_fee - change, 0))


def suggested_tip(block_tips: Sequence[int]) -> Wei:
    """Tip in wei, from one representative tip of each recent block that had transactions."""
    if not block_tips:
        return Wei(DEFAULT_TIP_WEI)
    tips = sorted(block_tips)
    return Wei(min(tips[(len(tips) - 1) * TIP_PERCENTILE // 100], TIP_WEI_MAX))


def gas_used_ratio(gas_used: int, gas_limit: int) -> float:
    """Share of the gas limit of a block, or of its most blob gas, that was used; for `eth_feeHistory` alone: no rule depends on it."""
    return gas_used / gas_limit if gas_limit else 0.0
