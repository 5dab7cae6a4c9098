"""Pages in a real browser: one on this machine uploads and downloads with the SDK's browser bundle, one of another site gets nowhere."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.interop.storage.browser import visit
from tests.interop.storage.content import random_bytes, root_of, written
from tests.interop.storage.network import Network, running_network

pytestmark = pytest.mark.timeout(180)

FOREIGN: Final = "evil.test"
"""A name that is of no machine; the browser is told that it is of this one."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running_network(tmp_path_factory.mktemp("browser")) as network:
        yield network


def test_a_page_of_another_origin_uploads_and_downloads(network: Network, tmp_path: Path) -> None:
    work = {
        "indexer": network.sdk.indexer,
        "chain": network.sdk.chain,
        "key": network.endpoints.accounts[0].private_key,
        "size": 600_000,
    }
    found = visit("localhost", "transfer", work, tmp_path)
    assert found["origin"] not in (network.sdk.indexer, network.sdk.chain)
    assert (found["size"], found["equal"]) == (600_000, True)
    info = network.storage("zgs_getFileInfo", found["rootHash"], True)
    assert (info["tx"]["seq"], info["finalized"]) == (found["txSeq"], True)


def request(method: str, *parameters: object) -> Mapping[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}


def test_a_page_of_another_site_gets_nothing_executed(network: Network, tmp_path: Path) -> None:
    data = random_bytes(200)
    flow = network.storage("zgs_getStatus")["networkIdentity"]["flowAddress"]
    job = {"kind": "submit", "path": str(written(network.sdk.folder / "announced", data)), "flow": flow}
    number = network.sdk.do(job)["txSeq"]
    root = root_of(data)
    padded = base64.b64encode(data.ljust(256, b"\0")).decode()
    segment = {"root": root, "data": padded, "index": 0, "proof": {"lemma": [root], "path": []}, "fileSize": len(data)}
    upload = request("zgs_uploadSegmentByTxSeq", segment, number)
    requests = [
        {"url": network.node, "body": upload},
        {"url": network.sdk.indexer, "body": request("indexer_getShardedNodes")},
        {"url": network.sdk.chain, "body": request("evm_mine")},
    ]
    height = network.chain("eth_blockNumber")

    found = visit(FOREIGN, "attack", {"requests": requests}, tmp_path)

    assert found["origin"].startswith(f"http://{FOREIGN}:")
    outcomes = {(attempt["method"], attempt["way"]): attempt["outcome"] for attempt in found["outcomes"]}
    assert len(outcomes) == 9
    assert {way: outcome for (_, way), outcome in outcomes.items()} == {"json": "refused", "text": "refused", "blind": "unreadable"}
    assert network.chain("eth_blockNumber") == height
    assert network.storage("zgs_getFileInfoByTxSeq", number)["finalized"] is False
    # The same request of a program that is no page is taken: it was the page that was refused.
    assert network.storage(upload["method"], *upload["params"]) == 0


@pytest.mark.parametrize("header", [{"origin": f"http://{FOREIGN}"}, {"host": FOREIGN}], ids=["foreign page", "rebound name"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_every_role_says_403_to_it(network: Network, header: Mapping[str, str], content_type: str) -> None:
    for url, body in [
        (network.node, request("zgs_getStatus")),
        (network.sdk.indexer, request("indexer_getShardedNodes")),
        (network.sdk.chain, request("eth_chainId")),
    ]:
        assert httpx.post(url, json=body, headers={"content-type": content_type}).status_code == 200
        assert httpx.post(url, json=body, headers={"content-type": content_type, **header}).status_code == 403
    assert httpx.get(f"{network.sdk.indexer}/node/status", headers=header).status_code == 403
