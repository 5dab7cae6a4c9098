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


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNetworkError, match="galileo, local, mainnet"):
        networks.load("goerli")
