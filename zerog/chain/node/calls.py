"""Message calls on top of a state: `eth_call` and `eth_estimateGas`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from anyio import to_thread

from zerog._kernel import CallOutcome, CallRequest, Rejection
from zerog.chain.node.chain import Chain, State, kept
from zerog.chain.node.soon import Soon, then
from zerog.chain.protocol.constants import CALL_GAS_MAX
from zerog.chain.protocol.errors import ChainError, ExecutionHaltedError, ExecutionRevertedError, GasRequiredError
from zerog.chain.protocol.pool_errors import call_refusal
from zerog.chain.protocol.tags import BlockSelector
from zerog.chain.wire.overrides import BlockOverrideObject, StateOverrides, account_overrides, block_override
from zerog.chain.wire.transactions import TransactionObject, call_request
from zerog.primitives import ZERO_ADDRESS

__all__ = ["QUICK_S_MAX", "Call", "call", "estimate"]

Outcome: TypeAlias = CallOutcome | Rejection
SoonOutcome: TypeAlias = Soon[Outcome]

QUICK_S_MAX: Final = 0.001
"""What a call may take on the event loop. One that needs longer is begun again on a thread, with all the time that it may have."""
TIMEOUT_HALT: Final = "execution aborted (timeout"
OUT_OF_GAS_HALT: Final = "out of gas"


@dataclass(frozen=True, slots=True)
class Call:
    """A message call on top of a block."""

    message: TransactionObject
    selector: BlockSelector
    accounts: StateOverrides | None = None
    block: BlockOverrideObject | None = None

    @property
    def sender(self) -> bytes:
        """Who calls; nobody in particular has address zero."""
        return self.message.sender or ZERO_ADDRESS


def call(chain: Chain, wanted: Call) -> Soon[bytes]:
    """What the call returns.

    Raises `ExecutionRevertedError`, `ExecutionHaltedError`, `CallRefusedError`, `HeaderNotFoundError`.
    """
    return then(_run(chain, chain.ledger.call, wanted), partial(_returned, wanted=wanted))


def estimate(chain: Chain, wanted: Call) -> Soon[int]:
    """The smallest gas limit with which the call succeeds. Raises `GasRequiredError` when there is none, else as `call`."""
    return then(_run(chain, chain.ledger.estimate, wanted), partial(_gas_needed, sender=wanted.sender))


def _run(chain: Chain, execute: Callable[[CallRequest, State], Outcome], wanted: Call) -> Soon[Outcome]:
    request = partial(call_request, wanted.message, accounts=account_overrides(wanted.accounts), block=block_override(wanted.block))
    quick = request(time_limit_s=min(QUICK_S_MAX, chain.settings.call_time_s))

    def run(state: State) -> SoonOutcome:  # A subscript here would be evaluated at every call.
        """Try here; what is not over quickly is begun again on a thread."""
        outcome = execute(quick, state)
        if isinstance(outcome, CallOutcome) and outcome.status == "halt" and outcome.halt.startswith(TIMEOUT_HALT):
            patient = partial(execute, request(time_limit_s=chain.settings.call_time_s))
            return _on_thread(chain, partial(kept, patient, state))
        return outcome

    return chain.read(wanted.selector, run)


async def _on_thread(chain: Chain, execute: Callable[[], Outcome]) -> Outcome:
    return await to_thread.run_sync(execute, limiter=chain.call_threads)


def _returned(outcome: Outcome, wanted: Call) -> bytes:
    if isinstance(outcome, CallOutcome) and outcome.status == "success":
        return outcome.output
    gas = wanted.message.gas
    raise _refusal(outcome, wanted.sender, CALL_GAS_MAX if gas is None else min(gas, CALL_GAS_MAX))


def _gas_needed(outcome: Outcome, sender: bytes) -> int:
    match outcome:
        case CallOutcome(status="success"):
            return outcome.gas_used
        case CallOutcome(status="halt", halt=halt) if halt.startswith(OUT_OF_GAS_HALT):
            raise GasRequiredError(outcome.gas_used)
        case Rejection(kind="intrinsic_gas" | "floor_gas"):
            raise GasRequiredError(int(outcome.facts["gas_limit"]))
        case _:
            raise _refusal(outcome, sender)


def _refusal(outcome: Outcome, sender: bytes, supplied_gas: int | None = None) -> ChainError:
    """What to say of a call that did not succeed."""
    match outcome:
        case Rejection():
            return call_refusal(outcome, sender=sender, supplied_gas=supplied_gas)
        case CallOutcome(status="revert"):
            return ExecutionRevertedError(outcome.output)
        case _:
            return ExecutionHaltedError(outcome.halt)
