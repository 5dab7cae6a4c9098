"""A key-value node on a real chain with a real storage node: what is written is read, by everybody and at once."""

from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from tests.unit.storage.kv.network import ADDRESSES, Item, KvNetwork, KvNode, put, stream, submit
from tests.unit.storage.kv.test_registration import register
from tests.unit.storage.node.network import ACCOUNTS, LOCAL, Chain, Node
from zerog.runtime.process import expected_error
from zerog.storage.following import ForeignChainError
from zerog.storage.kv.errors import KeyValueNodeStoppedError, StreamsNotKeptError
from zerog.storage.kv.service import KeyValueNode
from zerog.storage.kv.settings import KeyValueNodeSettings, KeyValueSettingsError
from zerog.storage.protocol.streams import Control, Operation


def test_what_is_written_is_read(chain: Chain, node: Node, kv: KvNode) -> None:
    first = stream()
    seq = put(chain, node, Item.of((first, b"key", b"value"), (first, b"other", b"")))
    assert kv.wait_for_result(seq) == "Commit"
    assert kv.get(first, b"key") == b"value"
    assert kv.rpc("kv_getValue", str(first), "a2V5", 1, 3) == {"version": seq, "data": "YWx1", "size": 5}
    assert kv.rpc("kv_getValue", str(first), "b3RoZXI=", 0, 10) == {"version": seq, "data": "", "size": 0}
    assert kv.rpc("kv_getValue", str(first), "bm9uZQ==", 0, 10) == {"version": 0, "data": "", "size": 0}


def test_old_versions_stay_readable(chain: Chain, node: Node, kv: KvNode) -> None:
    first = stream()
    seqs = [put(chain, node, Item.of((first, b"k", value))) for value in (b"one", b"", b"three")]
    kv.wait_for_result(seqs[-1])
    assert [kv.get(first, b"k", version=seq) for seq in seqs] == [b"one", b"", b"three"]
    assert [kv.get(first, b"k", version=seqs[0] - 1), kv.get(first, b"k", version=2**64 - 1)] == [None, b"three"]


def test_keys_are_walked_in_their_order_past_the_deleted(chain: Chain, node: Node, kv: KvNode) -> None:
    first = stream()
    put(chain, node, Item.of(*((first, key, b"value of " + key) for key in (b"a", b"b", b"c", b"d"))))
    seq = put(chain, node, Item.of((first, b"b", b""), (first, b"d", b"")))
    kv.wait_for_result(seq)

    def key(method: str, *params: object) -> bytes | None:
        found = kv.rpc(f"kv_{method}", str(first), *params)
        return None if found is None else b64decode(found["key"])

    texts = {name: b64encode(name.encode()).decode() for name in "abcdz"}
    assert (key("getFirst", 0, 0), key("getLast", 0, 0)) == (b"a", b"c")
    assert [key("getNext", texts["a"], 0, 0, inclusive) for inclusive in (True, False)] == [b"a", b"c"]
    assert [key("getNext", texts["b"], 0, 0, inclusive) for inclusive in (True, False)] == [b"c", b"c"]
    assert [key("getPrev", texts["z"], 0, 0, True), key("getPrev", texts["c"], 0, 0, False)] == [b"c", b"a"]
    assert [key("getNext", texts["c"], 0, 0, False), key("getPrev", texts["a"], 0, 0, False)] == [None, None]
    assert key("getLast", 0, 0, seq - 1) == b"d"
    assert kv.rpc("kv_getFirst", str(first), 7, 100)["data"] == b64encode(b"f a").decode()
    assert kv.rpc("kv_getFirst", str(stream()), 0, 0) is None


def test_streams_keys_and_items_are_listed_in_pages(chain: Chain, node: Node, kv: KvNode) -> None:
    mine = sorted(stream() for _ in range(3))
    keys = [b"%03d" % number for number in range(25)]
    seq = put(chain, node, Item.of(*((mine[0], key, b"v") for key in keys), (mine[1], b"x", b"y"), (mine[2], b"x", b"y")))
    kv.wait_for_result(seq)
    found, cursor = [], None
    while True:
        page = kv.rpc("kv_listKeys", str(mine[0]), cursor, 10)
        found += [b64decode(entry["key"]) for entry in page["keys"]]
        assert all((entry["version"], entry["size"]) == (seq, 1) for entry in page["keys"])
        cursor = page["next"]
        if cursor is None:
            break
    assert found == keys
    streams, cursor = [], None
    while True:
        page = kv.rpc("kv_listStreams", cursor, 2)
        streams += page["streams"]
        cursor = page["next"]
        if cursor is None:
            break
    assert [entry["streamId"] for entry in streams] == sorted(entry["streamId"] for entry in streams)
    assert {str(each) for each in mine} <= {entry["streamId"] for entry in streams}
    assert next(entry for entry in streams if entry["streamId"] == str(mine[2])) == {
        "streamId": str(mine[2]),
        "firstSeq": seq,
        "lastSeq": seq,
        "parked": False,
    }
    assert set(kv.rpc("kv_getHoldingStreamIds")) >= {str(each) for each in mine}
    [item] = kv.rpc("kv_getItems", seq, 1)["items"]
    assert (item["txSeq"], item["result"], item["sender"]) == (seq, "Commit", str(ADDRESSES[1]).lower())
    assert item["streams"] == [str(each) for each in mine]


