"""A network whose processes are killed while clients write on every layer: they return by themselves, and nothing acknowledged is lost."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event
from typing import Final

import pytest

from tests.devnet.command import Zerog, ask
from tests.devnet.writers import crew_at_work
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from zerog.devnet.folder import NetworkFolder
from zerog.devnet.inspect import network_status
from zerog.runtime.files import FileLock, read_holder
from zerog.testing.small_model import make_small_model

SEED: Final = commit_seed()
ROLES: Final = ("chain", "storage", "da", "compute")
SUPERVISOR: Final = "supervisor"
KILLS: Final = 200 if LONG else 20
MOMENT_S: Final = 0.7
"""Within so long after everybody was served again the next blow falls."""
AGAIN_S: Final = 1.5
"""Within so long a role is killed again that is coming back."""
BETWEEN_MAX: Final = 4
"""So often one role is killed at most before its supervisor is: after six faults in a row a supervisor gives up, as it should."""
RETURN_S_MAX: Final = 300.0
"""Far more than anything takes to return, so that what does not is a failure and not a hang."""
LOOK_S: Final = 0.15
SETTINGS: Final = """\
[compute.run]
settle-interval = 15.0
"""
"""Each settlement is published as a blob, and some of those are enough."""

pytestmark = pytest.mark.timeout(7200 if LONG else 1200)


@dataclass(frozen=True, slots=True)
class Blow:
    """What is killed at one moment."""

    victims: tuple[str, ...]
    is_double: bool = False
    """Whether the victim is killed again while it comes back."""

    @property
    def kills(self) -> int:
        return len(self.victims) + self.is_double

    def __str__(self) -> str:
        return " and ".join(self.victims) + (", twice" if self.is_double else "")


def drawn_blows(seed: int, kills: int) -> list[Blow]:
    """Rounds in which everything is killed once, in an order of their own, and one thing beside another or twice."""
    dice = Random(f"blows {seed}")
    blows: list[Blow] = []
    struck: Counter[str] = Counter()
    while (left := kills - sum(blow.kills for blow in blows)) > 0:
        order = [*ROLES, SUPERVISOR]
        dice.shuffle(order)
        special = dice.choice(ROLES)
        for victim in order:
            blow = Blow((victim,))
            if victim == special and left > 1:
                other = dice.choice([role for role in ROLES if role != victim])
                blow = dice.choice((Blow((victim,), is_double=True), Blow((victim, other))))
            if left <= 0 or any(struck[name] + blow.kills > BETWEEN_MAX for name in blow.victims if name != SUPERVISOR):
                continue
            blows.append(blow)
            left -= blow.kills
            struck.update(dict.fromkeys(blow.victims, 1 + blow.is_double))
            if victim == SUPERVISOR:
                struck.clear()
    return blows


class Battlefield:
    """The network, seen from outside."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.zerog: Final = Zerog(folder, RETURN_S_MAX)
        self._place: Final = NetworkFolder.of(folder)
        self._flags: Final = ("--model", str(model))
        self._place.prepare()
        (self._place.path / "zerog.toml").write_text(SETTINGS)
        self.endpoints = self.zerog.up(*self._flags)

    def strike(self, blow: Blow, dice: Random) -> None:
        """Kill, and return when all runs again: roles by themselves, and after a supervisor's death by the next `zerog up`."""
        before = self.pids()
        for victim in blow.victims:
            os.kill(before[victim], signal.SIGKILL)
        if SUPERVISOR in blow.victims:
            until(lambda: not any(map(FileLock.is_held, self._place.run.glob("*.lock"))), "the roles of a dead supervisor did not stop")
            self.endpoints = self.zerog.up(*self._flags)
            return
        if blow.is_double:
            Event().wait(dice.random() * AGAIN_S)  # Nobody sets it: a moment is drawn, nothing is waited for.
            [victim] = blow.victims
            until(lambda: self._holder(victim) not in (None, before[victim]), f"{victim} did not come back")
            before[victim] = self._holder(victim) or 0
            os.kill(before[victim], signal.SIGKILL)
        for victim in blow.victims:
            until(lambda: self.pids().get(victim, before[victim]) != before[victim], f"{victim} did not come back")  # noqa: B023
        assert self.pids()[SUPERVISOR] == before[SUPERVISOR]

    def pids(self) -> dict[str, int]:
        """Of whatever serves."""
        status = network_status(self._place)
        found = {role: said.get("pid") for role, said in status.roles.items() if "url" in said} | {SUPERVISOR: status.pid}
        return {name: pid for name, pid in found.items() if isinstance(pid, int)}

    def _holder(self, role: str) -> int | None:
        """The process that has a role's lock, which it takes before it serves."""
        lock = self._place.run / f"{role}.lock"
        holder = read_holder(lock) if FileLock.is_held(lock) else None
        return None if holder is None else holder.pid


def until(is_so: Callable[[], bool], otherwise: str) -> None:
    deadline_s = time.monotonic() + RETURN_S_MAX
    while not is_so():
        assert time.monotonic() < deadline_s, otherwise
        Event().wait(LOOK_S)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Battlefield]:
    """With a small model, which is there again at once after each blow."""
    folder = tmp_path_factory.mktemp("kills")
    battlefield = Battlefield(folder, make_small_model(folder / "nonsense.gguf"))
    yield battlefield
    battlefield.zerog.down()


def test_whatever_is_killed_returns_and_nothing_acknowledged_is_lost(field: Battlefield) -> None:
    blows = drawn_blows(SEED, KILLS)
    print(f"seed {SEED}: " + "; ".join(map(str, blows)))
    dice = Random(f"moments {SEED}")
    with crew_at_work(field.zerog.folder, f"kills {SEED}") as crew:
        crew.wait_until_served()
        for blow in blows:
            Event().wait(dice.random() * MOMENT_S)  # Likewise.
            field.strike(blow, dice)
            crew.wait_until_served()
            crew.check(dice)
        crew.stop()
        crew.check_end()
    killed = Counter(victim for blow in blows for victim in blow.victims for _ in range(1 + blow.is_double))
    print(f"killed {dict(killed)}; acknowledged {crew.acknowledged()}")
    assert sum(killed.values()) == KILLS
    record("kills", seed=SEED, kills=dict(killed), acknowledged=crew.acknowledged())


def test_the_harness_finds_what_a_chain_has_lost(field: Battlefield) -> None:
    """The checks that the other test relies on fail when anything acknowledged is missing."""
    before = ask(field.endpoints, "evm_snapshot")
    with crew_at_work(field.zerog.folder, "lost") as crew:
        crew.wait_until_served()
        crew.stop()
        assert ask(field.endpoints, "evm_revert", before) is True
        [transfers] = [hand.writer for hand in crew.hands if hand.name == "transfers"]
        with pytest.raises(AssertionError, match="had a receipt and has none now"):
            transfers.check(list)
