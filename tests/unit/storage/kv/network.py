"""A chain, storage nodes and key-value nodes in this process, and items for them."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Self

import anyio
import httpx
from anyio.from_thread import BlockingPortal

from tests.unit.storage.indexer.stage import Stage
from tests.unit.storage.node.network import ACCOUNTS, LOCAL, PRICE_WEI, WAIT_S, Chain, File, Network, Node, Talker
from zerog.contracts.storage import Submit, submit_call
from zerog.primitives import Address, Hash32
from zerog.storage.kv.service import KeyValueNode
from zerog.storage.kv.settings import KeyValueNodeSettings
from zerog.storage.protocol.streams import Control, StreamItem, StreamWrite, encode_item, tags_of_streams
from zerog.storage.protocol.submission import Submission

__all__ = ["ADDRESSES", "Item", "KvNetwork", "KvNode", "put", "stream", "submit"]

ADDRESSES = [account.address for account in ACCOUNTS]
numbers = count(1)


def stream(number: int | None = None) -> Hash32:
    """A stream that nobody has used yet, or a certain one."""
    return Hash32((0xF200_0000 + (next(numbers) if number is None else number)).to_bytes(32))


class Item(File):
    """The file of an item, with its tags."""

    def __init__(self, data: bytes, streams: Sequence[Hash32]) -> None:
        super().__init__(data)
        self.streams = streams

    @classmethod
    def of(
        cls,
        *writes: tuple[Hash32, bytes, bytes],
        controls: Sequence[Control] = (),
        streams: Sequence[Hash32] | None = None,
        **item: Any,
    ) -> Self:
        """An item of stream, key and value of each write; no two have the same bytes."""
        made = StreamItem(writes=[StreamWrite(stream=to, key=key, value=value) for to, key, value in writes], controls=controls, **item)
        tagged = made.streams if streams is None else streams
        return cls(encode_item(made) + b"item %d" % next(numbers), tagged)

    def submission(self) -> Submission:
        return self.tree.submission(tags_of_streams(self.streams))


def submit(chain: Chain, file: File, *, signer: int = 1, submitter: Address | None = None) -> int:
    """Announce a file; returns its number. `submitter` is what the call claims, by default the truth."""
    account, submission = ACCOUNTS[signer], file.submission()
    data = submit_call(submission, submitter or account.address)
    sent = chain.client.send(LOCAL.addresses["flow"], value_wei=submission.fee_wei(PRICE_WEI), data=data, account=account)
    receipt = chain.client.wait_for_receipt(sent)
    assert receipt.succeeded
    return Submit.decode(receipt.logs[-1].topics, receipt.logs[-1].data).placement.tx_seq


def put(chain: Chain, node: Node, item: File, *, signer: int = 1) -> int:
    """Submit an item and upload it; returns its number."""
    seq = submit(chain, item, signer=signer)
    node.wait_for_seq(seq)
    node.upload(item, seq)
    return seq


class KvNode(Talker):
    """A key-value node."""

    def __init__(self, node: KeyValueNode, url: str, http: httpx.Client, portal: BlockingPortal) -> None:
        super().__init__(url, http)
        self.node = node
        self.portal = portal

    @property
    def keeper(self) -> Any:
        return self.node.keeper

    def wait(self, fits: Callable[[], bool]) -> None:
        """Return once something is so; the node is asked again whenever its loop has gone round."""

        async def wait() -> None:
            with anyio.fail_after(WAIT_S):
                while not fits():  # noqa: ASYNC110 - what is waited for has no event of its own.
                    await anyio.sleep(0.002)

        self.portal.call(wait)

    def wait_for_seq(self, seq: int) -> None:
        """Return once a submission has been read."""
        self.wait(lambda: self.keeper.store.next_seq > seq)

    def wait_for_result(self, seq: int) -> str:
        """What became of a submission, once that is known."""
        self.wait(lambda: self.keeper.store.result(seq) is not None)
        return str(self.rpc("kv_getTransactionResult", seq))

    def get(self, stream: Hash32, key: bytes, *, start: int = 0, length: int = 1000, version: int | None = None) -> bytes | None:
        """A value; `None` if it was never written."""
        found = self.rpc("kv_getValue", str(stream), b64encode(key).decode(), start, length, *([] if version is None else [version]))
        return b64decode(found["data"]) if found["version"] or found["size"] else None

    def state(self, *streams: Hash32) -> object:
        """All keys and values of streams, with their versions."""
        found = []
        for each in streams:
            page = self.rpc("kv_listKeys", str(each), None, 1000)
            assert page["next"] is None
            for entry in page["keys"]:
                value = self.rpc("kv_getValue", str(each), entry["key"], 0, 1000)
                found.append((str(each), entry["key"], entry["version"], value))
        return found


class KvNetwork(Network):
    """Starts key-value nodes too."""

    def kv(self, chain: Chain, *nodes: Node, **changes: Any) -> KvNode:
        node = self._kv_node(chain, nodes, changes)
        return KvNode(node, self._start(node), self.http, self.portal)

    @contextmanager
    def running_kv(self, chain: Chain, *nodes: Node, **changes: Any) -> Iterator[KvNode]:
        """A node that is stopped in the end."""
        node = self._kv_node(chain, nodes, changes)
        running, url, ended = self._begin(node)
        try:
            yield KvNode(node, url, self.http, self.portal)
        finally:
            running.cancel()
            assert ended.wait(WAIT_S)

    def stage(self, chain: Chain) -> Stage:
        """What starts indexers, and doors in front of nodes."""
        return Stage(self, chain, self._cleanup)

    def _kv_node(self, chain: Chain, nodes: Sequence[Node], changes: dict[str, Any]) -> KeyValueNode:
        settings: dict[str, Any] = {"port": 0, "chain_url": chain.url, "nodes": tuple(node.url for node in nodes), "stream": ("all",)}
        return KeyValueNode(KeyValueNodeSettings(**(settings | changes)))
