"""`eth_callMany`: calls that build on each other, at any point of the chain. Source: erigontech/erigon, rpc/jsonrpc/eth_callMany.go."""

from functools import partial
from typing import Final

from anyio import to_thread

from zerog._kernel import AccountOverride, BlockOverride, CallRequest, SimulationRefusal
from zerog.chain.node.chain import Chain, kept
from zerog.chain.protocol.constants import CALL_GAS_MAX
from zerog.chain.protocol.errors import ExecutionHaltedError, HeaderNotFoundError, LimitExceededError
from zerog.chain.protocol.pool_errors import call_refusal
from zerog.chain.protocol.reverts import revert_message
from zerog.chain.protocol.simulation import BLOCKS_BACK_MAX, SECONDS_BETWEEN_BLOCKS
from zerog.chain.wire.call_series import Bundle, SeriesBlockOverride, StateContext, series_block_override
from zerog.chain.wire.numbers import LooseNumber
from zerog.chain.wire.overrides import StateOverrides, account_overrides
from zerog.chain.wire.transactions import call_request
from zerog.primitives import Data, InvalidParametersError
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

eth = Namespace("eth")

MILLISECONDS: Final = 1_000
NO_OVERRIDE: Final = SeriesBlockOverride()

KernelBundle = tuple[BlockOverride, list[AccountOverride], list[CallRequest]]


@eth.method("callMany")
async def call_many(
    chain: Chain,
    bundles: list[Bundle],
    context: StateContext,
    state_overrides: StateOverrides | None = None,
    timeout_ms: LooseNumber | None = None,
) -> list[list[dict[str, str]]]:
    """What each call returns (`value`) or why it failed (`error`); the ones after it see what it did."""
    if not any(bundle.transactions for bundle in bundles):
        raise InvalidParametersError("empty bundles")
    number = chain.number(context.block_number.selector)
    summary = chain.ledger.block(chain.head_number if number is None else number)
    if summary is None:
        raise HeaderNotFoundError
    if summary.number < chain.head_number - BLOCKS_BACK_MAX:
        raise LimitExceededError(f"calls run at most {BLOCKS_BACK_MAX} blocks before the newest")
    limit_s = chain.settings.call_time_s if not timeout_ms else min(timeout_ms / MILLISECONDS, chain.settings.call_time_s)
    index = context.transaction_index
    run = partial(
        chain.ledger.call_series,
        [
            _bundle(bundle, state_overrides if position == 0 else None, summary.number + position, summary.timestamp + later)
            for position, bundle in enumerate(bundles)
            for later in (position * SECONDS_BETWEEN_BLOCKS,)
        ],
        gas_cap=CALL_GAS_MAX,
        time_limit_s=limit_s,
    )
    before = None if index is None or index < 0 else index
    series = await to_thread.run_sync(partial(kept, partial(run, transactions_before=before), summary.number), limiter=chain.call_threads)
    if isinstance(series, SimulationRefusal):
        if series.rejection is None:
            raise ExecutionHaltedError(f"execution aborted (timeout = {limit_s:g}s)")
        raise call_refusal(series.rejection, sender=series.sender, supplied_gas=series.gas_limit)
    return [[_answer(*outcome) for outcome in outcomes] for outcomes in series]


def _bundle(bundle: Bundle, accounts: StateOverrides | None, number: int, timestamp: int) -> KernelBundle:
    """For the kernel."""
    calls = [call_request(call, time_limit_s=0) for call in bundle.transactions]
    return series_block_override(bundle.block_override or NO_OVERRIDE, number, timestamp), account_overrides(accounts), calls


def _answer(status: str, output: bytes, halt: str) -> dict[str, str]:
    match status:
        case "success":
            return {"value": str(Data(output))}
        case "revert":
            return {"error": revert_message(output)}
        case _:
            return {"error": halt}
