"""Providers in this process in front of the scripted engine, each behind a relay, and users who have paid them."""

import io
import json
import subprocess
import wave
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import httpx
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.interop.compute.network import OG, Market
from tests.interop.compute.relay import Relay, running_relay
from tests.interop.compute.sdk import Broker
from zerog.compute.provider.service import ComputeProvider
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.primitives import Account, Address
from zerog.testing.scripted import ScriptedEngine

__all__ = ["CHAT", "Provider", "Served", "User", "one_second", "running_provider", "serving"]

CHAT: Final = {"model": "scripted", "messages": [{"role": "user", "content": "Tell me of a tree."}]}
ANSWER_S_MAX: Final = 30
STOP_S_MAX: Final = 30
MODELS: Final = """\
[[model]]
id = "scripted"
input_price = "10000000000"
output_price = "20000000000"
[[model]]
id = "vectors"
service_type = "embedding"
input_price = "10000000000"
[[model]]
id = "pictures"
service_type = "text-to-image"
output_price = "3000000000000"
[[model]]
id = "brushes"
service_type = "image-editing"
output_price = "3000000000000"
[[model]]
id = "ears"
service_type = "speech-to-text"
input_price = "10000000000"
[[model]]
id = "mouth"
service_type = "text-to-speech"
input_price = "10000000000"
"""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that serves."""

    role: ComputeProvider
    account: Account
    relay: Relay

    @property
    def address(self) -> Address:
        return self.account.address

    @property
    def url(self) -> str:
        """As it stands on chain: that of the relay."""
        return self.relay.url


@dataclass(frozen=True, slots=True)
class User:
    """Who has paid a provider, and a key for it."""

    account: Account
    broker: Broker
    provider: Provider

    def headers(self) -> dict[str, str]:
        """What the SDK makes for a request."""
        found = self.broker.call("inference.getRequestHeaders", str(self.provider.address))
        assert list(found) == ["Authorization"]
        return dict(found)

    def options(self, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """What the client `openai` is made with. It wants a key; the header of the SDK stands in its place."""
        endpoint = self.broker.call("inference.getServiceMetadata", str(self.provider.address))["endpoint"]
        return {"baseURL": endpoint, "apiKey": "unused", "defaultHeaders": headers or self.headers()}

    def again(self) -> "User":
        """The same user in a program that has just begun: the SDK remembers accounts for minutes."""
        return User(self.account, self.broker.sdk.broker(self.account), self.provider)

    def api_key(self) -> tuple[int, str]:
        """Number and text of a key that never expires."""
        made = self.broker.call("inference.requestProcessor.createApiKey", str(self.provider.address), {"expiresIn": 0})
        return int(made["tokenId"]), str(made["rawToken"])

    def verifies(self, key: str, *content: str) -> Any:
        """What the SDK says of an answer."""
        return self.broker.call("inference.processResponse", str(self.provider.address), key, *content)

    def post(self, path: str, body: object, authorization: str) -> httpx.Response:
        """A request without any client's help."""
        headers = {"Authorization": authorization}
        return httpx.post(self.provider.url + path, json=body, headers=headers, timeout=ANSWER_S_MAX)

    def curl(self, path: str, body: object, key: str) -> int:
        """The status of a request that plain `curl` sends."""
        words = ("-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json", "-d", json.dumps(body))
        command = [
            "curl",
            "-sS",
            "-m",
            str(ANSWER_S_MAX),
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            *words,
            self.provider.url + path,
        ]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@dataclass(frozen=True, slots=True)
class Served:
    """A market with providers of four kinds, and where others can be run."""

    market: Market
    portal: BlockingPortal
    folder: Path
    chat: Provider
    images: Provider
    edits: Provider
    sound: Provider

    def user(self, provider: Provider | None = None, amount_wei: int = 3 * OG) -> User:
        """A new user with money there."""
        serving = provider or self.chat
        account = self.market.user()
        self.market.fund(account, serving.address, amount_wei)
        return User(account, self.market.sdk.broker(account), serving)


def one_second() -> bytes:
    """Of silence."""
    with io.BytesIO() as content:
        with wave.open(content, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(16_000))
        return content.getvalue()


@contextmanager
def running_provider(
    portal: BlockingPortal, market: Market, relay: Relay, *, account: Account | None = None, acknowledged: bool = True, **changes: Any
) -> Iterator[Provider]:
    """A provider behind a relay, registered as `changes` say, with an account of its own unless one is named.

    The contracts' owner accepts its signer, if `acknowledged`.
    """
    account = account or market.user()
    unbounded: dict[str, Any] = {
        "port": 0,
        "public_url": relay.url,
        "chain_url": market.chain_url,
        "requests_per_minute": 0,
        "concurrent": 0,
        "concurrent_per_user": 0,
        "settle_interval_s": 0.5,
    }
    engines = None if "engine" in changes else {"scripted": ScriptedEngine()}
    role = ComputeProvider(ComputeProviderSettings(**(unbounded | changes)), account=account, engines=engines)
    ended = Event()
    future, url = portal.start_task(_run, role, ended)
    relay.target_port = int(url.rpartition(":")[2])
    try:
        market.wait_until(
            lambda: (found := market.service(account.address)) is not None and found.params.model == role.running.desk.catalogue.first.id
        )
        if acknowledged:
            market.acknowledge(account.address)
        yield Provider(role, account, relay)
    finally:
        future.cancel()
        assert ended.wait(STOP_S_MAX)


async def _run(role: ComputeProvider, ended: Event, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
    try:
        await role.run(task_status=task_status)
    finally:
        ended.set()  # A cancelled role still settles what is owed, and its folder is free after that.


@contextmanager
def serving(market: Market, folder: Path) -> Iterator[Served]:
    """All four."""
    models = folder / "models.toml"
    models.write_text(MODELS)
    kinds: Sequence[dict[str, Any]] = (
        {"models": models},
        {"service_type": "text-to-image", "model": "pictures", "output_price": 3 * 10**12},
        {"service_type": "image-editing", "model": "brushes", "output_price": 3 * 10**12},
        {"service_type": "speech-to-text", "model": "ears"},
    )
    with start_blocking_portal() as portal, ExitStack() as roles:
        providers = [
            roles.enter_context(running_provider(portal, market, roles.enter_context(running_relay(portal)), **kind)) for kind in kinds
        ]
        yield Served(market, portal, folder, *providers)
