"""Which rules hold now, and which come next, from the genesis configuration of a chain (EIP-7910).

Sources: EIP-7910; EIP-2124 and EIP-6122 (fork ids); ethereum/go-ethereum, params/config.go and core/forkid/forkid.go.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from zerog.chain.protocol.genesis import BLOB_SCHEDULE, BLOCK_FORKS
from zerog.chain.protocol.system_contracts import BEACON_ROOTS, CONSOLIDATION_REQUESTS, HISTORY_STORAGE, WITHDRAWAL_REQUESTS
from zerog.primitives import encode_data, encode_quantity

__all__ = ["ChainStart", "fork_configs"]

HEIGHT_FORKS: Final = (*BLOCK_FORKS, "daoForkBlock")
"""Rules that a height switches on; all of them are part of a fork id."""
TIME_FORKS: Final = ("shanghai", "cancun", "prague", "osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5")
"""Rules that a time switches on, in their order; those named bpo change blob parameters alone."""

PRECOMPILES: Final[Sequence[tuple[str, Mapping[str, int]]]] = (
    ("", {"ECREC": 1, "SHA256": 2, "RIPEMD160": 3, "ID": 4, "MODEXP": 5, "BN254_ADD": 6, "BN254_MUL": 7, "BN254_PAIRING": 8, "BLAKE2F": 9}),
    ("cancun", {"KZG_POINT_EVALUATION": 10}),
    (
        "prague",
        {
            "BLS12_G1ADD": 11,
            "BLS12_G1MSM": 12,
            "BLS12_G2ADD": 13,
            "BLS12_G2MSM": 14,
            "BLS12_PAIRING_CHECK": 15,
            "BLS12_MAP_FP_TO_G1": 16,
            "BLS12_MAP_FP2_TO_G2": 17,
        },
    ),
    ("osaka", {"P256VERIFY": 256}),
)
"""Precompiled contracts by the fork that brought them; names of EIP-7910."""
DA_SIGNERS: Final = {"DA_SIGNERS": 0x1000}
"""The one that knows DA's signers, where the chain has it. Source of the name: 0glabs/0g-geth, core/vm/dasigners.go."""
WRAPPED_BASE: Final = {"WRAPPED_A0GI_BASE": 0x1002}
"""The one behind W0G, where the chain has it. Source of the name: 0glabs/0g-geth, core/vm/wrapped_a0gi_base.go."""
BLOB_FORKS: Final = ("cancun", "prague", "osaka")
"""Forks that set blob parameters without being made for it."""


@dataclass(frozen=True, slots=True)
class ChainStart:
    """What a chain began with."""

    configuration: Mapping[str, object]
    genesis_hash: bytes
    genesis_timestamp: int


def fork_configs(start: ChainStart, now: int) -> dict[str, object]:
    """`current`, `next` and `last` for a newest block of time `now` (seconds); the answer of `eth_config`."""
    activations = _activations(start)
    current = max((time for time in activations if time <= now), default=0)
    coming = sorted(time for time in activations if time > now)
    return {
        "current": _config(start, current),
        "next": _config(start, coming[0]) if coming else None,
        "last": _config(start, coming[-1]) if coming else None,
    }


def _time(start: ChainStart, fork: str) -> int | None:
    time = start.configuration.get(f"{fork}Time")
    return time if isinstance(time, int) else None


def _activations(start: ChainStart) -> set[int]:
    return {time for fork in TIME_FORKS if (time := _time(start, fork)) is not None}


def _config(start: ChainStart, activation: int) -> dict[str, object]:
    """The rules from the time `activation` on."""
    active = [fork for fork in TIME_FORKS if (time := _time(start, fork)) is not None and time <= activation]
    chain_id = start.configuration.get("chainId")
    config: dict[str, object] = {
        "activationTime": 0 if activation <= start.genesis_timestamp else activation,
        "blobSchedule": _blob_schedule(start, active),
        "chainId": encode_quantity(chain_id if isinstance(chain_id, int) else 0),
        "forkId": encode_data(_fork_id(start, activation)),
        "precompiles": _precompiles(start, active),
    }
    return config | ({"systemContracts": _system_contracts(start, active)} if "cancun" in active else {})


def _blob_schedule(start: ChainStart, active: Sequence[str]) -> object:
    """Of the newest active fork that sets blob parameters: what the genesis says of it, else its own. `null` before Cancun."""
    given = start.configuration.get("blobSchedule")
    schedule: Mapping[str, Mapping[str, int]] = given if isinstance(given, Mapping) else {}
    newest = next((fork for fork in reversed(active) if fork in schedule or fork in BLOB_FORKS), None)
    return None if newest is None else dict(sorted(schedule.get(newest, BLOB_SCHEDULE.get(newest, {})).items()))


def _precompiles(start: ChainStart, active: Sequence[str]) -> dict[str, str]:
    known = {name: number for fork, names in PRECOMPILES if not fork or fork in active for name, number in names.items()}
    rules = start.configuration.get("zeroGravity")
    if isinstance(rules, Mapping):
        known |= WRAPPED_BASE if rules.get("wrappedBase") else {}
        known |= DA_SIGNERS if rules.get("daEpochBlocks") else {}
    return {name: encode_data(known[name].to_bytes(20, "big")) for name in sorted(known)}


def _system_contracts(start: ChainStart, active: Sequence[str]) -> dict[str, str]:
    contracts = {"BEACON_ROOTS_ADDRESS": encode_data(BEACON_ROOTS)}
    if "prague" in active:
        deposits = start.configuration.get("depositContractAddress")
        contracts |= {
            "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS": encode_data(CONSOLIDATION_REQUESTS),
            "DEPOSIT_CONTRACT_ADDRESS": deposits.lower() if isinstance(deposits, str) else encode_data(bytes(20)),
            "HISTORY_STORAGE_ADDRESS": encode_data(HISTORY_STORAGE),
            "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS": encode_data(WITHDRAWAL_REQUESTS),
        }
    return contracts


def _fork_id(start: ChainStart, activation: int) -> bytes:
    """CRC-32 over the genesis hash and each height and time at which rules changed up to `activation`."""
    blocks = {block for name in HEIGHT_FORKS if isinstance(block := start.configuration.get(name), int) and block > 0}
    times = {time for time in _activations(start) if start.genesis_timestamp < time <= activation}
    checksum = zlib.crc32(start.genesis_hash)
    for change in sorted(blocks) + sorted(times):
        checksum = zlib.crc32(change.to_bytes(8, "big"), checksum)
    return checksum.to_bytes(4, "big")
