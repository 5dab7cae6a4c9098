"""Memory that goes back to the system: when, and that it really does."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import anyio
import pytest

from zerog.runtime.memory import give_back_when_quiet, memory_bytes

pytestmark = pytest.mark.anyio

WORKING = """
import threading
from zerog._kernel import give_back_memory, map_large_blocks
from zerog.runtime.memory import memory_bytes
import os

def held():
    return memory_bytes(os.getpid()) >> 20

if {mapped}:
    map_large_blocks()
small = []
def work():
    for _ in range(8):
        large = [b"1" * (4 << 20) for _ in range(2)]
        small.append(bytes(2000))
        del large
threads = [threading.Thread(target=work) for _ in range(2)]
begin = held()
for thread in threads: thread.start()
for thread in threads: thread.join()
worked = held()
give_back_memory()
print(begin, worked, held())
"""


class Script:
    """A processor's clock that shows given times, one a look, and then ends the looking."""

    def __init__(self, *seconds: float) -> None:
        self.seconds: Iterator[float] = iter(seconds)
        self.now_s = 0.0
        self.given_back_at: list[float] = []
        self.scope = anyio.CancelScope()

    def used_s(self) -> float:
        later = next(self.seconds, None)
        if later is None:
            self.scope.cancel()
        else:
            self.now_s = later
        return self.now_s

    def give_back(self) -> None:
        self.given_back_at.append(self.now_s)


async def given_back(*seconds: float) -> list[float]:
    script = Script(*seconds)
    with script.scope:
        await give_back_when_quiet(look_s=0.01, used_s=script.used_s, give_back=script.give_back)
    return script.given_back_at


async def test_it_goes_back_once_after_work_when_the_process_is_quiet() -> None:
    assert await given_back(3.0, 5.0, 5.0, 5.0, 5.0, 5.0) == [5.0]


async def test_it_goes_back_after_each_time_of_work_and_never_during_it() -> None:
    assert await given_back(1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 4.0, 5.0, 5.0, 5.0) == [3.0, 5.0]


async def test_a_process_that_has_done_nothing_much_keeps_what_it_has() -> None:
    assert await given_back(0.3, 0.3, 0.4, 0.4, 0.4) == []


def at_work(*, mapped: bool) -> tuple[int, int, int]:
    """MiB of a process before its work, after it, and when it has given memory back."""
    done = subprocess.run([sys.executable, "-c", WORKING.format(mapped=mapped)], capture_output=True, text=True, timeout=60, check=True)
    begin, worked, rest = map(int, done.stdout.split())
    return begin, worked, rest


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_large_blocks_go_back_as_soon_as_they_are_freed_and_the_rest_when_asked() -> None:
    begin, worked, rest = at_work(mapped=True)
    assert worked - begin <= 8
    assert rest - begin <= 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_a_process_that_has_ended_is_not_told() -> None:
    held: Callable[[int], int | None] = memory_bytes
    assert 5 << 20 < (held(os.getpid()) or 0) < 4 << 30
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait(20)
        assert held(ended.pid) is None
