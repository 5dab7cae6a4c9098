"""Every layer through the SDK, with an event loop and without one, and the same on a copy of a public network that is given by its URL."""

from collections.abc import Iterator
from contextlib import aclosing

import anyio
import pytest

import zerog as package
from tests.devnet.command import Zerog
from zerog.compute.client import ChatOptions
from zerog.devnet.endpoints import Endpoints
from zerog.errors import ProviderNotAllowedError, RecipientNotAllowedError, SpendLimitError
from zerog.primitives import Account, Address, Data
from zerog.sdk import AsyncNetwork, Network, resolve

ONE = 10**18
SHORT = ChatOptions(max_tokens=8)
DATA = bytes(range(256)) * 300


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zerog]:
    zerog = Zerog(tmp_path_factory.mktemp("sdk"))
    zerog.up()
    yield zerog
    zerog.down()


def test_a_program_without_a_loop_uses_all_layers(local: Zerog) -> None:
    with package.connect("local", folder=local.folder, key=resolve("local", local.folder).accounts[4]) as network:
        use_all_layers(network)


def use_all_layers(network: Network) -> None:
    """Each as a new user does, whose file nobody has stored and whose stream nobody owns."""
    mine, stream = DATA + network.address, f"sdk of {network.address}"
    assert network.chain.block_number() >= 0
    upload = network.storage.upload(mine)
    assert network.storage.read(upload.root) == b"".join(network.storage.stream(upload.root)) == mine
    written = network.kv.put(stream, b"key", network.address)
    value = network.kv.get(stream, b"key")
    assert value is not None
    assert (value.version, value.data) == (written.tx_seq, network.address)
    blob = network.da.put(DATA)
    assert blob.name is not None
    assert network.da.get(blob.name) == DATA
    answer = network.compute.ask("Say hello.", options=SHORT)
    assert answer.text
    assert network.compute.verify(answer.file).fee_wei == answer.fee_wei


@pytest.mark.anyio
async def test_a_program_with_a_loop_does_the_same_at_once(local: Zerog) -> None:
    accounts = resolve("local", local.folder).accounts
    async with package.connect_async("local", folder=local.folder, key=accounts[5]) as network:
        with anyio.fail_after(100):
            async with anyio.create_task_group() as layers:
                for layer in (use_files, use_streams, use_blobs, use_models):
                    layers.start_soon(layer, network)


async def use_files(network: AsyncNetwork) -> None:
    upload = await network.storage.upload(DATA + b"files")
    async with aclosing(network.storage.stream(upload.root)) as pieces:  # type: ignore[type-var]
        assert b"".join([bytes(piece) async for piece in pieces]) == DATA + b"files"


async def use_streams(network: AsyncNetwork) -> None:
    await network.kv.put("sdk-loop", b"key", b"value")
    assert [(entry.key, entry.data) async for entry in network.kv.entries("sdk-loop")] == [(b"key", b"value")]


async def use_blobs(network: AsyncNetwork) -> None:
    blob = await network.da.put(DATA + b"blobs")
    assert blob.name is not None
    assert await network.da.get(blob.name) == DATA + b"blobs"


async def use_models(network: AsyncNetwork) -> None:
    async with network.compute.chat("Say hello.", options=SHORT) as stream:
        text = "".join([words async for words in stream])
        answer = await stream.answer()
    assert answer.text == text
    assert (await network.compute.verify(answer.file)).request_id == stream.request_id


def test_limits_hold_on_every_layer_and_across_programs(local: Zerog) -> None:
    place = resolve("local", local.folder)
    key = place.accounts[6]
    nobody = Address(b"\x09" * 20)
    allowed = (place.contracts["Flow"], place.contracts["LedgerManager"])
    with package.connect("local", folder=local.folder) as network:
        [service] = network.compute.services()

    def connect(**limits: object) -> Network:
        return package.connect("local", folder=local.folder, key=key, limits=package.Limits(**limits))  # type: ignore[arg-type]

    with connect(per_day_wei=20 * ONE, recipients=allowed, providers=(service.provider,)) as network:
        use_all_layers(network)
        assert network.signer is not None
        spent = {kind: network.signer.spent_today(kind) for kind in ("transaction", "transfer", "request")}
        assert all(spent.values()), spent
        assert spent["transaction"] > spent["transfer"] > spent["request"]
        before_wei, nonce = network.chain.balance(key.address), network.chain.nonce(key.address)
        with pytest.raises(RecipientNotAllowedError):
            network.chain.send(nobody, value_wei=1)
    with connect(per_day_wei=spent["transaction"]) as network:
        for spend in (
            lambda: network.chain.send(nobody, value_wei=1),
            lambda: network.storage.upload(DATA + b"more"),
            lambda: network.kv.put("sdk of another", b"other", b"value"),
            lambda: network.compute.deposit(ONE),
        ):
            with pytest.raises(SpendLimitError, match=r"a transaction of up to .* above the limit of .* a day"):
                spend()
    with connect(providers=(nobody,)) as network, pytest.raises(ProviderNotAllowedError):
        network.compute.ask("Say hello.", provider=service.provider, options=SHORT)
    with connect(per_call_wei=1) as network, pytest.raises(SpendLimitError, match="a request"):
        network.compute.ask("Say hello.", provider=service.provider, options=SHORT)
    with package.connect("local", folder=local.folder) as network:
        assert (network.chain.balance(key.address), network.chain.nonce(key.address)) == (before_wei, nonce)


def test_a_copy_of_a_public_network_is_used_by_its_url(local: Zerog, tmp_path_factory: pytest.TempPathFactory) -> None:
    local.down()
    clone = Zerog(tmp_path_factory.mktemp("clone"))
    endpoints = clone.up("--like", "galileo")
    try:
        with connect_by_url(endpoints, resolve("local", clone.folder).accounts[0]) as network:
            assert (network.chain_id, network.name) == (16_602, network.chain.url)
            assert network.accounts == ()
            use_all_layers(network)
            network.chain.send_and_wait(network.address)
            network.chain.faucet(Address(b"\x0a" * 20), 5)
            assert network.chain.balance(Address(b"\x0a" * 20)) == 5, "a copy is a network of our own"
    finally:
        clone.down()


def connect_by_url(endpoints: Endpoints, account: Account) -> Network:
    """As somebody does who knows nothing but where things are."""
    assert endpoints.chain is not None
    assert endpoints.storage is not None
    assert endpoints.da is not None
    flow = endpoints.contracts["Flow"]
    return package.connect(
        endpoints.chain.http,
        key=Data(account.private_key),
        chain_id=16_602,
        indexer_url=endpoints.storage.indexer,
        kv_url=endpoints.storage.kv,
        flow=None if flow is None else Address.from_json(flow),
        disperser=endpoints.da.disperser,
        retriever=endpoints.da.retriever,
        gateway=endpoints.da.gateway,
    )
