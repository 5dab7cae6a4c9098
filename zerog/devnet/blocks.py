"""Blocks on a chain of our own that makes them only when told: whoever proves that a role works must not wait for ever."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio

from zerog.chain.client import AsyncChainClient, RpcError

__all__ = ["making_blocks"]

LOOK_S: Final = 0.1


@asynccontextmanager
async def making_blocks(chain: AsyncChainClient, *, wanted: bool) -> AsyncIterator[None]:
    """Within this context, tell the chain to make a block whenever a transaction waits for one, unless it does so by itself."""
    async with anyio.create_task_group() as tasks:
        if wanted and not await _makes_them_itself(chain):
            tasks.start_soon(_make_blocks, chain, name="proof.blocks")
        yield
        tasks.cancel_scope.cancel()


async def _makes_them_itself(chain: AsyncChainClient) -> bool:
    """Also said of a chain without developer methods: there a block has to come by itself."""
    try:
        return bool(await chain.request("hardhat_getAutomine"))
    except RpcError:
        return True


async def _make_blocks(chain: AsyncChainClient) -> None:
    while True:
        await anyio.sleep(LOOK_S)
        with suppress(RpcError):  # Somebody else may have made it.
            waiting = await chain.request("txpool_status")
            if isinstance(waiting, dict) and int(str(waiting["pending"]), 16):
                await chain.request("evm_mine")
