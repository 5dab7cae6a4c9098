"""What the node suggests to pay, and what recent blocks cost."""

from collections.abc import Sequence

from zerog.chain.node.chain import Chain
from zerog.chain.protocol.constants import (
    FEE_HISTORY_BLOCKS_MAX,
    FEE_HISTORY_PERCENTILES_MAX,
    TIP_BLOCKS,
    TIP_PERCENTILE,
)
from zerog.chain.protocol.errors import FutureBlockError
from zerog.chain.protocol.fees import gas_used_ratio, next_base_fee, suggested_tip
from zerog.primitives import InvalidParametersError, Wei, encode_quantity

__all__ = ["fee_history", "gas_price", "tip"]


def tip(chain: Chain) -> Wei:
    """A tip in wei with which a transaction is likely to be in the next block."""
    head = chain.head_number
    tips: list[int] = []
    for number in range(max(head - TIP_BLOCKS + 1, 1), head + 1):
        block = chain.ledger.block(number)
        if block is not None and block.transaction_count:
            tips.extend(chain.ledger.block_fees(number, [float(TIP_PERCENTILE)])[3])
    return Wei(max(suggested_tip(tips), chain.pool.minimum_tip))


def gas_price(chain: Chain) -> Wei:
    """A gas price in wei for transactions that name only one."""
    return Wei(tip(chain) + chain.producer.next_base_fee())


def fee_history(chain: Chain, count: int, newest: int, percentiles: Sequence[float] | None) -> dict[str, object]:
    """The answer of `eth_feeHistory` for `count` blocks up to `newest`. Raises `FutureBlockError`, `InvalidParametersError`."""
    head = chain.ledger.head()
    if newest > head.number:
        raise FutureBlockError(newest, head.number)
    _check_percentiles(percentiles or ())
    count = min(count, FEE_HISTORY_BLOCKS_MAX, newest + 1)
    if count == 0:
        return {"oldestBlock": "0x0", "baseFeePerGas": [], "gasUsedRatio": [], "baseFeePerBlobGas": [], "blobGasUsedRatio": []}
    oldest = newest + 1 - count
    base_fees: list[int] = []
    ratios: list[float] = []
    rewards: list[list[str]] = []
    blob_fees: list[int] = []
    blob_ratios: list[float] = []
    blob_fee_after = 0
    for number in range(oldest, newest + 1):
        block = chain.ledger.block(number)
        if block is None:
            raise FutureBlockError(number, chain.head_number)  # The chain was unwound between two reads.
        base_fees.append(block.base_fee_per_gas)
        ratios.append(gas_used_ratio(block.gas_used, block.gas_limit))
        blob_fee, blob_fee_after, blob_gas_max = chain.ledger.blob_fees(number)
        blob_fees.append(blob_fee)
        blob_ratios.append(gas_used_ratio(block.blob_gas_used, blob_gas_max))
        if percentiles:
            rewards.append([encode_quantity(reward) for reward in chain.ledger.block_fees(number, percentiles)[3]])
    following = chain.ledger.block(newest + 1)
    last = chain.ledger.block(newest) or head
    base_fees.append(following.base_fee_per_gas if following else next_base_fee(last.base_fee_per_gas, last.gas_used, last.gas_limit))
    blob_fees.append(blob_fee_after if following is None else chain.ledger.blob_fees(newest + 1)[0])
    answer: dict[str, object] = {
        "oldestBlock": encode_quantity(oldest),
        "baseFeePerGas": [encode_quantity(fee) for fee in base_fees],
        "gasUsedRatio": ratios,
        "baseFeePerBlobGas": [encode_quantity(fee) for fee in blob_fees],
        "blobGasUsedRatio": blob_ratios,
    }
    return answer | ({"reward": rewards} if percentiles else {})


def _check_percentiles(percentiles: Sequence[float]) -> None:
    if len(percentiles) > FEE_HISTORY_PERCENTILES_MAX:
        raise InvalidParametersError(f"over the query limit {FEE_HISTORY_PERCENTILES_MAX}")
    for index, percentile in enumerate(percentiles):
        if not 0 <= percentile <= 100:
            raise InvalidParametersError(f"invalid reward percentile: {percentile:f}")
        if index and percentile < percentiles[index - 1]:
            raise InvalidParametersError(f"invalid reward percentile: #{index - 1}:{percentiles[index - 1]:f} > #{index}:{percentile:f}")
