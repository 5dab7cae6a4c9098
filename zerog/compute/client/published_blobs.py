"""Published receipts out of 0G DA: the second place where they are."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog.chain.client import AsyncChainClient
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer
from zerog.compute.client.reach import Reach, reach_of
from zerog.contracts.da import ErasureCommitmentVerified
from zerog.da.client.chain import CHAIN_FAILURES, DaChain, blob_events
from zerog.da.client.disperser import AsyncDisperserClient
from zerog.da.client.sockets import SocketError, grpc_target
from zerog.da.protocol.errors import DaError
from zerog.da.protocol.names import BlobName
from zerog.primitives import Hash32
from zerog.runtime.deadlines import async_limits_around
from zerog.runtime.grpc.errors import GrpcCallError

__all__ = ["read_blob"]

log = structlog.get_logger(__name__)

NAMES_MAX: Final = 4
"""A blob can be confirmed in several epochs and quorums; so many of them are asked for, the newest first."""


def read_blob(root: Hash32, disperser: str, chain_url: str) -> bytes | None:
    """A blob by its data root, from a disperser or the signers behind it; `None` where it is not to be had.

    The bytes are not held against the root. Not to be called in a thread that has an event loop.
    """
    try:
        return anyio.run(_read, root, disperser, chain_url)
    except (*CHAIN_FAILURES, DaError, GrpcCallError, SocketError) as error:
        log.info("published_blob_missing", root=str(root), cause=str(error))
        return None


async def _read(root: Hash32, disperser: str, chain_url: str) -> bytes | None:
    """Raises what a chain, a disperser and its name can be wrong with, if no name of the blob leads to it."""
    async with AsyncChainClient(chain_url) as client, AsyncExitStack() as closing, async_limits_around():
        chain = await DaChain.find(client)
        reach = await to_thread.run_sync(reach_of, chain_url, chain.chain_id)
        target = await grpc_target(disperser, allow_private=reach is not Reach.PUBLIC)
        reader = await closing.enter_async_context(AsyncDisperserClient(target))

        def names_of(logs: Sequence[LogAnswer]) -> list[BlobName]:
            return [event.blob for event in blob_events(logs) if event.blob.root == root]

        criteria = LogCriteria((chain.entrance,), ((ErasureCommitmentVerified.TOPIC,),))
        names = names_of(await client.find_logs(criteria, enough=lambda logs: len(names_of(logs)) >= NAMES_MAX))
        failure: GrpcCallError | None = None
        for name in names[: -NAMES_MAX - 1 : -1]:
            try:
                return await reader.retrieve(name)
            except GrpcCallError as error:
                failure = error
        if failure is not None:
            raise failure
    return None
