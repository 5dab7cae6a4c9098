"""What a type checker tells a user of the SDK: `make lint` checks this file strictly, as a user's own program is."""

from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, assert_type

import zerog
from zerog.chain.client import AsyncContract, BlockAnswer, Contract, ContractEvent, ReceiptAnswer, TransactionPage
from zerog.compute.client import Answer, Verdict
from zerog.da.client import Dispersal
from zerog.errors import SpendLimitError, ZerogError
from zerog.primitives import Account, Address, Hash32
from zerog.sdk import AsyncNetwork, Network
from zerog.storage.client import Upload
from zerog.storage.client.kv import Entry, Value, Written


def test_types_are_shipped() -> None:
    assert files("zerog").joinpath("py.typed").is_file()


def without_a_loop() -> None:
    """Never run: here the checker is the test."""
    with zerog.connect("local", key="0x" + "11" * 32, folder=Path(), limits=zerog.Limits(per_day_wei=1)) as network:
        assert_type(network, Network)
        assert_type(network.account, Account)
        assert_type(network.signer, zerog.Signer | None)
        assert_type(network.chain.balance(network.address), int)
        assert_type(network.chain.block("latest"), BlockAnswer | None)
        assert_type(network.chain.send(network.address, value_wei=1), Hash32)
        assert_type(network.chain.send_and_wait(network.address), ReceiptAnswer)
        assert_type(network.chain.transactions(network.address), TransactionPage)
        contract = network.chain.deploy("[]", "0x", 1)
        assert_type(contract, Contract)
        assert_type(contract.call("name"), Any)
        assert_type(contract.events("Transfer"), list[ContractEvent])
        assert_type(network.storage.upload(b""), Upload)
        assert_type(network.storage.stream(Hash32(bytes(32))), Iterator[memoryview])
        assert_type(network.kv.get("stream", b"key"), Value | None)
        assert_type(network.kv.put("stream", b"key", b"value"), Written)
        assert_type(network.kv.entries("stream"), Iterator[Entry])
        assert_type(network.da.put(b"", timeout_s=1.0), Dispersal)
        answer = network.compute.ask("?")
        assert_type(answer, Answer)
        assert_type(network.compute.verify(answer.file), Verdict)
        network.chain.send(value_wei=1)  # type: ignore[call-arg]
        network.chain.send(network.address, 5)  # type: ignore[call-arg]
        network.kv.put("stream", "key", b"value")  # type: ignore[arg-type]


async def with_a_loop() -> None:
    """Likewise."""
    async with zerog.connect_async("galileo") as network:
        assert_type(network, AsyncNetwork)
        assert_type(await network.chain.balance(network.address), int)
        assert_type(await network.chain.send_and_wait(network.address), ReceiptAnswer)
        contract = await network.chain.deploy("[]", "0x", 1)
        assert_type(contract, AsyncContract)
        assert_type(await contract.call("name"), Any)
        assert_type(await network.storage.upload(b"", progress=lambda _progress: None), Upload)
        assert_type(network.storage.stream(Hash32(bytes(32))), AsyncIterator[memoryview])
        assert_type(await network.kv.get("stream", b"key"), Value | None)
        assert_type(network.kv.entries("stream"), AsyncIterator[Entry])
        assert_type(await network.da.put(b"", timeout_s=1.0), Dispersal)
        assert_type(await network.compute.ask("?"), Answer)
        async with network.compute.chat("?") as stream:
            assert_type([words async for words in stream], list[str])
            assert_type(await stream.answer(), Answer)
        await network.chain.balance(network.address, timeout_s="1")  # type: ignore[arg-type]


def with_errors(error: ZerogError) -> None:
    """Likewise."""
    assert_type(error.code, str)
    assert_type(error.cause, str)
    assert_type(error.remedy, str)
    if isinstance(error, SpendLimitError):
        assert_type(error.limit_wei, int)
        assert_type(error.spent_wei, int | None)
    assert_type(Address(bytes(20)), Address)
