"""One `zerog up`, and every official client at work on it at the same time, unmodified: files, keys, contracts, paid answers, a rollup."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import httpx
import openai
import pytest

from tests.devnet.command import Zerog
from tests.interop.compute.network import OG, Market
from tests.interop.compute.sdk import Broker, running_sdk
from tests.interop.node import run_client
from tests.interop.storage.kv import hexed, stream, value, write
from tests.interop.storage.sdk import NEW, OLD, Outcome, Sdk, Step, download, upload
from tests.ledger.counts import commit_seed
from zerog.chain.client import ChainClient
from zerog.devnet.endpoints import Endpoints, ProviderEndpoints
from zerog.networks import own_network
from zerog.primitives import Account
from zerog.storage.protocol.merkle import file_root

SEED: Final = commit_seed()
ROUND_S_MAX: Final = 200
"""Far more than a round takes, so that a client that waits for ever is a failure and not a hang."""
FILE_SIZES: Final = (1_000, 600_000)
"""Of a part of a segment and of three."""
PAYLOAD_SIZES: Final = (1, 2_000, 150_000)
"""One a round."""
VIEM: Final = Path(__file__).parent / "scenario_viem.mjs"
CHAPTERS: Final = (
    "sequentialDeployments",
    "parallelDeployments",
    "deployment",
    "failures",
    "events",
    "transactionTypes",
    "delegation",
    "overrides",
    "typedData",
)
"""What viem does without holding up or turning back the chain that the others use. It has accounts 0 to 2."""
FILES_LANE, OLDER_FILES_LANE, KEYS_LANE = 3, 4, 5
"""The storage SDKs take the account of a lane's number, and two programs with one account would overtake each other."""
QUESTION: Final = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]
CHAT: Final = {"messages": QUESTION, "temperature": 0, "max_tokens": 12}
PROVIDER_WEI: Final = 2 * OG

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Stage:
    """The network, and what its clients are told of it."""

    endpoints: Endpoints
    market: Market
    folder: Path

    @property
    def provider(self) -> ProviderEndpoints:
        assert self.endpoints.compute is not None
        return self.endpoints.compute.providers[0]

    def storage_sdk(self, name: str, **more: Any) -> Sdk:
        """An official SDK with a folder of its own."""
        assert self.endpoints.chain is not None
        assert self.endpoints.storage is not None
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return Sdk(self.endpoints.storage.indexer, self.endpoints.chain.http, folder, **more)

    def customer(self) -> tuple[Account, Broker]:
        """Whoever has locked money for the provider, by the SDK itself."""
        account = self.market.user()
        broker = self.market.broker(account)
        broker.call("ledger.addLedger", 5)
        broker.call("inference.acknowledgeProviderSigner", self.provider.address)
        broker.call("ledger.transferFund", self.provider.address, "inference", {"$integer": str(PROVIDER_WEI)})
        return account, broker


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("all")
    zerog = Zerog(folder)
    endpoints = zerog.up()
    assert endpoints.chain is not None
    try:
        with ChainClient(endpoints.chain.http) as chain, running_sdk(endpoints.chain.http, folder) as sdk:
            yield Stage(endpoints, Market(own_network(), chain, endpoints.chain.http, sdk), folder)
    finally:
        zerog.down()


def content(*name: object, size: int) -> bytes:
    return random.Random(f"all at once {SEED} {name}").randbytes(size)


def in_lane(sdk: Sdk, lane: int, jobs: Sequence[Step]) -> list[Outcome]:
    """What becomes of jobs that are done with one account."""
    return sdk.run(*[[]] * lane, jobs)[lane]


def files(stage: Stage, package: str, lane: int) -> Callable[[int], None]:
    """The storage SDK uploads files and has them back."""
    sdk = stage.storage_sdk(f"files-{lane}", package=package)

    def one_round(number: int) -> None:
        jobs: list[Any] = []
        files = {f"{number}-{size}": content("file", lane, number, size, size=size) for size in FILE_SIZES}
        for name, data in files.items():
            (sdk.folder / name).write_bytes(data)
            jobs += [upload(sdk.folder / name), download(str(file_root(data)), sdk.folder / f"got-{name}")]
        for outcome in in_lane(sdk, lane, jobs):
            outcome.result()
        assert {name: (sdk.folder / f"got-{name}").read_bytes() for name in files} == files

    return one_round


