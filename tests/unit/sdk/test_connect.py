"""From names and URLs to networks."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from anyio.from_thread import start_blocking_portal

import zerog
from zerog import networks
from zerog.chain.client import Limits, NodeUnreachableError, NoKeyError, RecipientNotAllowedError, SpendLimitError
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.compute.client import Assurance, EnclaveUnprovenError
from zerog.compute.protocol.errors import SimulatedEvidenceError
from zerog.networks import UnknownNetworkError
from zerog.primitives import Address, Hash32
from zerog.sdk import (
    KeyInvalidError,
    LimitsTwiceError,
    NetworkUrlError,
    NoDaError,
    NoKeyValueError,
    NoNetworkError,
    NoStorageError,
    OtherChainError,
    resolve,
)
from zerog.sdk.network import least_assurance_behind
from zerog.sdk.places import least_assurance_of
from zerog.storage.client import PeerUnreachableError

LOCAL = networks.load("local")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with a running network, as `zerog up` describes it."""
    folder = tmp_path_factory.mktemp("work")
    node = ChainNode(ChainNodeSettings(rpc_port=0), LOCAL)
    accounts = [{"address": str(account.address), "private_key": "0x" + account.private_key.hex()} for account in network_accounts(LOCAL)]
    with start_blocking_portal() as portal:
        future, url = portal.start_task(node.run)
        (folder / ".zerog").mkdir()
        (folder / ".zerog" / "endpoints.json").write_bytes(msgspec.json.encode({"chain": {"http": url, "ws": url}, "accounts": accounts}))
        yield folder
        future.cancel()


def test_local_is_found_in_the_folder_and_from_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = folder / "deep" / "er"
    below.mkdir(parents=True)
    for place in (folder, below):
        monkeypatch.chdir(place)
        with zerog.connect("local") as network:
            assert network.chain.chain_id() == LOCAL.chain_id
            assert [account.address for account in network.accounts] == [account.address for account in network_accounts(LOCAL)]


@pytest.mark.anyio
async def test_the_asynchronous_twin_does_the_same(folder: Path) -> None:
    async with zerog.connect_async("local", folder=folder) as network:
        sent = await network.chain.send(network.accounts[2].address, value_wei=1, account=network.accounts[1])
        assert (await network.chain.wait_for_receipt(sent)).succeeded


def test_a_url_is_taken_as_it_is(folder: Path) -> None:
    url = resolve("local", folder).chain_url
    with zerog.connect(url) as network:
        assert (network.chain.url, network.name, network.chain_id) == (url, url, LOCAL.chain_id)
        assert network.accounts == ()
        with pytest.raises(NoKeyError):
            _ = network.account
        with pytest.raises(NoKeyError):
            network.chain.send(bytes(20), value_wei=1)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "https://:8545", "http://[", "http://127.0.0.1:99999"])
def test_what_is_no_url_of_a_node_is_refused(url: str) -> None:
    with pytest.raises(NetworkUrlError, match="no URL"):
        zerog.connect(url)


@pytest.mark.anyio
async def test_nobody_at_a_url_is_said_at_once() -> None:
    with pytest.raises(NodeUnreachableError, match=r"127\.0\.0\.1:1"):
        zerog.connect("http://127.0.0.1:1")
    with pytest.raises(NodeUnreachableError, match=r"127\.0\.0\.1:1"):
        async with zerog.connect_async("http://127.0.0.1:1"):
            pass


@pytest.mark.anyio
async def test_a_node_of_another_chain_is_refused(folder: Path) -> None:
    url = resolve("local", folder).chain_url
    with pytest.raises(OtherChainError, match="chain id 31337, not 16602"):
        zerog.connect(url, chain_id=16_602)
    with pytest.raises(OtherChainError, match="chain id 31337, not 16602"):
        async with zerog.connect_async(url, chain_id=16_602):
            pass


@pytest.mark.anyio
async def test_a_key_is_given_in_any_form(folder: Path) -> None:
    account = network_accounts(LOCAL)[3]
    for key in (account, account.private_key, account.private_key.hex(), "0x" + account.private_key.hex()):
        with zerog.connect("local", folder=folder, key=key) as network:
            assert (network.account, network.address) == (account, account.address)
            before = network.chain.nonce(account.address)
            assert network.chain.wait_for_receipt(network.chain.send(account.address)).succeeded
            assert network.chain.nonce(account.address) == before + 1
    async with zerog.connect_async("local", folder=folder, key=account) as same:
        assert same.address == account.address
        assert same.chain_id == LOCAL.chain_id


def test_limits_hold_what_a_key_signs(folder: Path) -> None:
    account, limits = network_accounts(LOCAL)[4], Limits(per_call_wei=10**15, recipients=(Address(b"\x05" * 20),))
    with zerog.connect("local", folder=folder, key=account, limits=limits) as network:
        assert network.account == account
        with pytest.raises(RecipientNotAllowedError):
            network.chain.send(account.address)
        with pytest.raises(SpendLimitError):
            network.chain.send(Address(b"\x05" * 20), value_wei=10**15)
        assert network.chain.wait_for_receipt(network.chain.send(Address(b"\x05" * 20), value_wei=1)).succeeded
        assert network.signer is not None
        spent_wei = network.signer.spent_today("transaction")
    assert 21_000 < spent_wei < 10**15
    with zerog.connect("local", folder=folder, key=network.signer) as again:
        assert again.signer is not None
        assert again.signer.spent_today("transaction") == spent_wei
    with pytest.raises(LimitsTwiceError):
        zerog.connect("local", folder=folder, key=network.signer, limits=limits)
    with pytest.raises(NoKeyError):
        zerog.connect(resolve("local", folder).chain_url, limits=limits)


