"""Traces on threads of their own: the kernel answers with JSON, or says why not."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import msgspec
from anyio import to_thread

from zerog._kernel import CallRequest, StateNotKeptError, TraceRefusedError, UnknownBlockError
from zerog.chain.node.chain import Chain, State
from zerog.chain.node.soon import Soon
from zerog.chain.protocol.errors import (
    ChainError,
    HeaderNotFoundError,
    TraceOptionsError,
    TraceSubjectError,
    TraceTooCostlyError,
)
from zerog.chain.protocol.pool_errors import CALL_FAILED, call_refusal
from zerog.chain.protocol.tags import BlockSelector
from zerog.chain.wire.overrides import BlockOverrideObject, StateOverrides, account_overrides, block_override
from zerog.chain.wire.transactions import TransactionObject, call_request
from zerog.primitives import ZERO_ADDRESS

__all__ = ["Trace", "on_thread", "request_of", "sealed", "trace", "trace_on"]

T = TypeVar("T")

Trace: TypeAlias = msgspec.Raw
"""JSON as the kernel wrote it."""


async def on_thread(chain: Chain, work: Callable[[], T], *, sender: bytes = ZERO_ADDRESS, opening: str = CALL_FAILED) -> T:
    """What `work` finds out, on a thread. `sender` is who calls, for the words of a refusal; `opening` is how they begin.

    Raises `TraceOptionsError`, `TraceSubjectError`, `TraceTooCostlyError`, `HeaderNotFoundError`, `CallRefusedError`.
    """
    try:
        return await to_thread.run_sync(work, limiter=chain.trace_threads)
    except (UnknownBlockError, StateNotKeptError):
        raise HeaderNotFoundError from None
    except TraceRefusedError as refused:
        raise _refusal(refused, sender, opening) from None


async def trace(chain: Chain, work: Callable[[], bytes], *, sender: bytes = ZERO_ADDRESS, opening: str = CALL_FAILED) -> Trace:
    """The same for what is JSON already."""
    return msgspec.Raw(await on_thread(chain, work, sender=sender, opening=opening))


def trace_on(
    chain: Chain, selector: BlockSelector, work: Callable[[State], bytes], *, sender: bytes = ZERO_ADDRESS, opening: str = CALL_FAILED
) -> Soon[Trace]:
    """The same on a state."""
    answer: Soon[Trace] = chain.read(selector, lambda state: trace(chain, lambda: work(state), sender=sender, opening=opening))
    return answer


def request_of(
    chain: Chain,
    message: TransactionObject,
    accounts: StateOverrides | None = None,
    block: BlockOverrideObject | None = None,
) -> CallRequest:
    """The kernel's form of a call. Raises `CallRefusedError`, `InvalidParametersError`."""
    time_limit_s = chain.settings.call_time_s
    return call_request(message, accounts=account_overrides(accounts), block=block_override(block), time_limit_s=time_limit_s)


def sealed(chain: Chain, selector: BlockSelector) -> int:
    """The height of a block of the chain. Raises `HeaderNotFoundError`, also for the pending one."""
    number = chain.number(selector)
    if number is None:
        raise HeaderNotFoundError
    return number


def _refusal(refused: TraceRefusedError, sender: bytes, opening: str) -> ChainError:
    kind, message, rejection = refused.args
    match kind:
        case "call":
            return call_refusal(rejection, sender=sender, opening=opening)
        case "options":
            return TraceOptionsError(message)
        case "timeout" | "too_large":
            return TraceTooCostlyError(message)
        case _:
            return TraceSubjectError(message)
