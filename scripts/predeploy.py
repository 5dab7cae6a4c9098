"""Sets up the contracts of storage and compute for each network of our own in memory, and keeps codes and storage for their genesis.

`python scripts/predeploy.py` writes zerog/networks/predeployed.json. Everything runs at block 0, so that the flow takes submissions
from the first block on, and calls and estimates on a chain without blocks.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from zerog._kernel import BlockOverride, CallOutcome, CallRequest, Ledger, abi_encode
from zerog.chain.node.chain import network_accounts
from zerog.chain.protocol.genesis import genesis_document
from zerog.contracts import load_artefact
from zerog.contracts.compute import FINE_TUNING_SERVING, INFERENCE_SERVING, LEDGER_MANAGER
from zerog.contracts.mine import MineParams
from zerog.contracts.storage import FIXED_PRICE, FLOW, REWARD
from zerog.networks import ComputeParams, GenesisContract, NetworkParams, StorageParams, own_network, role_account
from zerog.networks.predeployed import PREDEPLOYED_FILE, predeployed_name
from zerog.primitives import Account, Address, Data, Hash32, decode_hook, encode_data

ROOTS_KEPT: Final = 1000
"""Roots that the flow's history holds, as contracts/storage/Epochs.sol says it."""
DEPLOY_DELAY: Final = 0
MINE_SETTINGS: Final = 0
"""Sealing, the proof of data and changes of the difficulty are all on."""

ANY_OTHER_ID: Final = 424_242
STORAGE_CONTRACTS: Final = {"flow": "Flow", "market": "FixedPrice", "reward": "ChunkLinearReward", "mine": "PoraMine"}
COMPUTE_CONTRACTS: Final = {
    "ledger_manager": "LedgerManager",
    "inference_serving": "InferenceServing",
    "fine_tuning_serving": "FineTuningServing",
}
"""Names of addresses, and of what stands there."""
INFERENCE: Final = ("inference", "v1.0")
FINE_TUNING: Final = ("fine-tuning", "v1.1")
"""Types and versions by which services are registered. The official compute SDK asks the ledger for the name made of both."""

Contracts = dict[Address, GenesisContract]


class _Touched(msgspec.Struct):
    """What a call did to an account, as geth's prestate tracer tells it."""

    code: Data = Data()
    nonce: int | None = None
    storage: dict[Hash32, Hash32] = {}


class _Difference(msgspec.Struct):
    post: dict[Address, _Touched]


