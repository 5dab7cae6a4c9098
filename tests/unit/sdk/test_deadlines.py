"""Every wait of the SDK has a deadline that its caller sets, and ends with it: also where a peer takes the connection and says nothing."""

import inspect
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
import pytest

import zerog
from tests.unit.compute.client.answers import signed_answer
from tests.unit.compute.provider.place import SIGNER, offer
from tests.unit.sdk.test_faces import PAIRS, public, words
from tests.unit.storage.client.peers import peer
from zerog.chain.client import AsyncChainClient, AsyncContract, ChainClient, Contract, NodeSilentError
from zerog.chain.protocol.logs import LogCriteria
from zerog.compute.client import AsyncComputeClient, ComputeClient, ComputeTimeoutError
from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.waiting import within
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import ModelsAnswer, SettlementEntry, SettlementPlace
from zerog.da.client import AsyncDaClient, DaClient
from zerog.da.protocol.names import BlobName
from zerog.errors import DeadlineError
from zerog.primitives import Account, Address, Data, Hash32
from zerog.storage.client import AsyncStorageClient, StorageClient
from zerog.storage.client.kv import AsyncKvClient, Batch, KvClient

TIMEOUT_S: Final = 0.4
BOUND_S: Final = 20.0
"""On a machine that does much else. Without the deadlines of the caller, every wait here is one of 30 s."""
AT_ONCE: Final = {"close", "contract", "events_of", "run"}
"""Methods that wait for nobody. (`run` is how a blocking face takes the work of the other one.)"""
ABI: Final = """[{"type":"function","name":"total","inputs":[],"outputs":[{"type":"uint256"}],"stateMutability":"view"},
{"type":"event","name":"Moved","inputs":[{"type":"address","name":"to","indexed":true}],"anonymous":false}]"""
ACCOUNT: Final = Account.from_private_key(b"\x51" * 32)
ADDRESS, HASH = Address(b"\x11" * 20), Hash32(b"\x22" * 32)
ARGUMENTS: Final[Mapping[str, object]] = {
    "abi": ABI, "account": ACCOUNT, "address": ADDRESS, "amount_wei": 1, "batch": Batch().set("s", b"k", b"v"), "bytecode": b"\x00",
    "content": b"content", "contents": [b"content"], "criteria": LogCriteria((ADDRESS,), ()), "chain_id": 1, "data": b"data",
    "key": b"key", "path": "/images/generations", "prompt": "?", "provider": ADDRESS, "request_id": "00", "root": HASH, "row_index": 0,
    "sender": ADDRESS, "stream": "stream", "subline_index": 0, "to": ADDRESS, "token_id": 1, "transaction": b"\x00", "tx_seq": 0,
    "transaction_hash": HASH, "transaction_hashes": [HASH], "value": b"value",
}  # fmt: skip
"""By the name of a parameter that has to be given."""
NAMES: Final[Mapping[str, object]] = {"StorageClient": HASH, "DaClient": BlobName(HASH, 1, 0), "Contract": "total"}
"""What `name` is depends on who is asked."""


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of somebody who takes every connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener.getsockname()[1]


# ---- the signatures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for pair in PAIRS[:-1] for kind in pair], ids=lambda kind: kind.__name__)
def test_every_method_that_waits_takes_a_deadline(kind: type) -> None:
    for name, member in public(kind).items():
        if not callable(member) or name in AT_ONCE:
            continue
        parameter = inspect.signature(member).parameters.get("timeout_s")
        assert parameter is not None, f"{kind.__name__}.{name} takes no `timeout_s`"
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, name
        assert (parameter.annotation, parameter.default) == (float | None, None), name
    assert "`timeout_s`" in words(kind) or kind.__name__ in ("AsyncStorageClient", "AsyncKvClient", "AsyncComputeClient", "DaClient")


def test_to_connect_takes_one_too() -> None:
    for connect in (zerog.connect, zerog.connect_async):
        assert inspect.signature(connect).parameters["timeout_s"].default is None


