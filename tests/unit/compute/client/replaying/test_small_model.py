"""Fifty answers of a model that the kernel runs, replayed; and its file with a byte changed is another model."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.compute.client.replaying.test_rules import asked_of, computed
from tests.unit.compute.engines.exact.conftest import running_engine
from zerog.compute.client.loading import LoadedModel, ModelFileError, open_model
from zerog.compute.client.replaying import DifferenceError, replay
from zerog.compute.client.verifying import ReplayTask
from zerog.compute.provider.engines.exact import DriverRules
from zerog.testing.small_model import make_small_model

pytestmark = pytest.mark.anyio

ANSWERS = 50


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_model(tmp_path_factory.mktemp("model") / "small.gguf")


@pytest.fixture(scope="module")
def model(path: Path) -> LoadedModel:
    return open_model(path)


def wishes(number: int) -> dict[str, Any]:
    """Each request is another one."""
    return {
        "messages": [{"role": "user", "content": f"Question {number}: " + "why? " * (number % 7)}],
        "max_tokens": 4 + number % 29,
        "temperature": (0, 0.4, 1, 1.7)[number % 4],
        **({"seed": number} if number % 3 else {}),
        **({"top_p": 0.9, "top_k": 40} if number % 5 == 0 else {}),
        **({"presence_penalty": 1.5, "frequency_penalty": -0.5} if number % 6 == 0 else {}),
        **({"logit_bias": {"65": 5, "66": -100}} if number % 8 == 0 else {}),
        **({"stop": ["e", "t"]} if number % 9 == 0 else {}),
        **({"return_token_ids": True} if number % 2 else {}),
        **({"logprobs": True, "top_logprobs": 3} if number % 7 == 0 else {}),
        **({"return_trace_root": True} if number % 10 == 0 else {}),
        **({"stream": True, "stream_options": {"include_usage": True}} if number % 4 == 1 else {}),
    }


async def test_fifty_answers_are_replayed_that_were_computed_together(path: Path, model: LoadedModel) -> None:
    tasks: dict[int, ReplayTask] = {}

    async def ask(engine: Any, number: int) -> None:
        tasks[number] = await asked_of(engine, **wishes(number))

    async with running_engine(model, rules=DriverRules(waiting_of_user_max=ANSWERS)) as engine, anyio.create_task_group() as group:
        for number in range(ANSWERS):
            await anyio.lowlevel.checkpoint()
            group.start_soon(ask, engine, number)
    alone = open_model(path, slots=1)
    methods = [replay(tasks[number], alone).method for number in range(ANSWERS)]
    assert all(method == "read" for number, method in enumerate(methods) if number % 2)
    assert {"found", "written"} <= {method for number, method in enumerate(methods) if number % 2 == 0}


async def test_each_seed_is_another_answer_and_each_parameter_counts(model: LoadedModel) -> None:
    async with running_engine(model) as engine:
        told = [await asked_of(engine, seed=seed, max_tokens=32, temperature=1, return_token_ids=True) for seed in (1, 2)]
        assert told[0].answer.partition(b'"choices"')[2] != told[1].answer.partition(b'"choices"')[2]
        for name, value in (("temperature", 0.1), ("top_p", 0.2), ("top_k", 2), ("presence_penalty", 2), ("frequency_penalty", 2)):
            members: dict[str, Any] = {"seed": 1, "max_tokens": 32, "temperature": 1, "return_token_ids": True, name: value}
            other = await asked_of(engine, **members)
            parameters = dict(other.receipt.engine.parameters or {})
            swapped = computed(other, parameters={**parameters, "completion_tokens_sha256": _completion(told[0])})
            with pytest.raises(DifferenceError) as found:
                replay(ReplayTask(path=other.path, request=other.request, answer=told[0].answer, receipt=swapped.receipt), model)
            assert found.value.part == "token"


def _completion(task: ReplayTask) -> str:
    return (task.receipt.engine.parameters or {})["completion_tokens_sha256"]


async def test_a_byte_of_the_file_is_another_model_and_other_weights_another_answer(path: Path, model: LoadedModel, tmp_path: Path) -> None:
    async with running_engine(model) as engine:
        task = await asked_of(engine, max_tokens=16, temperature=0, return_token_ids=True)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    (tmp_path / "changed.gguf").write_bytes(content)
    with pytest.raises(DifferenceError) as found:
        replay(task, open_model(tmp_path / "changed.gguf"))
    assert found.value.part == "model"
    other = open_model(make_small_model(tmp_path / "other.gguf", seed=1))
    with pytest.raises(DifferenceError) as found:
        replay(computed(task, model_sha256=other.sha256), other)
    assert found.value.part == "token"


async def test_vectors_are_replayed(model: LoadedModel) -> None:
    async with running_engine(model) as engine:
        body = {"input": ["the sea", "a tree"]}
        assert replay(await asked_of(engine, "/embeddings", body), model).tokens == len("the sea") + len("a tree")


async def test_whatever_is_no_model_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "none.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelFileError, match=r"none\.gguf") as refused:
        open_model(tmp_path / "none.gguf")
    assert refused.value.code
    assert refused.value.remedy
