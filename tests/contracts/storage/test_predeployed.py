"""The contracts of storage that a chain of our own begins with: where they stand, who may do what, and that they work at once."""

from collections.abc import Iterator

import pytest
from eth_utils.address import to_checksum_address
from web3.contract import Contract

from scripts.predeploy import predeployed_json
from tests.contracts.storage.deployment import RELEASE_S, RevertedError, Storage, pattern_file
from tests.interop.node import REPOSITORY, running_node
from tests.interop.web3py.common import Context, artefact, connect
from zerog._kernel import keccak256
from zerog.contracts.storage import FIXED_PRICE, FLOW, REWARD, submit_call
from zerog.networks import NetworkParams, own_network
from zerog.primitives import Address, checksum_address, decode_data

PRICE_WEI = 30_733_644_962
FLOW_ROOTS = {
    1: "2014f3087d820492aa74c1e1a30cf4d6111e1f2459ef7cd80dd1e1bc2bc6593d",
    257: "367814d9bc498fbc34cd62181ce58e3a28c5b43c4c1a9e5c2b4e336c952a8ef5",
    513: "816e768bbe890941cdb5cb196cb047262170a63430b6162df77ab4bfe10ffc9f",
}
"""Root of the flow after files of so many bytes, one after the other. Computed with npm @0gfoundation/0g-ts-sdk 1.2.8."""
NETWORKS = {network.name: network for network in (own_network(), own_network("galileo"), own_network("mainnet"))}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> NetworkParams:
    return NETWORKS[request.param]


