"""Which rows are this node's: quorums as the chain drew them, asked for once."""

from collections import OrderedDict
from typing import Final

from zerog.da.client.chain import CHAIN_FAILURES, DaChain, EpochUnknownError, QuorumUnknownError
from zerog.da.protocol.quorum import Quorum, oldest_kept_epoch
from zerog.da.signer.errors import EpochExpiredError, NodeFaultError
from zerog.primitives import Address

__all__ = ["Assignments"]

QUORUMS_MAX: Final = 64
"""Quorums that are remembered; one is some hundred kilobytes."""
INTERNAL: Final = "internal error on verification"


class Assignments:
    """Quorums with this node's rows in them. Belongs to one event loop."""

    def __init__(self, chain: DaChain, signer: Address) -> None:
        self._chain: Final = chain
        self._signer: Final = signer
        self._quorums: Final[OrderedDict[tuple[int, int], Quorum]] = OrderedDict()
        self.epoch = 0
        """The current one, when the chain was asked last."""
        self.window = 0
        """For how many epochs rows are kept, likewise."""

    @property
    def known(self) -> int:
        """Quorums that are remembered."""
        return len(self._quorums)

    async def look(self) -> int:
        """Ask the chain for the current epoch, and for the window where that is another one. Raises `CHAIN_FAILURES`."""
        epoch = await self._chain.epoch_number()
        if epoch != self.epoch or not self.window:
            self.window = await self._chain.epoch_window()
        self.epoch = epoch
        return epoch

    def forget(self) -> None:
        """The chain went back: what it drew it may draw otherwise."""
        self._quorums.clear()
        self.epoch = self.window = 0

    async def to_sign(self, epoch: int, quorum_id: int) -> tuple[int, ...]:
        """This node's rows in a quorum whose blobs are still signed.

        Raises `NodeFaultError` in the words of the official node, `EpochExpiredError`.
        """
        try:
            current = await self.look()
            rows = (await self._quorum(epoch, quorum_id)).rows_of(self._signer)
        except QuorumUnknownError:
            raise NodeFaultError(f"{INTERNAL}: quorum_id out of bound") from None
        except EpochUnknownError:
            raise NodeFaultError(f"{INTERNAL}: quorum of epoch {epoch} not found") from None
        except CHAIN_FAILURES as error:
            raise NodeFaultError(f"{INTERNAL}: {error}") from error
        if epoch < oldest_kept_epoch(current, self.window):
            raise EpochExpiredError(epoch, self.window)
        return rows

    async def to_give(self, epoch: int, quorum_id: int) -> frozenset[int]:
        """This node's rows in a quorum whose blobs are given back. Raises `NodeFaultError`."""
        try:
            return frozenset((await self._quorum(epoch, quorum_id)).rows_of(self._signer))
        except (EpochUnknownError, QuorumUnknownError):
            raise NodeFaultError(f"quorum of epoch {epoch} not found") from None
        except CHAIN_FAILURES as error:
            raise NodeFaultError(str(error) or type(error).__name__) from error

    async def _quorum(self, epoch: int, quorum_id: int) -> Quorum:
        quorum = self._quorums.get((epoch, quorum_id))
        if quorum is None:
            quorum = await self._chain.quorum(epoch, quorum_id)
            self._quorums[epoch, quorum_id] = quorum
            while len(self._quorums) > QUORUMS_MAX:
                self._quorums.popitem(last=False)
        self._quorums.move_to_end((epoch, quorum_id))
        return quorum
