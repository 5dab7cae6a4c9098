"""Message calls on top of a state: `eth_call` and `eth_estimateGas`."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from anyio import to_thread

from zerog._kernel import CallOutcome, CallRequest, Rejection, StateNotKeptError, UnknownBlockError
from zerog.chain.node.chain import Chain, State
from zerog.chain.protocol.errors import ChainError, ExecutionHaltedError, ExecutionRevertedError, GasRequiredError, HeaderNotFoundError
from zerog.chain.protocol.pool_errors import call_refusal
from zerog.chain.protocol.tags import BlockSelector
from zerog.chain.wire.overrides import BlockOverrideObject, StateOverrides, account_overrides, block_override
from zerog.chain.wire.transactions import TransactionObject, call_request
from zerog.primitives import ZERO_ADDRESS

__all__ = ["Call", "call", "estimate"]

T = TypeVar("T")

QUICK_S_MAX: Final = 0.001
"""What a call may take on the event loop. One that needs longer is begun again on a thread, with all the time that it may have."""
TIMEOUT_HALT: Final = "execution aborted (timeout"
OUT_OF_GAS_HALT: Final = "out of gas"


@dataclass(frozen=True, slots=True)
class Call:
    """A message call on top of a block."""

    wanted: TransactionObject
    selector: BlockSelector
    accounts: StateOverrides | None = None
    block: BlockOverrideObject | None = None


def call(chain: Chain, wanted: Call) -> bytes | Coroutine[Any, Any, bytes]:
    """What the call returns, at once when it is quick, else what to wait for.

    Raises `ExecutionRevertedError`, `ExecutionHaltedError`, `CallRefusedError`, `HeaderNotFoundError`.
    """
    return _run(chain, chain.ledger.call, wanted, _returned)


def estimate(chain: Chain, wanted: Call) -> int | Coroutine[Any, Any, int]:
    """The smallest gas limit with which the call succeeds, at once or later as with `call`.

    Raises `GasRequiredError` when there is none, else as `call`.
    """
    return _run(chain, chain.ledger.estimate, wanted, _gas_needed)


def _run(
    chain: Chain,
    execute: Callable[[CallRequest, State], CallOutcome | Rejection],
    wanted: Call,
    read: Callable[[CallOutcome | Rejection, bytes], T],
) -> T | Coroutine[Any, Any, T]:
    """Try here; what is not over quickly is begun again on a thread."""
    sender = wanted.wanted.sender or ZERO_ADDRESS
    request = partial(call_request, wanted.wanted, accounts=account_overrides(wanted.accounts), block=block_override(wanted.block))
    try:
        state = chain.at(wanted.selector)
        outcome = execute(request(time_limit_s=min(QUICK_S_MAX, chain.settings.call_time_s)), state)
    except (UnknownBlockError, StateNotKeptError):
        raise HeaderNotFoundError from None
    if isinstance(outcome, CallOutcome) and outcome.status == "halt" and outcome.halt.startswith(TIMEOUT_HALT):
        return _run_on_thread(chain, partial(execute, request(time_limit_s=chain.settings.call_time_s), state), sender, read)
    return read(outcome, sender)


async def _run_on_thread(
    chain: Chain, execute: Callable[[], CallOutcome | Rejection], sender: bytes, read: Callable[[CallOutcome | Rejection, bytes], T]
) -> T:
    try:
        outcome = await to_thread.run_sync(execute, limiter=chain.call_threads)
    except (UnknownBlockError, StateNotKeptError):
        raise HeaderNotFoundError from None
    return read(outcome, sender)


def _returned(outcome: CallOutcome | Rejection, sender: bytes) -> bytes:
    if isinstance(outcome, CallOutcome) and outcome.status == "success":
        return outcome.output
    raise _refusal(outcome, sender)


def _gas_needed(outcome: CallOutcome | Rejection, sender: bytes) -> int:
    match outcome:
        case CallOutcome(status="success"):
            return outcome.gas_used
        case CallOutcome(status="halt", halt=halt) if halt.startswith(OUT_OF_GAS_HALT):
            raise GasRequiredError(outcome.gas_used)
        case Rejection(kind="intrinsic_gas" | "floor_gas"):
            raise GasRequiredError(int(outcome.facts["gas_limit"]))
        case _:
            raise _refusal(outcome, sender)


def _refusal(outcome: CallOutcome | Rejection, sender: bytes) -> ChainError:
    """What to say of a call that did not succeed."""
    match outcome:
        case Rejection():
            return call_refusal(outcome, sender=sender)
        case CallOutcome(status="revert"):
            return ExecutionRevertedError(outcome.output)
        case _:
            return ExecutionHaltedError(outcome.halt)
