"""Waiting for a chain that is not up yet: until it answers, not for ever, and not for what waiting does not mend."""

import pytest

from zerog.chain.client import NodeUnreachableError
from zerog.chain.client.patience import patiently
from zerog.primitives.errors import RefusalError

AWAY = NodeUnreachableError("http://chain.test", "All connection attempts failed")


class Starting:
    """A chain that fails to answer a few times."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked = 0

    async def ask(self) -> int:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return 31337


async def test_whoever_waits_gets_the_first_answer() -> None:
    chain = Starting(AWAY, TimeoutError())
    assert await patiently(chain.ask) == 31337
    assert chain.asked == 3


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerog.chain.client.patience.START_S_MAX", 0.1)
    chain = Starting(AWAY, AWAY, AWAY)
    with pytest.raises(NodeUnreachableError):
        await patiently(chain.ask)
    assert chain.asked == 2


async def test_what_waiting_does_not_mend_is_raised_at_once() -> None:
    chain = Starting(RefusalError("another chain"))
    with pytest.raises(RefusalError, match="another chain"):
        await patiently(chain.ask)
    assert chain.asked == 1
