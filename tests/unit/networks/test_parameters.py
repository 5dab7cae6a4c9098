"""The networks that are shipped."""

import pytest

from zerog import networks
from zerog._kernel import keccak256
from zerog.networks import ChainIdRefusedError, UnknownNetworkError


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
    ready, miner, *_ = networks.funded_role_accounts(local)
    assert (ready, miner) == tuple(networks.role_account(local.genesis.mnemonic, "storage", index) for index in range(2))


def test_provider_owner_and_user_of_compute_have_money_of_their_own() -> None:
    local = networks.own_network()
    assert local.genesis is not None
    expected = tuple(networks.role_account(local.genesis.mnemonic, "compute", index) for index in range(3))
    assert networks.funded_role_accounts(local)[2:5] == expected


def test_disperser_and_signers_of_da_have_money_of_their_own() -> None:
    local = networks.own_network()
    assert local.genesis is not None
    expected = tuple(networks.role_account(local.genesis.mnemonic, "da", index) for index in range(17))
    assert networks.funded_role_accounts(local)[5:] == expected
    assert len({account.address for account in networks.funded_role_accounts(local)}) == 22


@pytest.mark.parametrize("like", [None, "galileo", "mainnet"])
def test_every_signer_of_da_begins_with_256_votes_and_gas_for_many_transactions(like: networks.PublicName | None) -> None:
    network = networks.own_network(like)
    assert network.genesis is not None
    vote_wei, dear_transaction_wei = 30 * 10**18, 10**6 * 10 * network.genesis.base_fee_wei
    balances = networks.role_balances(network)
    signers = [networks.role_account(network.genesis.mnemonic, "da", index).address for index in range(1, 17)]
    assert list(balances) == signers
    assert {balance // vote_wei for balance in balances.values()} == {256}
    assert all(balance - 256 * vote_wei >= 1000 * dear_transaction_wei for balance in balances.values())
    assert networks.role_balances(networks.load("galileo")) == {}


def test_the_secret_of_a_signer_comes_from_the_key_of_its_account() -> None:
    local = networks.own_network()
    assert local.genesis is not None
    account = networks.role_account(local.genesis.mnemonic, "da", 1)
    order = 21888242871839275222246405745257275088548364400416034343698204186575808495617
    expected = int.from_bytes(keccak256(b"zerog da signer" + account.private_key)) % order
    assert networks.da_signer_secret(account) == expected.to_bytes(32)


def test_the_contracts_of_da_stand_where_official_programs_look() -> None:
    places = {
        name: [str(network.addresses[key]) for key in ("da_signers", "da_registry", "da_entrance")]
        for name, network in (("local", networks.own_network()), ("galileo", networks.own_network("galileo")))
    }
    fixed = ["0x0000000000000000000000000000000000001000", "0x20F30b2584F3096ea0D6c18c3b5CACC0585E12FC"]
    assert places["local"][:2] == places["galileo"][:2] == fixed
    assert places["galileo"][2] == "0xE75A073dA5bb7b0eC622170Fd268f35E675a957B"
    own = keccak256(b"zerog/da/DAEntrance")[12:]
    assert networks.own_network().addresses["da_entrance"] == networks.own_network("mainnet").addresses["da_entrance"] == own
    assert "da_entrance" not in networks.load("mainnet").addresses


ROWS = {
    31337: (
        "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
        "0x0165878A594ca255338adfa4d48449f69242Eb8F",
        "0xA51c1fc2f0D1a1b8494Ed1FE312d7C3a78Ed91C0",
    ),
    16661: (
        "0x2dE54c845Cd948B72D2e32e39586fe89607074E3",
        "0x47340d900bdFec2BD393c626E12ea0656F938d84",
        "0x4e3474095518883744ddf135b7E0A23301c7F9c0",
    ),
    16602: (
        "0xE70830508dAc0A97e6c087c75f402f9Be669E406",
        "0xa79F4c8311FF93C06b8CfB403690cc987c93F91E",
        "0xC6C075D8039763C8f1EbE580be5ADdf2fd6941bA",
    ),
}
"""What the official compute SDK 0.9.0 takes for each chain id, and the last one for every other."""


@pytest.mark.parametrize(
    ("network", "row"),
    [
        (networks.own_network(), 31337),
        (networks.own_network(chain_id=31337), 31337),
        (networks.own_network(chain_id=424242), 16602),
        (networks.own_network("galileo"), 16602),
        (networks.own_network("mainnet"), 16661),
        (networks.load("galileo"), 16602),
        (networks.load("mainnet"), 16661),
    ],
)
def test_the_contracts_of_compute_stand_where_the_official_sdk_looks(network: networks.NetworkParams, row: int) -> None:
    names = ("ledger_manager", "inference_serving", "fine_tuning_serving")
    assert tuple(str(network.addresses[name]) for name in names) == ROWS[row]


def test_local_under_another_id_differs_in_nothing_else() -> None:
    local, other = networks.own_network(), networks.own_network(chain_id=424242)
    assert other.genesis is not None
    assert (other.name, other.chain_id, other.genesis.first_account_nonce) == ("local", 424242, 0)
    assert (other.storage, other.compute, other.rules) == (local.storage, local.compute, local.rules)
    assert networks.own_network(rules="zero-gravity", chain_id=7).rules == networks.RULES["zero-gravity"]


@pytest.mark.parametrize(
    ("chain_id", "like", "cause", "remedy"),
    [
        (16661, None, "public network mainnet", "--like mainnet"),
        (16602, None, "public network galileo", "--like galileo"),
        (7, "galileo", "a copy of galileo has the chain id of galileo", "leave the setting"),
        (0, None, "out of range", "from 1 to 9007199254740991"),
        (2**53, None, "out of range", "from 1 to 9007199254740991"),
    ],
)
def test_a_chain_id_that_a_network_of_our_own_cannot_have_is_refused(
    chain_id: int, like: networks.PublicName | None, cause: str, remedy: str
) -> None:
    with pytest.raises(ChainIdRefusedError, match=cause) as caught:
        networks.own_network(like, chain_id=chain_id)
    assert remedy in caught.value.remedy


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNetworkError, match="galileo, local, mainnet"):
        networks.load("goerli")
