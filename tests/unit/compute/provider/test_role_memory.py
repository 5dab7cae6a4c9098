"""Bodies that are too long and clients that do not read: how much memory the provider takes for them, and that all is charged once."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

from tests.unit.compute.provider.market import CHAT_PATH, Buyer, until, until_here, wants
from tests.unit.compute.provider.processes import Broker, Nursery
from tests.unit.compute.provider.stand import LONG, Stand, open_stand
from zerog.testing.upstream import Behaviour

pytestmark = pytest.mark.anyio

MIB = 1 << 20
AT_ONCE = 6 if LONG else 4
WORD_BYTES, WORDS = 10_000, 2_000
"""A stream of 20 MB: more than all sockets on its way hold."""


@asynccontextmanager
async def one_broker(nursery: Nursery, folder: Path) -> AsyncIterator[tuple[Stand, Broker, httpx.AsyncClient, Buyer]]:
    async with (
        open_stand(nursery, folder, f"sqlite:///{folder}/book.db") as stand,
        stand.running() as (broker, http),
    ):
        yield stand, broker, http, await wants(stand.place)


class Grown:
    """By how much a process has grown at most since now."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        broker.forget_peak()
        self._before = broker.memory_bytes("VmRSS")

    def bytes(self) -> int:
        return self._broker.memory_bytes() - self._before


@pytest.mark.parametrize("has_length", [True, False])
async def test_bodies_of_33_mb_are_refused(tmp_path: Path, nursery: Nursery, *, has_length: bool) -> None:
    """One that says how long it is costs no memory; others are read as far as they may be, all together in 128 MiB."""
    body = b" " * (33 * MIB)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), MIB):
            await anyio.lowlevel.checkpoint()
            yield body[at : at + MIB]

    async with one_broker(nursery, tmp_path) as (stand, broker, http, buyer):
        grown, codes = Grown(broker), Counter[str]()

        async def send() -> None:
            answer = await http.post(CHAT_PATH, content=body if has_length else pieces(), headers=buyer.headers())
            codes[answer.json()["error"]["code"]] += 1

        async with anyio.create_task_group() as sending:
            for _ in range(AT_ONCE):
                sending.start_soon(send)
        assert set(codes) <= ({"body_too_large"} if has_length else {"body_too_large", "memory_busy"}), codes
        assert codes["body_too_large"] > 0
        assert codes.total() == AT_ONCE
        assert grown.bytes() < (16 if has_length else 192) * MIB
        assert (await buyer.ask(http)).is_whole
        assert (await stand.agree(http, [buyer]))[buyer.address] == 1


async def test_bodies_of_31_mb_are_served_within_bounds(tmp_path: Path, nursery: Nursery) -> None:
    async with one_broker(nursery, tmp_path) as (stand, broker, http, buyer):
        grown = Grown(broker)
        async with anyio.create_task_group() as asking:
            for number in range(AT_ONCE):
                messages = [{"role": "user", "content": f"{number}" * (31 * MIB)}]
                asking.start_soon(partial(buyer.ask, http, messages=messages))
        assert all(attempt.is_whole for attempt in buyer.attempts), [bytes(attempt.received[:200]) for attempt in buyer.attempts]
        assert grown.bytes() < 400 * MIB, "128 MiB of bodies, and what is made of them"
        assert (await stand.agree(http, [buyer]))[buyer.address] == AT_ONCE


async def read_late(http: httpx.AsyncClient, buyer: Buyer, gate: anyio.Event) -> None:
    """A client that takes the head of its answer, and everything else when it is told."""
    attempt = buyer.attempt(stream=True, max_tokens=WORDS)
    headers = {"content-type": "application/json", **buyer.headers()}
    try:
        async with http.stream("POST", CHAT_PATH, content=attempt.body, headers=headers) as response:
            attempt.begin(response)
            await gate.wait()
            async for piece in response.aiter_raw():
                attempt.received += piece
        attempt.has_ended = True
    except httpx.TransportError:
        return  # It was cut.


async def test_slow_readers_hold_the_server_back_and_not_their_answers_in_memory(tmp_path: Path, nursery: Nursery) -> None:
    async with one_broker(nursery, tmp_path) as (stand, broker, http, buyer):
        stand.upstream.behaviour = Behaviour(events=WORDS, event_padding=WORD_BYTES)
        grown, gate = Grown(broker), anyio.Event()
        async with anyio.create_task_group() as reading:
            for _ in range(AT_ONCE):
                reading.start_soon(read_late, http, buyer, gate)
            await until_here(lambda: sum(connection.is_paused for connection in stand.upstream.connections) == AT_ONCE)
            assert grown.bytes() < 32 * MIB
            gate.set()
        assert all(len(attempt.received) > WORDS * WORD_BYTES for attempt in buyer.attempts)
        assert grown.bytes() < 32 * MIB + AT_ONCE * 11 * MIB, "of each stream 10 MiB of words are kept, in case that its end tells no usage"
        assert (await stand.agree(http, [buyer]))[buyer.address] == AT_ONCE

        if LONG:
            await check_who_reads_nothing(stand, http, buyer)


async def check_who_reads_nothing(stand: Stand, http: httpx.AsyncClient, buyer: Buyer) -> None:
    """After half a minute he is cut, and charged as one who left."""
    gate, charged = anyio.Event(), len(await buyer.charged(http))
    async with anyio.create_task_group() as reading:
        reading.start_soon(read_late, http, buyer, gate)

        async def is_charged() -> bool:
            return len(await buyer.charged(http)) > charged

        await until(is_charged, 60)
        gate.set()
    assert not buyer.attempts[-1].is_whole
    assert (await stand.agree(http, [buyer]))[buyer.address] == charged + 1
