"""Providers that fall silent while they are asked: the caller's deadline ends it, and says what was done and is paid."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.unit.compute.client.conftest import Shop
from tests.unit.compute.provider.place import ONE, PROVIDER, offer
from tests.unit.storage.client.peers import answer_of, peer, read_request
from zerog.compute.client import ComputeTimeoutError
from zerog.primitives import Account

WORD = b'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Well"}}]}\n\n'
BOUND_S = 30.0
"""On a busy machine; without the deadline a provider may be silent for 300 s."""


@pytest.fixture
def late(shop: Shop) -> Iterator[Account]:
    """A provider that takes a chat, says one word and falls silent."""
    provider = Account.from_private_key(secrets.token_bytes(32))
    ended = threading.Event()

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            if b"/unsettledfee" in request:
                user = request.split(b"/")[3]
                connection.sendall(answer_of(b'{"userAddress":"%s","unsettledFee":"0"}' % user))
            elif request.startswith(b"POST"):
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nZG-Res-Key: late-1\r\nTransfer-Encoding: chunked\r\n\r\n"
                connection.sendall(head + b"%x\r\n%s\r\n" % (len(WORD), WORD))
                ended.wait(BOUND_S)
                return
            else:
                connection.sendall(answer_of(b"{}", status="404 Not Found"))

    ask = shop.place.client.request
    shop.portal.call(ask, "hardhat_setBalance", str(provider.address), hex(1000 * ONE))
    with peer(script) as url:
        shop.portal.call(_offered, shop, provider, url)
        yield provider
        ended.set()


async def _offered(shop: Shop, provider: Account, url: str) -> None:
    params = offer(url=url, signer=provider.address)
    await shop.place.serving(provider, "addOrUpdateService", params.to_abi(), value_wei=100 * ONE)
    await shop.place.acknowledge(provider.address)


def test_a_stream_that_stops_is_left_and_a_whole_answer_has_its_limit(shop: Shop, user: Account, late: Account) -> None:
    with shop.client(user) as client:
        client.deposit(5 * ONE)
        client.transfer(late.address, 3 * ONE)
        began_s = time.monotonic()
        with client.chat("Hello?", provider=late.address, timeout_s=3) as stream:
            words = iter(stream)
            assert next(words) == "Well"
            with pytest.raises(ComputeTimeoutError, match=r"the answer has not gone on within 3 s; .* has taken request late-1") as stopped:
                next(words)
            assert "charges for its answer" in str(stopped.value)
        with pytest.raises(ComputeTimeoutError, match=r"there is no answer within 3 s; .* has taken request late-1"):
            client.ask("Hello?", provider=late.address, timeout_s=3)
        assert time.monotonic() - began_s < BOUND_S
        assert client.money(timeout_s=10).ledger is not None


def test_what_was_sent_before_is_named(shop: Shop, user: Account) -> None:
    ask = shop.place.client.request
    shop.portal.call(ask, "evm_setAutomine", False)
    shop.portal.call(ask, "evm_setIntervalMining", 3600)  # A chain that makes blocks, and none for a while.
    try:
        with shop.client(user) as client, pytest.raises(ComputeTimeoutError, match=r"within 3 s; transaction 0x\w{64} was sent"):
            client.ask("Hello?", provider=PROVIDER.address, timeout_s=3)
    finally:
        shop.portal.call(ask, "evm_setIntervalMining", 0)
        shop.portal.call(ask, "evm_setAutomine", True)
        shop.portal.call(ask, "evm_mine")
