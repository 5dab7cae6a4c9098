"""Sets up the contracts of storage for each network of our own in a ledger in memory, and keeps codes and storage for their genesis.

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
from zerog.contracts.mine import MineParams
from zerog.contracts.storage import FIXED_PRICE, FLOW, REWARD
from zerog.networks import GenesisContract, NetworkParams, StorageParams, own_network
from zerog.networks.predeployed import PREDEPLOYED_FILE
from zerog.primitives import Address, Data, Hash32, decode_hook, encode_data

ROOTS_KEPT: Final = 1000
"""Roots that the flow's history holds, as contracts/storage/Epochs.sol says it."""
DEPLOY_DELAY: Final = 0
MINE_SETTINGS: Final = 0
"""Sealing, the proof of data and changes of the difficulty are all on."""

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
    networks = (own_network(), own_network("galileo"), own_network("mainnet"))
    codes = {network.name: _codes(network) for network in networks}
    document = {
        "codes": {name: encode_data(code) for network in networks for name, code in codes[network.name].items()},
        "networks": {network.name: _described(_set_up(network, codes[network.name]), codes[network.name]) for network in networks},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _codes(network: NetworkParams) -> dict[str, Data]:
    """What the constructors of a network's contracts return, by name and arguments."""
    params = _params(network)
    return {
        f"{name}({', '.join(map(str, arguments))})": _construct(name, arguments)
        for name, arguments in (
            ("Flow", (DEPLOY_DELAY, params.pricing_chunk_sectors)),
            ("FixedPrice", ()),
            ("ChunkLinearReward", (params.release_s, params.pricing_chunk_sectors)),
            ("PoraMine", (MINE_SETTINGS, params.pricing_chunk_sectors)),
            ("DigestHistory", (ROOTS_KEPT,)),
        )
    }


def _construct(name: str, arguments: tuple[int, ...]) -> Data:
    network = own_network()
    code = load_artefact("storage", name).creation_code + abi_encode(["uint256"] * len(arguments), arguments)
    outcome = _ledger(network, {}).call(CallRequest(sender=network_accounts(network)[0].address, data=code))
    if not isinstance(outcome, CallOutcome) or outcome.status != "success":
        raise RuntimeError(f"the constructor of {name} failed: {outcome}")
    return Data(outcome.output)


def _set_up(network: NetworkParams, codes: Mapping[str, bytes]) -> Contracts:
    """The contracts of one network after test account 0 has set them up."""
    params, where = _params(network), network.addresses
    admin = network_accounts(network)[0].address
    flow, market, reward, mine = where["flow"], where["market"], where["reward"], where["mine"]
    by_name = {name.split("(")[0]: code for name, code in codes.items()}
    contracts = {
        flow: GenesisContract(by_name["Flow"]),
        market: GenesisContract(by_name["FixedPrice"]),
        reward: GenesisContract(by_name["ChunkLinearReward"]),
        mine: GenesisContract(by_name["PoraMine"]),
    }
    for to, data in (
        (reward, REWARD.function("initialize").encode(market, mine, admin)),
        (market, FIXED_PRICE.function("initialize").encode(params.price_per_sector_wei, flow, reward)),
        (flow, FLOW.function("initialize").encode(market, params.blocks_per_epoch)),
        (mine, _mine_params(network).initialize_call(flow, reward)),
    ):
        contracts = _after_call(network, contracts, CallRequest(sender=admin, to=to, data=data, block_overrides=BlockOverride(number=0)))
    return contracts


def _params(network: NetworkParams) -> StorageParams:
    if network.storage is None:
        raise ValueError(f"{network.name} has no storage")
    return network.storage


def _mine_params(network: NetworkParams) -> MineParams:
    if network.mining is None:
        raise ValueError(f"{network.name} has no mining")
    return MineParams(**{field.name: getattr(network.mining, field.name) for field in dataclasses.fields(network.mining)})


def _after_call(network: NetworkParams, contracts: Contracts, request: CallRequest) -> Contracts:
    options = b'{"tracer":"prestateTracer","tracerConfig":{"diffMode":true}}'
    ledger = _ledger(network, contracts)
    trace = ledger.trace_call(request, options)
    known = {account.address for account in network_accounts(network)}
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
