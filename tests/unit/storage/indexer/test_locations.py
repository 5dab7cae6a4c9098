"""What clients are told of nodes and files: the router where it can stand for all, real nodes otherwise, and only those that live."""

from itertools import count

import pytest

from tests.unit.storage.indexer.stage import Indexer, Stage
from tests.unit.storage.node.network import File, Node, pattern
from zerog.storage.client.indexer import IndexerClient
from zerog.storage.protocol.units import SEGMENT_BYTES

seeds = count(1)
UNKNOWN = "0x" + "ab" * 32


def file_of(size_bytes: int) -> File:
    return File(pattern(size_bytes, next(seeds)))


@pytest.fixture(scope="module")
def nodes(stage: Stage) -> list[Node]:
    return stage.nodes("0/2", "1/2")


@pytest.fixture(scope="module")
def indexer(stage: Stage, nodes: list[Node]) -> Indexer:
    return stage.indexer(*(node.url for node in nodes))


@pytest.fixture(scope="module")
def plain(stage: Stage, nodes: list[Node]) -> Indexer:
    return stage.indexer(*(node.url for node in nodes), router=False)


def test_the_router_stands_for_nodes_that_hold_everything(indexer: Indexer) -> None:
    listed = indexer.rpc("indexer_getShardedNodes")
    [router] = listed["trusted"]
    assert (router["url"], router["config"], listed["discovered"]) == (f"{indexer.url}/node", {"shardId": 0, "numShard": 1}, [])
    assert isinstance(router["latency"], int)
    assert isinstance(router["since"], int)
    assert indexer.rpc("indexer_getSelectedNodes", 1, "min", True, None)["trusted"] == [router]


def test_a_public_url_is_what_clients_are_told(stage: Stage, nodes: list[Node]) -> None:
    indexer = stage.indexer(*(node.url for node in nodes), public_url="https://indexer.example/storage/")
    assert indexer.rpc("indexer_getShardedNodes")["trusted"][0]["url"] == "https://indexer.example/storage/node"


def test_without_a_router_nodes_are_named_themselves(plain: Indexer, nodes: list[Node]) -> None:
    listed = plain.rpc("indexer_getShardedNodes")["trusted"]
    assert [(node["url"], node["config"]["shardId"], node["config"]["numShard"]) for node in listed] == [
        (nodes[0].url, 0, 2),
        (nodes[1].url, 1, 2),
    ]
    assert [node["url"] for node in plain.rpc("indexer_getSelectedNodes", 1, "max", True, [])["trusted"]] == [node.url for node in nodes]


def test_who_wants_more_replicas_or_drops_the_router_is_given_nodes(stage: Stage, nodes: list[Node], indexer: Indexer) -> None:
    urls = [node.url for node in nodes]
    dropped = indexer.rpc("indexer_getSelectedNodes", 1, "min", True, [f"{indexer.url}/node"])
    assert [node["url"] for node in dropped["trusted"]] == urls
    assert indexer.refusal("indexer_getSelectedNodes", 2, "min", True, [])[0] == -32000
    more = stage.indexer(*urls, stage.nodes("0/1")[0].url)
    assert len(more.rpc("indexer_getSelectedNodes", 2, "min", True, [])["trusted"]) == 3


def test_only_nodes_that_live_are_named(stage: Stage, nodes: list[Node]) -> None:
    door = stage.door(nodes[1].url)
    indexer = stage.indexer(nodes[0].url, door.url)
    assert indexer.rpc("indexer_getShardedNodes")["trusted"][0]["url"] == f"{indexer.url}/node"
    door.is_shut = True
    nodes[0].wait(lambda: not indexer.service.directory.trusted[1].is_live)
    assert [node["url"] for node in indexer.rpc("indexer_getShardedNodes")["trusted"]] == [nodes[0].url]
    assert indexer.get("/readyz").status_code == 503
    door.is_shut = False
    nodes[0].wait(lambda: indexer.service.directory.trusted[1].is_live)
    assert indexer.rpc("indexer_getShardedNodes")["trusted"][0]["url"] == f"{indexer.url}/node"
    assert indexer.get("/readyz").status_code == 200


def test_where_a_file_is(stage: Stage, nodes: list[Node], indexer: Indexer, plain: Indexer) -> None:
    file = file_of(3 * SEGMENT_BYTES)
    assert indexer.refusal("indexer_getFileLocations", str(file.root)) == (-32000, "file not found", None)
    [seq] = stage.chain.submit(file.submission())
    for node in nodes:
        node.wait_for_seq(seq)
    for each in (indexer, plain):
        assert each.rpc("indexer_getFileLocations", str(file.root)) is None, "nobody has its data yet"
    with indexer.node_client() as client:
        client.upload_binary([file.bulk(file.segments, seq)])
    [router] = indexer.rpc("indexer_getFileLocations", str(file.root))
    assert router["url"] == f"{indexer.url}/node"
    assert [node["url"] for node in plain.rpc("indexer_getFileLocations", str(file.root))] == [node.url for node in nodes]
    with IndexerClient(indexer.url) as client:
        assert [node.url for node in client.file_locations(file.root) or ()] == [router["url"]]


def test_peers_of_an_own_node_are_discovered(stage: Stage) -> None:
    """The own node holds one half; the other half is with a peer that nobody configured."""
    [theirs] = stage.nodes("1/2")
    [ours] = stage.nodes("0/2", peers=(theirs.url,))
    ours.wait(lambda: any(peer.is_connected for peer in ours.keeper.peers.all))
    port = int(theirs.url.rpartition(":")[2])
    indexer = stage.indexer(ours.url, admin_urls=(ours.admin.url,), discover_ports=(port,), router=False)
    ours.wait(lambda: bool(indexer.service.directory.discovered))
    listed = indexer.rpc("indexer_getShardedNodes")
    assert [node["url"] for node in listed["trusted"]] == [ours.url]
    assert [(node["url"], node["config"]) for node in listed["discovered"]] == [(theirs.url, {"shardId": 1, "numShard": 2})]
    file = file_of(4 * SEGMENT_BYTES)
    [seq] = stage.chain.submit(file.submission())
    for remainder, node in enumerate((ours, theirs)):
        node.wait_for_seq(seq)
        start = node.info(seq)["tx"]["startEntryIndex"] // 1024
        own = [file.segment(index) for index in file.segments if (start + index) % 2 == remainder]
        assert node.rpc("zgs_uploadSegmentsByTxSeq", own, seq) == 0
    assert sorted(node["url"] for node in indexer.rpc("indexer_getFileLocations", str(file.root))) == sorted([ours.url, theirs.url])
    assert indexer.get(f"/file?root={file.root}").content == file.data
