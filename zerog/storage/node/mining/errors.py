"""Why a miner cannot mine, or an answer was not taken."""

from dataclasses import dataclass
from typing import Final

from zerog.chain.client import RpcError
from zerog.contracts.mine import MineRefusal
from zerog.primitives import Address, Hash32
from zerog.primitives.errors import RefusalError

__all__ = ["UNKNOWN_MINER", "MinerIdNotGivenError", "MiningError", "NotMiningError", "UnprovableError", "reason_of"]

REASONS: Final[dict[str, str]] = {
    **{refusal.value: refusal.name.lower() for refusal in MineRefusal},
    "insufficient funds": "balance",
    "gas required exceeds": "gas",
    "nonce too low": "nonce",
    "replacement transaction underpriced": "nonce",
    "already known": "nonce",
}
"""What stands in a refusal, and its short name. Source: 0gfoundation/0g-storage-contracts, `PoraMine.sol`; ethereum/go-ethereum."""
UNKNOWN_MINER: Final = MineRefusal.UNKNOWN_MINER.name.lower()


def reason_of(message: str) -> str:
    """The short name of a refusal, one of few, so that metrics can count it."""
    return next((name for text, name in REASONS.items() if text in message), "other")


class MiningError(RefusalError):
    """Something stands in the way of mining."""

    code = "mining"


class NotMiningError(MiningError):
    """This node does not mine."""

    code = "not_mining"
    remedy = "start it with --mine, or mining with miner_start"

    def __str__(self) -> str:
        return "this node does not mine"


@dataclass(eq=False)
class MinerIdNotGivenError(MiningError):
    """The contract gave no id."""

    account: Address
    cause: str

    code = "no_miner_id"
    remedy = "look whether the account can pay for a transaction"

    def __str__(self) -> str:
        return f"{self.account} got no miner id: {self.cause}"

    @classmethod
    def of(cls, account: Address, error: RpcError) -> "MinerIdNotGivenError":
        """The node refused the call."""
        return cls(account, error.message)


@dataclass(eq=False)
class UnprovableError(MiningError):
    """A seal that was found cannot be proved: its data changed, or is no longer here."""

    sector: int
    cause: str
    flow_root: Hash32

    code = "seal_unprovable"
    remedy = "nothing needs to be done: its load is sealed again"

    def __str__(self) -> str:
        return f"the seal at sector {self.sector} does not lead to the root {self.flow_root} of the flow: {self.cause}"
