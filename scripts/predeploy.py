"""Sets up the contracts of storage, compute and DA for each network of our own in memory, and keeps codes and storage for their genesis.

`python scripts/predeploy.py` writes zerog/networks/predeployed.json. Everything runs at block 0, so that the flow takes submissions
from the first block on, and calls and estimates on a chain without blocks.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from zerog._kernel import BlockOverride, CallOutcome, CallRequest, Ledger, abi_encode, bls_public_key, bls_sign
from zerog.chain.node.chain import network_accounts
from zerog.chain.protocol.genesis import genesis_document
from zerog.contracts import load_artefact
from zerog.contracts.compute import FINE_TUNING_SERVING, INFERENCE_SERVING, LEDGER_MANAGER
from zerog.contracts.da import DA_ENTRANCE, DA_REGISTRY, G1, G2, SignerDetail, register_next_epoch_call, register_signer_call
from zerog.contracts.mine import MineParams
from zerog.contracts.storage import FIXED_PRICE, FLOW, REWARD
from zerog.da.protocol.messages import epoch_digest, ownership_digest
from zerog.networks import (
    ComputeParams,
    DaParams,
    GenesisContract,
    NetworkParams,
    StorageParams,
    da_signer_secret,
    funded_role_accounts,
    own_network,
    role_account,
)
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
DA_CONTRACTS: Final = {"da_registry": "DARegistry", "da_entrance": "DAEntrance"}
"""Names of addresses, and of what stands there."""
PRECOMPILED: Final = "the mark of a precompiled contract that has storage"
INFERENCE: Final = ("inference", "v1.0")
FINE_TUNING: Final = ("fine-tuning", "v1.1")
"""Types and versions by which services are registered. The official compute SDK asks the ledger for the name made of both."""
FIRST_SIGNER_PORT: Final = 34010
"""Where the first signer of DA answers on this machine; the others follow. They say it anew where they find other ports."""
ENTRANCE_SLOT: Final = 0x1F01119F54CADDD4B5BCCE29799619F00BB427288E5C1C0713537061BD123800
"""Where the entrance's storage begins. Source: ERC-7201 with the name `0g.storage.DAEntrance`."""
NEXT_SAMPLE_HEIGHT: Final = 6
ENTRANCE_PARAMS: Final = {
    "target_submissions": 14,
    "epoch_window": 15,
    "reward_ratio": 16,
    "base_reward_wei": 17,
    "blob_price_wei": 18,
    "sample_period_blocks": 19,
    "service_fee_bps": 20,
}
"""Members of its storage by what parameters they hold, as contracts/da/EntranceState.sol has them."""

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
    marks = {PRECOMPILED: Data(b"\x01")}
    document = {
        "codes": {contract: encode_data(code) for code_of in (*codes.values(), marks) for contract, code in code_of.items()},
        "networks": {name: _described(_set_up(network, codes[name]), codes[name] | marks) for name, network in networks.items()},
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
        ("da", "DARegistry", ()),
        ("da", "DAEntrance", ()),
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
    keys = COMPUTE_CONTRACTS | STORAGE_CONTRACTS | DA_CONTRACTS
    contracts = {network.addresses[key]: GenesisContract(by_name[name]) for key, name in keys.items()}
    for sender, to, data in (*_storage_calls(network), *_compute_calls(network), *_da_calls(network)):
        contracts = _after_call(network, contracts, sender, to, data)
    return _with_da_params(network, contracts)


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


def _da_calls(network: NetworkParams) -> list[tuple[Account, Address, bytes]]:
    """Test account 0 is the administrator. The signers take part in the first epoch, which whoever first needs one makes: an epoch that
    was made at block 0 would count as none."""
    if network.genesis is None:
        raise ValueError(f"{network.name} was begun by others")
    admin, registry, entrance = network_accounts(network)[0], network.addresses["da_registry"], network.addresses["da_entrance"]
    calls = [
        (admin, registry, DA_REGISTRY.function("initialize").encode()),
        (admin, entrance, DA_ENTRANCE.function("initialize").encode()),
    ]
    for index in range(network.genesis.da_signer_count):
        account = role_account(network.genesis.mnemonic, "da", 1 + index)
        secret = da_signer_secret(account)
        g1, g2 = bls_public_key(secret)
        detail = SignerDetail(
            signer=account.address,
            socket=f"127.0.0.1:{FIRST_SIGNER_PORT + index}",
            public_key_g1=G1.from_words(g1),
            public_key_g2=G2.from_words(g2),
        )
        owns = bls_sign(secret, ownership_digest(account.address, network.chain_id))
        wants = bls_sign(secret, epoch_digest(account.address, 1, network.chain_id))
        calls.append((account, registry, register_signer_call(detail, G1.from_words(owns))))
        calls.append((account, registry, register_next_epoch_call(G1.from_words(wants))))
    return calls


def _with_da_params(network: NetworkParams, contracts: Contracts) -> Contracts:
    """The entrance's setters go on to the next epoch, which has to wait until there is a chain, so its parameters are written."""
    params = _da_params(network)
    values = {member: int(getattr(params, name)) for name, member in ENTRANCE_PARAMS.items()}
    values[NEXT_SAMPLE_HEIGHT] = params.sample_period_blocks
    written = {Hash32((ENTRANCE_SLOT + member).to_bytes(32)): Hash32(value.to_bytes(32)) for member, value in values.items() if value}
    entrance = contracts[network.addresses["da_entrance"]]
    storage = {**entrance.storage, **written}
    return {**contracts, network.addresses["da_entrance"]: GenesisContract(entrance.code, storage, entrance.nonce)}


def _da_params(network: NetworkParams) -> DaParams:
    if network.da is None:
        raise ValueError(f"{network.name} has no DA")
    return network.da


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
    known = {account.address for account in _accounts(network)}
    changed = dict(contracts)
    for address, touched in msgspec.json.decode(trace, type=_Difference, dec_hook=decode_hook).post.items():
        if address in known:
            continue
        before = contracts.get(address, GenesisContract(touched.code))
        nonce = before.nonce if touched.nonce is None else touched.nonce
        changed[address] = GenesisContract(before.code, {**before.storage, **touched.storage}, nonce)
    return changed


def _ledger(network: NetworkParams, contracts: Contracts) -> Ledger:
    return Ledger.open(None, genesis_document(network, "prague", _accounts(network), contracts))


def _accounts(network: NetworkParams) -> tuple[Account, ...]:
    return (*network_accounts(network), *funded_role_accounts(network))


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
