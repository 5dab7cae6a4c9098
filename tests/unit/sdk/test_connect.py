"""From names and URLs to networks."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from anyio.from_thread import start_blocking_portal

import zerog
from zerog import networks
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import UnknownNetworkError
from zerog.primitives import Hash32
from zerog.sdk import NoNetworkError, NoStorageError, resolve
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
        sent = await network.chain.send(network.accounts[1], network.accounts[2].address, value_wei=1)
        assert (await network.chain.wait_for_receipt(sent)).succeeded


def test_a_url_is_taken_as_it_is() -> None:
    with zerog.connect("http://127.0.0.1:1") as network:
        assert network.chain.url == "http://127.0.0.1:1"
        assert network.accounts == ()


def test_a_public_name_means_the_real_network() -> None:
    assert resolve("galileo").chain_url == "https://evmrpc-testnet.0g.ai"


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


def test_storage_is_where_the_network_says(tmp_path: Path) -> None:
    (tmp_path / ".zerog").mkdir()
    (tmp_path / ".zerog" / "endpoints.json").write_text(
        '{"chain": {"http": "http://127.0.0.1:1"}, "storage": {"indexer": "http://127.0.0.1:2", "kv": null, "nodes": []}}'
    )
    assert resolve("local", tmp_path).indexer_url == "http://127.0.0.1:2"
    assert resolve("galileo").indexer_url == "https://indexer-storage-testnet-turbo.0g.ai"
    with zerog.connect("local", folder=tmp_path) as network, pytest.raises(PeerUnreachableError, match=r"127\.0\.0\.1:2"):
        network.storage.stat(Hash32(bytes(32)))


@pytest.mark.anyio
async def test_where_no_storage_is_known_it_is_refused_on_use(folder: Path) -> None:
    with zerog.connect("http://127.0.0.1:1") as network, pytest.raises(NoStorageError, match=r"127\.0\.0\.1:1"):
        network.storage.stat(Hash32(bytes(32)))
    async with zerog.connect_async("local", folder=folder) as same:
        with pytest.raises(NoStorageError):
            await same.storage.stat(Hash32(bytes(32)))
