"""A place where brokers of one provider come and go, each a process, on one database, and a fate that ends them at a step of theirs."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.postgres import PostgresServer
from tests.unit.compute.provider.lines import CutError, Step, chain_line, database_line
from tests.unit.compute.provider.market import MODEL, Buyer, acknowledged, agree, client_of, until
from tests.unit.compute.provider.place import Place, open_place
from tests.unit.compute.provider.processes import Broker, Nursery
from zerog.compute.provider.book import Book
from zerog.primitives import Address
from zerog.testing.upstream import Upstream, serve_upstream

__all__ = ["LEASE_S", "LONG", "Fate", "Stand", "open_stand"]

LONG = os.environ.get("ZEROG_TEST_LONG") == "1"
LEASE_S = 61.0
"""More than the lease of a broker that died: a clock that is so far ahead sees it ended."""
SETTLED_S = 60.0
Strikes = Callable[[Step], bool]


@dataclass
class Fate:
    """Ends a broker at the first step that `strikes`, once it is armed. What it was about to do, or to hear, does not take place."""

    strikes: Strikes
    is_armed: bool = False
    has_struck: bool = False
    broker: Broker | None = None
    steps: list[Step] = field(default_factory=list)

    async def on_step(self, step: Step) -> None:
        """Whether it is time."""
        if self.has_struck:
            raise CutError
        if not self.is_armed:
            return
        self.steps.append(step)
        if self.strikes(step):
            self.has_struck = True
            assert self.broker is not None
            await self.broker.kill()
            raise CutError


@dataclass
class Stand:
    """The chain, the model's server and the database of one provider, and the nursery of its brokers."""

    place: Place
    upstream: Upstream
    nursery: Nursery
    folder: Path
    database: str
    settings: dict[str, Any]

    async def start(self, name: str = "a", *, ahead_s: float = 0.0, **changes: Any) -> Broker:
        """A broker that answers, though its service need not stand on chain yet."""
        values = {
            "port": 0,
            "chain_url": self.place.url,
            "data_dir": self.folder,
            "database": self.database,
            "broker": name,
            "engine": [self.upstream.url],
            "model": MODEL,
            "upstream_model": "scripted",
            "public_url": "http://127.0.0.1:9",
            "concurrent": 0,
            "concurrent_per_user": 0,
            "requests_per_minute": 0,
            "settle_interval_s": 0.05,
        }
        return await self.nursery.start(ahead_s=ahead_s, **{**values, **self.settings, **changes})

    @asynccontextmanager
    async def running(self, name: str = "a", **changes: Any) -> AsyncIterator[tuple[Broker, httpx.AsyncClient]]:
        """A broker that is ready for requests, and is stopped in order at the end, if it lives."""
        broker = await self.start(name, **changes)
        async with client_of(broker.url) as http:
            await acknowledged(self.place, http)
            yield broker, http
        await broker.stop()

    @asynccontextmanager
    async def doomed(self, postgres: PostgresServer, fate: Fate, name: str = "a") -> AsyncIterator[httpx.AsyncClient]:
        """A broker between two lines on which its fate waits for it; it is dead at the end."""
        async with AsyncExitStack() as lines:
            chain_url = await lines.enter_async_context(chain_line(self.place.url, fate.on_step))
            database = await lines.enter_async_context(database_line(self.database, postgres.folder, fate.on_step))
            broker = fate.broker = await self.start(name, chain_url=chain_url, database=database)
            async with client_of(broker.url) as http:
                await acknowledged(self.place, http)
                fate.is_armed = True
                yield http
            if not fate.has_struck:
                fate.has_struck = True
                await broker.kill()

    async def agree(self, http: httpx.AsyncClient, buyers: Sequence[Buyer], *, samples: int = 2) -> dict[Address, int]:
        """Wait until all is settled, then hold both sides against each other and the chain; how many requests each was charged for."""

        async def is_settled() -> bool:
            return not any([await buyer.owed_wei(http) for buyer in buyers])

        await until(is_settled, SETTLED_S)
        async with await Book.open(self.database, broker_id="auditor") as book:
            return await agree(self.place, http, book, buyers, settled=True, samples=samples)


@asynccontextmanager
async def open_stand(nursery: Nursery, folder: Path, database: str, **settings: Any) -> AsyncIterator[Stand]:
    """`settings` are those of every broker that is started here."""
    async with open_place() as place, serve_upstream() as upstream:
        yield Stand(place, upstream, nursery, folder, database, settings)
