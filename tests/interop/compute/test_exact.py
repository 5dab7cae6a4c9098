"""The exact engine with a real model, asked by the official SDK and by `openai`, and its answers replayed by whoever kept them."""

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from anyio.from_thread import start_blocking_portal

from tests.interop.compute.network import OG, Market, running_market
from tests.interop.compute.relay import running_relay
from tests.interop.compute.serving import Provider, User, running_provider
from zerog import models
from zerog.chain.client import ChainClient
from zerog.compute.client import ChatOptions, ComputeClient, Grade
from zerog.compute.client.market import weights_of
from zerog.compute.client.replaying import ExactReplayer, ModelPlaces
from zerog.contracts.compute import SettlementStatus
from zerog.networks import own_network
from zerog.primitives import decode_data

OFFERED: Final = """\
[[model]]
id = "smollm2"
engine = "exact"
input_price = "10000000000"
output_price = "20000000000"
[[model]]
id = "vectors"
engine = "exact"
service_type = "embedding"
input_price = "10000000000"
"""
QUESTION: Final = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]
CHAT: Final[dict[str, Any]] = {"model": "smollm2", "messages": QUESTION, "temperature": 0, "max_tokens": 16}
STREAM: Final = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
WIDTH: Final = 576


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with running_market(tmp_path_factory.mktemp("market"), own_network()) as market:
        yield market


@pytest.fixture(scope="module")
def provider(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    offered = tmp_path_factory.mktemp("provider") / "models.toml"
    offered.write_text(OFFERED)
    with (
        start_blocking_portal() as portal,
        running_relay(portal) as relay,
        running_provider(portal, market, relay, engine=("exact",), models=offered) as provider,
    ):
        yield provider


@pytest.fixture(scope="module")
def user(market: Market, provider: Provider) -> User:
    account = market.user()
    market.fund(account, provider.address, 3 * OG)
    return User(account, market.sdk.broker(account), provider)


@pytest.fixture(scope="module")
def client(user: User) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=user.provider.url + "/v1/proxy", api_key=user.api_key()[1], max_retries=0) as client:
        yield client


def text_of(events: Any) -> str:
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])


def test_the_official_sdk_asks_and_verifies_and_gets_the_same_each_time(market: Market, user: User) -> None:
    options = user.options()
    whole = market.sdk.openai(options, "chat.completions.create", CHAT)
    again = market.sdk.openai(options, "chat.completions.create", CHAT)
    streamed = market.sdk.openai(options, "chat.completions.create", STREAM)
    said = whole["data"]["choices"][0]["message"]["content"]
    assert "Paris" in said
    assert again["data"]["choices"] == whole["data"]["choices"]
    assert text_of(streamed["data"]) == said
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [streamed["data"][-1]["usage"][name] for name in counts] == [whole["data"]["usage"][name] for name in counts]
    assert user.verifies(whole["headers"]["zg-res-key"], json.dumps(whole["data"]["usage"])) is True
    assert user.verifies(streamed["headers"]["zg-res-key"]) is True


def test_openai_for_python_reads_every_part_of_an_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**CHAT, logprobs=True, top_logprobs=2, seed=1)
    [choice] = whole.choices
    assert (choice.finish_reason in ("stop", "length"), whole.system_fingerprint is not None) == (True, True)
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    for token in choice.logprobs.content:
        assert len(token.top_logprobs) == 2
        assert 0 >= token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob
    assert b"".join(bytes(token.bytes or []) for token in choice.logprobs.content).decode() == choice.message.content
    drawn = [client.chat.completions.create(**CHAT | {"temperature": 1.5}, seed=seed).choices[0].message.content for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    cut = client.chat.completions.create(**CHAT, stop=["Paris"]).choices[0]
    assert (cut.finish_reason, "Paris" in (cut.message.content or "")) == ("stop", False)


def test_what_the_model_does_not_do_is_an_error_of_the_client(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="response_format"):
        client.chat.completions.create(**CHAT, response_format={"type": "json_object"})
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        client.chat.completions.create(**CHAT | {"max_tokens": 1_000_000})
    with pytest.raises(openai.BadRequestError, match="tools"):
        client.chat.completions.create(**CHAT, tools=[{"type": "function", "function": {"name": "weather"}}])


def test_vectors_of_sentences_that_mean_the_same_are_near_each_other(client: openai.OpenAI) -> None:
    texts = ["A dog runs through the park.", "A puppy is running in a garden.", "Interest rates rose by a quarter point."]
    packed = client.embeddings.create(model="vectors", input=texts)
    plain = client.embeddings.create(model="vectors", input=texts, encoding_format="float")
    first, near, far = (row.embedding for row in plain.data)
    assert [row.embedding for row in packed.data] == [pytest.approx(row.embedding, abs=1e-7) for row in plain.data]
    assert (len(first), math.isclose(sum(value * value for value in first), 1, abs_tol=1e-5)) == (WIDTH, True)
    assert sum(map(float.__mul__, first, near)) > sum(map(float.__mul__, first, far))
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="vectors", input="a", dimensions=64)


def test_a_key_that_is_revoked_opens_nothing_and_debts_are_settled(market: Market, provider: Provider) -> None:
    account = market.user()
    market.fund(account, provider.address, 3 * OG)
    user = User(account, market.sdk.broker(account), provider)
    number, key = user.api_key()
    with openai.OpenAI(base_url=provider.url + "/v1/proxy", api_key=key, max_retries=0) as client:
        client.chat.completions.create(**CHAT)
        market.wait_until(lambda: [event.status for event in market.settled(account)] == [SettlementStatus.SUCCESS])
        user.broker.call("inference.requestProcessor.revokeApiKey", str(provider.address), number)
        market.wait_until(lambda: user.post("/v1/proxy/chat/completions", CHAT, f"Bearer {key}").status_code == 401)
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(**CHAT)
    assert market.account(account, provider.address).balance_wei < 3 * OG


def test_the_chain_names_the_file_and_whoever_has_it_replays_the_answer(market: Market, provider: Provider, tmp_path: Path) -> None:
    service = market.service(provider.address)
    assert service is not None
    weights = weights_of(service)
    assert weights is not None
    path = models.find(weights.sha256)
    assert path is not None
    assert weights.root is not None
    assert hashlib.sha256(path.read_bytes()).digest() == bytes(weights.sha256)
    account = market.user()
    with ChainClient(market.chain_url) as chain, ComputeClient(chain=chain, account=account) as compute:
        options = ChatOptions(max_tokens=24, temperature=0.8)
        answer = compute.ask("Tell me of a tree.", provider=provider.address, options=options)
        assert b"token_ids" in answer.file.response.body
    with ChainClient(market.chain_url) as chain, ComputeClient(chain=chain) as verifier:
        verdict = verifier.verify(answer.file.to_bytes(), replayer=ExactReplayer(ModelPlaces()))
    assert verdict.grade is Grade.REPLAYED
    assert decode_data(str(weights.root))