# ---- a peer that is silent -------------------------------------------------------------------------------------------


def clients(port: int, stack: ExitStack) -> Iterator[object]:
    """One client of each kind, all of whose peers are the silent one."""
    url, address = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"
    chain = stack.enter_context(ChainClient(url, account=ACCOUNT))
    yield chain
    yield chain.contract(ADDRESS, ABI)
    files = stack.enter_context(StorageClient(indexer=url, chain=chain, account=ACCOUNT))
    yield files
    yield stack.enter_context(KvClient(url, storage=files, chain=chain, flow=ADDRESS))
    yield stack.enter_context(DaClient(disperser=address, retriever=address, gateway=url, chain_url=url))
    yield stack.enter_context(ComputeClient(chain=chain, account=ACCOUNT))


def waiting_clients(port: int, stack: ExitStack) -> Iterator[Any]:
    """The same, for an event loop."""
    url, address = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"
    chain = stack.enter_context(ChainClient(url, account=ACCOUNT))
    waiting_chain = AsyncChainClient(url, account=ACCOUNT)
    yield waiting_chain
    yield waiting_chain.contract(ADDRESS, ABI)
    storage = AsyncStorageClient(indexer=url, chain=chain, account=ACCOUNT)
    yield storage
    yield AsyncKvClient(url, storage=storage.blocking, chain=chain, flow=ADDRESS)
    yield AsyncDaClient(disperser=address, retriever=address, gateway=url, chain_url=url)
    yield AsyncComputeClient(chain=chain, account=ACCOUNT)


def arguments_of(client: object, name: str, folder: Path, file: AnswerFile) -> Sequence[object]:
    """Something for every parameter that has to be given."""
    what = NAMES.get(type(client).__name__.removeprefix("Async"), "latest")
    given = {**ARGUMENTS, "name": what, "target": folder / "new", "answer": file, "file": file}
    if isinstance(client, Contract | AsyncContract):
        given["name"] = "Moved" if name == "events" else "total"
    elif name == "request":
        given["method"] = "zerog_nothing"
    if name == "post":
        given["body"] = b'{"model": "m", "prompt": "?"}'
    if name == "upload_directory":
        given["path"] = folder
    if name == "deploy":
        given["abi"] = "[]"
    return [
        given[parameter.name]
        for parameter in inspect.signature(getattr(client, name)).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]


def waits_of(client: object) -> list[str]:
    return sorted(name for name, member in public(type(client)).items() if callable(member) and name not in AT_ONCE)


def options_of(name: str) -> dict[str, object]:
    return {"timeout_s": TIMEOUT_S, **({"chain_id": 1} if name == "follow" else {})}


def take(method: Callable[..., Any], arguments: Sequence[object], options: Mapping[str, object]) -> object:
    """Whatever a method of a blocking client gives, taken to its end."""
    found = method(*arguments, **options)
    if hasattr(found, "__enter__"):
        with found as inner:
            return list(inner)
    return list(found) if isinstance(found, Iterator) else found


async def take_waiting(method: Callable[..., Any], arguments: Sequence[object], options: Mapping[str, object]) -> object:
    found = method(*arguments, **options)
    if hasattr(found, "__aenter__"):
        async with found as inner:
            return [words async for words in inner]
    return [item async for item in found] if isinstance(found, AsyncIterator) else await found


def check(name: str, began_s: float, error: BaseException | None) -> None:
    assert isinstance(error, DeadlineError), (name, error)
    assert time.monotonic() - began_s < BOUND_S, name
    assert error.remedy, name


@pytest.fixture
def file(silent: int) -> AnswerFile:
    """A settled answer of a provider that is silent."""
    _, answer = signed_answer(SIGNER, offer(url=f"http://127.0.0.1:{silent}"), ADDRESS, 5)
    entry = SettlementEntry(user=ADDRESS, provider=ADDRESS, total_fee="1", requests_hash=HASH, nonce="1", signature=Data(bytes(65)))
    place = SettlementPlace(transaction_hash=HASH, block_number=1, contract=ADDRESS, entry=entry, index=0, count=1, proof=[])
    return msgspec.structs.replace(answer, settlement=place)


