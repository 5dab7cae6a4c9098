"""A provider's routes on a port of their own, with a real book and real tokens."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx

from tests.unit.compute.provider.doubles import ScriptedAccount, ScriptedAccounts, ScriptedPool
from zerog._kernel import keccak256
from zerog.compute.protocol.attestation import SimulatedEnclave
from zerog.compute.protocol.tokens import SessionToken, make_api_key
from zerog.compute.provider.auth import Authenticator
from zerog.compute.provider.billing import Billing
from zerog.compute.provider.book import Book
from zerog.compute.provider.catalogue import read_catalogue
from zerog.compute.provider.desk import Desk
from zerog.compute.provider.engines import EngineChoice
from zerog.compute.provider.limits import Limits
from zerog.compute.provider.routes.application import HTTP_LIMITS, ProviderApplication
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.primitives import Account
from zerog.runtime.clock import SystemClock
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.pages import RolePages
from zerog.runtime.server import serve

__all__ = ["CHAIN_ID", "CHAT", "PUBLIC_URL", "Stage", "key_of", "open_stage", "token_of"]

CHAIN_ID = 31337
CHAT = {"model": "llama", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 16}
PUBLIC_URL = "https://provider.example"
PROVIDER = Account.from_private_key(keccak256(b"provider"))


def key_of(name: str) -> Account:
    """A user's account, the same for the same name."""
    return Account.from_private_key(keccak256(name.encode()))


def token_of(user: Account, *, provider: Account = PROVIDER, **changes: Any) -> dict[str, str]:
    """The header of a good ephemeral token, or one with `changes`."""
    now_ms = int(time.time() * 1000)
    members: dict[str, Any] = {
        "address": user.address,
        "provider": provider.address,
        "timestamp_ms": now_ms,
        "expires_at_ms": now_ms + 3_600_000,
        "nonce": f"{now_ms}-test".ljust(32, "0"),
        "generation": 0,
        "token_id": 255,
    }
    return {"Authorization": "Bearer " + make_api_key(SessionToken(**{**members, **changes}), user.private_key)}


@dataclass
class Stage:
    """What a test holds of a provider."""

    url: str
    http: httpx.AsyncClient
    desk: Desk
    pool: ScriptedPool
    """What answers, unless the test brought something else."""
    accounts: ScriptedAccounts
    enclave: SimulatedEnclave

    def user(self, name: str = "user", **account: Any) -> Account:
        """A user with an account."""
        key = key_of(name)
        self.accounts[key.address] = ScriptedAccount(**account)
        return key

    async def chat(self, user: Account, **changes: Any) -> httpx.Response:
        """A chat of `user`."""
        return await self.http.post("/v1/proxy/chat/completions", json={**CHAT, **changes}, headers=token_of(user))


@asynccontextmanager
async def open_stage(folder: Path, pool: EngineChoice | None = None, **settings: Any) -> AsyncIterator[Stage]:
    """A provider that answers until the block ends."""
    values = {"model": "llama", "port": 0, "input_price": 10**10, "output_price": 2 * 10**10, **settings}
    made = ComputeProviderSettings(**values)
    clock = SystemClock()
    accounts = ScriptedAccounts()
    scripted = pool if isinstance(pool, ScriptedPool) else ScriptedPool()
    signer = Account.from_private_key(keccak256(b"enclave"))
    enclave = SimulatedEnclave.from_keys(signer, keccak256(b"encryption"), version="test")
    async with open_book(folder) as book, anyio.create_task_group() as tasks:
        desk = Desk(
            address=PROVIDER.address,
            address_header=str(PROVIDER.address).encode(),
            catalogue=read_catalogue(made),
            limits=Limits(made.limit_rules, clock),
            authenticator=Authenticator(PROVIDER.address, accounts, clock),
            book=book,
            engines=pool or scripted,
            billing=Billing(PROVIDER.address, CHAIN_ID, enclave, clock),
            clock=clock,
            is_acknowledged=_always,
            settlement_of=_no_settlement,
            enclave=enclave,
            trust={"verifiability": "TeeML"},
            public_url=lambda: PUBLIC_URL,
            jobs_waiting_max=made.jobs_waiting,
            picture_rules=made.picture_rules,
        )
        app = ProviderApplication(desk, Guard(AccessRules(dev_methods=False)), RolePages())
        tasks.start_soon(app.jobs.work)
        url = await tasks.start(lambda *, task_status: serve(app, "127.0.0.1", 0, limits=HTTP_LIMITS, task_status=task_status))
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            yield Stage(url, http, desk, scripted, accounts, enclave)
        tasks.cancel_scope.cancel()


async def _always() -> bool:
    await anyio.lowlevel.checkpoint()
    return True


async def _no_settlement(_key: str) -> None:
    await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def open_book(folder: Path) -> AsyncIterator[Book]:
    async with await Book.open(f"sqlite:///{folder / 'book.db'}", broker_id="test") as book:
        yield book
