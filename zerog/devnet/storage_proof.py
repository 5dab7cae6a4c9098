"""The proof that storage works: a small file is announced, paid for, uploaded and read back; later it is only read."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import anyio
from anyio import to_thread

from zerog.chain.client import AsyncChainClient, ReceiptTimeoutError, RpcError
from zerog.contracts.storage import FIXED_PRICE, FLOW, submit_call
from zerog.devnet.chain_place import ChainPlace
from zerog.primitives import Account, Address, Wei
from zerog.primitives.errors import RefusalError
from zerog.storage.client import NodeClient
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.units import SECTOR_BYTES
from zerog.storage.wire.segments import BulkSegment, BulkUpload

__all__ = ["PROOF_FILE", "StorageNotProvenError", "prove_storage"]

PROOF_FILE: Final = b"This file was stored by the first start of this network, to prove that storage works.\n"
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
        return f"the file that proves storage {self.cause}"


async def prove_storage(place: ChainPlace, router_url: str) -> Mapping[str, object]:
    """Store and read back a file through the router, or only read it if a node has it: then no block, file or nonce is added.

    On a chain where nobody pays for our roles it is read only if it is there. Raises `StorageNotProvenError`, and what the chain and the
    nodes answer wrong.
    """
    tree = FileTree(PROOF_FILE)
    try:
        with NodeClient(router_url) as router, anyio.fail_after(PROOF_S_MAX):
            async with AsyncChainClient(place.url) as chain:
                await _until(lambda head: router.status().log_sync_height >= head, await chain.block_number())
                if (info := await _ask(router.file_info, tree.root)) is None or not info.finalized:
                    account = place.role_account("storage")
                    if account is None:
                        return {"proof": None}
                    if info is None:
                        await _announce(chain, account, tree, (await _ask(router.status)).network_identity.flow_address)
                    await _upload(router, tree)
            await _read_back(router, tree)
    except TimeoutError:
        raise StorageNotProvenError(f"was not stored within {PROOF_S_MAX:g} seconds") from None
    return {"proof": str(tree.root)}


async def _announce(chain: AsyncChainClient, account: Account, tree: FileTree, flow: Address) -> None:
    submission = tree.submission()
    [market] = FLOW.function("market").decode_result(await chain.call(flow, FLOW.function("market").encode()))
    price = await chain.call(market, FIXED_PRICE.function("pricePerSector").encode())
    [price_wei] = FIXED_PRICE.function("pricePerSector").decode_result(price)
    data = submit_call(submission, account.address)
    sent = await chain.send(account, flow, value_wei=submission.fee_wei(Wei(price_wei)), data=data)
    if await chain.receipt(sent) is None:
        with suppress(RpcError):  # Without developer methods a block has to come by itself.
            await chain.request("evm_mine")
    try:
        receipt = await chain.wait_for_receipt(sent, timeout_s=BLOCK_S_MAX)
    except ReceiptTimeoutError:
        raise StorageNotProvenError(f"is in no block after {BLOCK_S_MAX:g} seconds: the chain makes none on demand") from None
    if not receipt.succeeded:
        raise StorageNotProvenError(f"was refused by the flow in transaction {sent}")


async def _upload(router: NodeClient, tree: FileTree) -> None:
    proof = tree.segment_proof(0)
    sectors = PROOF_FILE.ljust(-(-len(PROOF_FILE) // SECTOR_BYTES) * SECTOR_BYTES, b"\0")
    segment = BulkSegment(index=0, data=memoryview(sectors), lemma=list(proof.lemma), path=list(proof.path))
    upload = BulkUpload(root=tree.root, size_bytes=tree.size_bytes, tx_seq=None, segments=[segment])
    [outcome] = await _ask(router.upload_binary, [upload])
    # On a chain that began anew the nodes still have the data, and need nothing once they have read the block.
    if outcome.code is not None and not await _ask(router.is_finalized, tree.root):
        raise StorageNotProvenError(f"was refused by the nodes: {outcome.cause}")
    await _until(lambda root: bool(router.is_finalized(root)), tree.root)


async def _read_back(router: NodeClient, tree: FileTree) -> None:
    segments = await _ask(partial(router.segments, tree.root, size_bytes=tree.size_bytes, first=0, count=1))
    if [bytes(segment.data[: tree.size_bytes]) for segment in segments] != [PROOF_FILE]:
        raise StorageNotProvenError("cannot be read back")


async def _until(is_so: Callable[[T], bool], of: T) -> None:
    while not await to_thread.run_sync(is_so, of):  # noqa: ASYNC110 - nodes cannot wake us.
        await anyio.sleep(LOOK_S)


async def _ask(question: Callable[..., T], *arguments: object) -> T:
    return await to_thread.run_sync(partial(question, *arguments))
