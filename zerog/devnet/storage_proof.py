"""The proof that storage works: a small file and a key are announced, paid for, uploaded and read back; later they are only read."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import anyio
from anyio import to_thread

from zerog.chain.client import AsyncChainClient, ReceiptTimeoutError, RpcError
from zerog.contracts.storage import FIXED_PRICE, FLOW, batch_submit_call
from zerog.devnet.chain_place import ChainPlace
from zerog.primitives import Account, Address, Hash32, Wei
from zerog.primitives.errors import RefusalError
from zerog.storage.client import NodeClient
from zerog.storage.client.kv import Batch, KvNodeClient, stream_id
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.streams import tags_of_streams
from zerog.storage.protocol.units import SECTOR_BYTES
from zerog.storage.wire.segments import BulkSegment, BulkUpload

__all__ = ["PROOF_FILE", "PROOF_KEY", "PROOF_STREAM", "PROOF_VALUE", "StorageNotProvenError", "prove_storage"]

PROOF_FILE: Final = b"This file was stored by the first start of this network, to prove that storage works.\n"
PROOF_STREAM: Final = stream_id("zerog/proof")
"""Owned by the account that pays for what storage does: nobody else can write to it."""
PROOF_KEY: Final = b"written"
PROOF_VALUE: Final = b"by the first start of this network, to prove that key-value streams work"
PROOF_S_MAX: Final = 30.0
BLOCK_S_MAX: Final = 10.0
LOOK_S: Final = 0.01
"""Between two looks for what the nodes are about to do."""

T = TypeVar("T")


@dataclass(eq=False)
class StorageNotProvenError(RefusalError):
    """A step of the proof failed."""

    cause: str

    code = "storage_not_proven"
    remedy = "look at `zerog logs storage`"
    http_status = 503

    def __str__(self) -> str:
        return f"what proves storage {self.cause}"


@dataclass(frozen=True, slots=True)
class _Content:
    """A file of one segment, and the tags that it is announced with."""

    data: bytes
    tags: bytes = b""

    @property
    def tree(self) -> FileTree:
        return FileTree(self.data)


FILE: Final = _Content(PROOF_FILE)
ITEM: Final = _Content(Batch().set(PROOF_STREAM, PROOF_KEY, PROOF_VALUE).encode(), tags_of_streams([PROOF_STREAM]))


async def prove_storage(place: ChainPlace, router_url: str, kv_url: str) -> Mapping[str, object]:
    """Store and read back a file through the router, and a key of a stream, or only read what is there: then no block, file or nonce is
    added.

    On a chain where nobody pays for our roles they are read only if they are there. Raises `StorageNotProvenError`, and what the chain and
    the nodes answer wrong.
    """
    root = FILE.tree.root
    try:
        with NodeClient(router_url) as router, KvNodeClient(kv_url) as kv, anyio.fail_after(PROOF_S_MAX):
            async with AsyncChainClient(place.url) as chain:
                head = await chain.block_number()
                await _until(lambda: router.status().log_sync_height >= head)
                missing = [content for content in (FILE, ITEM) if not await _is_stored(content, router)]
                if missing:
                    account = place.role_account("storage")
                    if account is None:
                        return {"proof": None}
                    await _store(missing, chain, account, router)
            await _read_file(router)
            await _read_key(router, kv)
    except TimeoutError:
        raise StorageNotProvenError(f"was not stored within {PROOF_S_MAX:g} seconds") from None
    return {"proof": str(root), "stream": str(PROOF_STREAM)}


async def _is_stored(content: _Content, router: NodeClient) -> bool:
    """Whether the nodes have all of it."""
    info = await _ask(router.file_info, content.tree.root)
    return info is not None and info.finalized


async def _store(missing: Sequence[_Content], chain: AsyncChainClient, account: Account, router: NodeClient) -> None:
    """Announce what nobody knows, and upload what is not all there."""
    unknown = [content for content in missing if await _ask(router.file_info, content.tree.root) is None]
    if unknown:
        await _announce(chain, account, unknown, (await _ask(router.status)).network_identity.flow_address)
        # A node whose older submissions of the same content have expired would refuse what it does not know to be announced again.
        await _until(lambda: all(router.file_info(content.tree.root) is not None for content in unknown))
    await _upload(router, missing)


async def _announce(chain: AsyncChainClient, account: Account, contents: Sequence[_Content], flow: Address) -> None:
    """All in one transaction."""
    submissions = [content.tree.submission(content.tags) for content in contents]
    [market] = FLOW.function("market").decode_result(await chain.call(flow, FLOW.function("market").encode()))
    price = await chain.call(market, FIXED_PRICE.function("pricePerSector").encode())
    [price_wei] = FIXED_PRICE.function("pricePerSector").decode_result(price)
    fee_wei = sum(submission.fee_wei(Wei(price_wei)) for submission in submissions)
    sent = await chain.send(flow, value_wei=fee_wei, data=batch_submit_call(submissions, account.address), account=account)
    if await chain.receipt(sent) is None:
        with suppress(RpcError):  # Without developer methods a block has to come by itself.
            await chain.request("evm_mine")
    try:
        receipt = await chain.wait_for_receipt(sent, timeout_s=BLOCK_S_MAX)
    except ReceiptTimeoutError:
        raise StorageNotProvenError(f"is in no block after {BLOCK_S_MAX:g} seconds: the chain makes none on demand") from None
    if not receipt.succeeded:
        raise StorageNotProvenError(f"was refused by the flow in transaction {sent}")


async def _upload(router: NodeClient, contents: Sequence[_Content]) -> None:
    outcomes = await _ask(router.upload_binary, [_bulk(content) for content in contents])
    for content, outcome in zip(contents, outcomes, strict=True):
        root = content.tree.root
        # On a chain that began anew the nodes still have the data, and need nothing once they have read the block.
        if outcome.code is not None and not await _ask(router.is_finalized, root):
            raise StorageNotProvenError(f"was refused by the nodes: {outcome.cause}")
        await _until(partial(_is_finalized, router, root))


def _is_finalized(router: NodeClient, root: Hash32) -> bool:
    return bool(router.is_finalized(root))


def _bulk(content: _Content) -> BulkUpload:
    tree, size_bytes = content.tree, len(content.data)
    proof = tree.segment_proof(0)
    sectors = content.data.ljust(-(-size_bytes // SECTOR_BYTES) * SECTOR_BYTES, b"\0")
    segment = BulkSegment(index=0, data=memoryview(sectors), lemma=list(proof.lemma), path=list(proof.path))
    return BulkUpload(root=tree.root, size_bytes=size_bytes, tx_seq=None, segments=[segment])


async def _read_file(router: NodeClient) -> None:
    segments = await _ask(partial(router.segments, FILE.tree.root, size_bytes=len(FILE.data), first=0, count=1))
    if [bytes(segment.data[: len(FILE.data)]) for segment in segments] != [PROOF_FILE]:
        raise StorageNotProvenError("cannot be read back")


async def _read_key(router: NodeClient, kv: KvNodeClient) -> None:
    """Once the item has its result. Where somebody wrote to the stream before us, that is a refusal, and proves the node as well."""
    info = await _ask(router.file_info, ITEM.tree.root)
    if info is None:
        raise StorageNotProvenError("is gone from the chain")
    await _until(lambda: kv.result(info.tx.seq) is not None)
    value = await _ask(kv.get, PROOF_STREAM, PROOF_KEY)
    if await _ask(kv.result, info.tx.seq) == "Commit" and (value is None or value.data != PROOF_VALUE):
        raise StorageNotProvenError("has another value")


async def _until(is_so: Callable[[], bool]) -> None:
    while not await to_thread.run_sync(is_so):  # noqa: ASYNC110 - nodes cannot wake us.
        await anyio.sleep(LOOK_S)


async def _ask(question: Callable[..., T], *arguments: object) -> T:
    return await to_thread.run_sync(partial(question, *arguments))
