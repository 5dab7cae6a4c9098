"""The official SDK against our provider: what is asked, paid, signed, verified, revoked and settled."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic, time_ns
from typing import Any, Final

import httpx
import pytest

from tests.interop.compute.network import LEDGER, OG, running_market
from tests.interop.compute.relay import running_relay
from tests.interop.compute.sdk import SdkFailureError, file, integer, running_sdk
from tests.interop.compute.serving import CHAT, Provider, Served, User, one_second, running_provider, serving
from zerog._kernel import keccak256
from zerog.compute.protocol.signing import recover_personal_signer, sign_personal
from zerog.contracts.compute import FundSpent, SettlementStatus
from zerog.networks import own_network
from zerog.primitives import Account, decode_data

OTHER_CHAIN_ID: Final = 4242
COMPLETIONS: Final = "/v1/proxy/chat/completions"
STREAM: Final = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
REVOKED_S_MAX: Final = 15

Scenario = Callable[[Served], None]


# From nothing to a verified answer.


def a_first_chat_from_an_empty_wallet(served: Served) -> None:
    market, provider = served.market, served.chat
    account = market.user()
    broker = market.broker(account)
    user = User(account, broker, provider)
    broker.call("ledger.addLedger", 5)
    broker.call("inference.acknowledgeProviderSigner", str(provider.address))
    metadata = broker.call("inference.getServiceMetadata", str(provider.address))
    assert metadata == {"endpoint": provider.url + "/v1/proxy", "model": "scripted"}
    owed = f"/v1/user/{account.address}/unsettledfee"
    assert not _was_asked(provider, "GET", owed)
    headers = user.headers()
    assert _was_asked(provider, "GET", owed)
    assert market.account(account, provider.address).balance_wei == 2 * OG
    told = httpx.get(provider.url + owed, headers=headers).json()
    assert (told["userAddress"].lower(), told["unsettledFee"]) == (str(account.address).lower(), "0")
    options = user.options(headers)
    whole = market.sdk.openai(options, "chat.completions.create", CHAT)
    usage = whole["data"]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert user.verifies(whole["headers"]["zg-res-key"], json.dumps(usage)) is True
    assert broker.call("inference.processResponse", str(provider.address)) is None
    with pytest.raises(SdkFailureError, match="getting signature error"):
        user.verifies("00000000-0000-0000-0000-000000000000")
    streamed = market.sdk.openai(options, "chat.completions.create", STREAM)
    assert streamed["data"][-1]["usage"] == usage
    words = "".join(event["choices"][0]["delta"].get("content") or "" for event in streamed["data"] if event["choices"])
    assert words == whole["data"]["choices"][0]["message"]["content"]
    assert user.verifies(streamed["headers"]["zg-res-key"]) is True


def _was_asked(provider: Provider, method: str, target: str) -> bool:
    """Whether a client asked for this; addresses are written in several ways."""
    return (method, target.lower()) in [(each, found.lower()) for each, found in provider.relay.requests()]


def what_is_not_verifiable_is_told_apart(served: Served) -> None:
    market, user = served.market, served.user()
    answer = user.post(COMPLETIONS, CHAT, user.headers()["Authorization"]).headers["zg-res-key"]
    service = market.service(served.chat.address)
    assert service is not None

    def verdict_on(verifiability: str) -> Any:
        """Of the same answer, as one of a service with the same URL and signer."""
        offered = market.offer(served.chat.url, verifiability=verifiability, signer=service.params.signer)
        return user.broker.call("inference.processResponse", str(offered.address), answer)

    assert [verdict_on(word) for word in ("TeeML", "OpML", "ZKML", "standard")] == [True, True, True, False]


def another_model_needs_the_owner_again(served: Served) -> None:
    market, account = served.market, served.market.user()
    with running_relay(served.portal) as relay:
        places: dict[str, Any] = {"account": account, "data_dir": served.folder / "another_model"}
        with running_provider(served.portal, market, relay, model="first", **places) as provider:
            user = served.user(provider)
            first = market.sdk.openai(user.options(), "chat.completions.create", CHAT | {"model": "first"})["headers"]["zg-res-key"]
            assert user.verifies(first) is True
        with running_provider(served.portal, market, relay, model="second", acknowledged=False, **places) as provider:
            with running_sdk(market.chain_url, served.folder) as new_process:
                anew = User(user.account, new_process.broker(user.account), provider)
                assert anew.verifies(first) is False
                assert anew.post(COMPLETIONS, CHAT | {"model": "second"}, anew.headers()["Authorization"]).status_code == 503
            assert user.verifies(first) is True  # A process that has been at work remembers services for ten minutes.
            market.acknowledge(account.address)
            anew = user.again()
            assert anew.verifies(first) is True
            second = market.sdk.openai(anew.options(), "chat.completions.create", CHAT | {"model": "second"})["headers"]["zg-res-key"]
            assert anew.verifies(second) is True


def prices_change_without_the_owner_and_models_do_not(served: Served) -> None:
    market = served.market
    provider = market.offer(model="first")
    broker = market.broker(provider)

    def offered() -> tuple[int, str, bool]:
        service = market.service(provider.address)
        assert service is not None
        return service.params.input_price_wei, service.params.model, service.is_signer_acknowledged

    broker.call("inference.updateService", {"inputPrice": integer(5)})
    assert offered() == (5, "first", True)
    broker.call("inference.updateService", {"model": "second"})
    assert offered() == (5, "second", False)


def pictures_and_sound_are_verified_too(served: Served) -> None:
    market = served.market
    user = served.user(served.images)
    asked = {"model": "pictures", "prompt": "a tree", "n": 2, "response_format": "b64_json"}
    made = market.sdk.openai(user.options(), "images.generate", asked)
    pictures = [base64.b64decode(image["b64_json"]) for image in made["data"]["data"]]
    assert [picture[:4] for picture in pictures] == [b"\x89PNG"] * 2
    assert user.verifies(made["headers"]["zg-res-key"], json.dumps({"n": 2})) is True
    user = served.user(served.edits)
    asked = {"model": "brushes", "prompt": "a taller tree", "image": file("tree.png", pictures[0])}
    edited = market.sdk.openai(user.options(), "images.edit", asked)
    assert base64.b64decode(edited["data"]["data"][0]["b64_json"])[:4] == b"\x89PNG"
    assert user.verifies(edited["headers"]["zg-res-key"], json.dumps({"n": 1})) is True
    user = served.user(served.sound)
    heard = market.sdk.openai(user.options(), "audio.transcriptions.create", {"model": "ears", "file": file("a.wav", one_second())})
    assert "1.00 seconds" in heard["data"]["text"]
    assert user.verifies(heard["headers"]["zg-res-key"], json.dumps(heard["data"]["usage"])) is True
    estimated = user.broker.call("inference.responseProcessor.getCachedFee", str(served.sound.address))
    receipt = httpx.get(f"{served.sound.url}/v1/receipts/{heard['headers']['zg-res-key']}").json()["receipt"]
    assert int(receipt["fee"]) == 10**10 <= int(estimated)


def the_signed_text_is_of_the_bytes_on_the_wire(served: Served) -> None:
    user = served.user()
    headers = user.headers() | {"Content-Type": "application/json"}
    service = served.market.service(served.chat.address)
    assert service is not None
    for body in (CHAT, STREAM):
        sent = json.dumps(body, indent=1).encode()
        answer = httpx.post(served.chat.url + COMPLETIONS, content=sent, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        told = httpx.get(f"{served.chat.url}/v1/proxy/signature/{answer.headers['zg-res-key']}").json()
        assert told["text"] == f"{hashlib.sha256(sent).hexdigest()}:{hashlib.sha256(answer.content).hexdigest()}"
        signer = recover_personal_signer(told["text"].encode(), decode_data(told["signature"]))
        assert signer == service.params.signer == decode_data(told["signing_address"])


# Evidence.


def evidence_passes_and_that_of_others_does_not(served: Served) -> None:
    market = served.market
    broker = market.broker()
    found = broker.call("inference.verifyService", str(served.chat.address), ".")
    assert (found["success"], found["signerVerification"]["allMatch"], found["composeVerification"]["passed"]) == (True, True, True)
    borrowed = market.offer(served.chat.url)  # Evidence of another signer than the one on chain.
    found = broker.call("inference.verifyService", str(borrowed.address), ".")
    assert (found["signerVerification"]["allMatch"], found["composeVerification"]["passed"]) == (False, True)
    with altered_quote(served.chat.url) as url:
        found = broker.call("inference.verifyService", str(market.offer(url).address), ".")
    assert found["composeVerification"]["passed"] is False


class altered_quote:  # noqa: N801 - it is used like a function.
    """A server that tells another's evidence with another composition."""

    def __init__(self, url: str) -> None:
        quote = httpx.get(f"{url}/v1/quote").json()
        composition = json.loads(quote["tcb_info"])
        composition["app_compose"] += " "
        body = json.dumps(quote | {"tcb_info": json.dumps(composition)}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - the name is the library's.
                """Nothing: what it would say is of no use here."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever)

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def models_are_listed_also_without_the_internet(served: Served) -> None:
    market, address = served.market, str(served.chat.address)
    broker = market.sdk.read_only()
    for found in (broker.call("inference.getProviderModels", address), market.broker().call("inference.getProviderModels", address)):
        assert [model["id"] for model in found["models"]] == ["scripted", "vectors", "pictures", "brushes", "ears", "mouth"]
        assert (found["multiModel"], found["defaultModel"], found["url"]) == (True, "scripted", served.chat.url)
    detailed = {service["provider"].lower(): service for service in broker.call("inference.listServiceWithDetail", 0, 50, True)}
    service = detailed[address.lower()]
    assert (service["model"], service["multiModel"]) == ("scripted", True)
    assert "healthMetrics" not in service  # From a server on the Internet, which is no fault where there is none.


# Tokens.


def keys_live_until_they_are_revoked(served: Served) -> None:
    user, provider = served.user(), str(served.chat.address)
    number, first = user.api_key()
    assert (number, user.curl(COMPLETIONS, CHAT, first)) == (0, 200)
    user.broker.call("inference.requestProcessor.revokeApiKey", provider, 0)
    _until_refused(user, f"Bearer {first}")
    assert user.curl(COMPLETIONS, CHAT, first) == 401
    user = user.again()
    number, second = user.api_key()
    bearers = [f"Bearer {second}", user.headers()["Authorization"]]
    assert (number, [user.post(COMPLETIONS, CHAT, bearer).status_code for bearer in bearers]) == (1, [200, 200])
    user.broker.call("inference.requestProcessor.revokeAllTokens", provider)
    for bearer in bearers:
        _until_refused(user, bearer)


def _until_refused(user: User, authorization: str) -> None:
    """Ask for the fee that is owed, which costs nothing, until the provider has seen the revocation."""
    url, deadline_s = f"{user.provider.url}/v1/user/{user.account.address}/unsettledfee", monotonic() + REVOKED_S_MAX
    while httpx.get(url, headers={"Authorization": authorization}).status_code != 401:
        assert monotonic() < deadline_s, "the token still works"


def tokens_are_what_was_signed(served: Served) -> None:
    user = served.user()
    now_ms = time_ns() // 10**6
    token: dict[str, Any] = {
        "address": str(user.account.address),
        "provider": str(served.chat.address),
        "timestamp": now_ms,
        "expiresAt": now_ms + 3_600_000,
        "nonce": f"{now_ms}-abcdefghijk000000",
        "generation": 0,
        "tokenId": 255,
    }

    def status(changes: Mapping[str, Any], *, tampered: bool = False, reverse: bool = False) -> int:
        values = {**token, **changes}
        text = json.dumps(dict(reversed(values.items())) if reverse else values, separators=(",", ":"))
        signature = sign_personal(keccak256(text.encode()), user.account.private_key)
        sent = text.replace(str(token["nonce"]), "another") if tampered else text
        key = base64.b64encode(f"{sent}|0x{signature.hex()}".encode()).decode()
        return user.post(COMPLETIONS, CHAT, f"Bearer app-sk-{key}").status_code

    assert status({"provider": str(Account.from_private_key(b"\x01" * 32).address)}) == 401
    assert status({"timestamp": now_ms - 7_200_000, "expiresAt": now_ms - 3_600_000}) == 401
    assert status({"expiresAt": 0}) == 401
    assert status({}, tampered=True) == 401
    assert status({}, reverse=True) == 200
    assert status({}) == 200


# Money.


def who_has_too_little_is_told_so(served: Served) -> None:
    user = served.user(amount_wei=OG)
    _, key = user.api_key()
    assert user.post(COMPLETIONS, CHAT, f"Bearer {key}").status_code == 200  # One token is what must stay beside the fees.
    refused = user.post(COMPLETIONS, CHAT, f"Bearer {key}")
    assert refused.status_code == 402
    assert "insufficient balance" in refused.text
    client = {"baseURL": served.chat.url + "/v1/proxy", "apiKey": key}
    with pytest.raises(SdkFailureError, match="insufficient balance"):
        served.market.sdk.openai(client, "chat.completions.create", CHAT)


def what_is_owed_is_settled(served: Served) -> None:
    market, provider, user = served.market, served.chat, served.user()
    before, wallet = market.account(user.account, provider.address), market.ledger(user.account)
    answer = user.post(COMPLETIONS, CHAT, user.headers()["Authorization"])
    receipt = httpx.get(f"{provider.url}/v1/receipts/{answer.headers['zg-res-key']}").json()["receipt"]
    fee_wei = int(receipt["fee"])
    assert fee_wei > 0
    market.wait_until(lambda: market.account(user.account, provider.address).balance_wei == before.balance_wei - fee_wei)
    assert market.ledger(user.account).total_wei == wallet.total_wei - fee_wei
    assert [(event.amount_wei, event.service) for event in market.spent(user.account)] == [(fee_wei, market.address("inference_serving"))]
    assert [(event.status, event.unsettled_wei) for event in market.settled(user.account)] == [(SettlementStatus.SUCCESS, 0)]
    settled = httpx.get(f"{provider.url}/v1/receipts/{answer.headers['zg-res-key']}").json()["settlement"]
    assert (settled["entry"]["total_fee"], settled["contract"]) == (str(fee_wei), str(market.address("inference_serving")))
    mined: Any = market.chain.request("eth_getTransactionReceipt", settled["transaction_hash"])
    balance_wei, before_wei = (
        int(str(market.chain.request("eth_getBalance", str(provider.address), hex(int(mined["blockNumber"], 16) - back))), 16)
        for back in (0, 1)
    )
    paid_wei = sum(int(log["data"], 16) for log in mined["logs"] if log["topics"][0] == f"0x{FundSpent.TOPIC.hex()}")
    assert balance_wei == before_wei + paid_wei - int(mined["gasUsed"], 16) * int(mined["effectiveGasPrice"], 16)


def who_leaves_in_mid_stream_pays_once(served: Served) -> None:
    market, user = served.market, served.user()
    headers = user.headers()
    long = STREAM | {"max_tokens": 2000}
    with httpx.stream("POST", served.chat.url + COMPLETIONS, json=long, headers=headers, timeout=30) as answer:
        key = answer.headers["zg-res-key"]
        next(answer.iter_bytes())
    market.wait_until(lambda: market.account(user.account, served.chat.address).nonce > 0)
    receipt = httpx.get(f"{served.chat.url}/v1/receipts/{key}").json()["receipt"]
    assert market.account(user.account, served.chat.address).balance_wei == 3 * OG - int(receipt["fee"])
    assert user.verifies(key) is True


def balances_are_filled_up_by_themselves(served: Served) -> None:
    market = served.market
    user = served.user(amount_wei=2 * OG)
    market.send(user.account, "ledger_manager", LEDGER, "depositFund", value_wei=3 * OG)
    provider = str(served.chat.address)
    user.broker.call("inference.startAutoFunding", provider, {"interval": 500, "bufferMultiplier": 2})
    assert market.account(user.account, served.chat.address).balance_wei == 2 * OG  # Which is enough as long as nothing is owed.
    _, key = user.api_key()
    assert user.post(COMPLETIONS, CHAT, f"Bearer {key}").status_code == 200
    market.wait_until(lambda: market.account(user.account, served.chat.address).balance_wei > 2 * OG)
    user.broker.call("inference.stopAutoFunding", provider)


# Browsers.


def pages_may_ask(served: Served) -> None:
    signature = "/v1/proxy/signature/00000000-0000-0000-0000-000000000000"
    for path, method, asked in (
        (COMPLETIONS, "POST", "authorization,content-type,x-stainless-lang,x-stainless-retry-count"),
        (signature, "GET", "content-type"),
    ):
        headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": method, "Access-Control-Request-Headers": asked}
        allowed = httpx.options(served.chat.url + path, headers=headers)
        assert allowed.status_code in (200, 204), allowed.text
        assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
        granted = {name.strip().lower() for name in allowed.headers["access-control-allow-headers"].split(",")}
        assert granted >= set(asked.split(","))
    answer = httpx.get(served.chat.url + "/v1/models", headers={"Origin": "http://localhost:3000"})
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed >= {"zg-res-key", "retry-after", "provider"}


OF_EVERY_ID: Final[tuple[Scenario, ...]] = (
    a_first_chat_from_an_empty_wallet,
    what_is_not_verifiable_is_told_apart,
    another_model_needs_the_owner_again,
    pictures_and_sound_are_verified_too,
    the_signed_text_is_of_the_bytes_on_the_wire,
    evidence_passes_and_that_of_others_does_not,
)
OF_ONE_ID: Final[tuple[Scenario, ...]] = (
    models_are_listed_also_without_the_internet,
    prices_change_without_the_owner_and_models_do_not,
    keys_live_until_they_are_revoked,
    tokens_are_what_was_signed,
    who_has_too_little_is_told_so,
    what_is_owed_is_settled,
    who_leaves_in_mid_stream_pays_once,
    balances_are_filled_up_by_themselves,
    pages_may_ask,
)

Begun = Mapping[Scenario, "Future[None]"]


@pytest.fixture(scope="module")
def on_31337(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """All scenarios at work side by side, each with users of its own: the SDK rests a second before each transaction."""
    folder = tmp_path_factory.mktemp("market")
    with running_market(folder, own_network()) as market, serving(market, folder) as served:
        yield from _begin(served, OF_EVERY_ID + OF_ONE_ID)


@pytest.fixture(scope="module")
def on_another_id(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    folder = tmp_path_factory.mktemp("market")
    network = own_network(chain_id=OTHER_CHAIN_ID)
    with running_market(folder, network, "--chain-id", str(OTHER_CHAIN_ID)) as market, serving(market, folder) as served:
        yield from _begin(served, OF_EVERY_ID)


def _begin(served: Served, scenarios: tuple[Scenario, ...]) -> Iterator[Begun]:
    with ThreadPoolExecutor(len(scenarios)) as workers:
        yield {scenario: workers.submit(scenario, served) for scenario in scenarios}


@pytest.mark.parametrize("scenario", OF_EVERY_ID + OF_ONE_ID, ids=lambda scenario: scenario.__name__)
def test_the_official_sdk_is_served(on_31337: Begun, scenario: Scenario) -> None:
    on_31337[scenario].result()


@pytest.mark.parametrize("scenario", OF_EVERY_ID, ids=lambda scenario: scenario.__name__)
def test_it_is_served_under_a_chain_id_that_it_does_not_know(on_another_id: Begun, scenario: Scenario) -> None:
    on_another_id[scenario].result()
