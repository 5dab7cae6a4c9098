"""A broker as a process of its own that charges what it is asked to and settles all the time, so that a test can kill it."""

import sys

import anyio

from tests.unit.compute.book.broker import serve
from tests.unit.compute.provider.place import PROVIDER, SERVING_ADDRESS, SIGNER
from tests.unit.compute.settlement.shop import CHAIN_ID, charge_for
from zerog.chain.client import AsyncChainClient
from zerog.compute.provider.book import Book, Charge
from zerog.compute.provider.chain import ProviderChain
from zerog.compute.provider.settler import Settler, SettlerOptions
from zerog.primitives import Address
from zerog.runtime.clock import SystemClock


def charge_of(request_id: str, user: Address, fee_wei: int) -> Charge:
    return charge_for(user, fee_wei, request_id)


async def main(url: str, chain_url: str, broker_id: str) -> None:
    clock = SystemClock()
    async with await Book.open(url, broker_id=broker_id) as book, AsyncChainClient(chain_url) as client:
        chain = ProviderChain(client, PROVIDER, SERVING_ADDRESS, chain_id=CHAIN_ID, clock=clock)
        settler = Settler(book, chain, SIGNER, clock, SettlerOptions(force_s=0.05, check_s=0.05))
        async with anyio.create_task_group() as parts:
            await parts.start(settler.run)
            await serve(book, charge_of)
            parts.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3])
