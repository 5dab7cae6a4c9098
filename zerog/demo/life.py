"""The whole life, step after step, before an audience that is told what begins, hears the answer, and sees what each step has shown."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

from zerog.demo import steps
from zerog.demo.keeping import Folder
from zerog.demo.material import load_text
from zerog.demo.results import Life, Result, Step
from zerog.primitives import Wei
from zerog.sdk import Network

__all__ = ["STEPS", "Audience", "live"]

STEPS: Final = ("store", "ask", "receipt", "settle", "publish", "verify", "replay", "refuse")
"""Names of the steps, in their order."""

_Result = TypeVar("_Result", bound=Result)


class Audience(Protocol):
    """Who is shown the steps."""

    def begins(self, name: str) -> None:
        """A step begins."""

    def hears(self, words: str) -> None:
        """Words of the answer, as they come."""

    def ends(self, step: Step) -> None:
        """A step is done."""


def live(network: Network, folder: Folder, audience: Audience, *, model: Path | None = None) -> Life:
    """Live the life of one answer on a network, and leave its bytes in `folder`. `model` is the file for the replay, if not the cache's.

    Raises what the clients raise, and `DemoError`s.
    """
    stage, data, url = _Stage(network, audience), load_text(), network.chain.url
    stored = stage.perform("store", lambda: steps.store(network, data))
    answered = stage.perform("ask", lambda: steps.ask(network, stored.root, audience.hears))
    stage.perform("receipt", lambda: steps.keep(answered.file, data, folder))
    paid = stage.perform("settle", lambda: steps.settle(network, answered.file, folder))
    stage.perform("publish", lambda: steps.publish(network, paid.file, folder))
    stage.perform("verify", lambda: steps.verify(url, folder))
    stage.perform("replay", lambda: steps.replay(url, folder, model))
    stage.perform("refuse", lambda: steps.refuse(url, paid.file, stored.root, folder))
    return Life(
        chain_id=paid.file.chain_id,
        chain_url=url,
        account=network.compute.account.address,
        steps=tuple(stage.done),
    )


class _Stage:
    """Performs steps, with a clock beside them and an eye on the money."""

    def __init__(self, network: Network, audience: Audience) -> None:
        self._network: Final = network
        self._audience: Final = audience
        self._worth_wei = self._worth()
        self.done: Final[list[Step]] = []

    def perform(self, name: str, work: Callable[[], _Result]) -> _Result:
        self._audience.begins(name)
        began_s = time.monotonic()
        result = work()
        seconds = time.monotonic() - began_s
        before_wei, self._worth_wei = self._worth_wei, self._worth()
        step = Step(name=name, result=result, seconds=seconds, cost_wei=Wei(before_wei - self._worth_wei))
        self.done.append(step)
        self._audience.ends(step)
        return result

    def _worth(self) -> int:
        """What belongs to the one who asks: in the wallet, and in the ledger with all that lies with providers."""
        money = self._network.compute.money(ask_providers=False)
        return money.wallet_wei + (0 if money.ledger is None else money.ledger.total_wei)
