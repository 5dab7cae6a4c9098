"""Views of the chain: who asks for the present is not answered with what somebody else began to read before."""

from collections.abc import Callable, Coroutine
from typing import Any

import anyio

from zerog.compute.provider.chain_views import Views
from zerog.runtime.clock import SystemClock


async def test_who_asks_for_the_present_does_not_share_a_reading_that_began_before() -> None:
    answers = [anyio.Event(), anyio.Event()]
    begun = 0

    async def read(_: str) -> int:
        nonlocal begun
        begun += 1
        number = begun
        await answers[number - 1].wait()
        return number

    views: Views[str, int] = Views(read, SystemClock(), size=2, retry_on=())
    got: list[tuple[str, int]] = []

    def asks(name: str, max_age_s: float) -> Callable[[], Coroutine[Any, Any, None]]:
        async def ask() -> None:
            got.append((name, await views.get("key", max_age_s=max_age_s, stale_s=60)))

        return ask

    async with anyio.create_task_group() as asking:
        asking.start_soon(asks("first", 60))
        await anyio.wait_all_tasks_blocked()
        asking.start_soon(asks("patient", 60))
        for name in ("now", "now too"):
            asking.start_soon(asks(name, 0))
        await anyio.wait_all_tasks_blocked()
        answers[0].set()
        await anyio.wait_all_tasks_blocked()
        assert sorted(got) == [("first", 1), ("patient", 1)]
        answers[1].set()
    assert sorted(got)[1:3] == [("now", 2), ("now too", 2)]
    assert begun == 2, "both that asked for the present shared one reading"
