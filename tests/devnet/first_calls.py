"""The first calls that somebody makes on a network that has just said it is ready: one on every layer, all at once, none of them twice."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import zerog
from zerog.compute.client import ChatOptions
from zerog.da.client import WaitUntil
from zerog.da.protocol.names import BlobName
from zerog.primitives import Hash32
from zerog.sdk.network import Network

__all__ = ["Left", "call_every_layer", "find_again"]

PAYERS: Final = {"chain": 1, "storage": 2, "kv": 3, "compute": 4}
"""Which test account pays on which layer: two threads with one account would overtake each other."""
RECEIVER: Final = 9
STREAM: Final = "first-calls"
CALL_S_MAX: Final = 120.0
"""Far more than any call takes, so that one that hangs is a failure and not a hang."""


@dataclass(slots=True)
class Left:
    """What the calls on one network have left, and what has to be there from then on."""

    received_wei: int = 0
    files: dict[Hash32, bytes] = field(default_factory=dict)
    values: dict[bytes, bytes] = field(default_factory=dict)
    blobs: dict[BlobName, bytes] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    """Keys of chats."""


@contextmanager
def _connected(folder: Path) -> Iterator[dict[str, Network]]:
    """A network for each layer, with the account that pays there."""
    with ExitStack() as open_networks:
        accounts = open_networks.enter_context(zerog.connect("local", folder=folder)).accounts
        yield {
            layer: open_networks.enter_context(zerog.connect("local", folder=folder, key=accounts[payer]))
            for layer, payer in (PAYERS | {"da": 0}).items()
        }


def call_every_layer(folder: Path, left: Left, dice: Random, *, blob_until: WaitUntil) -> None:
    """A transfer, a file, a key, a blob and a paid chat; each is read back as far as it can be."""
    content, value, blob = dice.randbytes(dice.randint(1, 300_000)), dice.randbytes(40), dice.randbytes(dice.randint(1, 3_000))
    amount_wei = dice.randint(1, 10**18)
    with _connected(folder) as networks:
        receiver = networks["chain"].accounts[RECEIVER].address
        before_wei = networks["chain"].chain.balance(receiver)

        def transfer() -> None:
            chain = networks["chain"].chain
            sent = chain.send(receiver, value_wei=amount_wei)
            assert chain.wait_for_receipt(sent, timeout_s=CALL_S_MAX).succeeded
            assert chain.balance(receiver) == before_wei + amount_wei
            left.received_wei += amount_wei

        def store() -> None:
            root = networks["storage"].storage.upload(content).root
            left.files[root] = content
            assert networks["storage"].storage.read(root) == content

        def write() -> None:
            key = b"%d" % len(left.values)
            networks["kv"].kv.put(STREAM, key, value)
            left.values[key] = value
            assert _value(networks["kv"], key) == value

        def disperse() -> None:
            done = networks["da"].da.put(blob, wait_until=blob_until, timeout_s=CALL_S_MAX)
            if done.name is not None:
                left.blobs[done.name] = blob
                assert networks["da"].da.get(done.name) == blob

        def chat() -> None:
            options = ChatOptions(max_tokens=4, temperature=0)
            answer = networks["compute"].compute.ask("Say a word.", options=options)
            left.answers.append(answer.request_id)

        _all_at_once(transfer, store, write, disperse, chat)


def find_again(folder: Path, left: Left) -> None:
    """All that was left is there: as the first thing that is asked of a network."""
    with _connected(folder) as networks:

        def balance() -> None:
            chain, receiver = networks["chain"].chain, networks["chain"].accounts[RECEIVER].address
            assert chain.balance(receiver) - chain.balance(receiver, 0) == left.received_wei

        def files() -> None:
            for root, content in left.files.items():
                assert networks["storage"].storage.read(root) == content

        def values() -> None:
            assert {key: _value(networks["kv"], key) for key in left.values} == left.values

        def blobs() -> None:
            for name, blob in left.blobs.items():
                assert networks["da"].da.get(name) == blob

        def receipts() -> None:
            if left.answers:
                [service] = networks["compute"].compute.services()
                found = [receipt.id for receipt in networks["compute"].compute.receipts(service.provider)]
                assert sorted(found) == sorted(left.answers)

        _all_at_once(balance, files, values, blobs, receipts)


def _value(network: Network, key: bytes) -> bytes | None:
    found = network.kv.get(STREAM, key)
    return None if found is None else found.data


def _all_at_once(*calls: Callable[[], None]) -> None:
    """Every call in a thread of its own. Raises a group of all that failed."""
    with ThreadPoolExecutor(len(calls)) as threads:
        futures = [threads.submit(call) for call in calls]
        failures = [error for future in futures if (error := future.exception(CALL_S_MAX)) is not None]
    if failures:
        raise BaseExceptionGroup("first calls that failed", failures)
