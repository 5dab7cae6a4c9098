"""`zerog up` with a real model: a chat that is replayed from a shell, and a network that has no model and says how to get one."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.devnet.command import Zerog
from zerog.devnet.endpoints import Endpoints
from zerog.testing.small_model import make_small_model

ROLES = ("--only", "chain", "--only", "compute")


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    command = Zerog(tmp_path)
    yield command
    command.down()


def url_of(endpoints: Endpoints) -> str:
    assert endpoints.compute is not None
    return endpoints.compute.providers[0].url


def test_an_answer_of_any_model_file_is_replayed(zerog: Zerog, tmp_path: Path) -> None:
    model = make_small_model(tmp_path / "nonsense.gguf")
    endpoints = zerog.up(*ROLES, "--model", str(model))
    [told] = httpx.get(f"{url_of(endpoints)}/v1/models").json()["data"]
    assert (told["id"], told["context_length"], told["weights"]["engine"]) == ("nonsense", 512, "exact")
    assert "rely on nothing" in told["weights"]["limits"]
    assert "\nzerog_compute_answers_waiting 0\n" in httpx.get(f"{url_of(endpoints)}/metrics").text
    file = tmp_path / "answer.json"
    zerog.run("compute", "chat", "Say", "something.", "--max-tokens", "24", "--temperature", "1", "--save", str(file))
    verdict = json.loads(zerog.run("verify", str(file), "--replay", "--model", str(model), "--json").stdout)
    assert (verdict["grade"], verdict["enough"]) == ("replayed", True)
    assert any("each of its" in line for line in verdict["proven"])
    unknown = zerog.run("verify", str(file), "--replay", expect=1)
    assert "is not in the cache" in " ".join(unknown.stdout.split())
    other = make_small_model(tmp_path / "other.gguf", seed=1)
    refuted = zerog.run("verify", str(file), "--replay", "--model", str(other), expect=1).stderr
    assert "model: the receipt names the file" in refuted


def test_a_network_without_a_model_runs_and_names_the_command_that_fetches_one(
    zerog: Zerog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "ZEROG_MODELS", str(tmp_path / "no-models"))
    endpoints = zerog.up(*ROLES)
    assert endpoints.compute is not None
    [provider] = endpoints.compute.providers
    assert provider.trouble is not None
    assert "zerog model pull" in provider.trouble
    ready = httpx.get(f"{provider.url}/readyz")
    assert ready.status_code == 503
    assert "no_model" in ready.text
    refused = zerog.run("compute", "chat", "Are you there?", expect=1).stderr
    assert "zerog model pull smollm2" in refused


def test_a_verifier_without_the_model_fetches_it_by_the_root_that_the_service_has_on_chain(
    zerog: Zerog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "models"
    monkeypatch.setitem(os.environ, "ZEROG_MODELS", str(cache))
    model = make_small_model(tmp_path / "nonsense.gguf")
    zerog.up(*ROLES, "--only", "storage", "--model", str(model))
    root = zerog.run("storage", "put", str(model)).stdout.strip()
    file = tmp_path / "answer.json"
    zerog.run("compute", "chat", "Say", "something.", "--max-tokens", "8", "--save", str(file))
    model.unlink()
    done = zerog.run("verify", str(file), "--replay")
    assert done.stdout.startswith(f"{file}: replayed")
    assert f"fetching the model {root} from 0G Storage" in done.stderr
    [kept] = cache.glob("*.gguf")
    again = zerog.run("verify", str(file), "--replay")
    assert "fetching" not in again.stderr
    content = bytearray(kept.read_bytes())
    content[-100] ^= 1
    kept.write_bytes(content)  # Another hash: it is not taken for the model, and the true one is fetched anew.
    assert "fetching" in zerog.run("verify", str(file), "--replay", expect=1).stderr