@pytest.fixture(scope="module")
def chain(network: NetworkParams, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    like = ("--like", network.name.removesuffix("-clone")) if network.is_clone else ()
    with running_node(tmp_path_factory.mktemp("node"), *like) as url:
        yield connect(url)


@pytest.fixture
def predeployed(chain: Context, network: NetworkParams) -> Iterator[Storage]:
    """The contracts on a chain without blocks; account 0 has set them up."""
    snapshot = chain.send("evm_snapshot")
    assert chain.w3.eth.block_number == 0
    contracts = {"flow": "Flow", "market": "FixedPrice", "reward": "ChunkLinearReward"}
    flow, market, reward = (
        chain.w3.eth.contract(address=to_checksum_address(network.addresses[key]), abi=artefact(f"storage/{name}")["abi"])
        for key, name in contracts.items()
    )
    admin, miner, foundation, user = chain.accounts[:4]
    yield Storage(chain, flow, market, reward, admin, miner, foundation, user)
    assert chain.send("evm_revert", snapshot) is True


def test_the_file_is_what_setting_up_the_committed_contracts_gives() -> None:
    assert (REPOSITORY / "zerog" / "networks" / "predeployed.json").read_bytes() == predeployed_json()


def test_addresses_of_our_own_are_hashes_so_that_nobody_has_their_keys() -> None:
    names = {"flow": "Flow", "market": "FixedPrice", "reward": "ChunkLinearReward", "mine": "PoraMine"}
    for key, name in names.items():
        assert own_network().addresses[key] == keccak256(f"zerog/storage/{name}".encode())[12:]
    assert {network.addresses["market"] for network in NETWORKS.values()} == {own_network().addresses["market"]}


def test_copies_have_the_published_addresses() -> None:
    published = {
        "galileo-clone": (
            *("0x22E03a6A89B950F1c82ec5e74F8eCa321a105296", "0xA97B57b4BdFEA2D0a25e535bd849ad4e6C440A69"),
            "0x00A9E9604b0538e06b268Fb297Df333337f9593b",
        ),
        "mainnet-clone": (
            *("0x62D4144dB0F0a6fBBaeb6296c785C71B3D57C526", "0x457aC76B58ffcDc118AABD6DbC63ff9072880870"),
            "0xCd01c5Cd953971CE4C2c9bFb95610236a7F414fe",
        ),
    }
    for name, addresses in published.items():
        assert tuple(checksum_address(NETWORKS[name].addresses[key]) for key in ("flow", "reward", "mine")) == addresses


def test_a_chain_without_blocks_takes_submissions_as_wallets_send_them(predeployed: Storage) -> None:
    """They ask for the price and for an estimate of gas first."""
    chain, user = predeployed.context, predeployed.user
    for tx_seq, (size, root) in enumerate(FLOW_ROOTS.items()):
        submission = pattern_file(size)
        market = decode_data("0x" + predeployed.read(FLOW.function("market").encode()).hex()[-40:])
        assert market == decode_data(predeployed.market.address)
        [price] = FIXED_PRICE.function("pricePerSector").decode_result(
            predeployed.read(FIXED_PRICE.function("pricePerSector").encode(), to=predeployed.market)
        )
        assert price == PRICE_WEI
        request = {
            "from": user.address,
            "to": predeployed.flow.address,
            "data": "0x" + submit_call(submission, Address(decode_data(user.address))).hex(),
            "value": hex(submission.sectors * price),
        }
        request["gas"] = chain.send("eth_estimateGas", request)
        receipt = chain.send("eth_getTransactionReceipt", chain.send("eth_sendTransaction", request))
        assert receipt["status"] == "0x1"
        assert predeployed.flow_root(tx_seq).hex() == root
    assert predeployed.flow.functions.numSubmissions().call() == len(FLOW_ROOTS)
    assert predeployed.balance(predeployed.reward) == 6 * PRICE_WEI
    assert predeployed.balance(predeployed.flow) == predeployed.balance(predeployed.market) == 0


def test_account_0_is_the_administrator_and_nobody_can_set_up_again(predeployed: Storage) -> None:
    for contract in (predeployed.flow, predeployed.market, predeployed.reward):
        admin_role = contract.functions.DEFAULT_ADMIN_ROLE().call()
        assert contract.functions.hasRole(admin_role, predeployed.admin.address).call() is True
        assert contract.functions.hasRole(admin_role, predeployed.user.address).call() is False
    assert predeployed.reward.functions.foundationAdmin().call() == predeployed.admin.address
    nobody = Address(bytes(20))
    for to, data in (
        (predeployed.flow, FLOW.function("initialize").encode(nobody, 1)),
        (predeployed.market, FIXED_PRICE.function("initialize").encode(1, nobody, nobody)),
        (predeployed.reward, REWARD.function("initialize").encode(nobody, nobody, nobody)),
    ):
        with pytest.raises(RevertedError) as refusal:
            predeployed.read(data, to=to, by=predeployed.admin)
        assert refusal.value.data == keccak256(b"InvalidInitialization()")[:4]
    predeployed.send(predeployed.admin, predeployed.market, FIXED_PRICE.function("setPricePerSector").encode(7))
    assert predeployed.market.functions.pricePerSector().call() == 7


def test_the_contracts_know_each_other_and_what_their_network_says(predeployed: Storage, network: NetworkParams) -> None:
    flow, market, reward = predeployed.flow, predeployed.market, predeployed.reward
    assert (market.functions.flow().call(), market.functions.reward().call()) == (flow.address, reward.address)
    assert reward.functions.market().call() == market.address
    assert reward.functions.mine().call() == checksum_address(network.addresses["mine"])
    assert reward.functions.releaseSeconds().call() == RELEASE_S
    assert (flow.functions.firstBlock().call(), flow.functions.deployDelay().call()) == (0, 0)
    assert flow.functions.blocksPerEpoch().call() == (3_750 if network.is_clone else 32)
    chunk = (1 << 25) if network.is_clone else (1 << 12)
    assert [contract.functions.pricingChunkSectors().call() for contract in (flow, reward)] == [chunk] * 2


def mine_of(predeployed: Storage, network: NetworkParams) -> Contract:
    return predeployed.context.w3.eth.contract(
        address=to_checksum_address(network.addresses["mine"]), abi=artefact("storage/PoraMine")["abi"]
    )


def test_the_mine_is_set_as_its_network_says(predeployed: Storage, network: NetworkParams) -> None:
    mine, params = mine_of(predeployed, network).functions, network.mining
    assert params is not None
    assert (mine.flow().call(), mine.reward().call()) == (predeployed.flow.address, predeployed.reward.address)
    assert (mine.sealDataEnabled().call(), mine.dataProofEnabled().call(), mine.fixedDifficulty().call()) == (True, True, False)
    assert mine.pricingChunkSectors().call() == predeployed.flow.functions.pricingChunkSectors().call()
    told = [getattr(mine, name)().call() for name in ("targetMineBlocks", "targetSubmissions", "maxShards", "nSubtasks", "subtaskInterval")]
    assert told == [
        *(params.target_mine_blocks, params.target_submissions, params.max_shards),
        *(params.subtasks, params.subtask_interval_blocks),
    ]
    assert mine.poraTarget().call() == (2**256 - 1) // params.difficulty
    assert mine.poraVersion().call() == 1
    for role in (mine.DEFAULT_ADMIN_ROLE(), mine.PARAMS_ADMIN_ROLE(), mine.PAUSER_ROLE()):
        assert mine.hasRole(role.call(), predeployed.admin.address).call() is True


def test_the_history_of_roots_is_the_flows_as_if_it_had_been_created(predeployed: Storage) -> None:
    chain, flow = predeployed.context, predeployed.flow
    history = chain.w3.eth.contract(address=flow.functions.rootHistory().call(), abi=artefact("storage/DigestHistory")["abi"])
    created = keccak256(b"\xd6\x94" + decode_data(flow.address) + b"\x01")[12:]  # RLP of the creator and its first nonce.
    assert decode_data(history.address) == created
    assert history.functions.owner().call() == flow.address
    assert (history.functions.capacity().call(), history.functions.nextIndex().call()) == (1000, 0)
    assert chain.w3.eth.get_transaction_count(flow.address) == 2


def test_epochs_end_in_the_genesis_contracts_too(predeployed: Storage) -> None:
    """The history's counter and the flow's contexts go on from what the genesis says."""
    predeployed.context.send("anvil_mine", hex(2 * predeployed.flow.functions.blocksPerEpoch().call()))
    predeployed.send(predeployed.user, predeployed.flow, FLOW.function("makeContext").encode())
    assert predeployed.flow.functions.epoch().call() == 2