def test_a_large_item_comes_through_a_file_and_its_values_in_parts_or_whole(network: KvNetwork, chain: Chain, node: Node) -> None:
    first = stream()
    values = [bytes(index * step % 251 for index in range(size)) for step, size in ((3, 262_144), (5, 262_145), (7, 1_500_000))]
    item = Item.of(*((first, b"%d" % number, value) for number, value in enumerate(values)))
    with network.running_kv(chain, node, item_bytes_in_memory=300_000) as kv:
        assert kv.wait_for_result(put(chain, node, item)) == "Commit"
        for number, value in enumerate(values):
            assert kv.get(first, b"%d" % number, length=262_144) == value
            assert kv.get(first, b"%d" % number, start=200_000, length=100_000) == value[200_000:300_000]
            assert kv.get(first, b"%d" % number, start=len(value) - 1, length=262_143) == value[-1:]
        assert list(kv.keeper.store.incoming.iterdir()) == []
    with network.running_kv(chain, node, whole_values=False) as kv:
        kv.wait(lambda: kv.keeper.store.value(first, b"2") is not None)
        assert kv.get(first, b"2", length=262_144) == values[2][:262_144]


def test_permissions_are_told(chain: Chain, node: Node, kv: KvNode) -> None:
    first, key = stream(), b64encode(b"special").decode()
    admin, writer, special, stranger = (str(ADDRESSES[index]) for index in (1, 2, 3, 4))
    controls = [
        Control(operation=Operation.GRANT_WRITER, stream=first, account=ADDRESSES[2]),
        Control(operation=Operation.SET_KEY_TO_SPECIAL, stream=first, key=b"special"),
        Control(operation=Operation.GRANT_SPECIAL_WRITER, stream=first, key=b"special", account=ADDRESSES[3]),
    ]
    seq = put(chain, node, Item.of((first, b"k", b"v"), controls=controls))
    assert kv.wait_for_result(seq) == "Commit"
    people = (admin, writer, special, stranger)
    assert [kv.rpc("kv_isAdmin", each, str(first)) for each in people] == [True, False, False, False]
    assert [kv.rpc("kv_IsAdmin", each, str(first), None) for each in people] == [True, False, False, False]
    assert [kv.rpc("kv_isWriterOfStream", each, str(first)) for each in people] == [False, True, False, False]
    assert [kv.rpc("kv_isWriterOfKey", each, str(first), key) for each in people] == [False, False, True, False]
    assert [kv.rpc("kv_hasWritePermission", each, str(first), key) for each in people] == [True, False, True, False]
    assert [kv.rpc("kv_hasWritePermission", each, str(first), "b3RoZXI=") for each in people] == [True, True, False, False]
    assert [kv.rpc("kv_isSpecialKey", str(first), name) for name in (key, "b3RoZXI=")] == [True, False]
    assert kv.rpc("kv_hasWritePermission", stranger, str(first), key, seq - 1) is True
    assert kv.rpc("kv_isAdmin", admin, str(first), seq - 1) is False


def test_a_node_follows_what_it_was_told_and_what_a_wallet_asked_for(network: KvNetwork, chain: Chain, node: Node, tmp_path: Path) -> None:
    named, asked, other = stream(), stream(), stream()
    seqs = [put(chain, node, Item.of((each, b"k", b"v"))) for each in (named, asked, other)]
    both = put(chain, node, Item.of((named, b"k", b"of both"), (asked, b"k", b"of both")))
    last = put(chain, node, Item.of((named, b"last", b"v")))
    settings = {"data_dir": tmp_path / "kv", "stream": (str(named),)}
    with network.running_kv(chain, node, **settings) as kv:
        assert kv.wait_for_result(last) == "Commit"
        assert [kv.rpc("kv_getTransactionResult", seq) for seq in (*seqs, both)] == ["Commit", None, None, None]
        assert kv.rpc("kv_getHoldingStreamIds") == [str(named)]
        assert kv.refusal("admin_addStream", *register(LOCAL.chain_id, asked, of_chain=1))[:2] == (-32602, "Invalid params: signature")
        assert kv.rpc("admin_addStream", *register(LOCAL.chain_id, asked)) is True
        assert kv.wait_for_result(both) == "Commit"
        assert [kv.get(named, b"k"), kv.get(asked, b"k"), kv.get(other, b"k")] == [b"of both", b"of both", None]
        assert kv.rpc("admin_addStream", *register(LOCAL.chain_id, asked)) is True
    with network.running_kv(chain, node, **settings) as kv:
        assert kv.rpc("kv_getHoldingStreamIds") == sorted([str(named), str(asked)])
        assert kv.rpc("kv_getTransactionResult", both) == "Commit"
        assert kv.rpc("kv_getTransactionResult", str(seqs[2])) is None


