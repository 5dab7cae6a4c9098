"""A chain and storage nodes in this process, and the quickest way to talk to them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Any, Self

import anyio
import httpx
import msgspec
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

from zerog import networks
from zerog._kernel import Transaction
from zerog.chain.client import ChainClient
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.contracts.storage import Submit, batch_submit_call, submit_call
from zerog.primitives import Account, Hash32, Wei
from zerog.runtime.process import expected_error
from zerog.runtime.role import Role
from zerog.storage.node.growth import toss
from zerog.storage.node.service import StorageNode
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.node.upload_rules import SegmentUpload
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.padding import uploaded_bytes_of_segment
from zerog.storage.protocol.submission import Submission
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.segments import BulkSegment, BulkUpload, FileProof, SegmentWithProof

LOCAL = networks.load("local")
ACCOUNTS = network_accounts(LOCAL)
PRICE_WEI = LOCAL.storage.price_per_sector_wei if LOCAL.storage is not None else Wei(0)
WAIT_S = 20.0
"""More than anything here takes; who waits longer has found a fault."""


def pattern(size_bytes: int, seed: int = 0) -> bytes:
    """Bytes that differ from segment to segment."""
    block = bytes((index * 31 + (index >> 8) * 7 + seed) % 251 for index in range(min(size_bytes, 4099)))
    return (block * (size_bytes // max(1, len(block)) + 1))[:size_bytes]


@dataclass
class RefusedError(Exception):
    """What a node answered instead of a result."""

    code: int
    message: str
    data: object = None


class File:
    """A file with all that its upload needs."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tree = FileTree(data)
        self.root = self.tree.root

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def segments(self) -> range:
        return range(-(-len(self.data) // SEGMENT_BYTES))

    def submission(self) -> Submission:
        return self.tree.submission()

    def uploaded(self, index: int) -> bytes:
        """Segment `index` as it is uploaded."""
        part = self.data[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
        return part.ljust(uploaded_bytes_of_segment(self.size, index), b"\0")

    def segment(self, index: int, **changes: object) -> dict[str, object]:
        """Segment `index` as JSON, with `changes`."""
        shape = SegmentWithProof(
            root=self.root,
            data=self.uploaded(index),
            index=index,
            proof=FileProof.of(self.tree.segment_proof(index)),
            file_size=self.size,
        )
        plain: dict[str, object] = msgspec.json.decode(msgspec.json.encode(shape, enc_hook=lambda value: "0x" + value.hex()))
        return plain | changes

    def bulk(self, indexes: Sequence[int], tx_seq: int | None = None) -> BulkUpload:
        """Segments as MessagePack takes them."""
        proofs = [self.tree.segment_proof(index) for index in indexes]
        segments = [
            BulkSegment(
                index=index, data=memoryview(self.uploaded(index)), lemma=[bytes(hash_) for hash_ in proof.lemma], path=list(proof.path)
            )
            for index, proof in zip(indexes, proofs, strict=True)
        ]
        return BulkUpload(root=bytes(self.root), size_bytes=self.size, tx_seq=tx_seq, segments=segments)


@dataclass
class Talker:
    """Talks JSON-RPC to one URL."""

    url: str
    http: httpx.Client
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def post(self, body: object) -> Any:
        return self.http.post(self.url, json=body, timeout=WAIT_S).json()

    def rpc(self, method: str, *params: object) -> Any:
        """The result; raises `RefusedError`."""
        answer = self.post({"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": list(params)})
        if "error" in answer:
            raise RefusedError(answer["error"]["code"], answer["error"]["message"], answer["error"].get("data"))
        return answer["result"]

    def refusal(self, method: str, *params: object) -> tuple[int, str, object]:
        """Code, message and data of the error; fails when there is none."""
        try:
            result = self.rpc(method, *params)
        except RefusedError as refused:
            return refused.code, refused.message, refused.data
        raise AssertionError(f"{method} answered {result!r}")


class Chain(Talker):
    """A chain node whose blocks come on demand."""

    def __init__(self, node: ChainNode, url: str, http: httpx.Client) -> None:
        super().__init__(url, http)
        self.node = node
        self.client = ChainClient(url)

    def submit(self, *submissions: Submission, sender: int = 1) -> list[int]:
        """Announce files in one transaction; returns their numbers."""
        account = ACCOUNTS[sender]
        data = submit_call(submissions[0], account.address) if len(submissions) == 1 else batch_submit_call(submissions, account.address)
        fee_wei = sum(submission.fee_wei(PRICE_WEI) for submission in submissions)
        sent = self.client.send(LOCAL.addresses["flow"], value_wei=fee_wei, data=data, account=account)
        receipt = self.client.wait_for_receipt(sent)
        assert receipt.succeeded
        events = [Submit.decode(log.topics, log.data) for log in receipt.logs if log.topics[0] == Submit.TOPIC]
        return [event.placement.tx_seq for event in events]

    def submit_underpaid(self, submission: Submission, account: Account) -> None:
        """Send a submission that will revert; the gas cannot be estimated."""
        raw = Transaction(
            kind=2,
            chain_id=LOCAL.chain_id,
            nonce=self.client.nonce(account.address),
            gas_limit=500_000,
            max_fee_per_gas=10**10,
            max_priority_fee_per_gas=10**9,
            to=LOCAL.addresses["flow"],
            value=0,
            data=submit_call(submission, account.address),
        ).sign(account.private_key)
        self.client.send_raw(raw)


class Node(Talker):
    """A storage node."""

    def __init__(self, node: StorageNode, url: str, http: httpx.Client, portal: BlockingPortal) -> None:
        super().__init__(url, http)
        self.node = node
        self.portal = portal
        self.admin = Talker(node.admin_url or url, http)

    @property
    def keeper(self) -> Any:
        return self.node.keeper

    def wait(self, fits: Callable[[], bool], *, wait_s: float = WAIT_S) -> None:
        """Return once something is so; the node is asked again whenever its loop has gone round."""

        async def wait() -> None:
            with anyio.fail_after(wait_s):
                while not fits():  # noqa: ASYNC110 - what is waited for has no event of its own.
                    await anyio.sleep(0.002)

        self.portal.call(wait)

    def wait_for_seq(self, seq: int) -> None:
        """Return once a submission has been read."""
        self.wait(lambda: self.keeper.store.next_seq > seq)

    def upload(self, file: File, seq: int) -> None:
        """Send all segments of a file, one a call as the official TypeScript SDK does."""
        for index in file.segments:
            assert self.rpc("zgs_uploadSegmentsByTxSeq", [file.segment(index)], seq) == 0

    async def upload_in_loop(self, file: File, index: int, seq: int) -> None:
        """Take a segment without a connection, within the node's own loop."""
        proof = file.tree.segment_proof(index)
        segment = SegmentUpload(root=file.root, size_bytes=file.size, index=index, data=file.uploaded(index), proof=proof)
        await self.keeper.uploads.accept([segment], seq=seq)

    def info(self, name: Hash32 | int) -> Any:
        if isinstance(name, int):
            return self.rpc("zgs_getFileInfoByTxSeq", name)
        return self.rpc("zgs_getFileInfo", str(name), True)

    def is_finalized_now(self, seq: int) -> bool:
        """The same without a call, for the node's own loop."""
        submission = self.keeper.files.by_seq(seq)
        return submission is not None and self.keeper.files.is_finalized(submission)

    def is_finalized(self, name: Hash32 | int) -> bool:
        info = self.info(name)
        return info is not None and bool(info["finalized"])


class Network:
    """Starts nodes in one event loop, and stops them all."""

    def __init__(self, portal: BlockingPortal, http: httpx.Client, cleanup: ExitStack) -> None:
        self.portal = portal
        self.http = http
        self._cleanup = cleanup
        self._running: dict[StorageNode, Future[Any]] = {}
        self._ends: list[Event] = []

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        with start_blocking_portal() as portal, httpx.Client() as http, ExitStack() as cleanup:
            yield cls(portal, http, cleanup)

    def chain(self, params: networks.NetworkParams = LOCAL, **changes: Any) -> Chain:
        node = ChainNode(ChainNodeSettings(**({"rpc_port": 0} | changes)), params)
        chain = Chain(node, self._start(node), self.http)
        self._cleanup.callback(chain.client.close)
        return chain

    def node(self, chain: Chain, **changes: Any) -> Node:
        settings: dict[str, Any] = {"rpc_port": 0, "admin_port": 0, "grpc_port": 0, "chain_url": chain.url} | changes
        node = StorageNode(StorageNodeSettings(**settings))
        return Node(node, self._start(node), self.http, self.portal)

    @contextmanager
    def running(self, chain: Chain, **changes: Any) -> Iterator[Node]:
        """A node that is stopped in the end. A `coin` decides for it which half of its shard it keeps."""
        coin = changes.pop("coin", toss)
        settings: dict[str, Any] = {"rpc_port": 0, "admin_port": 0, "grpc_port": 0, "chain_url": chain.url} | changes
        node = StorageNode(StorageNodeSettings(**settings), coin=coin)
        running, url, ended = self._begin(node)
        self._running[node] = running
        try:
            yield Node(node, url, self.http, self.portal)
        finally:
            del self._running[node]
            running.cancel()
            assert ended.wait(WAIT_S)

    def failure(self, node: Node) -> BaseException | None:
        """Why a running node ends by itself."""
        error = self._running[node.node].exception(WAIT_S)
        return error if error is None else expected_error(error)

    def stop_all(self) -> None:
        """Stop what was started for good, and wait until the ports are free."""
        self._cleanup.close()
        assert all(ended.wait(WAIT_S) for ended in self._ends)

    def _start(self, role: Role) -> str:
        future, url, ended = self._begin(role)
        self._ends.append(ended)
        self._cleanup.callback(future.cancel)
        return url

    def _begin(self, role: Role) -> tuple[Future[Any], str, Event]:
        """Run a role. The event is set once it has closed everything, which is after it was cancelled."""
        ended = Event()

        async def run(*, task_status: TaskStatus[str]) -> None:
            try:
                await role.run(task_status=task_status)
            finally:
                ended.set()

        future, url = self.portal.start_task(run)
        return future, str(url), ended
