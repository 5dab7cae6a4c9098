"""The first block of a chain of our own, as a geth-style genesis document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from zerog.chain.protocol.constants import EXTRA_DATA_BYTES_MAX
from zerog.chain.protocol.system_contracts import CREATE2_DEPLOYER_CODE, SYSTEM_CONTRACTS
from zerog.networks import GenesisContract, GenesisParams, NetworkParams, role_balances
from zerog.primitives import Account, Address, encode_data, encode_quantity
from zerog.primitives.errors import RefusalError

__all__ = ["HARDFORKS", "GenesisUnknownError", "Hardfork", "genesis_document"]

Hardfork = Literal["prague", "osaka"]
"""The newest rules, active from block 0."""
HARDFORKS: tuple[Hardfork, ...] = get_args(Hardfork)

EXTRA_DATA = b"zerog"
assert len(EXTRA_DATA) <= EXTRA_DATA_BYTES_MAX, "web3.py refuses blocks with longer extra data"  # noqa: S101 - a relation of constants.

BLOCK_FORKS = (
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "muirGlacierBlock",
    "berlinBlock",
    "londonBlock",
    "arrowGlacierBlock",
    "grayGlacierBlock",
    "mergeNetsplitBlock",
)
"""Rules that a block number switches on. Source: ethereum/go-ethereum, params/config.go."""

BLOB_SCHEDULE = {
    "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
    "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
    "osaka": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
}
"""Source: ethereum/go-ethereum, params/config.go."""


@dataclass(eq=False)
class GenesisUnknownError(RefusalError):
    """A network whose chain others began cannot be started here."""

    network: str

    code = "genesis_unknown"
    remedy = "start `local`, or connect to the public network by its name"

    def __str__(self) -> str:
        return f"the network {self.network!r} has no genesis of ours"


def genesis_document(
    network: NetworkParams,
    hardfork: Hardfork,
    accounts: tuple[Account, ...],
    contracts: Mapping[Address, GenesisContract],
) -> bytes:
    """The genesis as JSON in the form of `geth init`; the same arguments give the same bytes.

    `contracts` stand on the chain from its beginning, beside the system contracts and the CREATE2 deployer; `accounts`
    are funded, the first of them at the nonce that the network says; roles whose balance means something have that one.
    Raises `GenesisUnknownError`.
    """
    params = network.genesis
    if params is None:
        raise GenesisUnknownError(network.name)
    all_contracts = {address: GenesisContract(code) for address, code in SYSTEM_CONTRACTS.items()}
    if deployer := network.addresses.get("create2_deployer"):
        all_contracts[deployer] = GenesisContract(CREATE2_DEPLOYER_CODE)
    all_contracts.update(contracts)
    alloc = {encode_data(address): _allocated(contract) for address, contract in all_contracts.items()}
    alloc.update(_funded(network, params, accounts))
    return msgspec.json.encode(
        {
            "config": _rules(network, hardfork),
            "nonce": "0x0",
            "timestamp": encode_quantity(params.timestamp),
            "extraData": encode_data(EXTRA_DATA),
            "gasLimit": encode_quantity(params.gas_limit),
            "difficulty": "0x0",
            "mixHash": "0x" + "00" * 32,
            "coinbase": "0x" + "00" * 20,
            "baseFeePerGas": encode_quantity(params.base_fee_wei),
            "excessBlobGas": "0x0",
            "blobGasUsed": "0x0",
            "alloc": dict(sorted(alloc.items())),
        }
    )


def _allocated(contract: GenesisContract) -> dict[str, object]:
    account: dict[str, object] = {"balance": "0x0", "nonce": encode_quantity(contract.nonce), "code": encode_data(contract.code)}
    if contract.storage:
        account["storage"] = {encode_data(slot): encode_data(value) for slot, value in contract.storage.items()}
    return account


def _funded(network: NetworkParams, params: GenesisParams, accounts: tuple[Account, ...]) -> dict[str, dict[str, object]]:
    balances = role_balances(network)
    return {
        encode_data(account.address): {
            "balance": encode_quantity(balances.get(account.address, params.account_balance_wei)),
            "nonce": encode_quantity(0 if index else params.first_account_nonce),
        }
        for index, account in enumerate(accounts)
    }


def _rules(network: NetworkParams, hardfork: Hardfork) -> dict[str, object]:
    times: dict[str, object] = {"shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0}
    if hardfork == "osaka":
        times["osakaTime"] = 0
    return {
        "chainId": network.chain_id,
        **dict.fromkeys(BLOCK_FORKS, 0),
        "terminalTotalDifficulty": 0,
        "terminalTotalDifficultyPassed": True,
        **times,
        "depositContractAddress": "0x" + "00" * 20,
        "blobSchedule": BLOB_SCHEDULE,
        "zeroGravity": {
            "minGasUsedPercent": network.rules.min_gas_used_percent,
            "equalTimestamps": network.rules.equal_timestamps,
            "wrappedBase": network.rules.wrapped_base,
            "daEpochBlocks": network.rules.da_epoch_blocks,
        },
    }
