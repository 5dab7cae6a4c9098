"""Waiting for a chain that is not up yet: the machines of a network start in any order."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio
import structlog

from zerog.chain.client.errors import AnswerError, NodeUnreachableError, RpcError

__all__ = ["START_S_MAX", "patiently"]

START_S_MAX: Final = 600.0
"""How long a role that starts waits for a chain that does not answer yet. Then it ends with the cause, and its service manager decides."""
PAUSE_S_MIN: Final = 0.2
PAUSE_S_MAX: Final = 3.0
NO_ANSWER: Final = (NodeUnreachableError, AnswerError, RpcError, TimeoutError)

T = TypeVar("T")

log = structlog.get_logger(__name__)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` gives, as soon as the chain answers it; says once why it waits. Raises what `ask` raised last when the time is over, and
    at once what is no failure to answer."""
    deadline_s, pause_s, is_told = anyio.current_time() + START_S_MAX, PAUSE_S_MIN, False
    while True:
        try:
            return await ask()
        except NO_ANSWER as error:
            if anyio.current_time() >= deadline_s:
                raise
            if not is_told:
                log.warning("chain_awaited", cause=str(error) or type(error).__name__, at_most_s=START_S_MAX)
                is_told = True
        await anyio.sleep(pause_s)
        pause_s = min(2 * pause_s, PAUSE_S_MAX)
