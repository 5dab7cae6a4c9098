"""A broker as a process of its own, so that a test can kill it: it reads requests from its input and says what it has done."""

import os
import signal
import sys
from collections.abc import Callable

import anyio

from tests.unit.compute.book.making import ONE, charge_of
from zerog.compute.provider.book import Book, Charge
from zerog.primitives import Address

__all__ = ["FEE_WEI", "serve"]

FEE_WEI = 7
ChargeOf = Callable[[str, Address, int], Charge]


async def serve(book: Book, charge_of: ChargeOf) -> None:
    """Answer lines of input until it ends: request id, user in hex, when to die (`never`, `after_reserve`, `after_charge`)."""
    print("ready", flush=True)
    async with anyio.create_task_group() as requests:
        async for line in anyio.wrap_file(sys.stdin):
            request_id, user, die_when = line.split()
            requests.start_soon(answer, book, charge_of(request_id, Address(bytes.fromhex(user)), FEE_WEI), die_when)


async def answer(book: Book, charge: Charge, die_when: str) -> None:
    """Reserve and charge, and say so; or die in silence."""
    await book.reserve(charge.request_id, charge.user, expected_wei=0, highest_wei=10, locked_wei=1000 * ONE)
    if die_when == "after_reserve":
        os.kill(os.getpid(), signal.SIGKILL)
    await book.charge(charge)
    if die_when == "after_charge":
        os.kill(os.getpid(), signal.SIGKILL)
    print("charged", charge.request_id, flush=True)


async def main(url: str, broker_id: str) -> None:
    async with await Book.open(url, broker_id=broker_id) as book:
        await serve(book, charge_of)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
