"""A chain with DA's contracts and DA nodes on it, all in one event loop, and blobs that these nodes are asked to sign."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup, TaskStatus

from zerog import networks
from zerog._kernel import EncodedBlob, bls_aggregate_g1, bls_aggregate_g2, bls_public_key, g1_from_flagged, g1_from_flagless
from zerog.chain.client import AsyncChainClient
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.contracts.da import G1, G2, CommitRootSubmission, submit_original_data_call, submit_verified_commit_roots_call
from zerog.da.client.chain import DaChain, blob_events
from zerog.da.client.setup import Setup, open_setup
from zerog.da.client.signer import AsyncSignerClient
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.quorum import Quorum
from zerog.da.signer.service import DaSigner, RunningSigner
from zerog.da.signer.settings import DaSignerSettings
from zerog.da.wire.signer import SignHead, SignRequest
from zerog.networks import da_signer_secret, role_account
from zerog.primitives import Account, Address, Hash32, encode_data, encode_quantity

__all__ = ["LOCAL", "WAIT_S", "Blob", "Node", "Place", "da_account", "encoded", "open_place", "setup_of", "until"]

LOCAL: Final = networks.load("local")
WAIT_S: Final = 30.0
"""More than anything here takes; who waits longer has found a fault."""
LOOK_S: Final = 0.005
GAS: Final = 2_000_000
"""More than any announcement takes, also one that begins an epoch and rounds of sampling."""


@cache
def setup_of(seed: str = "local") -> Setup:
    """An insecure setup, which takes a moment to make."""
    return open_setup(f"insecure-dev:{seed}", host="127.0.0.1")


@cache
def encoded(data: bytes, seed: str = "local") -> EncodedBlob:
    """A blob, encoded once for all tests of a process."""
    return setup_of(seed).amt.encode(data)


@cache
def da_account(index: int) -> Account:
    """0 announces and confirms blobs, the others sign."""
    assert LOCAL.genesis is not None
    return role_account(LOCAL.genesis.mnemonic, "da", index)


async def until(fits: Callable[[], bool]) -> None:
    """Return once something is so."""
    with anyio.fail_after(WAIT_S):
        while not fits():  # noqa: ASYNC110 - what is waited for has no event of its own.
            await anyio.sleep(LOOK_S)


@dataclass(frozen=True)
class Blob:
    """One that was announced."""

    name: BlobName
    encoded: EncodedBlob = field(repr=False)
    quorum: Quorum = field(repr=False)

    @property
    def head(self) -> SignHead:
        return SignHead.of(self.name, self.encoded.commitment)

    def slices_of(self, signer: Address) -> list[bytes]:
        return [self.encoded.slices(row, row + 1)[0] for row in self.quorum.rows_of(signer)]

    def request_for(self, signer: Address, **changes: Any) -> SignRequest:
        """What a signer is asked, with `changes` of the head, or other `slices`."""
        slices = changes.pop("slices", None)
        return SignRequest(head=replace(self.head, **changes), slices=self.slices_of(signer) if slices is None else slices)


class Node:
    """A DA node of this loop."""

    def __init__(self, role: DaSigner, account: Account, address: str, stop: anyio.CancelScope, ended: anyio.Event) -> None:
        self.role = role
        self.account = account
        self.address = address
        self._stop = stop
        self._ended = ended

    @property
    def running(self) -> RunningSigner:
        return self.role.running

    @property
    def signer(self) -> Address:
        return self.account.address

    async def stop(self) -> None:
        self._stop.cancel()
        with anyio.fail_after(WAIT_S):
            await self._ended.wait()

    def client(self) -> AsyncSignerClient:
        return AsyncSignerClient(self.address)

    async def sign(self, request: SignRequest) -> bytes:
        async with self.client() as client:
            return (await client.batch_sign([request]))[0]

    def row_file(self, blob: Blob) -> Path:
        """Where it keeps a blob's rows."""
        folder = self.role.settings.data_dir
        assert folder is not None
        return folder / "rows" / str(blob.name.epoch) / f"{blob.name.quorum_id}-{blob.name.root.hex()}.rows"


