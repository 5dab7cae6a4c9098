"""How long everything takes to be there the first time and later, and to be gone; beside nodes that have the chain alone."""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.hardhat import hardhat
from benchmarks.network.place import start_whole
from benchmarks.nodes import Node, anvil, stop_zerog
from benchmarks.report import Row

__all__ = ["starts"]

FIRST_STARTS: Final = 3
WARM_STARTS: Final = 5
FIRST_S_MAX: Final = 10.0
WARM_S_MAX: Final = 5.0
STOP_S_MAX: Final = 2.0


def starts(bench: Bench) -> None:
    """`zerog up --wait` in fresh folders, then in one that was up before; `zerog down` each time."""
    first_s, warm_s, stop_s = [], [], []
    for run in range(FIRST_STARTS):
        with tempfile.TemporaryDirectory(prefix="benchmark-network-") as name:
            start = partial(start_whole, Path(name), bench.environment)
            stop = partial(stop_zerog, Path(name))
            first_s.append(seconds_of(start))
            stop_s.append(seconds_of(stop))
            for _ in range(WARM_STARTS if run == FIRST_STARTS - 1 else 0):
                warm_s.append(seconds_of(start))
                stop_s.append(seconds_of(stop))
    peers = {"anvil": start_and_stop(lambda: anvil(bench.environment)), "hardhat": start_and_stop(hardhat)}
    bench.details["starts"] = {"first_s": first_s, "warm_s": warm_s, "stop_s": stop_s, "peers_s": peers}
    (anvil_start, anvil_stop), (hardhat_start, hardhat_stop) = peers["anvil"], peers["hardhat"]
    first, warm, gone = map(statistics.median, (first_s, warm_s, stop_s))
    note = "chain, storage, DA and compute, each proven by its work; the peers are a chain alone, in memory, until its port is open"
    bench.rows += [
        Row("zerog up --wait of everything, first", "s", first, anvil_start, "≤ 10 s", first <= FIRST_S_MAX, note, hardhat_start),
        Row("zerog up --wait of everything, warm", "s", warm, anvil_start, "≤ 5 s", warm <= WARM_S_MAX, "", hardhat_start),
        Row("zerog down", "s", gone, anvil_stop, "≤ 2 s", gone <= STOP_S_MAX, "the peers keep nothing", hardhat_stop),
    ]


def seconds_of(call: Callable[[], object]) -> float:
    """What a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def start_and_stop(peer: Callable[[], AbstractContextManager[Node]]) -> tuple[float, float]:
    """Median seconds until a peer listens, and from telling it to stop until it has."""
    starting_s, stopping_s = [], []
    for _ in range(WARM_STARTS):
        running = peer()
        starting_s.append(seconds_of(running.__enter__))
        stopping_s.append(seconds_of(partial(running.__exit__, None, None, None)))
    return statistics.median(starting_s), statistics.median(stopping_s)
