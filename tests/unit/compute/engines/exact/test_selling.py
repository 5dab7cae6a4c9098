"""The exact engine behind a provider's routes: what the receipt says of an answer, and what a client sees of the model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.unit.compute.engines.exact.conftest import running_engine
from tests.unit.compute.provider.stage import Stage, open_stage
from tests.unit.compute.provider.test_chat import check_signature
from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.exact import Sampling, ServedModel, answer_texts
from zerog.compute.provider.engines import EnginePool, EngineRoute
from zerog.testing.byte_model import END_TOKEN, ByteModel

pytestmark = pytest.mark.anyio

PROMPT = b'[{"role":"user","content":"Say hello."}]'
FINGERPRINT = f"exact-test-{ByteModel.sha256.hex()[:16]}"


@asynccontextmanager
async def selling(folder: Path, model: ServedModel | None) -> AsyncIterator[Stage]:
    """A provider whose model is `model`."""
    async with running_engine(model) as engine:
        pool = EnginePool({"exact": engine}, [EngineRoute(service_type=ServiceType.CHATBOT, model="llama")])
        async with open_stage(folder, pool) as stage:
            yield stage


async def test_a_receipt_names_the_model_and_all_that_decided_the_answer(tmp_path: Path) -> None:
    async with selling(tmp_path, ByteModel(lambda _: "Hi")) as stage:
        response = await stage.chat(stage.user(), temperature=0.7, seed=11)
        assert (response.json()["system_fingerprint"], response.json()["model"]) == (FINGERPRINT, "llama")
        receipt = await check_signature(stage, response.request.content, response, response.content)
    decided = Sampling(max_tokens=16, seed=11, temperature=0.7)
    assert receipt["engine"] == {
        "name": "exact",
        "version": "exact-test",
        "model_sha256": str(ByteModel.sha256),
        "parameters": answer_texts(decided, list(PROMPT), [*b"Hi", END_TOKEN], None),
    }


async def test_a_stream_is_billed_by_what_the_model_counted(tmp_path: Path) -> None:
    async with selling(tmp_path, ByteModel(lambda _: "Hello!")) as stage:
        response = await stage.chat(stage.user(), stream=True, max_tokens=4)
        assert FINGERPRINT in response.text
        receipt = await check_signature(stage, response.request.content, response, response.content)
    usage = {"prompt_tokens": len(PROMPT), "cached_tokens": len(PROMPT) // 2, "completion_tokens": 4}
    assert receipt["usage"] == {**usage, "images": 0, "seconds": 0}


async def test_what_is_not_done_costs_nothing_and_is_told(tmp_path: Path) -> None:
    async with selling(tmp_path, ByteModel()) as stage:
        user = stage.user()
        refused = await stage.chat(user, tools=[{"type": "function", "function": {"name": "f"}}])
        too_long = await stage.chat(user, max_tokens=10_000)
        assert await stage.desk.book.unsettled_wei(user.address) == 0
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_parameter")
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 4096 tokens" in too_long.json()["error"]["message"]


async def test_the_list_of_models_says_which_file_answers_and_what_it_cannot(tmp_path: Path) -> None:
    async with selling(tmp_path, ByteModel()) as stage:
        [told] = (await stage.http.get("/v1/models")).json()["data"]
    assert told["weights"] == {
        "sha256": str(ByteModel.sha256),
        "storage_root": str(ByteModel.root),
        "engine": "exact",
        "engine_version": "exact-test",
        "architecture": "bytes",
        "limits": "it has no weights",
    }


async def test_without_a_model_the_answer_is_the_command_that_brings_one(tmp_path: Path) -> None:
    async with selling(tmp_path, None) as stage:
        refused = await stage.chat(stage.user())
    assert (refused.status_code, refused.headers["retry-after"], refused.json()["error"]["code"]) == (503, "60", "no_model")
    assert "zerog model pull smollm2" in refused.json()["error"]["message"]
