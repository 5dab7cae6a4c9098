"""A broker as a process of its own, so that a test can kill it: it reads requests from its input and says what it has done."""

import os
import signal
import sys

import anyio

from tests.unit.compute.book.making import ONE, charge_of
from zerog.compute.provider.book import Book
from zerog.primitives import Address

FEE_WEI = 7


async def answer(book: Book, request_id: str, user: Address, die_when: str) -> None:
    """Reserve and charge, and say so; or die in silence `after_reserve` or `after_charge`."""
    await book.reserve(request_id, user, expected_wei=0, highest_wei=10, locked_wei=1000 * ONE)
    if die_when == "after_reserve":
        os.kill(os.getpid(), signal.SIGKILL)
    await book.charge(charge_of(request_id, user, FEE_WEI))
    if die_when == "after_charge":
        os.kill(os.getpid(), signal.SIGKILL)
    print("charged", request_id, flush=True)


async def main(url: str, broker_id: str) -> None:
    """Lines of input: request id, user in hex, when to die (`never`)."""
    async with await Book.open(url, broker_id=broker_id) as book, anyio.create_task_group() as requests:
        print("ready", flush=True)
        async for line in anyio.wrap_file(sys.stdin):
            request_id, user, die_when = line.split()
            requests.start_soon(answer, book, request_id, Address(bytes.fromhex(user)), die_when)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
