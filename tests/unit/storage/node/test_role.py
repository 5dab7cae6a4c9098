"""The node as a role: its settings, what it answers for itself, and how it stands still and goes on."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.unit.storage.node.network import Chain, File, Network, Node, pattern
from zerog.runtime.settings import as_flags, fill
from zerog.storage.node.errors import NodeStoppedError, NotKeptError
from zerog.storage.node.service import StorageNode
from zerog.storage.node.settings import StorageNodeSettings, StorageSettingsError

seeds = count(50_000)


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"rpc_port": 65_536}, "no port"),
        ({"grpc_port": -1}, "no port"),
        ({"chain_url": "127.0.0.1:8545"}, "URL"),
        ({"peers": ("ftp://x",)}, "URL"),
        ({"flow": "0x12"}, "hex string"),
        ({"shard": "1/3"}, "no shard"),
        ({"shard": "4/4"}, "no shard"),
        ({"sync_interval_s": 0.0}, "sync_interval_s"),
        ({"page_blocks": 0}, "page_blocks"),
        ({"first_block": -1}, "negative"),
        ({"cache_bytes_max": 1_000}, "cache"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(StorageSettingsError, match=word):
        StorageNodeSettings(**changes)


def test_settings_survive_the_command_line(tmp_path: Path) -> None:
    settings = StorageNodeSettings(
        data_dir=tmp_path / "storage", rpc_port=1, shard="1/4", peers=("http://a:1", "http://b:2"), flow="0x" + "12" * 20, confirmations=3
    )
    assert fill(StorageNodeSettings, as_flags(settings), command=("storage", "run"), state_folder=tmp_path) == settings


def test_a_stopped_node_says_so() -> None:
    node = StorageNode(StorageNodeSettings())
    for ask in (node.status, node.metrics):
        with pytest.raises(NodeStoppedError):
            ask()


def test_the_probe_reads_a_file_back(chain: Chain, node: Node) -> None:
    file = file_of(262144 + 3)
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    node.upload(file, seq)
    found = node.http.get(f"{node.url}/readyz").json()["found"]
    assert (found["read_back"], found["is_synced"], found["next_seq"]) == (seq, True, seq + 1)
    status = node.node.status()
    assert (status["url"], status["shard"], status["quiesced"], status["trouble"]) == (node.url, "0/1", False, None)


def test_a_node_stands_still_at_a_block_and_goes_on(network: Network, tmp_path: Path) -> None:
    """Blocks after it are not read, uploads wait, and a copy that is made meanwhile is a node of its own."""
    chain = network.chain()
    first, second = file_of(2 * 262144), file_of(300)
    with network.running(chain, data_dir=tmp_path / "storage") as node:
        [seq] = chain.submit(first.submission())
        node.wait_for_seq(seq)
        assert node.rpc("zgs_uploadSegmentsByTxSeq", [first.segment(0)], seq) == 0
        chain.submit(file_of(700).submission())
        node.portal.call(node.node.quiesce, chain.client.block_number())
        assert node.keeper.store.next_seq == seq + 2  # Also of a block that it has not heard of yet.
        [later] = chain.submit(second.submission())
        waiting = node.portal.start_task_soon(node.upload_in_loop, first, 1, seq)
        node.portal.call(node.node.checkpoint, tmp_path / "copy")
        assert (node.keeper.store.next_seq, waiting.done(), node.is_finalized(seq)) == (later, False, False)
        node.portal.call(node.node.resume)
        waiting.result(20)
        node.wait_for_seq(later)
        assert node.is_finalized(seq)
    with network.running(chain, data_dir=tmp_path / "copy") as copy:
        copy.wait_for_seq(later)
        assert copy.rpc("zgs_getAvailability", seq)["held"] == "0x01"
        copy.upload(first, seq)
        assert copy.rpc("zgs_downloadSegmentByTxSeq", seq, 0, 1024) == first.segment(0)["data"]


def test_a_node_in_a_temporary_folder_cannot_be_copied(node: Node, tmp_path: Path) -> None:
    with pytest.raises(NotKeptError):
        node.portal.call(node.node.checkpoint, tmp_path)


def test_files_are_listed_in_pages(network: Network) -> None:
    chain = network.chain()
    files = [file_of(300) for _ in range(7)]
    with network.running(chain) as node:
        assert node.rpc("zgs_listFiles") == {"files": [], "next": None}
        seqs = chain.submit(*(file.submission() for file in files))
        node.wait_for_seq(seqs[-1])
        cursor, seen, pages = None, [], 0
        while True:
            page = node.rpc("zgs_listFiles", cursor, 3)
            seen += [entry["tx"]["dataMerkleRoot"] for entry in page["files"]]
            cursor, pages = page["next"], pages + 1
            if cursor is None:
                break
        assert (seen, pages) == ([str(file.root) for file in files], 3)
        assert node.rpc("zgs_listFiles", 10**9, 3) == {"files": [], "next": None}
        assert len(node.rpc("zgs_listFiles", 0, 10**9)["files"]) == 7


def test_a_page_in_a_browser_may_use_a_node_of_this_machine_and_no_other(node: Node) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "zgs_getStatus"}
    near = node.http.post(node.url, json=call, headers={"Origin": "http://localhost:3000"})
    far = node.http.post(node.url, json=call, headers={"Origin": "https://evil.example"})
    rebound = node.http.post(node.url, json=call, headers={"Host": "evil.example"})
    assert (near.status_code, near.headers["access-control-allow-origin"]) == (200, "http://localhost:3000")
    assert (far.status_code, rebound.status_code) == (403, 403)
    admin = node.http.post(node.admin.url, json=call | {"method": "admin_shutdown"}, headers={"Origin": "https://evil.example"})
    assert admin.status_code == 403


def test_any_path_is_good_for_calls(node: Node) -> None:
    for path in ("/", "/rpc", "//", "/zgs/v1"):
        answer = node.http.post(f"{node.url}{path}", json={"jsonrpc": "2.0", "id": 18_000_000_000_000_001, "method": "zgs_getShardConfig"})
        assert answer.json() == {"jsonrpc": "2.0", "id": 18_000_000_000_000_001, "result": {"shardId": 0, "numShard": 1}}


def test_one_port_may_serve_everything(network: Network, chain: Chain, unused_port: int) -> None:
    with network.running(chain, rpc_port=unused_port, admin_port=unused_port) as node:
        assert node.rpc("admin_getPeers") == {}
        assert node.rpc("zgs_getShardConfig") == {"shardId": 0, "numShard": 1}


def test_operators_methods_need_a_token_beyond_this_machine(network: Network, chain: Chain, unused_port: int) -> None:
    """Where one port serves everything on every interface; without a token nobody has them."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "admin_getPeers"}
    settings = {"host": "0.0.0.0", "rpc_port": unused_port, "admin_port": unused_port}  # noqa: S104 - that is what is tested.
    with network.running(chain, **settings) as node:
        assert node.post(call)["error"]["code"] == -32601
    with network.running(chain, **settings, token="open sesame") as node:
        assert node.post(call)["error"]["code"] == -32601
        wrong = node.http.post(node.url, json=call, headers={"Authorization": "Bearer open"})
        right = node.http.post(node.url, json=call, headers={"Authorization": "Bearer open sesame"})
        assert (wrong.json()["error"]["code"], right.json()["result"]) == (-32601, {})
        assert "open sesame" not in repr(node.node.settings)


def test_what_is_counted_reads_as_prometheus_wants_it(node: Node) -> None:
    """Each family is declared once, before its samples."""
    kinds: dict[str, str] = {}
    for line in node.http.get(f"{node.url}/metrics").text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name.partition("{")[0] in kinds
            float(value)
    assert (kinds["zerog_storage_submissions"], kinds["zerog_storage_segments_stored_total"]) == ("gauge", "counter")
    assert all(name.startswith("zerog_storage_") for name in kinds)
