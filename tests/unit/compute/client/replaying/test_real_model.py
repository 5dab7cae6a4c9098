"""Answers of the model that comes with zerog, computed together and replayed one by one: fifty in `make test-long`."""

import os
from collections import Counter
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from tests.ledger.results import record
from tests.unit.compute.client.replaying.test_rules import asked_of, computed
from tests.unit.compute.client.replaying.test_small_model import wishes
from tests.unit.compute.engines.exact.conftest import running_engine
from zerog.compute.client.loading import open_model
from zerog.compute.client.replaying import DifferenceError, replay
from zerog.compute.client.verifying import ReplayTask
from zerog.compute.provider.engines.exact import DriverRules
from zerog.models import DEFAULT_NAME, find_named

pytestmark = pytest.mark.anyio

ANSWERS: Final = 50 if os.environ.get("ZEROG_TEST_LONG") == "1" else 4


def model_path() -> Path:
    path = find_named(DEFAULT_NAME).path
    assert path is not None, f"run `zerog model pull {DEFAULT_NAME}`"
    return path


async def test_answers_of_the_model_that_comes_with_zerog_are_replayed() -> None:
    tasks: dict[int, ReplayTask] = {}

    async def ask(engine: Any, number: int) -> None:
        tasks[number] = await asked_of(engine, **wishes(number))

    model = open_model(model_path())
    async with running_engine(model, rules=DriverRules(waiting_of_user_max=ANSWERS)) as engine, anyio.create_task_group() as group:
        for number in range(ANSWERS):
            await anyio.lowlevel.checkpoint()
            group.start_soon(ask, engine, number)
    replays = [replay(tasks[number], model) for number in range(ANSWERS)]
    record(
        "answers_of_smollm2_replayed",
        answers=len(replays),
        tokens=sum(found.tokens for found in replays),
        methods=dict(Counter(found.method for found in replays)),
    )
    assert all(found.method == "read" for number, found in enumerate(replays) if number % 2)
    seed = dict(tasks[2].receipt.engine.parameters or {})["seed"]
    other = computed(tasks[2], parameters={**dict(tasks[2].receipt.engine.parameters or {}), "seed": str(int(seed) + 1)})
    with pytest.raises(DifferenceError):
        replay(other, model)
