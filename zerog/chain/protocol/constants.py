"""Numbers that are the same for every chain of this kind."""

from typing import Final

__all__ = [
    "BASE_FEE_CHANGE_DENOMINATOR",
    "CALL_GAS_MAX",
    "CALL_TIME_S_MAX",
    "DEFAULT_TIP_WEI",
    "ELASTICITY_MULTIPLIER",
    "EXTRA_DATA_BYTES_MAX",
    "FEE_HISTORY_BLOCKS_MAX",
    "FEE_HISTORY_PERCENTILES_MAX",
    "FILTER_EXPIRY_S",
    "LOG_CRITERIA_MAX",
    "LOG_TOPIC_POSITIONS",
    "PROOF_BLOCKS",
    "STORAGE_VALUES_MAX",
    "SYNC_SEND_S_DEFAULT",
    "SYNC_SEND_S_MAX",
    "TRANSFER_GAS",
]

BASE_FEE_CHANGE_DENOMINATOR: Final = 8
"""The base fee moves by at most an eighth a block. Source: EIP-1559."""
ELASTICITY_MULTIPLIER: Final = 2
"""Half of the gas limit is the target. Source: EIP-1559."""
TRANSFER_GAS: Final = 21_000
"""Gas of a plain transfer. Source: Ethereum yellow paper, appendix G."""
EXTRA_DATA_BYTES_MAX: Final = 32
"""Longest extra data of a header. Source: Ethereum yellow paper, section 4.4.4."""

DEFAULT_TIP_WEI: Final = 1_000_000_000
"""Tip that we suggest while blocks give no other hint: 1 gwei, as anvil and hardhat do."""
TIP_BLOCKS: Final = 20
"""How many blocks the suggested tip looks back. Source: ethereum/go-ethereum, eth/ethconfig/config.go."""
TIP_PERCENTILE: Final = 60
"""Which of the tips found is suggested. Source: ethereum/go-ethereum, eth/ethconfig/config.go."""
TIP_WEI_MAX: Final = 500_000_000_000
"""Never suggest more. Source: ethereum/go-ethereum, eth/gasprice/gasprice.go."""
FEE_HISTORY_BLOCKS_MAX: Final = 1024
"""Longest answer of `eth_feeHistory`. Source: ethereum/go-ethereum, eth/gasprice/feehistory.go."""
FEE_HISTORY_PERCENTILES_MAX: Final = 100
"""Most percentiles of one `eth_feeHistory`. Source: ethereum/go-ethereum, eth/gasprice/feehistory.go."""

CALL_GAS_MAX: Final = 50_000_000
"""Most gas of an `eth_call`. Source: ethereum/go-ethereum, eth/ethconfig/config.go (RPCGasCap)."""
CALL_TIME_S_MAX: Final = 5.0
"""Longest `eth_call`. Source: ethereum/go-ethereum, eth/ethconfig/config.go (RPCEVMTimeout)."""

LOG_CRITERIA_MAX: Final = 1_000
"""Most addresses, and most topics in one position, of a log query. Source: ethereum/go-ethereum, eth/filters/api.go."""
LOG_TOPIC_POSITIONS: Final = 4
"""A log has at most four topics (LOG4). Source: Ethereum yellow paper, appendix H."""
FILTER_EXPIRY_S: Final = 300.0
"""A filter that nobody polls for so long is forgotten. Source: ethereum/go-ethereum, eth/filters/api.go (deadline)."""

PROOF_BLOCKS: Final = 128
"""How many blocks before the newest `eth_getProof` reaches. Source: ethereum/go-ethereum, core/state (TriesInMemory)."""
STORAGE_VALUES_MAX: Final = 1_024
"""Most slots of one `eth_getStorageValues`. Source: ethereum/go-ethereum, internal/ethapi/api.go (maxGetStorageSlots)."""
SYNC_SEND_S_DEFAULT: Final = 20.0
"""How long a send waits for its receipt when the caller does not say. Source: ethereum/go-ethereum, eth/ethconfig/config.go."""
SYNC_SEND_S_MAX: Final = 60.0
"""How long it waits at most. Source: ethereum/go-ethereum, eth/ethconfig/config.go."""
