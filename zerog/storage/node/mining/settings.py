"""How a node mines, as its parts are told."""

from dataclasses import dataclass, field
from pathlib import Path

from zerog.primitives import Account, Address
from zerog.storage.protocol.pora import LOAD_BYTES

__all__ = ["MinerSettings"]


@dataclass(frozen=True, kw_only=True)
class MinerSettings:
    """Of one miner on one network."""

    account: Account = field(repr=False)
    """Pays for the transactions, and is paid for the answers."""
    mine: Address
    """The contract that checks answers."""
    pricing_chunk_sectors: int
    """How many sectors of the flow are paid for together; ranges begin at its multiples."""
    folder: Path
    """Keeps the miner's id and the sealed data."""
    threads: int = 1
    share: float = 1.0
    """How much of its time a thread searches."""
    sealed_bytes_max: int = 1 << 30
    interval_s: float = 1.0
    """Between two looks at the chain for work, while nothing happens on it."""
    first_block: int = 0
    """Where the log of the contract begins to be of interest."""

    @property
    def loads_max(self) -> int:
        """Sealed loads that there is room for, one at least."""
        return max(1, self.sealed_bytes_max // LOAD_BYTES)
