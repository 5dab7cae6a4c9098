"""Message calls on top of a state: `eth_call` and `eth_estimateGas`."""

from collections.abc import Callable
from functools import partial
from typing import Final

from anyio import to_thread

from zerog._kernel import CallOutcome, CallRequest, Rejection, StateNotKeptError, UnknownBlockError
from zerog.chain.node.chain import Chain, State
from zerog.chain.protocol.errors import ExecutionHaltedError, ExecutionRevertedError, GasRequiredError, HeaderNotFoundError
from zerog.chain.protocol.pool_errors import call_refusal
from zerog.chain.protocol.tags import BlockSelector
from zerog.chain.wire.overrides import BlockOverrideObject, StateOverrides, account_overrides, block_override
from zerog.chain.wire.transactions import TransactionObject, call_request
from zerog.primitives import ZERO_ADDRESS

__all__ = ["call", "estimate"]

QUICK_S_MAX: Final = 0.001
"""What a call may take on the event loop. One that needs longer is begun again on a thread, with all the time that it may have."""
TIMEOUT_HALT: Final = "execution aborted (timeout"
OUT_OF_GAS_HALT: Final = "out of gas"


async def call(
    chain: Chain,
    wanted: TransactionObject,
    selector: BlockSelector,
    accounts: StateOverrides | None,
    block: BlockOverrideObject | None,
) -> bytes:
    """What the call returns. Raises `ExecutionRevertedError`, `ExecutionHaltedError`, `CallRefusedError`, `HeaderNotFoundError`."""
    outcome = await _run(chain, chain.ledger.call, wanted, selector, accounts, block)
    match outcome:
        case Rejection():
            raise call_refusal(outcome, sender=wanted.sender or ZERO_ADDRESS)
        case CallOutcome(status="success"):
            return outcome.output
        case CallOutcome(status="revert"):
            raise ExecutionRevertedError(outcome.output)
        case _:
            raise ExecutionHaltedError(outcome.halt)


async def estimate(
    chain: Chain,
    wanted: TransactionObject,
    selector: BlockSelector,
    accounts: StateOverrides | None = None,
    block: BlockOverrideObject | None = None,
) -> int:
    """The smallest gas limit with which the call succeeds.

    Raises `GasRequiredError` when there is none, else as `call`.
    """
    outcome = await _run(chain, chain.ledger.estimate, wanted, selector, accounts, block)
    match outcome:
        case Rejection(kind="intrinsic_gas" | "floor_gas"):
            raise GasRequiredError(int(outcome.facts["gas_limit"]))
        case Rejection():
            raise call_refusal(outcome, sender=wanted.sender or ZERO_ADDRESS)
        case CallOutcome(status="success"):
            return outcome.gas_used
        case CallOutcome(status="revert"):
            raise ExecutionRevertedError(outcome.output)
        case CallOutcome(halt=halt) if halt.startswith(OUT_OF_GAS_HALT):
            raise GasRequiredError(outcome.gas_used)
        case _:
            raise ExecutionHaltedError(outcome.halt)


async def _run(
    chain: Chain,
    execute: Callable[[CallRequest, State], CallOutcome | Rejection],
    wanted: TransactionObject,
    selector: BlockSelector,
    accounts: StateOverrides | None,
    block: BlockOverrideObject | None,
) -> CallOutcome | Rejection:
    request = partial(call_request, wanted, accounts=account_overrides(accounts), block=block_override(block))
    try:
        state = chain.at(selector)
        outcome = execute(request(time_limit_s=min(QUICK_S_MAX, chain.settings.call_time_s)), state)
        if isinstance(outcome, CallOutcome) and outcome.status == "halt" and outcome.halt.startswith(TIMEOUT_HALT):
            outcome = await to_thread.run_sync(execute, request(time_limit_s=chain.settings.call_time_s), state, limiter=chain.call_threads)
    except (UnknownBlockError, StateNotKeptError):
        raise HeaderNotFoundError from None
    return outcome
