"""The clients `openai` of both languages against our provider with nothing but a base URL and a key: every kind of answer, real bytes."""

import base64
import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest

from tests.interop.compute.network import running_market
from tests.interop.compute.sdk import Sdk, file
from tests.interop.compute.serving import CHAT, Served, one_second, serving
from tests.interop.storage.browser import visit
from zerog.networks import own_network

HERE: Final = Path(__file__).parent
TREES: Final = {"/packages/": HERE / "node_modules", "/pages/": HERE / "pages"}
QUESTION: Final = CHAT["messages"]
TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
FORCED: Final = {"type": "function", "function": {"name": "weather"}}
PNG: Final = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("market")
    with running_market(folder, own_network()) as market, serving(market, folder) as served:
        yield served


@pytest.fixture(scope="module")
def key(served: Served) -> str:
    """Of a user with money; it never expires."""
    return served.user().api_key()[1]


class Python:
    """The client for Python; what it brings as JSON."""

    def __init__(self, base_url: str, key: str) -> None:
        self.client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)

    def call(self, path: str, **arguments: Any) -> Any:
        function: Any = self.client
        for name in path.split("."):
            function = getattr(function, name)
        answer = function(**arguments)
        if arguments.get("stream"):
            return [event.model_dump() for event in answer]
        return answer.read() if path == "audio.speech.create" else answer.model_dump()

    def file(self, name: str, content: bytes) -> Any:
        return (name, content)

    def close(self) -> None:
        self.client.close()


class JavaScript:
    """The client for JavaScript."""

    def __init__(self, sdk: Sdk, base_url: str, key: str) -> None:
        self.sdk, self.options = sdk, {"baseURL": base_url, "apiKey": key}

    def call(self, path: str, **arguments: Any) -> Any:
        data = self.sdk.openai(self.options, path, arguments)["data"]
        return base64.b64decode(data) if path == "audio.speech.create" else data

    def file(self, name: str, content: bytes) -> Any:
        return file(name, content)

    def close(self) -> None:
        """Nothing is open."""


Client = Python | JavaScript


@pytest.fixture(params=["python", "javascript"])
def client(request: pytest.FixtureRequest, served: Served, key: str) -> Iterator[Client]:
    base_url = served.chat.url + "/v1/proxy"
    made: Client = Python(base_url, key) if request.param == "python" else JavaScript(served.market.sdk, base_url, key)
    yield made
    made.close()


def test_a_chat_in_one_piece_and_as_a_stream(client: Client) -> None:
    whole = client.call("chat.completions.create", model="scripted", messages=QUESTION, seed=7)
    text = whole["choices"][0]["message"]["content"]
    assert text
    assert whole["model"] == "scripted"
    assert whole["id"].startswith("chatcmpl-")
    options = {"include_usage": True}
    events = client.call("chat.completions.create", model="scripted", messages=QUESTION, seed=7, stream=True, stream_options=options)
    assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"]) == text
    tokens = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [events[-1]["usage"][name] for name in tokens] == [whole["usage"][name] for name in tokens]


def test_tools_are_passed_through(client: Client) -> None:
    asked = {"model": "scripted", "messages": QUESTION, "tools": TOOLS, "tool_choice": FORCED}
    [choice] = client.call("chat.completions.create", **asked)["choices"]
    [call] = choice["message"]["tool_calls"]
    assert choice["finish_reason"] in ("tool_calls", "stop")
    assert call["function"]["name"] == "weather"
    assert isinstance(json.loads(call["function"]["arguments"])["city"], str)
    events = client.call("chat.completions.create", **asked, stream=True)
    pieces = [piece for event in events if event["choices"] for piece in event["choices"][0]["delta"].get("tool_calls") or []]
    assert pieces[0]["function"]["name"] == "weather"
    assert "".join(piece["function"].get("arguments") or "" for piece in pieces) == call["function"]["arguments"]
    answered = [*QUESTION, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}]
    assert client.call("chat.completions.create", model="scripted", messages=answered, tools=TOOLS)["choices"][0]["message"]


def test_embeddings(client: Client) -> None:
    found = client.call("embeddings.create", model="vectors", input=["a tree", "a tree", "the sea"])
    first, second, third = (entry["embedding"] for entry in found["data"])
    assert len(first) > 1
    assert first == second != third
    assert found["usage"]["prompt_tokens"] > 0


def test_pictures(client: Client) -> None:
    found = client.call("images.generate", model="pictures", prompt="a tree", n=2, response_format="b64_json")
    assert [base64.b64decode(image["b64_json"])[:8] for image in found["data"]] == [PNG, PNG]
    [named] = client.call("images.generate", model="pictures", prompt="a tree", response_format="url")["data"]
    assert httpx.get(named["url"]).content[:8] == PNG


def test_edited_pictures(client: Client) -> None:
    [original] = client.call("images.generate", model="pictures", prompt="a tree", response_format="b64_json")["data"]
    picture = base64.b64decode(original["b64_json"])
    found = client.call("images.edit", model="brushes", prompt="a taller tree", image=client.file("tree.png", picture))
    [edited] = [base64.b64decode(image["b64_json"]) for image in found["data"]]
    assert edited[:8] == PNG
    assert edited != picture


def test_sound_to_text(client: Client) -> None:
    found = client.call("audio.transcriptions.create", model="ears", file=client.file("a.wav", one_second()))
    assert "1.00 seconds" in found["text"]


def test_text_to_sound(client: Client) -> None:
    spoken = client.call("audio.speech.create", model="mouth", voice="alloy", input="one two three", response_format="wav")
    with wave.open(io.BytesIO(spoken)) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (1, 24_000)
        assert sound.getnframes() > 0
    assert "0.15 seconds" in client.call("audio.transcriptions.create", model="ears", file=client.file("a.wav", spoken))["text"]


def test_a_page_of_another_origin_asks_and_checks_with_the_browser_bundle(served: Served, tmp_path: Path) -> None:
    user = served.user()
    work = {
        "chain": served.market.chain_url,
        "key": f"0x{user.account.private_key.hex()}",
        "provider": str(served.chat.address),
        "chat": CHAT,
    }
    found = visit("localhost", "dapp", work, tmp_path, pages=HERE / "pages", trees=TREES)
    assert found["origin"] not in (served.chat.url, served.market.chain_url)
    assert found["verdicts"] == [True, True]
    assert found["signed"].endswith(f":{found['answered']}")
    assert (found["words"] != "", found["words"]) == (True, found["streamed"])
    assert found["evidence"] == {"success": True, "allMatch": True, "passed": True}
    preflights = {target.partition("?")[0] for method, target in served.chat.relay.requests() if method == "OPTIONS"}
    assert preflights >= {"/v1/proxy/chat/completions", *(f"/v1/proxy/signature/{key}" for key in found["keys"])}


def test_a_refusal_is_an_error_of_the_client(served: Served, key: str) -> None:
    client = Python(served.chat.url + "/v1/proxy", key)
    with pytest.raises(openai.NotFoundError) as refused:
        client.call("chat.completions.create", model="another", messages=QUESTION)
    assert "another" in str(refused.value)
    client.close()
    stranger = Python(served.chat.url + "/v1/proxy", "app-sk-bm9uc2Vuc2U=")
    with pytest.raises(openai.AuthenticationError):
        stranger.call("chat.completions.create", model="scripted", messages=QUESTION)
    stranger.close()