def keys(stage: Stage, lane: int) -> Callable[[int], None]:
    """The storage SDK writes keys and reads them from the key-value node."""
    assert stage.endpoints.storage is not None
    places = {"node": f"{stage.endpoints.storage.indexer}/node", "kv": str(stage.endpoints.storage.kv)}
    sdk = stage.storage_sdk("keys", program="kv.mjs", places=places)
    name = stream("of all at once")

    def one_round(number: int) -> None:
        sets = [(name, b"%d" % key, content("value", number, key, size=40)) for key in range(5)]
        jobs = [write(*sets), *(value(name, key) for _, key, _ in sets)]
        written, *found = (outcome.result() for outcome in in_lane(sdk, lane, jobs))
        assert written["result"] == "Commit"
        assert [entry["data"] for entry in found] == [hexed(data) for _, _, data in sets]

    return one_round


def contracts(stage: Stage) -> Callable[[int], None]:
    """viem deploys contracts, calls them, and reads what they tell."""

    def one_round(_number: int) -> None:
        assert stage.endpoints.chain is not None
        report = run_client(["node", str(VIEM), stage.endpoints.chain.http, *CHAPTERS])
        chapters = report["chapters"]
        assert isinstance(chapters, Mapping)
        assert {name: told.get("failure") for name, told in chapters.items()} == dict.fromkeys(CHAPTERS)

    return one_round


def answers_by_the_sdk(stage: Stage) -> Callable[[int], None]:
    """The compute SDK makes the header, `openai` for JavaScript asks with it, and the SDK checks the answer."""
    _, broker = stage.customer()

    def one_round(_number: int) -> None:
        place = broker.call("inference.getServiceMetadata", stage.provider.address)
        headers = broker.call("inference.getRequestHeaders", stage.provider.address)
        options = {"baseURL": place["endpoint"], "apiKey": "unused", "defaultHeaders": headers}
        answer = stage.market.sdk.openai(options, "chat.completions.create", CHAT | {"model": place["model"]})
        assert "Paris" in answer["data"]["choices"][0]["message"]["content"]
        usage = json.dumps(answer["data"]["usage"])
        assert broker.call("inference.processResponse", stage.provider.address, answer["headers"]["zg-res-key"], usage) is True

    return one_round


def answers_by_openai(stage: Stage) -> Callable[[int], None]:
    """`openai` for Python asks with a key that the SDK made, in one piece and as a stream."""
    _, broker = stage.customer()
    key = broker.call("inference.requestProcessor.createApiKey", stage.provider.address, {"expiresIn": 0})["rawToken"]
    asked: dict[str, Any] = CHAT | {"model": stage.provider.model}

    def one_round(_number: int) -> None:
        with openai.OpenAI(base_url=f"{stage.provider.url}/v1/proxy", api_key=key, max_retries=0) as client:
            whole = client.chat.completions.create(**asked).choices[0].message.content
            streamed = "".join(
                event.choices[0].delta.content or "" for event in client.chat.completions.create(**asked, stream=True) if event.choices
            )
        assert "Paris" in (whole or "")
        assert streamed == whole

    return one_round


def batches_of_a_rollup(stage: Stage) -> Callable[[int], None]:
    """What op-node's client does with a server of alternative DA: raw bytes in, a commitment out, the same bytes back."""
    assert stage.endpoints.da is not None
    url = str(stage.endpoints.da.gateway)

    def one_round(number: int) -> None:
        with httpx.Client(base_url=url, timeout=ROUND_S_MAX) as rollup:
            batch = content("batch", number, size=PAYLOAD_SIZES[number])
            put = rollup.post("/put", content=batch)
            assert (put.status_code, put.content[:2]) == (200, b"\x01G"), put.text
            got = rollup.get(f"/get/0x{put.content.hex()}")
            assert (got.status_code, got.content) == (200, batch)

    return one_round


def test_every_official_client_works_while_all_the_others_do(stage: Stage) -> None:
    print(f"seed {SEED}")
    clients = {
        "files by the SDK": files(stage, NEW, FILES_LANE),
        "files by the older SDK": files(stage, OLD, OLDER_FILES_LANE),
        "keys by the SDK": keys(stage, KEYS_LANE),
        "viem": contracts(stage),
        "the compute SDK": answers_by_the_sdk(stage),
        "openai": answers_by_openai(stage),
        "a rollup": batches_of_a_rollup(stage),
    }
    together = Barrier(len(clients))

    def rounds(name: str) -> list[str]:
        """What failed; a round begins when all are there, also those that failed before."""
        failures = []
        for number in range(len(PAYLOAD_SIZES)):
            together.wait(ROUND_S_MAX)
            try:
                clients[name](number)
            except Exception as error:  # noqa: BLE001 - all that failed is told at the end, each with its client.
                failures.append(f"{name}, round {number}: {error!r}")
        return failures

    with ThreadPoolExecutor(len(clients)) as threads:
        failures = [failure for found in threads.map(rounds, clients) for failure in found]
    assert not failures, "\n".join(failures)