def test_the_pages_and_the_control_socket_tell_how_it_is(network: KvNetwork, chain: Chain, node: Node, kv: KvNode) -> None:
    seq = put(chain, node, Item.of((stream(), b"k", b"v")))
    kv.wait_for_result(seq)
    item = Item.of((stream(), b"k", b"v"))
    missing = submit(chain, item)
    kv.wait(lambda: kv.keeper.store.progress().applied_seq == missing and len(kv.keeper.fetcher.wishes) == 1)
    assert kv.rpc("kv_getReplayProgress")["appliedSeq"] == missing
    status = kv.node.status()
    assert (status["applied_seq"], status["items_missing"], status["follows_all"]) == (missing, 1, True)
    for page, code in (("healthz", 200), ("readyz", 200), ("nothing", 404)):
        assert kv.http.get(f"{kv.url}/{page}").status_code == code
    lines = kv.http.get(f"{kv.url}/metrics").text.splitlines()
    assert f"zerog_kv_applied_seq {missing}" in lines
    assert 'zerog_kv_rpc_calls_total{method="kv_getReplayProgress"}' in {line.rpartition(" ")[0] for line in lines}
    assert kv.http.post(f"{kv.url}/any/path", json={"jsonrpc": "2.0", "id": 2**60 + 1, "method": "kv_getStatus"}).json() == {
        "jsonrpc": "2.0",
        "id": 2**60 + 1,
        "result": True,
    }
    assert kv.http.post(kv.url, json={}, headers={"Origin": "http://foreign.example"}).status_code == 403
    node.upload(item, missing)
    assert kv.wait_for_result(missing) == "Commit"


def test_a_quiet_node_changes_nothing_and_its_copy_is_a_node(network: KvNetwork, chain: Chain, node: Node, tmp_path: Path) -> None:
    first = stream()
    with network.running_kv(chain, node, data_dir=tmp_path / "kv") as kv:
        seq = put(chain, node, Item.of((first, b"k", b"before")))
        head = chain.client.block_number()
        kv.portal.call(kv.node.quiesce, head)
        assert kv.rpc("kv_getTransactionResult", seq) in ("Commit", None)
        later = put(chain, node, Item.of((first, b"k", b"after")))
        kv.portal.call(kv.node.checkpoint, tmp_path / "copy")
        before = (kv.keeper.store.next_seq, kv.rpc("kv_getReplayProgress"))
        assert kv.node.status()["quiesced"] is True
        assert (kv.keeper.store.next_seq, kv.rpc("kv_getReplayProgress")) == before == (later, before[1])
        kv.portal.call(kv.node.resume)
        assert kv.wait_for_result(later) == "Commit"
    with network.running_kv(chain, node, data_dir=tmp_path / "copy") as copy:
        assert copy.wait_for_result(later) == "Commit"
        assert copy.get(first, b"k") == b"after"


def test_a_node_that_keeps_nothing_or_does_not_run_says_so(kv: KvNode, tmp_path: Path) -> None:
    with pytest.raises(StreamsNotKeptError):
        kv.portal.call(kv.node.checkpoint, tmp_path)
    with pytest.raises(KeyValueNodeStoppedError, match="not running"):
        KeyValueNode(KeyValueNodeSettings()).status()


def test_data_of_another_chain_is_refused(network: KvNetwork, chain: Chain, node: Node, tmp_path: Path) -> None:
    with network.running_kv(chain, node, data_dir=tmp_path):
        pass
    other = KeyValueNode(KeyValueNodeSettings(chain_url=chain.url, nodes=(node.url,), port=0, data_dir=tmp_path, flow="0x" + "12" * 20))
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - the group that it comes in is opened below.
        network.portal.call(other.run)
    assert isinstance(expected_error(raised.value), ForeignChainError)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"port": 70_000}, "no port"),
        ({"nodes": ("localhost:5678",)}, "no URL"),
        ({"nodes": ("http://a",), "indexer": "http://b"}, "not from both"),
        ({"stream": ("everything",)}, "a stream is `all`"),
        ({"stream": ("0x12",)}, "64 hex digits"),
        ({"encryption_key": "12"}, "1 bytes, not 32"),
        ({"encryption_key": "secret"}, "not in hex"),
        ({"private_key": "00" * 32}, "key"),
        ({"flow": "0x12"}, "want 40"),
        ({"fetches": 0}, "at least 1"),
        ({"sync_interval_s": 0.0}, "more than 0"),
        ({"first_block": -1}, "not negative"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], cause: str) -> None:
    with pytest.raises(KeyValueSettingsError, match=cause) as refused:
        KeyValueNodeSettings(**changes)  # type: ignore[arg-type]
    assert "secret" not in str(refused.value)


def test_the_keys_of_accounts_do_not_show(kv: KvNode) -> None:
    secret = ACCOUNTS[1].private_key.hex()
    assert secret not in repr(KeyValueNodeSettings(private_key=secret, encryption_key=secret, token=secret))
