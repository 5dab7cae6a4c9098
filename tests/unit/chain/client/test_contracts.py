"""What an app asks of a chain, through both faces of the client: contracts by their ABI, tokens of the faucet, lists of transactions."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import Any, TypeVar

import pytest
from anyio.from_thread import start_blocking_portal

from zerog import networks
from zerog.chain.client import (
    AbiMismatchError,
    AsyncChainClient,
    ChainClient,
    NoFaucetError,
    ReceiptTimeoutError,
    RevertedError,
    RpcError,
)
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.contracts.artefact import load_artefact
from zerog.contracts.interface import interface_of
from zerog.primitives import Address, Hash32

LOCAL = networks.load("local")
SENDER, OTHER = network_accounts(LOCAL)[5:7]
W0G, LEDGER = load_artefact("chain", "W0G"), load_artefact("compute", "LedgerManager")
ABI = json.loads(W0G.abi_json)
STORES_TIME = "0x425f5500"
"""TIMESTAMP PUSH0 SSTORE STOP: to write the time that stands there already takes less gas."""
T = TypeVar("T")


async def of(outcome: Awaitable[T] | T) -> Any:
    """What a call of either face gives."""
    return await outcome if isawaitable(outcome) else outcome


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    node = ChainNode(ChainNodeSettings(rpc_port=0), LOCAL)
    with start_blocking_portal() as portal:
        future, url = portal.start_task(node.run)
        yield url
        future.cancel()


@pytest.fixture(params=[ChainClient, AsyncChainClient])
async def client(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Any]:
    client = request.param(url, account=SENDER)
    yield client
    await of(client.close())


@pytest.mark.anyio
async def test_a_contract_is_created_called_and_sent_to(client: Any) -> None:
    token = await of(client.deploy(ABI, W0G.creation_code))
    assert isinstance(token.address, Address)
    assert await of(token.call("symbol")) == "W0G"
    assert await of(token.call("balanceOf", SENDER.address)) == 0
    receipt = await of(token.send_and_wait("deposit", value_wei=100))
    [deposit] = token.events_of(receipt)
    assert (deposit.name, deposit.transaction_hash) == ("Deposit", receipt.transaction_hash)
    assert list(deposit.arguments.values()) == [SENDER.address, 100]
    assert isinstance(next(iter(deposit.arguments.values())), Address)
    sent = await of(token.send("transfer", str(OTHER.address), 40))
    assert (await of(client.wait_for_receipt(sent))).succeeded
    assert await of(token.call("balanceOf(address)", OTHER.address)) == 40
    assert await of(token.call("balanceOf", OTHER.address, block=receipt.block_number)) == 0
    assert await of(token.call("transfer", SENDER.address, 1, sender=OTHER.address)) is True
    assert await of(token.estimate_gas("transfer", OTHER.address, 1)) > 21_000

    same = client.contract(str(token.address), W0G.abi_json)
    [transfer] = await of(same.events("Transfer", where={await indexed_name(same): OTHER.address}))
    assert transfer.transaction_hash == sent
    assert await of(same.events("Transfer", where={await indexed_name(same): LOCAL.addresses["flow"]})) == []
    assert len(await of(same.events("Transfer", first=receipt.block_number))) >= 1


async def indexed_name(token: Any) -> str:
    """Of the receiver: the ABI says how it is called."""
    [event] = [entry for entry in ABI if entry["type"] == "event" and entry["name"] == "Transfer"]
    name: str = event["inputs"][1]["name"]
    return name


@pytest.mark.anyio
async def test_what_was_estimated_a_second_ago_is_enough_where_a_contract_keeps_the_time(client: Any) -> None:
    clock = Address(secrets.token_bytes(20))
    await of(client.request("anvil_setCode", str(clock), STORES_TIME))
    head = await of(client.block())
    now = int(head.timestamp)
    await of(client.request("anvil_setStorageAt", str(clock), "0x0", f"0x{now:064x}"))
    await of(client.request("evm_setAutomine", False))
    try:
        needed = await of(client.estimate_gas(SENDER.address, clock))
        sent = await of(client.send(clock))
        await of(client.request("evm_setNextBlockTimestamp", now + 2_000))
        await of(client.request("evm_mine"))
    finally:
        await of(client.request("evm_setAutomine", True))
    receipt = await of(client.wait_for_receipt(sent, timeout_s=10))
    assert receipt.succeeded
    assert int(receipt.gas_used) > needed


@pytest.mark.anyio
async def test_a_revert_is_told_in_the_contracts_words(client: Any) -> None:
    token = await of(client.deploy(W0G.abi_json.decode(), "0x" + W0G.creation_code.hex()))
    for attempt in (token.call, token.send, token.send_and_wait, token.estimate_gas):
        options = {"sender": SENDER.address} if attempt == token.call else {}
        with pytest.raises(RevertedError) as caught:
            await of(attempt("transfer", OTHER.address, 5, **options))
        assert (caught.value.what, caught.value.transaction_hash) == ("transfer(address,uint256)", None)
        assert caught.value.name in {entry["name"] for entry in ABI if entry["type"] == "error"} | {"Error", "Panic"}
    late = client.contract(token.address, ABI)
    with pytest.raises(RevertedError, match=r"transfer\(address,uint256\) reverted") as caught:
        await of(late.send_and_wait("transfer", OTHER.address, 5, gas_limit=100_000))
    assert caught.value.transaction_hash is not None
    assert caught.value.name is not None
    receipt = await of(client.receipt(caught.value.transaction_hash))
    assert not receipt.succeeded


@pytest.mark.anyio
async def test_custom_errors_have_names_and_arguments(client: Any) -> None:
    ledger = client.contract(LOCAL.addresses["ledger_manager"], interface_of(LEDGER.abi_json))
    with pytest.raises(RevertedError, match=f"LedgerNotExists\\({OTHER.address}\\)") as caught:
        await of(ledger.call("getLedger", OTHER.address))
    assert caught.value.arguments == (OTHER.address,)
    bare = client.contract(ledger.address, [entry for entry in json.loads(LEDGER.abi_json) if entry["type"] == "function"])
    with pytest.raises(RevertedError, match="without a known reason"):
        await of(bare.call("getLedger", OTHER.address))


@pytest.mark.anyio
async def test_a_constructor_that_refuses_is_told(client: Any) -> None:
    text = bytes.fromhex("08c379a0") + (32).to_bytes(32) + (4).to_bytes(32) + b"nope".ljust(32, b"\0")
    refusing = bytes.fromhex(f"60{len(text):02x}600c60003960{len(text):02x}6000fd") + text
    with pytest.raises(RevertedError, match="the constructor reverted: nope"):
        await of(client.deploy([], refusing))
    with pytest.raises(RevertedError, match="the constructor reverted: nope") as caught:
        await of(client.deploy([], refusing, gas_limit=200_000))
    assert caught.value.transaction_hash is not None
    with pytest.raises(RevertedError, match=r"transaction 0x\w+ reverted: invalid opcode"):
        await of(client.send_and_wait(None, data=b"\xfe", gas_limit=100_000))


@pytest.mark.anyio
async def test_what_is_not_in_the_abi_is_said(client: Any) -> None:
    token = client.contract(LOCAL.addresses["w0g"], ABI)
    attempts: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: token.call("balance"), "no function 'balance'"),
        (lambda: token.call("balanceOf"), "balanceOf"),
        (lambda: token.send("burn", 1, 2, 3), "no function 'burn'"),
        (lambda: token.call("balanceOf", "nobody"), "balanceOf"),
        (lambda: token.send("transfer", OTHER.address, -1), "transfer"),
        (lambda: token.events("Nothing"), "no event 'Nothing'"),
        (lambda: token.events("Transfer", where={"nobody": 1}), "no indexed argument 'nobody'"),
        (lambda: client.contract(OTHER.address, ABI).call("balanceOf", OTHER.address), "answers balanceOf"),
        (lambda: client.contract(OTHER.address, "{"), "no ABI"),
        (lambda: client.contract(OTHER.address, 5), "no ABI"),
        (lambda: client.deploy(ABI, "0x__$lib$__"), "no hex"),
        (lambda: client.deploy(ABI, W0G.creation_code, 1), "constructor"),
    )
    for wrong, text in attempts:
        with pytest.raises(AbiMismatchError, match=text):
            await of(wrong())


@pytest.mark.anyio
async def test_the_faucet_gives_on_our_own_networks(client: Any) -> None:
    poor = Address(secrets.token_bytes(20))
    await of(client.faucet(poor, 10**19))
    await of(client.faucet(poor, 1))
    assert await of(client.balance(poor)) == 10**19 + 1


@pytest.mark.anyio
async def test_where_developer_methods_are_off_there_is_no_faucet() -> None:
    node = ChainNode(ChainNodeSettings(rpc_port=0, dev_methods=False), LOCAL)
    with start_blocking_portal() as portal:
        future, url = portal.start_task(node.run)
        with ChainClient(url) as client, pytest.raises(NoFaucetError):
            client.faucet(OTHER.address, 1)
        future.cancel()


@pytest.mark.anyio
async def test_transactions_of_an_address_come_in_pages(client: Any) -> None:
    account = Address(secrets.token_bytes(20))
    sent = [(await of(client.send_and_wait(account, value_wei=wei))).transaction_hash for wei in range(1, 6)]
    first = await of(client.transactions(account, count=2))
    second = await of(client.transactions(account, before_block=first.before_block, count=2))
    last = await of(client.transactions(account, before_block=second.before_block, count=2))
    found = [*first.transactions, *second.transactions, *last.transactions]
    assert [transaction.hash for transaction in found] == sent[::-1]
    assert [(transaction.sender, transaction.to, transaction.value_wei) for transaction in found[:1]] == [(SENDER.address, account, 5)]
    assert last.before_block is None
    assert (await of(client.transaction(sent[0]))).value_wei == 1
    assert await of(client.transaction(Hash32(bytes(32)))) is None
    assert (await of(client.transactions(Address(secrets.token_bytes(20))))).transactions == []


@pytest.mark.anyio
async def test_a_wait_ends_and_says_what_it_waited_for(client: Any) -> None:
    with pytest.raises(ReceiptTimeoutError, match=r"is in no block after 0\.1 s"):
        await of(client.wait_for_receipt(Hash32(bytes(32)), timeout_s=0.1))
    with pytest.raises(RpcError):
        await of(client.request("eth_nothing"))
