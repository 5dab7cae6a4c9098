"""The official SDK while something goes wrong: a busy node, two uploads of one file, a fee too low, a chain that goes back, a dead node."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop.storage.busy import busy
from tests.interop.storage.cluster import Cluster, running_cluster
from tests.interop.storage.content import SEGMENT_BYTES, pattern, random_bytes, root_of, written
from tests.interop.storage.network import Network, running_network
from tests.interop.storage.sdk import upload
from zerog.contracts.storage import NotEnoughFeeError, flow_refusal

pytestmark = pytest.mark.timeout(300)

SEGMENTS: Final = 100
SEGMENT_S_MAX: Final = 20


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running_network(tmp_path_factory.mktemp("faults")) as network:
        yield network


def test_an_upload_outlasts_a_node_that_is_too_busy_twice(network: Network) -> None:
    data = random_bytes(5 * SEGMENT_BYTES, seed=1)
    path = written(network.sdk.folder / "busy", data)
    with busy(network.node, refusals=2) as proxy:
        job = upload(path, nodes=[proxy.url], retries={"TooManyDataRetries": 3, "Interval": 0.1})
        result = network.sdk.do(job)
    assert result["rootHash"] == root_of(data)
    assert proxy.refused == {(root_of(data), index): 2 for index in range(5)}
    assert network.sdk.fetched(root_of(data), "busy.fetched") == data


def test_two_uploads_of_one_file_at_once_both_end_well(network: Network) -> None:
    data = random_bytes(20 * SEGMENT_BYTES + 1, seed=2)
    path = written(network.sdk.folder / "twice", data)
    first, second = (lane[0].result() for lane in network.sdk.run([upload(path)], [upload(path)]))
    assert first["rootHash"] == second["rootHash"] == root_of(data)
    for result in (first, second):
        assert network.storage("zgs_getFileInfoByTxSeq", result["txSeq"])["finalized"] is True
    assert network.sdk.fetched(root_of(data), "twice.fetched") == data


def test_a_fee_that_is_too_low_is_an_error_with_the_contract_s_reason(network: Network) -> None:
    data = random_bytes(1000, seed=3)
    path = written(network.sdk.folder / "cheap", data)
    failure = network.sdk.run([upload(path, options={"fee": "1"})])[0][0].failure
    assert failure is not None
    found = re.search(r'data="0x([0-9a-f]+)"', failure)
    assert found is not None, failure
    refusal = flow_refusal(bytes.fromhex(found[1]))
    assert isinstance(refusal, NotEnoughFeeError)
    assert (refusal.sectors, refusal.paid_wei) == (4, 1)
    assert network.storage("zgs_getFileInfo", root_of(data), True) is None


def test_a_file_comes_back_after_the_chain_went_back_behind_it(network: Network) -> None:
    before, after = random_bytes(2 * SEGMENT_BYTES, seed=4), random_bytes(3 * SEGMENT_BYTES, seed=5)
    paths = [written(network.sdk.folder / name, data) for name, data in (("before", before), ("after", after))]
    snapshot = network.chain("evm_snapshot")
    lost = network.sdk.do(upload(paths[0]))
    network.chain("evm_revert", snapshot)
    # The number that the lost file had goes to the next one.
    results = [outcome.result() for outcome in network.sdk.run([upload(paths[1]), upload(paths[0])])[0]]
    assert [result["txSeq"] for result in results] == [lost["txSeq"], lost["txSeq"] + 1]
    assert all(result["txHash"] for result in results)
    infos: list[Any] = [network.storage("zgs_getFileInfoByTxSeq", result["txSeq"]) for result in results]
    assert [(info["finalized"], info["tx"]["dataMerkleRoot"]) for info in infos] == [(True, root_of(after)), (True, root_of(before))]
    assert [network.sdk.fetched(root_of(data), f"{seed}.fetched") for seed, data in enumerate((before, after))] == [before, after]


@pytest.mark.parametrize("victim", [0, 2], ids=["a half", "the whole"])
def test_an_upload_outlasts_the_death_of_a_node(tmp_path: Path, victim: int) -> None:
    data = pattern(SEGMENTS * SEGMENT_BYTES)
    shards: Sequence[str] = ("0/2", "1/2", "0/1")
    with running_cluster(tmp_path, *shards) as cluster:
        sdk = cluster.sdk
        work = [[upload(written(sdk.folder / "file", data), options={})]]
        with sdk.started(*work) as session:
            for event in session.events():
                if "Uploading segments" in event.get("progress", ""):
                    availability = wait_for_a_segment(cluster, victim, root_of(data))
                    cluster.nodes[victim].kill()
                    assert 0 < availability["heldCount"] < availability["required"]
            outcome = session.outcomes[0, 0]
        assert outcome.result()["rootHash"] == root_of(data)
        assert sdk.fetched(root_of(data), "file.fetched") == data


def wait_for_a_segment(cluster: Cluster, node: int, root: str) -> Mapping[str, Any]:
    """What the node has of the file, as soon as that is something."""
    deadline = time.monotonic() + SEGMENT_S_MAX
    while True:
        availability: Mapping[str, Any] = cluster.ask(node, "zgs_getAvailability", root)
        if availability["heldCount"]:
            return availability
        assert time.monotonic() < deadline
