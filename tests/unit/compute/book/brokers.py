"""Brokers as processes, and the clients that ask them until they are told that they were charged."""

import random
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from zerog.primitives import Address

IN_FLIGHT_MAX = 24
Running = tuple[Process, BufferedByteReceiveStream]
"""A broker and what it says."""


@asynccontextmanager
async def broker(*arguments: str, module: str = "tests.unit.compute.book.broker") -> AsyncIterator[Running]:
    """A broker that is ready; `arguments` are those of its program. It is killed at the end, if it lives."""
    process = await anyio.open_process([sys.executable, "-m", module, *arguments], stderr=sys.stderr)
    assert process.stdout is not None
    output = BufferedByteReceiveStream(process.stdout)
    try:
        with anyio.fail_after(60):
            while await line_of(output) != ["ready"]:
                pass  # The log of a start.
        yield process, output
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            await process.aclose()


async def line_of(output: BufferedByteReceiveStream) -> list[str]:
    return (await output.receive_until(b"\n", 1 << 16)).decode().split()


async def ask(process: Process, request_id: str, user: Address, die_when: str = "never") -> None:
    assert process.stdin is not None
    await process.stdin.send(f"{request_id} {user.hex()} {die_when}\n".encode())


@dataclass
class Clients:
    """Requests that are asked again, under the same id, until a broker says that it charged for them."""

    waiting: deque[tuple[str, Address]]
    start: Callable[[str], AbstractAsyncContextManager[Running]]
    """Starts a broker of some name."""
    charged: set[str] = field(default_factory=set)
    wanted: int = 0

    def __post_init__(self) -> None:
        self.wanted = len(self.waiting)

    @property
    def are_done(self) -> bool:
        return len(self.charged) == self.wanted

    async def use(self, broker_id: str, kill_after: int | None) -> None:
        """Give requests to one broker until all are answered, or until it has answered `kill_after` and is killed."""
        in_flight: dict[str, Address] = {}
        answered = 0
        async with self.start(broker_id) as (process, output):
            while not self.are_done and answered != kill_after:
                while self.waiting and len(in_flight) < IN_FLIGHT_MAX:
                    request_id, user = self.waiting.popleft()
                    in_flight[request_id] = user
                    await ask(process, request_id, user)
                if not in_flight:
                    break
                match await line_of(output):
                    case ["charged", request_id]:
                        del in_flight[request_id]
                        self.charged.add(request_id)
                        answered += 1
                    case _:
                        pass  # The log.
        self.waiting.extend(in_flight.items())

    async def use_two(self, kills: int, dice: random.Random) -> None:
        """Give all requests to two brokers, each of which is killed now and then."""

        async def one(name: str) -> None:
            for round_ in range(kills // 2):
                # Every second time another broker comes instead of the dead one, whose lease is still running.
                await self.use(f"{name}{round_ // 2}", dice.randrange(20, 100))
            while not self.are_done:
                await self.use(name, None)

        async with anyio.create_task_group() as brokers:
            brokers.start_soon(one, "a")
            brokers.start_soon(one, "b")