@pytest.mark.parametrize("key", ["", "0x", "12", "zz" * 32, b"", b"1" * 31, bytes(32), "0x" + "ff" * 32])
def test_what_is_no_key_is_refused_and_not_repeated(key: str | bytes, folder: Path) -> None:
    with pytest.raises(KeyInvalidError) as caught:
        zerog.connect("local", folder=folder, key=key)
    assert len(key) < 4 or str(key) not in str(caught.value)


def test_a_public_name_means_the_real_network() -> None:
    assert resolve("galileo").chain_url == "https://evmrpc-testnet.0g.ai"


@pytest.mark.parametrize("name", ["galileo", "mainnet"])
def test_what_is_known_of_a_public_network_is_known(name: str) -> None:
    place, params = resolve(name), networks.load(name)
    assert (place.name, place.chain_id, place.indexer_url) == (name, params.chain_id, params.indexer_url)
    assert place.flow == place.contracts["Flow"] == params.addresses["flow"]
    assert {"Flow", "LedgerManager", "InferenceServing", "FineTuningServing"} <= set(place.contracts)
    assert ("DAEntrance" in place.contracts) == (name == "galileo"), "the main network's entrance is not published"


def test_names_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNetworkError):
        zerog.connect("goerli")
    with pytest.raises(NoNetworkError, match="no local network"):
        zerog.connect("local", folder=tmp_path)


def test_a_network_without_a_chain_is_none(tmp_path: Path) -> None:
    (tmp_path / ".zerog").mkdir()
    (tmp_path / ".zerog" / "endpoints.json").write_text('{"chain": null}')
    with pytest.raises(NoNetworkError):
        zerog.connect("local", folder=tmp_path)


def test_storage_is_where_the_network_says(folder: Path, tmp_path: Path) -> None:
    chain_url = resolve("local", folder).chain_url
    (tmp_path / ".zerog").mkdir()
    (tmp_path / ".zerog" / "endpoints.json").write_text(
        f'{{"chain": {{"http": "{chain_url}"}}, "storage": {{"indexer": "http://127.0.0.1:2", "kv": null, "nodes": []}}}}'
    )
    assert resolve("local", tmp_path).indexer_url == "http://127.0.0.1:2"
    assert resolve("galileo").indexer_url == "https://indexer-storage-testnet-turbo.0g.ai"
    with zerog.connect("local", folder=tmp_path) as network, pytest.raises(PeerUnreachableError, match=r"127\.0\.0\.1:2"):
        network.storage.stat(Hash32(bytes(32)))


@pytest.mark.anyio
async def test_what_is_not_known_is_refused_on_use(folder: Path) -> None:
    url = resolve("local", folder).chain_url
    with zerog.connect(url) as network:
        with pytest.raises(NoStorageError, match=r"127\.0\.0\.1"):
            _ = network.storage
        with pytest.raises(NoKeyValueError):
            _ = network.kv
        with pytest.raises(NoDaError):
            _ = network.da
    async with zerog.connect_async("local", folder=folder) as same:
        with pytest.raises(NoStorageError):
            await same.storage.stat(Hash32(bytes(32)))


def test_services_can_be_named_beside_a_url() -> None:
    place = resolve("http://127.0.0.1:1").with_services(indexer_url="http://a", kv_url="http://b", disperser="c:1", gateway="http://d")
    assert (place.indexer_url, place.kv_url) == ("http://a", "http://b")
    assert place.da is not None
    assert (place.da.disperser, place.da.retriever, place.da.gateway) == ("c:1", None, "http://d")


@pytest.mark.anyio
async def test_a_node_of_our_own_on_this_machine_is_enough_for_a_simulated_enclave(folder: Path) -> None:
    url = resolve("local", folder).chain_url
    with (
        zerog.connect(url) as network,
        zerog.connect(url, simulated_enclaves=False) as strict,
        zerog.connect("local", folder=folder) as local,
    ):
        found = [each.compute.least_assurance for each in (network, strict, local)]
        assert found == [Assurance.MOCK, Assurance.TDX, Assurance.MOCK]
        assert least_assurance_behind(resolve(url), network.chain) is Assurance.MOCK
    async with zerog.connect_async(url) as same:
        assert same.compute.blocking.least_assurance is Assurance.MOCK


@pytest.mark.anyio
async def test_a_copy_of_a_public_network_is_our_own_and_the_network_itself_is_not() -> None:
    with start_blocking_portal() as portal:
        future, url = portal.start_task(ChainNode(ChainNodeSettings(rpc_port=0), networks.own_network("galileo")).run)
        with zerog.connect(url) as network:
            assert network.chain_id == networks.load("galileo").chain_id
            assert network.compute.least_assurance is Assurance.MOCK
        async with zerog.connect_async(url) as same:
            assert same.compute.blocking.least_assurance is Assurance.MOCK
        future.cancel()
    here, elsewhere, public = resolve("http://127.0.0.1:8545"), resolve("http://192.168.7.7:8545"), networks.load("galileo").chain_id
    assert least_assurance_of(here, public) is Assurance.TDX, "a tunnel may lead to the network itself"
    for chain_id, is_copy in ((424_242, False), (public, True)):
        assert least_assurance_of(elsewhere, chain_id, is_copy=is_copy) is Assurance.TDX, "what a node elsewhere says does not count"
    assert least_assurance_of(elsewhere.with_services(simulated_enclaves=True), 424_242) is Assurance.MOCK
    assert "simulated_enclaves=True" in SimulatedEvidenceError.remedy
    assert "simulated_enclaves=True" in EnclaveUnprovenError.remedy
