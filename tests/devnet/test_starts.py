"""`zerog up --wait` never lies: whoever uses every layer at the very moment in which it returns is served, however it was started."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event
from typing import Final, Literal

import msgspec
import pytest

import zerog as package
from tests.devnet.command import Zerog
from tests.devnet.first_calls import Left, call_every_layer, find_again
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from zerog.primitives import Hash32
from zerog.testing.small_model import make_small_model

SEED: Final = commit_seed()
START_S_MAX: Final = 600.0
"""Far more than a start takes, whatever else the machine does, so that a hang is a failure and not a hang."""
STARTS: Final = 200 if LONG else 20
AT_ONCE: Final = 2
"""Lives that are led beside each other, which halves the time and doubles the trouble."""
ENDS_A_LIFE: Final = 2
"""After so many different ends a network that is kept starts again."""
STILLBORN: Final = 0.3
"""How often a first start is killed."""
BLOBS_AWAITED: Final = 0.2
"""How often a blob is waited for until it is final; else until it is accepted, so that it is on its way when the network ends."""

TOGETHER: Final = 16
TOGETHER_FLAGS: Final = () if LONG else ("--only", "chain", "--only", "storage", "--one-process")
"""What fifteen others are started beside; all roles of sixteen networks take a machine of two cores minutes."""

KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "default": (),
    "one process": ("--one-process",),
    "two nodes": ("--nodes", "2"),
    "two signers": ("--signers", "2"),
    "like galileo": ("--like", "galileo"),
    "another chain id": ("--chain-id", "4242"),
}
THROWN_AWAY: Final[Mapping[str, tuple[str, ...]]] = {
    "ephemeral": ("--ephemeral",),
    "ephemeral in one process": ("--ephemeral", "--one-process"),
}
FLAGS: Final = {**KEPT, **THROWN_AWAY}

End = Literal["down", "kill -9", "kill -9 in a start"]
"""What happens to a network before its next start, as far as its supervisor goes."""
ENDS: Final[tuple[End, ...]] = ("down", "kill -9", "kill -9 in a start")
KILLED_S: Final = 4.0
"""Within so long after its beginning a start is killed, if it is."""

pytestmark = pytest.mark.timeout(7200 if LONG else 1200)


@dataclass(slots=True)
class Life:
    """A network from its first start on."""

    number: int
    kind: str
    is_stillborn: bool = False
    """Whether its very first start is killed, so that the next one has to prove what was half proven."""
    ends: list[End] = field(default_factory=list)
    """After each of them it starts again."""

    @property
    def starts(self) -> int:
        return 1 + len(self.ends)

    def __str__(self) -> str:
        began = f"{self.number}: {self.kind}" + (" that is killed in its first start" if self.is_stillborn else "")
        return ", ".join([began, *(f"again after {end}" for end in self.ends)])


def drawn_lives(seed: int, starts: int) -> list[Life]:
    """Every kind once, those that are kept with starts after two ends, as far as the starts go; then all of them anew.

    A later start costs a third of a first one, and has more to find again."""
    dice = Random(f"lives {seed}")
    lives: list[Life] = []
    left = starts
    while left > 0:
        kinds = list(FLAGS)
        dice.shuffle(kinds)
        for kind in kinds:
            life = Life(len(lives), kind)
            if kind in KEPT:
                life.ends = dice.sample(ENDS, ENDS_A_LIFE)
                life.is_stillborn = dice.random() < STILLBORN
            life.ends = life.ends[: left - 1]
            left -= life.starts
            if left >= 0:
                lives.append(life)
    return lives


def test_networks_that_start_at_the_same_time_share_no_port(tmp_path: Path) -> None:
    """Each comes up, on a machine that has far too much to do, and each is used."""
    commands = [Zerog(tmp_path / f"network-{number}", START_S_MAX) for number in range(TOGETHER)]
    for command in commands:
        command.folder.mkdir()
    with ThreadPoolExecutor(TOGETHER) as threads:
        try:
            networks = list(threads.map(lambda command: command.up(*TOGETHER_FLAGS), commands))
            ports = [set(re.findall(r"127\.0\.0\.1:(\d+)", msgspec.json.encode(network).decode())) for network in networks]
            assert sum(map(len, ports)) == len(set.union(*ports))
            roots = list(threads.map(stored, commands))
            assert len(set(roots)) == TOGETHER
        finally:
            list(threads.map(Zerog.down, commands))
    record("starts_at_the_same_time", networks=TOGETHER, flags=list(TOGETHER_FLAGS))


def stored(command: Zerog) -> Hash32:
    """The root of a file that one network has been given, and has given back."""
    content = str(command.folder).encode() * 1000
    with package.connect("local", folder=command.folder) as network:
        root = network.storage.upload(content).root
        assert network.storage.read(root) == content
    return root


def lead(life: Life, folder: Path, model: Sequence[str]) -> list[float]:
    """Start a network as often as the life says, and use every layer at once each time. Returns the seconds of the starts."""
    dice, left, seconds = Random(f"life {SEED} {life.number}"), Left(), []
    zerog, flags = Zerog(folder, START_S_MAX), (*FLAGS[life.kind], *model)
    try:
        if life.is_stillborn:
            kill_in_start(zerog, flags, dice)
        for end in [*life.ends, None]:
            began_s = time.monotonic()
            endpoints = zerog.up(*flags)
            seconds.append(time.monotonic() - began_s)
            running = Path(endpoints.data_dir).parent
            find_again(running, left)
            call_every_layer(running, left, dice, blob_until="finalized" if dice.random() < BLOBS_AWAITED else "accepted")
            if end == "kill -9":
                os.kill(endpoints.pid, signal.SIGKILL)
            else:
                Zerog(running, START_S_MAX).down()
            if end == "kill -9 in a start":
                kill_in_start(zerog, flags, dice)
    finally:
        zerog.down()
    shutil.rmtree(folder)  # A quarter of a gigabyte. Of a life that failed everything is kept.
    return seconds


def kill_in_start(zerog: Zerog, flags: Sequence[str], dice: Random) -> None:
    """Begin a start and end its supervisor at some moment, without a warning."""
    with zerog.begin("up", "--wait", "--port-base", "0", *flags) as command:
        pid = supervisor_begun_by(command)
        Event().wait(dice.random() * KILLED_S)  # Nobody sets it: a moment is drawn, nothing is waited for.
        os.kill(pid, signal.SIGKILL)
        command.communicate(timeout=START_S_MAX)


def supervisor_begun_by(command: subprocess.Popen[str]) -> int:
    """The process that goes on in the background. Source: proc_tid_children(5)."""
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
    deadline_s = time.monotonic() + START_S_MAX
    while not (found := children.read_text().split()):
        assert time.monotonic() < deadline_s
        assert command.poll() is None, command.communicate()
    return int(found[0])


def test_whoever_calls_every_layer_at_once_after_a_start_is_served(tmp_path: Path) -> None:
    lives = drawn_lives(SEED, STARTS)
    print(f"seed {SEED}: " + "; ".join(map(str, lives)))
    assert sum(life.starts for life in lives) == STARTS
    failures: list[str] = []
    # What a model says is another test's matter, so the few starts of every day have one that answers at once.
    model = () if LONG else ("--model", str(make_small_model(tmp_path / "nonsense.gguf")))

    def led(life: Life) -> list[float]:
        folder = tmp_path / f"life-{life.number}"
        folder.mkdir()
        try:
            return lead(life, folder, model)
        except Exception as error:  # noqa: BLE001 - all that failed is told at the end, each with its life.
            failures.append(f"{life}: {error!r}")
            return []

    with ThreadPoolExecutor(AT_ONCE) as threads:
        seconds = [start for starts in threads.map(led, lives) for start in starts]
    assert not failures, "\n".join(failures)
    kinds = Counter(f"after {end}" for life in lives for end in life.ends) + Counter({"first": len(lives)})
    record("starts", seed=SEED, starts=len(seconds), kinds=dict(kinds), seconds_max=round(max(seconds), 2))
