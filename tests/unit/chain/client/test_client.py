"""Both clients against a real node."""

from collections.abc import AsyncIterator, Iterator

import anyio
import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from zerog import networks
from zerog.chain.client import AnswerError, AsyncChainClient, ChainClient, NodeUnreachableError, ReceiptTimeoutError, RpcError
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.logs import LogCriteria
from zerog.primitives import Account, Address, Hash32

LOCAL = networks.load("local")
SENDER, OTHER = network_accounts(LOCAL)[:2]
W0G = LOCAL.addresses["w0g"]
DEPOSIT = bytes.fromhex("d0e30db0")
SYMBOL = bytes.fromhex("95d89b41")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    node = ChainNode(ChainNodeSettings(rpc_port=0), LOCAL)
    with start_blocking_portal() as portal:
        future, url = portal.start_task(node.run)
        yield url
        future.cancel()


@pytest.fixture
def client(url: str) -> Iterator[ChainClient]:
    with ChainClient(url) as client:
        yield client


@pytest.fixture
async def async_client(url: str) -> AsyncIterator[AsyncChainClient]:
    async with AsyncChainClient(url) as client:
        yield client


def test_a_program_without_a_loop_reads_and_sends(client: ChainClient) -> None:
    assert client.client_version().startswith("anvil/")
    assert client.chain_id() == LOCAL.chain_id
    nonce, height = client.nonce(SENDER.address), client.block_number()
    before = client.balance(OTHER.address)
    sent = client.send(OTHER.address, value_wei=5, account=SENDER)
    receipt = client.wait_for_receipt(sent)
    assert receipt.succeeded
    assert receipt.block_number == client.block_number() == height + 1
    assert client.balance(OTHER.address) == before + 5
    assert client.balance(OTHER.address, height) == before
    assert client.nonce(SENDER.address) == nonce + 1
    block = client.block(receipt.block_number)
    assert block is not None
    assert block.transactions == [sent]
    assert client.block(10**9) is None
    assert client.receipt(Hash32(bytes(32))) is None


def test_logs_and_calls_of_a_contract(client: ChainClient) -> None:
    client.send(W0G, value_wei=7, data=DEPOSIT, account=SENDER)
    logs = client.logs(LogCriteria((Address(W0G),)), client.block_number())
    assert [int.from_bytes(log.data, "big") for log in logs] == [7]
    assert client.call(W0G, SYMBOL).rstrip(b"\0").endswith(b"W0G")
    assert len(client.code(W0G)) > 100


def test_a_refusal_comes_with_the_nodes_words(client: ChainClient) -> None:
    with pytest.raises(RpcError) as refused:
        client.request("eth_getBalance", "0x00")
    assert refused.value.number == -32602
    with pytest.raises(RpcError, match=r"execution reverted \(3\)"):
        client.call(W0G, b"\x2e\x1a\x7d\x4d" + (10**30).to_bytes(32, "big"))


def test_a_transaction_that_is_not_mined_times_out(client: ChainClient) -> None:
    with pytest.raises(ReceiptTimeoutError, match="is in no block after"):
        client.wait_for_receipt(Hash32(b"\x01" * 32), timeout_s=0.1)


def test_nobody_at_the_url_is_said_with_a_remedy() -> None:
    with ChainClient("http://127.0.0.1:1") as client, pytest.raises(NodeUnreachableError) as failed:
        client.block_number()
    assert "zerog up" in failed.value.remedy


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"result": 5}', b'{"result": "0x"}'])
def test_what_is_no_answer_is_the_servers_fault(body: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    with ChainClient("http://node", transport=transport) as client, pytest.raises(AnswerError):
        client.client_version() if b"5" in body else client.block_number()


@pytest.mark.anyio
async def test_a_program_with_a_loop_reads_and_sends(async_client: AsyncChainClient) -> None:
    client = async_client
    nonce = await client.nonce(OTHER.address)
    async with anyio.create_task_group() as readers:
        for _ in range(10):
            readers.start_soon(client.block_number)
    receipt = await client.wait_for_receipt(await client.send(SENDER.address, value_wei=1, account=OTHER))
    assert receipt.succeeded
    assert await client.nonce(OTHER.address) == nonce + 1
    assert await client.code(W0G) == await client.code(W0G, "earliest")
    assert await client.logs(LogCriteria((Address(bytes(20)),))) == []
    with pytest.raises(ReceiptTimeoutError):
        await client.wait_for_receipt(Hash32(b"\x01" * 32), timeout_s=0.1)
    with pytest.raises(NodeUnreachableError):
        await AsyncChainClient("http://127.0.0.1:1").chain_id()


def test_an_account_without_money_is_told_where_it_comes_from(client: ChainClient) -> None:
    poor = Account.from_private_key(b"\x11" * 32)
    with pytest.raises(RpcError, match="insufficient funds") as caught:
        client.send(OTHER.address, value_wei=1, account=poor)
    assert "`zerog faucet ADDRESS`" in caught.value.remedy
    assert RpcError.remedy == "read the node's message"
