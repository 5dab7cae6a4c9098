"""Networks of several nodes that hold a part of each file: the official SDK with all of them, and through the router with one."""

import filecmp
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

from tests.interop.storage.cluster import running_cluster
from tests.interop.storage.content import SEGMENT_BYTES, SIZES, pattern, random_bytes, root_of, written
from tests.interop.storage.sdk import ACCOUNTS, Job, download, upload
from tests.ledger.counts import LONG

pytestmark = pytest.mark.timeout(300)

HALVES: Final = ("0/2", "1/2")
SEGMENTS: Final = (1, 5, 1000 if LONG else 400)
QUARTERS: Final = ("0/4", "1/4", "2/4", "3/4")


@pytest.mark.parametrize(("shards", "replicas"), [(HALVES, 1), (HALVES * 2, 2), (QUARTERS, 1), (QUARTERS * 2, 2)], ids=str)
def test_the_sdk_spreads_a_file_over_nodes_and_the_router_does_where_the_sdk_cannot(
    tmp_path: Path, shards: Sequence[str], replicas: int
) -> None:
    # The SDK sends each node only as many segments as the one with the fewest gets: where they differ, it waits for ever.
    count = int(shards[0].split("/")[1])
    spread = [random_bytes(size, seed=1) for size in (count * SEGMENT_BYTES, 3 * count * SEGMENT_BYTES - 1, 1)]
    routed = [random_bytes(size, seed=2) for size in SIZES if size < 10 << 20]
    with running_cluster(tmp_path, *shards) as cluster:
        paths = [written(cluster.sdk.folder / str(number), data) for number, data in enumerate(spread + routed)]
        lanes: list[list[Job]] = [[] for _ in range(ACCOUNTS)]
        for number, (path, data) in enumerate(zip(paths, spread + routed, strict=True)):
            way = {"indexer": cluster.directory, "options": {"expectedReplica": replicas}} if number < len(spread) else {}
            lanes[number % ACCOUNTS] += [upload(path, **way), download(root_of(data), path.with_suffix(".fetched"), **way)]
        for outcome in chain.from_iterable(cluster.sdk.run(*lanes)):
            outcome.result()
        assert [path.with_suffix(".fetched").read_bytes() for path in paths] == spread + routed
        assert {cluster.ask(node, "zgs_getStatus")["nextTxSeq"] for node in range(len(shards))} == {len(paths)}


@pytest.mark.timeout(600)
def test_a_file_of_many_segments_goes_through_the_router_beside_small_files(tmp_path: Path) -> None:
    with running_cluster(tmp_path, *HALVES, "0/1") as cluster:
        sdk = cluster.sdk
        files = [written(sdk.folder / f"{count}-segments", pattern(count * SEGMENT_BYTES)) for count in SEGMENTS]
        roots = [root_of(path.read_bytes()) for path in files]
        jobs = [[upload(path), download(root, path.with_suffix(".fetched"))] for path, root in zip(files, roots, strict=True)]
        assert [lane[0].result()["rootHash"] for lane in sdk.run(*jobs)] == roots
        for path in files:
            assert filecmp.cmp(path, path.with_suffix(".fetched"), shallow=False)
        for root, count in zip(roots, SEGMENTS, strict=True):
            held = [cluster.ask(node, "zgs_getAvailability", root) for node in range(3)]
            assert [answer["finalized"] for answer in held] == [True] * 3
            assert held[2]["heldCount"] == held[0]["heldCount"] + held[1]["heldCount"] == count
