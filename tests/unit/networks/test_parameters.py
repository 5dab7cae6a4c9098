"""The networks that are shipped."""

import pytest

from zerog import networks
from zerog.networks import UnknownNetworkError


def test_all_shipped_networks_load() -> None:
    assert networks.names() == ("galileo", "local", "mainnet")
    assert {name: networks.load(name).chain_id for name in networks.names()} == {"galileo": 16602, "local": 31337, "mainnet": 16661}


def test_local_begins_as_promised() -> None:
    genesis = networks.load("local").genesis
    assert genesis is not None
    assert genesis.gas_limit == 120_000_000
    assert genesis.base_fee_wei == 10**9
    assert genesis.account_balance_wei == 10_000 * 10**18
    assert genesis.first_account_nonce == 15


def test_public_networks_were_begun_by_others() -> None:
    assert networks.load("galileo").genesis is None
    assert networks.load("mainnet").rpc_url == "https://evmrpc.0g.ai"


def test_public_networks_are_known_by_their_chain_id() -> None:
    assert [networks.public_name(chain_id) for chain_id in (16602, 16661, 31337, 1)] == ["galileo", "mainnet", None, None]


@pytest.mark.parametrize("name", ["local", "galileo", "mainnet"])
def test_every_window_of_mining_lies_within_its_epoch(name: str) -> None:
    network = networks.load(name)
    assert network.storage is not None
    assert network.mining is not None
    last_start = (network.mining.subtasks - 1) * network.mining.subtask_interval_blocks
    assert last_start + network.mining.target_mine_blocks + 1 < network.storage.blocks_per_epoch
    assert network.mining.max_shards.bit_count() == network.storage.pricing_chunk_sectors.bit_count() == 1


def test_mining_on_local_cannot_end_epochs_by_its_own_blocks() -> None:
    local = networks.load("local")
    assert local.storage is not None
    assert local.mining is not None
    assert 4 * 2 * local.mining.target_submissions < local.storage.blocks_per_epoch


def test_who_pays_for_proofs_of_storage_has_money_of_its_own() -> None:
    local = networks.own_network()
    assert local.genesis is not None
    ready, miner = networks.funded_role_accounts(local)
    assert (ready, miner) == tuple(networks.role_account(local.genesis.mnemonic, "storage", index) for index in range(2))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNetworkError, match="galileo, local, mainnet"):
        networks.load("goerli")
