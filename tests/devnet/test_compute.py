"""Compute as `zerog up` has it: a provider that any OpenAI client can use, and an owner that acknowledges every signer."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from openai import OpenAI

from tests.devnet.command import Zerog, ask
from zerog.chain.client import ChainClient
from zerog.compute.protocol.signing import recover_text_signer
from zerog.compute.protocol.tokens import SessionToken, make_api_key
from zerog.contracts.compute import INFERENCE_SERVING, LEDGER_MANAGER, InferenceService, ServiceParams
from zerog.devnet.endpoints import Endpoints, ProviderEndpoints
from zerog.primitives import Account, Address, Wei
from zerog.testing.upstream import serve_upstream

ONE = 10**18
ROLES = ("--only", "chain", "--only", "compute")
WAIT_S = 30.0


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    command = Zerog(tmp_path)
    yield command
    command.down()


def provider_of(endpoints: Endpoints) -> ProviderEndpoints:
    assert endpoints.compute is not None
    [provider] = endpoints.compute.providers
    return provider


def account_of(endpoints: Endpoints, index: int) -> Account:
    return Account.from_private_key(bytes.fromhex(endpoints.accounts[index].private_key[2:]))


def contract_of(endpoints: Endpoints, name: str) -> Address:
    return Address.from_json(endpoints.contracts[name])


def send(chain: ChainClient, account: Account, to: Address, data: bytes, *, value_wei: int = 0) -> None:
    assert chain.wait_for_receipt(chain.send(to, value_wei=value_wei, data=data, account=account)).succeeded


def service_of(chain: ChainClient, endpoints: Endpoints, provider: Address) -> InferenceService:
    call = INFERENCE_SERVING.function("getService").encode(bytes(provider))
    return InferenceService.decode(chain.call(contract_of(endpoints, "InferenceServing"), call))


def funded_key(chain: ChainClient, endpoints: Endpoints, user: Account) -> str:
    """An API key of a user who has locked 2 0G for the provider."""
    ledger, provider = contract_of(endpoints, "LedgerManager"), Address.from_json(provider_of(endpoints).address)
    send(chain, user, ledger, LEDGER_MANAGER.function("depositFund").encode(), value_wei=5 * ONE)
    send(chain, user, ledger, LEDGER_MANAGER.function("transferFund").encode(bytes(provider), "inference-v1.0", 2 * ONE))
    token = SessionToken(
        address=user.address,
        provider=provider,
        timestamp_ms=int(time.time() * 1000),
        expires_at_ms=0,
        nonce="0" * 32,
        generation=0,
        token_id=0,
    )
    return make_api_key(token, user.private_key)


def test_a_network_sells_answers_to_any_openai_client(zerog: Zerog) -> None:
    endpoints = zerog.up(*ROLES)
    provider = provider_of(endpoints)
    assert provider.simulated
    assert endpoints.chain is not None
    with ChainClient(endpoints.chain.http) as chain:
        key = funded_key(chain, endpoints, account_of(endpoints, 1))
        with OpenAI(base_url=f"{provider.url}/v1/proxy", api_key=key, max_retries=0) as client:
            answer = client.chat.completions.with_raw_response.create(
                model=provider.model, messages=[{"role": "user", "content": "Hello?"}], max_tokens=16
            )
        assert answer.parse().choices[0].message.content
        signature = httpx.get(f"{provider.url}/v1/proxy/signature/{answer.headers['zg-res-key']}").json()
        signer = recover_text_signer(signature["text"], bytes.fromhex(signature["signature"][2:]))
        assert str(signer) == provider.signer
        assert service_of(chain, endpoints, Address.from_json(provider.address)).params.signer == signer
    environment = (zerog.folder / ".zerog" / ".env").read_text()
    assert f"ZEROG_COMPUTE_PROVIDERS_0_URL={provider.url}" in environment
    assert "\ncompute  " in zerog.run("status").stdout


def test_a_later_start_changes_nothing_on_chain_and_keeps_the_signer(zerog: Zerog) -> None:
    first = zerog.up(*ROLES)
    height = ask(first, "eth_blockNumber")
    zerog.down()
    second = zerog.up(*ROLES)
    assert (second.compute, second.contracts) == (first.compute, first.contracts)
    assert ask(second, "eth_blockNumber") == height


def test_a_chain_that_makes_blocks_only_when_told_is_told_so_once(zerog: Zerog) -> None:
    settings = zerog.folder / ".zerog" / "zerog.toml"
    settings.parent.mkdir()
    settings.write_text("[chain.run]\nautomine = false\n")
    height = ask(zerog.up(*ROLES), "eth_blockNumber")
    zerog.down()
    assert ask(zerog.up(*ROLES), "eth_blockNumber") == height


def test_whoever_offers_a_service_here_is_acknowledged(zerog: Zerog) -> None:
    endpoints = zerog.up(*ROLES)
    assert endpoints.chain is not None
    other = account_of(endpoints, 2)
    offer = ServiceParams(
        service_type="chatbot",
        url="http://127.0.0.1:1",
        model="of-somebody",
        verifiability="TeeML",
        input_price_wei=Wei(1),
        output_price_wei=Wei(1),
        additional_info="{}",
        signer=other.address,
    )
    with ChainClient(endpoints.chain.http) as chain:
        send(chain, other, contract_of(endpoints, "InferenceServing"), offer.call(), value_wei=100 * ONE)
        deadline = time.monotonic() + WAIT_S
        while not service_of(chain, endpoints, other.address).is_signer_acknowledged:
            assert time.monotonic() < deadline


def test_an_openai_server_answers_in_place_of_the_exact_engine(zerog: Zerog) -> None:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve_upstream()) as upstream:
        endpoints = zerog.up(*ROLES, "--engine", upstream.url)
        provider = provider_of(endpoints)
        assert provider.model == httpx.get(f"{upstream.url}/models").json()["data"][0]["id"]
        assert endpoints.chain is not None
        with ChainClient(endpoints.chain.http) as chain:
            key = funded_key(chain, endpoints, account_of(endpoints, 1))
            with OpenAI(base_url=f"{provider.url}/v1/proxy", api_key=key, max_retries=0) as client:
                answer = client.chat.completions.create(
                    model=provider.model, messages=[{"role": "user", "content": "Hello?"}], max_tokens=16
                )
        assert answer.choices[0].message.content
        zerog.down()


def test_an_engine_that_is_not_there_is_told(zerog: Zerog) -> None:
    errors = zerog.run("up", "--wait", "--port-base", "0", *ROLES, "--engine", "http://127.0.0.1:1/v1", expect=1).stderr
    assert "engine" in errors


def test_a_network_without_compute_says_so(zerog: Zerog) -> None:
    endpoints = zerog.up("--only", "chain")
    assert endpoints.compute is None
    assert endpoints.contracts["InferenceServing"] is not None