def calls(found: Iterable[object], folder: Path, file: AnswerFile, to_the_end: Callable[..., Any]) -> list[tuple[str, Callable[[], Any]]]:
    """Every wait of some clients, by its name."""
    return [
        (
            f"{type(client).__name__}.{name}",
            partial(to_the_end, getattr(client, name), arguments_of(client, name, folder, file), options_of(name)),
        )
        for client in found
        for name in waits_of(client)
    ]


def test_nobody_waits_longer_for_a_silent_peer(silent: int, tmp_path: Path, file: AnswerFile) -> None:
    """All methods of all clients at once, each on a thread of its own."""
    with ExitStack() as stack:
        work = calls(list(clients(silent, stack)), tmp_path, file, take)
        assert len(work) > 80
        with ThreadPoolExecutor(len(work)) as pool:
            began_s = time.monotonic()
            for name, future in [(name, pool.submit(call)) for name, call in work]:
                check(name, began_s, future.exception(timeout=BOUND_S))


@pytest.mark.anyio
async def test_nor_does_anybody_with_an_event_loop(silent: int, tmp_path: Path, file: AnswerFile) -> None:
    failures: dict[str, Exception | None] = {}

    async def fail(name: str, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - what it is, is looked at below.
            failures[name] = error
        else:
            failures[name] = None

    with ExitStack() as stack:
        found = list(waiting_clients(silent, stack))
        began_s = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for name, call in calls(found, tmp_path, file, take_waiting):
                tasks.start_soon(fail, name, call)
        for client in found:
            if hasattr(client, "close"):
                await client.close()
    assert len(failures) > 80
    for name, failure in failures.items():
        check(name, began_s, failure)


@pytest.mark.anyio
async def test_to_connect_ends_as_well(silent: int) -> None:
    url, began_s = f"http://127.0.0.1:{silent}", time.monotonic()
    with pytest.raises(NodeSilentError, match=r"has not answered within 0\.4 s \(eth_chainId\)"):
        zerog.connect(url, timeout_s=TIMEOUT_S)
    with pytest.raises(NodeSilentError):
        async with zerog.connect_async(url, timeout_s=TIMEOUT_S):
            pass
    assert time.monotonic() - began_s < BOUND_S


def test_who_sends_a_byte_now_and_then_is_late_too() -> None:
    """Each read is quick, and the headers never end."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        ended = threading.Event()
        while not ended.wait(0.02):
            connection.sendall(b"x")

    with peer(drip) as url, ChainClient(url) as chain, StorageClient(nodes=[url]) as storage:
        connection = ProviderConnection(url, url)
        for wait in (
            partial(chain.block_number, timeout_s=TIMEOUT_S),
            partial(storage.files, timeout_s=TIMEOUT_S),
            partial(_models, connection),
        ):
            began_s = time.monotonic()
            with pytest.raises(DeadlineError):
                wait()
            assert time.monotonic() - began_s < BOUND_S
        connection.close()


def _models(connection: ProviderConnection) -> object:
    with within(TIMEOUT_S, "the provider has not told its models"):
        return connection.get("/v1/models", ModelsAnswer)


def test_the_limit_of_the_outermost_call_counts(silent: int) -> None:
    """What a call does inside may have more time of its own, and no more than the call."""
    with ChainClient(f"http://127.0.0.1:{silent}") as chain, ComputeClient(chain=chain) as compute, within(TIMEOUT_S, "it is not done"):
        began_s = time.monotonic()
        with pytest.raises(ComputeTimeoutError, match=r"it is not done within 0\.4 s"):
            compute.services(timeout_s=60)
        assert time.monotonic() - began_s < BOUND_S