class Place:
    """A chain and what is on it."""

    def __init__(self, tasks: TaskGroup, chain: DaChain, node: ChainNode) -> None:
        self.chain = chain
        self.client = chain.client
        self.node = node
        self._tasks = tasks

    async def signer(self, index: int, folder: Path, *, setup: Setup | None = None, **changes: Any) -> Node:
        """Start a node and wait until the chain knows it. `index` says which of the funded accounts it has."""
        values: dict[str, Any] = {"data_dir": folder, "port": 0, "http_port": 0, "chain_url": self.client.url} | changes
        settings = DaSignerSettings(**values)
        account = da_account(index)
        role = DaSigner(settings, account=account, setup=setup or await to_thread.run_sync(setup_of))
        address, stop, ended = await self.start(role.run)
        node = Node(role, account, address, stop, ended)
        await until(lambda: node.running.registrar.is_registered and node.running.registrar.epoch is not None)
        return node

    async def start(self, run: Callable[..., Awaitable[None]]) -> tuple[str, anyio.CancelScope, anyio.Event]:
        """Run a role; its address, what stops it, and what tells that it has ended."""
        stop, ended = anyio.CancelScope(), anyio.Event()

        async def run_until_stopped(*, task_status: TaskStatus[str]) -> None:
            try:
                with stop:
                    await run(task_status=task_status)
            finally:
                ended.set()

        return await self._tasks.start(run_until_stopped), stop, ended

    async def announce(self, data: bytes, *, seed: str = "local") -> Blob:
        """Encode a blob and have the entrance draw its quorum."""
        made = await to_thread.run_sync(encoded, data, seed)
        call = submit_original_data_call([Hash32(made.data_root)])
        price_wei = await self.chain.blob_price_wei()
        receipt = await self.chain.send(da_account(0), self.chain.entrance, call, value_wei=price_wei, gas_limit=GAS)
        [event] = blob_events(receipt.logs)
        return Blob(event.blob, made, await self.chain.quorum(event.blob.epoch, event.blob.quorum_id))

    async def announced(self, data: bytes, *nodes: Node, seed: str = "local") -> Blob:
        """The same, once these nodes have seen it."""
        blob = await self.announce(data, seed=seed)
        await until(lambda: all(node.running.store.standing(blob.name).is_uploaded for node in nodes))
        return blob

    async def confirm(self, blob: Blob, signatures: dict[Address, bytes], *, bitmap: bytes | None = None) -> None:
        """Send what nodes signed to the entrance. Raises `RpcError` where it refuses."""
        keys = [bls_public_key(da_signer_secret(da_account(index)))[1] for index in range(1, 17) if da_account(index).address in signatures]
        submission = CommitRootSubmission(
            data_root=blob.name.root,
            epoch=blob.name.epoch,
            quorum_id=blob.name.quorum_id,
            erasure_commitment=G1.from_words(g1_from_flagless(blob.encoded.commitment)),
            quorum_bitmap=blob.quorum.bitmap(signatures) if bitmap is None else bitmap,
            aggregate_key=G2.from_words(bls_aggregate_g2(keys)),
            signature=G1.from_words(bls_aggregate_g1([g1_from_flagged(each) for each in signatures.values()])),
        )
        await self.chain.send(da_account(0), self.chain.entrance, submit_verified_commit_roots_call([submission]))

    async def fund(self, account: Account, amount_wei: int) -> None:
        """Set what an account owns."""
        await self.client.request("anvil_setBalance", encode_data(account.address), encode_quantity(amount_wei))

    async def mine(self, blocks: int) -> None:
        """Let so many blocks go by."""
        await self.client.request("anvil_mine", encode_quantity(blocks))


@asynccontextmanager
async def open_place(network: networks.NetworkParams = LOCAL) -> AsyncIterator[Place]:
    """A chain in memory, whose blocks come on demand."""
    async with anyio.create_task_group() as tasks:
        node = ChainNode(ChainNodeSettings(rpc_port=0), network)
        url = await tasks.start(node.run)
        async with AsyncChainClient(url) as client:
            yield Place(tasks, await DaChain.find(client), node)
        tasks.cancel_scope.cancel()


def signed_by(blob: Blob, nodes: Sequence[Node]) -> int:
    """How many rows these nodes own."""
    return blob.quorum.signed_rows([node.signer for node in nodes])
