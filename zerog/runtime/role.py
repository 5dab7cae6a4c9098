"""What every running part of a network (chain node, storage node, …) offers to whoever starts and supervises it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

__all__ = ["FollowsChain", "KeepsBooks", "Role"]


class Role(Protocol):
    """One program of a network. It serves until it is cancelled; the control socket asks it everything else."""

    @property
    def name(self) -> str:
        """The name of its control socket and log file: lower case, one word."""

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports its URL once it answers; a part that fails stops the whole role."""

    async def probe(self) -> Mapping[str, object]:
        """Do the role's job for real and say what was done.

        On a fresh network that leaves a first result (a block, a file, a blob); on one that has worked before it reads back
        what the first probe left and checks itself dry: no block, file or nonce is added. Raises a `ZerogError` if the role
        is not ready.
        """

    def status(self) -> Mapping[str, object]:
        """What the role knows about itself right now; JSON values only."""

    async def quiesce(self, block: int) -> None:
        """Stop taking work beyond chain block `block` and return once everything up to it is durable."""

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the role's state in `directory` (hard links and the small tail); only while quiesced."""

    async def resume(self) -> None:
        """Take work again after `quiesce`."""


@runtime_checkable
class FollowsChain(Protocol):
    """A role that reads what happens on a chain. One that does not is always level with it."""

    async def follow(self) -> None:
        """Return once the chain's newest block, as it is now, has been seen, so that nothing is told that a rollback has taken back.

        Raises a `ZerogError` where that takes too long.
        """


@runtime_checkable
class KeepsBooks(Protocol):
    """A role that knows more of its work than it has in memory. What its books say is a part of its status, under `books`."""

    async def books(self) -> Mapping[str, object]:
        """Sums over everything it has done, also before its last start; JSON values only. Raises a `ZerogError`."""
