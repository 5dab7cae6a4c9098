"""The miner's id: kept on disk, found again in the contract's log if the disk forgot it, and asked for only if there is none."""

from pathlib import Path
from typing import Final

import msgspec
import structlog

from zerog.primitives import Address, Hash32, decode_hook
from zerog.runtime.files import make_private_folder, write_atomically
from zerog.storage.node.mining.contract import MiningContract

__all__ = ["MinerIdentity"]

FILE: Final = "miner.json"

log = structlog.get_logger(__name__)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on disk."""

    miner_id: Hash32
    account: Address
    mine: Address


class MinerIdentity:
    """The id of one account at one contract."""

    def __init__(self, contract: MiningContract, account: Address, folder: Path) -> None:
        self._contract: Final = contract
        self._account: Final = account
        self._path: Final = folder / FILE
        self._checked: Hash32 | None = None

    def doubt(self) -> None:
        """Ask the contract again: the chain went back, or does not know the id."""
        self._checked = None

    @property
    def known(self) -> Hash32 | None:
        """The id as far as it is known, without asking anybody."""
        return self._checked or self._read()

    async def get(self) -> Hash32:
        """The id. Sends a transaction if the account has none. Raises `MinerIdNotGivenError`, and what the contract raises."""
        if self._checked is None:
            kept = self._read()
            if kept is not None and await self._contract.beneficiary(kept) == self._account:
                self._checked = kept
                return kept
            self._checked = await self._find() or await self._contract.request_miner_id()
            self._write(self._checked)
            log.info("miner_id", miner_id=str(self._checked), account=str(self._account))
        return self._checked

    async def _find(self) -> Hash32 | None:
        """The newest id in the log that still pays this account: ids can be given away."""
        for candidate in await self._contract.miner_ids():
            if await self._contract.beneficiary(candidate) == self._account:
                return candidate
        return None

    def _read(self) -> Hash32 | None:
        if not self._path.exists():
            return None
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept, dec_hook=decode_hook)
        except msgspec.DecodeError as error:
            log.warning("miner_id_unreadable", path=str(self._path), cause=str(error))
            return None
        return kept.miner_id if (kept.account, kept.mine) == (self._account, self._contract.mine) else None

    def _write(self, miner_id: Hash32) -> None:
        make_private_folder(self._path.parent)
        kept = Kept(miner_id=miner_id, account=self._account, mine=self._contract.mine)
        write_atomically(self._path, msgspec.json.encode(kept, enc_hook=str) + b"\n")
