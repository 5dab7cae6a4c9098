"""Waiting until somebody who follows a chain has seen its newest block: from then on nothing is told that a rollback has taken back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from zerog.primitives import Hash32
from zerog.primitives.errors import RefusalError

__all__ = ["ChainBehindError", "wait_until_level"]

LEVEL_S_MAX: Final = 10.0
"""Far longer than anybody needs for a block, and short enough for one who waits."""


class _Block(Protocol):
    @property
    def hash(self) -> Hash32:
        """Names the block."""


class _Following(Protocol):
    """Who follows a chain."""

    @property
    def head(self) -> _Block | None:
        """The newest block that was seen, once all that is to be read up to it was read."""

    @property
    def trouble(self) -> str | None:
        """Why the chain is not followed at the moment."""

    async def wait_for_news(self) -> None:
        """Return when another block was seen, or there is trouble."""


@dataclass(eq=False)
class ChainBehindError(RefusalError):
    """Somebody has not seen the newest block of the chain."""

    cause: str
    waited_s: float = LEVEL_S_MAX

    code = "chain_behind"
    remedy = "see with `zerog status` and `zerog logs` what keeps the role from following the chain"
    http_status = 503

    def __str__(self) -> str:
        return f"the chain's newest block was not seen within {self.waited_s:g} seconds: {self.cause}"


async def wait_until_level(
    following: _Following, newest: Callable[[], Awaitable[_Block | None]], *, timeout_s: float = LEVEL_S_MAX
) -> None:
    """Return once `following` has seen the block that `newest` tells of.

    Raises `ChainBehindError`, and what asking the chain raises.
    """
    with anyio.move_on_after(timeout_s):
        while True:
            block, head = await newest(), following.head
            if block is None or (head is not None and head.hash == block.hash):
                return
            await following.wait_for_news()
    raise ChainBehindError(following.trouble or "it is still reading", timeout_s)
