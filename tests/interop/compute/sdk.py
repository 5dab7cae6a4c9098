"""The official TypeScript SDK for compute at work, unmodified: one process in which many users are at work at once."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final

from zerog.primitives import Account

__all__ = ["Broker", "Sdk", "SdkFailureError", "file", "integer", "running_sdk"]

HERE: Final = Path(__file__).parent
OFFLINE: Final = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9") | {"no_proxy": "127.0.0.1,localhost"}
"""Nothing leaves this machine: what the SDK asks of the Internet by https is refused at once, and it goes on without it."""
ANSWER_S_MAX: Final = 60
"""Far more than any call takes, so that a client that waits for ever is a failure and not a hang."""


class SdkFailureError(Exception):
    """What the SDK, or `openai`, raised, in its own words."""


def file(name: str, content: bytes) -> Mapping[str, object]:
    """An argument that `openai` takes as a file."""
    return {"$file": {"name": name, "base64": base64.b64encode(content).decode()}}


def integer(value: int) -> Mapping[str, str]:
    """An argument that the SDK takes as a big integer."""
    return {"$integer": str(value)}


@dataclass(slots=True)
class Sdk:
    """The process. All its methods may be called from many threads."""

    process: subprocess.Popen[str]
    numbers: Iterator[int] = field(default_factory=count)
    waiting: dict[int, "Future[Any]"] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def broker(self, account: Account) -> "Broker":
        """What `createZGComputeNetworkBroker` makes for a wallet; without an address argument, as all here."""
        return self._made({"key": "0x" + account.private_key.hex()})

    def read_only(self) -> "Broker":
        """What `createZGComputeNetworkReadOnlyBroker` makes."""
        return self._made({"readOnly": True})

    def openai(self, options: Mapping[str, object], call: str, *arguments: object) -> Any:
        """What the JavaScript client `openai` brings: `data` (of a stream all events) and `headers`."""
        return self.ask({"openai": options, "call": call, "arguments": arguments})

    def ask(self, request: Mapping[str, object]) -> Any:
        """The answer to a request of `client.mjs`. Raises `SdkFailureError`."""
        with self.lock:
            number = next(self.numbers)
            future: Future[Any] = Future()
            self.waiting[number] = future
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps({"id": number, **request}) + "\n")
            self.process.stdin.flush()
        return future.result(ANSWER_S_MAX)

    def _made(self, what: Mapping[str, object]) -> "Broker":
        name = str(next(self.numbers))
        self.ask({"broker": name, **what})
        return Broker(self, name)

    def read(self) -> None:
        """Hand the answers to those who wait for them, until there are no more."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            reply = json.loads(line)
            future = self.waiting.pop(reply["id"])
            if "failure" in reply:
                future.set_exception(SdkFailureError(reply["failure"]))
            else:
                future.set_result(reply["result"])
        for future in self.waiting.values():
            future.set_exception(SdkFailureError("the client ended"))


@dataclass(frozen=True, slots=True)
class Broker:
    """A user of the SDK."""

    sdk: Sdk
    name: str

    def call(self, path: str, *arguments: object) -> Any:
        """What a function such as `ledger.addLedger` returns. Raises `SdkFailureError`."""
        return self.sdk.ask({"broker": self.name, "call": path, "arguments": arguments})


@contextmanager
def running_sdk(chain_url: str, folder: Path) -> Iterator[Sdk]:
    """The SDK, pointed at a chain and at nothing else; `folder` takes what it writes to its console and its files."""
    with (
        (folder / "sdk.log").open("a") as log,
        subprocess.Popen(
            ["node", str(HERE / "client.mjs"), chain_url],
            cwd=folder,
            env=os.environ | OFFLINE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        sdk = Sdk(process)
        reader = Thread(target=sdk.read, name="sdk.read")
        reader.start()
        try:
            yield sdk
        finally:
            process.kill()
            reader.join()
