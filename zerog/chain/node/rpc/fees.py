"""`eth_*`: what to pay."""

from zerog.chain.node import fees
from zerog.chain.node.chain import Chain
from zerog.chain.protocol.tags import BlockByNumber
from zerog.chain.wire.blocks import BlockNumber
from zerog.chain.wire.numbers import LooseNumber
from zerog.primitives import Quantity
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

eth = Namespace("eth")


@eth.method("gasPrice")
def gas_price(chain: Chain) -> Quantity:
    """Wei for a unit of gas with which a transaction is likely to be in the next block."""
    return Quantity(fees.gas_price(chain))


@eth.method("maxPriorityFeePerGas")
def max_priority_fee_per_gas(chain: Chain) -> Quantity:
    """The tip in it."""
    return Quantity(fees.tip(chain))


@eth.method("blobBaseFee")
def blob_base_fee(chain: Chain) -> Quantity:
    """Wei for a unit of blob gas in the newest block."""
    return Quantity(chain.ledger.blob_fees(chain.head_number)[0])


@eth.method("feeHistory")
def fee_history(
    chain: Chain, block_count: LooseNumber, newest_block: BlockNumber, percentiles: list[float] | None = None
) -> dict[str, object]:
    """Base fees, use of gas and tips of recent blocks."""
    selector = newest_block.selector
    newest = selector.number if isinstance(selector, BlockByNumber) else chain.number(selector)
    return fees.fee_history(chain, block_count, chain.head_number if newest is None else newest, percentiles)