def predeployed_json() -> bytes:
    """The file as it has to be."""
    own = (own_network(), own_network(chain_id=ANY_OTHER_ID), own_network("galileo"), own_network("mainnet"))
    networks = {predeployed_name(network): network for network in own}
    codes = {name: _codes(network) for name, network in networks.items()}
    document = {
        "codes": {contract: encode_data(code) for name in networks for contract, code in codes[name].items()},
        "networks": {name: _described(_set_up(network, codes[name]), codes[name]) for name, network in networks.items()},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _codes(network: NetworkParams) -> dict[str, Data]:
    """What the constructors of a network's contracts return, by name and arguments."""
    params, compute = _params(network), _compute_params(network)
    contracts: tuple[tuple[str, str, tuple[int, ...]], ...] = (
        ("storage", "Flow", (DEPLOY_DELAY, params.pricing_chunk_sectors)),
        ("storage", "FixedPrice", ()),
        ("storage", "ChunkLinearReward", (params.release_s, params.pricing_chunk_sectors)),
        ("storage", "PoraMine", (MINE_SETTINGS, params.pricing_chunk_sectors)),
        ("storage", "DigestHistory", (ROOTS_KEPT,)),
        ("compute", "LedgerManager", (compute.min_account_balance_wei, compute.min_transfer_wei)),
        ("compute", "InferenceServing", ()),
        ("compute", "FineTuningServing", ()),
    )
    return {f"{name}({', '.join(map(str, arguments))})": _construct(subsystem, name, arguments) for subsystem, name, arguments in contracts}


def _construct(subsystem: str, name: str, arguments: tuple[int, ...]) -> Data:
    network = own_network()
    code = load_artefact(subsystem, name).creation_code + abi_encode(["uint256"] * len(arguments), arguments)
    outcome = _ledger(network, {}).call(CallRequest(sender=network_accounts(network)[0].address, data=code))
    if not isinstance(outcome, CallOutcome) or outcome.status != "success":
        raise RuntimeError(f"the constructor of {name} failed: {outcome}")
    return Data(outcome.output)


def _set_up(network: NetworkParams, codes: Mapping[str, bytes]) -> Contracts:
    """The contracts of one network after those who own them have set them up."""
    by_name = {name.split("(")[0]: code for name, code in codes.items()}
    contracts = {network.addresses[key]: GenesisContract(by_name[name]) for key, name in COMPUTE_CONTRACTS.items()}
    for key, name in STORAGE_CONTRACTS.items():
        contracts[network.addresses[key]] = GenesisContract(by_name[name])
    for sender, to, data in (*_storage_calls(network), *_compute_calls(network)):
        contracts = _after_call(network, contracts, sender, to, data)
    return contracts


def _storage_calls(network: NetworkParams) -> list[tuple[Account, Address, bytes]]:
    """Test account 0 is the administrator of storage."""
    params, where = _params(network), network.addresses
    admin = network_accounts(network)[0]
    flow, market, reward, mine = where["flow"], where["market"], where["reward"], where["mine"]
    return [
        (admin, reward, REWARD.function("initialize").encode(market, mine, admin.address)),
        (admin, market, FIXED_PRICE.function("initialize").encode(params.price_per_sector_wei, flow, reward)),
        (admin, flow, FLOW.function("initialize").encode(market, params.blocks_per_epoch)),
        (admin, mine, _mine_params(network).initialize_call(flow, reward)),
    ]


def _compute_calls(network: NetworkParams) -> list[tuple[Account, Address, bytes]]:
    """A role account of compute's own is the owner, who accepts the signers of providers."""
    if network.genesis is None:
        raise ValueError(f"{network.name} was begun by others")
    params, owner = _compute_params(network), role_account(network.genesis.mnemonic, "compute", 1)
    ledger, inference, tuning = (network.addresses[key] for key in COMPUTE_CONTRACTS)
    set_up_inference = INFERENCE_SERVING.function("initialize").encode(params.lock_time_s, ledger, owner.address)
    set_up_tuning = FINE_TUNING_SERVING.function("initialize").encode(params.lock_time_s, ledger, owner.address, params.penalty_percentage)
    register, recommend = LEDGER_MANAGER.function("registerService"), LEDGER_MANAGER.function("setRecommendedService")
    return [
        (owner, ledger, LEDGER_MANAGER.function("initialize").encode(owner.address)),
        (owner, inference, set_up_inference),
        (owner, tuning, set_up_tuning),
        (owner, ledger, register.encode(*INFERENCE, inference, "Inference, paid by what is used")),
        (owner, ledger, register.encode(*FINE_TUNING, tuning, "Fine-tuning of models, paid by the task")),
        (owner, ledger, recommend.encode(*INFERENCE)),
        (owner, ledger, recommend.encode(*FINE_TUNING)),
    ]


def _params(network: NetworkParams) -> StorageParams:
    if network.storage is None:
        raise ValueError(f"{network.name} has no storage")
    return network.storage


def _compute_params(network: NetworkParams) -> ComputeParams:
    if network.compute is None:
        raise ValueError(f"{network.name} has no compute")
    return network.compute


def _mine_params(network: NetworkParams) -> MineParams:
    if network.mining is None:
        raise ValueError(f"{network.name} has no mining")
    return MineParams(**{field.name: getattr(network.mining, field.name) for field in dataclasses.fields(network.mining)})


def _after_call(network: NetworkParams, contracts: Contracts, sender: Account, to: Address, data: bytes) -> Contracts:
    """The contracts after a call in block 0, whose time is the genesis' own."""
    if network.genesis is None:
        raise ValueError(f"{network.name} was begun by others")
    block = BlockOverride(number=0, timestamp=network.genesis.timestamp)
    request = CallRequest(sender=sender.address, to=to, data=data, block_overrides=block)
    options = b'{"tracer":"prestateTracer","tracerConfig":{"diffMode":true}}'
    ledger = _ledger(network, contracts)
    trace = ledger.trace_call(request, options)
    known = {account.address for account in network_accounts(network)} | {sender.address}
    changed = dict(contracts)
    for address, touched in msgspec.json.decode(trace, type=_Difference, dec_hook=decode_hook).post.items():
        if address in known:
            continue
        before = contracts.get(address, GenesisContract(touched.code))
        nonce = before.nonce if touched.nonce is None else touched.nonce
        changed[address] = GenesisContract(before.code, {**before.storage, **touched.storage}, nonce)
    return changed


def _ledger(network: NetworkParams, contracts: Contracts) -> Ledger:
    return Ledger.open(None, genesis_document(network, "prague", network_accounts(network), contracts))


def _described(contracts: Contracts, codes: Mapping[str, bytes]) -> dict[str, object]:
    names = {code: name for name, code in codes.items()}
    return {
        encode_data(address): {
            "contract": names[contract.code],
            "nonce": contract.nonce,
            "storage": {encode_data(slot): encode_data(value) for slot, value in sorted(contract.storage.items())},
        }
        for address, contract in sorted(contracts.items())
    }


if __name__ == "__main__":
    path = Path(__file__).parent.parent / "zerog" / "networks" / PREDEPLOYED_FILE
    path.write_bytes(predeployed_json())
