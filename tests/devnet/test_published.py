"""An answer is proven as paid when its provider is gone, data folder and all: by the file of its receipts, else by the blob."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devnet.command import Zerog
from zerog.chain.client import ChainClient
from zerog.compute.client.market import Market
from zerog.compute.client.published import PublishedCopies, PublishedProofs, find_published
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.wire.answer_file import read_answer_file
from zerog.compute.wire.provider import SignedReceipt
from zerog.devnet.endpoints import Endpoints
from zerog.storage.client import PeerUnreachableError, StorageClient
from zerog.testing.small_model import make_small_model

PUBLISHED_S_MAX = 60.0
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    command = Zerog(tmp_path)
    yield command
    command.down()


def await_published(endpoints: Endpoints, file: Path) -> None:
    """Until both copies of the answer's settlement can be found; nobody tells when."""
    answer = read_answer_file(file.read_bytes())
    receipt, until_s = answer.receipt, time.monotonic() + PUBLISHED_S_MAX
    assert receipt is not None
    assert endpoints.chain is not None
    assert endpoints.storage is not None
    assert endpoints.da is not None
    with ChainClient(endpoints.chain.http) as chain:
        market = Market(chain)
        info = AdditionalInfo.from_json(market.service(answer.provider).params.additional_info)
        assert (info.receipts_indexer, info.receipts_disperser) == (endpoints.storage.indexer, endpoints.da.disperser)
        while find_published(receipt, market, answer.contract) is None:
            assert time.monotonic() < until_s
        # With a storage that is away, what is found is the blob.
        blobs = PublishedCopies(StorageClient(indexer=NOWHERE), info.receipts_disperser, chain.url)
        while not is_found(PublishedProofs(market, answer.contract, blobs), receipt):
            assert time.monotonic() < until_s


def is_found(proofs: PublishedProofs, receipt: SignedReceipt) -> bool:
    try:
        return proofs.find(receipt) is not None
    except PeerUnreachableError:
        return False


def test_an_answer_verifies_as_paid_when_its_provider_is_gone(zerog: Zerog, tmp_path: Path) -> None:
    model = make_small_model(tmp_path / "nonsense.gguf")
    endpoints = zerog.up("--model", str(model))
    kept = tmp_path / "kept.json"
    zerog.run("compute", "chat", "Say", "something.", "--max-tokens", "8", "--save", str(kept))
    await_published(endpoints, kept)
    assert read_answer_file(kept.read_bytes()).settlement is None
    for role in ("storage", "da"):
        zerog.down()
        shutil.rmtree(tmp_path / ".zerog" / "compute", ignore_errors=role == "da")
        zerog.up("--only", "chain", "--only", role)
        file = tmp_path / f"by-{role}.json"
        shutil.copy(kept, file)
        told = json.loads(zerog.run("compute", "receipt", str(file), "--json").stdout)
        verdict = json.loads(zerog.run("verify", str(file), "--settled", "--json").stdout)
        assert (verdict["state"], verdict["enough"]) == ("simulated, settled", True)
        assert verdict["settled"]["transaction_hash"] == told["transaction_hash"]
