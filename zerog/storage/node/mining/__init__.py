"""Mining: proving to the chain that files are kept, and being paid for it."""

from zerog.storage.node.mining.contract import MiningContract
from zerog.storage.node.mining.errors import NotMiningError
from zerog.storage.node.mining.miner import MinedNode, Miner
from zerog.storage.node.mining.prospect import prospect
from zerog.storage.node.mining.settings import MinerSettings
from zerog.storage.node.mining.setup import miner_account, miner_settings, mining_contract

__all__ = [
    "MinedNode",
    "Miner",
    "MinerSettings",
    "MiningContract",
    "NotMiningError",
    "miner_account",
    "miner_settings",
    "mining_contract",
    "prospect",
]
