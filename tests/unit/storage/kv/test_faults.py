"""What happens to data and chain while a key-value node runs: nothing stalls but what must wait, and every node ends in the same state."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.unit.storage.client.impostors import impostor, segments_of_file
from tests.unit.storage.client.peers import answer_of, peer
from tests.unit.storage.client.test_official_nodes import forwarding
from tests.unit.storage.kv.network import ADDRESSES, Item, KvNetwork, KvNode, put, stream, submit
from tests.unit.storage.node.network import ACCOUNTS, LOCAL, PRICE_WEI, Chain, File, Node
from zerog.contracts.storage import submit_call
from zerog.primitives import Hash32
from zerog.storage.protocol.streams import VERSION_ANY

seeds = count(1)
DAY_S = 86_400


def junk(size: int) -> bytes:
    """Bytes that were never submitted before, and are no item."""
    return (b"\xff" + next(seeds).to_bytes(4)).rjust(size, b"\xee")[-size:]


@pytest.fixture
def own_chain(network: KvNetwork) -> Chain:
    """A chain that a test takes back, or lets time pass on."""
    return network.chain()


def test_junk_is_recorded_and_passed(chain: Chain, node: Node, kv: KvNode) -> None:
    """As clients make it whose uploads keep the tags of an earlier batch."""
    first = stream()
    datas = [b"\xfe", junk(10), junk(255), junk(262_145), (2**64 - 1).to_bytes(8) + b"\xff" * 4, bytes(8) + (65_537).to_bytes(4)]
    seqs = [put(chain, node, Item(data, [first])) for data in datas]
    last = put(chain, node, Item.of((first, b"k", b"v")))
    assert kv.wait_for_result(last) == "Commit"
    results = [kv.rpc("kv_getTransactionResult", seq) for seq in seqs]
    assert results[:2] == ["DataParseError: Invalid stream data"] * 2
    assert results[2:] == ["DataParseError: Stream read/write/access_control list too long"] * 4
    assert kv.get(first, b"k") == b"v"


def test_tags_that_name_no_stream_are_passed(chain: Chain, node: Node, kv: KvNode) -> None:
    first = stream()
    seqs = [put(chain, node, File(junk(700))), put(chain, node, Item(junk(800), []))]
    last = put(chain, node, Item.of((first, b"k", b"v")))
    assert kv.wait_for_result(last) == "Commit"
    assert kv.rpc("kv_getTransactionResult", seqs[0]) is None


def test_whoever_signs_is_the_sender_whatever_the_call_claims(chain: Chain, node: Node, kv: KvNode) -> None:
    """The event names whom the call names; the signature does not."""
    first = stream()
    owned = put(chain, node, Item.of((first, b"k", b"mine")))
    assert kv.wait_for_result(owned) == "Commit"
    item = Item.of((first, b"k", b"stolen"))
    forged = submit(chain, item, signer=2, submitter=ADDRESSES[1])
    node.wait_for_seq(forged)
    node.upload(item, forged)
    assert kv.wait_for_result(forged) == "SenderNoWritePermission"
    assert kv.get(first, b"k") == b"mine"
    assert kv.rpc("kv_getItems", forged, 1)["items"][0]["sender"] == str(ADDRESSES[2]).lower()


def test_missing_data_parks_its_streams_alone_and_is_applied_in_order(chain: Chain, node: Node, kv: KvNode) -> None:
    """Items of `a` and, through an item of both, of `b` wait; those of `c` do not. What reads `a` waits too."""
    a, b, c, d = stream(), stream(), stream(), stream()
    put(chain, node, Item.of((a, b"k", b"first"), (b, b"k", b"first")))
    settled = put(chain, node, Item.of((c, b"k", b"first"), (d, b"k", b"first")))
    kv.wait_for_result(settled)
    late = Item.of((a, b"k", b"late"), version=settled)
    missing = submit(chain, late)
    waiting = [
        put(chain, node, Item.of((a, b"k", b"after"), version=settled)),
        put(chain, node, Item.of((a, b"x", b"both"), (b, b"x", b"both"))),
        put(chain, node, Item.of((b, b"y", b"behind"))),
        put(chain, node, Item.of((d, b"k", b"read"), reads=[(a, b"k")], version=settled)),
    ]
    free = put(chain, node, Item.of((c, b"k", b"second")))
    assert kv.wait_for_result(free) == "Commit"
    assert [kv.rpc("kv_getTransactionResult", seq) for seq in (missing, *waiting)] == [None] * 5
    assert kv.rpc("kv_getReplayProgress")["appliedSeq"] == missing
    parked = {entry["streamId"]: entry["parked"] for entry in kv.rpc("kv_listStreams", None, 1000)["streams"]}
    assert [parked[str(each)] for each in (a, b, c, d)] == [True, True, False, True]
    node.upload(late, missing)
    assert kv.wait_for_result(waiting[-1]) == "VersionConfliction"
    results = [kv.rpc("kv_getTransactionResult", seq) for seq in (missing, *waiting)]
    assert results == ["Commit", "VersionConfliction", "Commit", "Commit", "VersionConfliction"]
    assert [kv.get(a, b"k"), kv.get(b, b"y"), kv.get(d, b"k")] == [b"late", b"behind", b"first"]


def test_what_came_in_parts_is_kept_within_bounds_and_is_whole_in_the_end(
    network: KvNetwork, chain: Chain, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each item misses its last segment at first; there is room in memory for the beginnings of two of them."""
    monkeypatch.setattr("zerog.storage.kv.fetch.KEPT_BYTES_MAX", 2 * 262_144)
    first = stream()
    items = [Item.of((first, b"%d" % turn, bytes([turn]) * 300_000)) for turn in range(4)]
    with network.running_kv(chain, node, stream=(str(first),)) as kv:
        seqs = [submit(chain, item) for item in items]
        node.wait_for_seq(seqs[-1])
        for item, seq in zip(items, seqs, strict=True):
            node.rpc("zgs_uploadSegmentsByTxSeq", [item.segment(0)], seq)
        kv.wait(lambda: len(kv.keeper.fetcher.wishes) == 4 and kv.keeper.fetcher._kept_bytes == 2 * 262_144)
        for item, seq in zip(items, seqs, strict=True):
            node.rpc("zgs_uploadSegmentsByTxSeq", [item.segment(1)], seq)
        kv.wait(lambda: all(kv.keeper.store.result(seq) == "Commit" for seq in seqs))
        kv.wait(lambda: not len(kv.keeper.fetcher.wishes) and kv.keeper.fetcher._kept_bytes == 0)
        assert kv.get(first, b"3", length=262_143) == b"\x03" * 262_143


def test_items_that_nobody_uploads_do_not_hide_later_ones_and_are_found_when_they_come(
    network: KvNetwork, chain: Chain, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty are missing, and the node remembers eight at a time."""
    monkeypatch.setattr("zerog.storage.kv.fetch.SCAN_S", 0.1)
    monkeypatch.setattr("zerog.storage.kv.fetch.SCAN_SUBMISSIONS", 5)
    items = [Item.of((stream(), b"k", b"v")) for _ in range(30)]
    with network.running_kv(chain, node, stream=tuple(str(item.streams[0]) for item in items)) as kv:
        kv.keeper.fetcher.wishes.wishes_max = 8
        seqs = [submit(chain, item) for item in items]
        node.wait_for_seq(seqs[-1])
        node.upload(items[-1], seqs[-1])
        assert kv.wait_for_result(seqs[-1]) == "Commit"
        assert len(kv.keeper.fetcher.wishes) <= 8
        for item, seq in zip(items[:-1], seqs[:-1], strict=True):
            node.upload(item, seq)
        kv.wait(lambda: all(kv.keeper.store.result(seq) == "Commit" for seq in seqs))


def test_an_item_that_is_refused_without_its_data_is_not_looked_for_for_ever(chain: Chain, node: Node, kv: KvNode) -> None:
    first = stream()
    kv.wait_for_result(put(chain, node, Item.of((first, b"k", b"mine"))))
    missing = submit(chain, Item.of((first, b"k", b"of a stranger")), signer=4)
    assert kv.wait_for_result(missing) == "SenderNoWritePermission"
    kv.wait(lambda: missing not in kv.keeper.fetcher.wishes._by_seq)


def history(chain: Chain, streams: Sequence[Hash32], rounds: int) -> list[tuple[int, Item]]:
    """Items that depend on each other, submitted and not uploaded."""
    made: list[tuple[int, Item]] = []
    for turn in range(rounds):
        of = streams[turn % len(streams)]
        version = made[-1][0] if turn % 4 == 3 else VERSION_ANY
        item = Item.of(
            (of, b"k%d" % (turn % 3), b"v%d" % turn), (streams[(turn * 5 + 1) % len(streams)], b"s", b"v%d" % turn), version=version
        )
        made.append((submit(chain, item, signer=1 + turn % 2), item))
    return made


def test_a_node_that_stops_in_the_midst_goes_on_and_ends_as_one_that_never_stopped(
    network: KvNetwork, chain: Chain, node: Node, kv: KvNode, tmp_path: Path
) -> None:
    """Data comes in another order than the chain's, before, while and after the node is stopped."""
    streams = [stream() for _ in range(3)]
    items = history(chain, streams, 16)
    last = items[-1][0]
    node.wait_for_seq(last)
    settings = {"data_dir": tmp_path / "kv"}
    with network.running_kv(chain, node, **settings) as stopped:
        for seq, item in items[1::3]:
            node.upload(item, seq)
        stopped.wait(lambda: stopped.keeper.counters.items_fetched >= len(items[1::3]))
    for seq, item in items[2::3]:
        node.upload(item, seq)
    with network.running_kv(chain, node, **settings) as stopped:
        for seq, item in reversed(items[0::3]):
            node.upload(item, seq)
        for each in (stopped, kv):
            each.wait(lambda each=each: all(each.keeper.store.result(seq) is not None for seq, _ in items))  # type: ignore[misc]
        assert stopped.state(*streams) == kv.state(*streams)
        results = [[each.rpc("kv_getTransactionResult", seq) for seq, _ in items] for each in (stopped, kv)]
        assert results[0] == results[1]
        assert {"Commit", "SenderNoWritePermission"} <= set(results[0])


def test_a_torn_database_is_made_anew(network: KvNetwork, chain: Chain, node: Node, kv: KvNode, tmp_path: Path) -> None:
    streams = [stream() for _ in range(2)]
    items = history(chain, streams, 6)
    node.wait_for_seq(items[-1][0])
    for seq, item in items:
        node.upload(item, seq)
    settings = {"data_dir": tmp_path / "kv"}
    with network.running_kv(chain, node, **settings) as torn:
        torn.wait_for_result(items[-1][0])
        expected = torn.state(*streams)
    [catalogue] = (tmp_path / "kv" / "store").glob("*.sqlite")
    catalogue.write_bytes(catalogue.read_bytes()[: catalogue.stat().st_size // 2 + 37])
    with network.running_kv(chain, node, **settings) as torn:
        torn.wait_for_result(items[-1][0])
        assert torn.state(*streams) == expected == kv.state(*streams)


def test_what_the_chain_takes_back_is_taken_back_and_written_anew(network: KvNetwork, own_chain: Chain) -> None:
    chain, first = own_chain, stream()
    node = network.node(chain)
    with network.running_kv(chain, node) as kv:
        kept = put(chain, node, Item.of((first, b"k", b"kept")))
        kv.wait_for_result(kept)
        snapshot = chain.rpc("evm_snapshot")
        gone = [put(chain, node, Item.of((first, b"k", b"gone"), (first, b"new", b"gone"))) for _ in range(2)]
        missing = submit(chain, Item.of((first, b"k", b"never uploaded")))
        kv.wait_for_result(gone[-1])
        kv.wait_for_seq(missing)
        assert chain.rpc("evm_revert", snapshot)
        kv.wait(lambda: kv.keeper.store.next_seq == kept + 1)
        assert [kv.get(first, b"k"), kv.get(first, b"new")] == [b"kept", None]
        assert [kv.rpc("kv_getTransactionResult", seq) for seq in gone] == [None, None]
        kv.wait(lambda: len(kv.keeper.fetcher.wishes) == 0)
        node.wait(lambda: node.keeper.store.next_seq == kept + 1)
        chain.rpc("evm_increaseTime", 30 * DAY_S)
        again = [put(chain, node, Item.of((first, b"k", b"again %d" % turn))) for turn in range(2)]
        assert again == gone
        assert kv.wait_for_result(again[-1]) == "Commit"
        assert [kv.get(first, b"k"), kv.get(first, b"new"), kv.get(first, b"k", version=kept)] == [b"again 1", None, b"kept"]
        assert kv.keeper.counters.reorganizations >= 1


def test_a_chain_that_begins_anew_is_read_anew(network: KvNetwork, own_chain: Chain) -> None:
    chain, first = own_chain, stream()
    node = network.node(chain)
    with network.running_kv(chain, node) as kv:
        seqs = [put(chain, node, Item.of((first, b"k", b"%d" % turn))) for turn in range(3)]
        kv.wait_for_result(seqs[-1])
        chain.rpc("hardhat_reset")
        for each in (kv, node):
            each.wait(lambda each=each: each.keeper.store.next_seq == 0)  # type: ignore[misc]
        assert kv.get(first, b"k") is None
        assert kv.rpc("kv_listStreams", None, 10)["streams"] == []
        again = put(chain, node, Item.of((first, b"k", b"anew")), signer=2)
        assert again == 0
        assert kv.wait_for_result(again) == "Commit"
        assert kv.get(first, b"k", version=0) == b"anew"


def test_a_month_passes_under_a_running_node(network: KvNetwork, own_chain: Chain) -> None:
    chain, first = own_chain, stream()
    node = network.node(chain)
    with network.running_kv(chain, node) as kv:
        before = put(chain, node, Item.of((first, b"k", b"before")))
        kv.wait_for_result(before)
        late = Item.of((first, b"k", b"late"))
        missing = submit(chain, late)
        chain.rpc("evm_increaseTime", 30 * DAY_S)
        chain.rpc("hardhat_mine", hex(70))
        after = put(chain, node, Item.of((first, b"x", b"after")))
        node.upload(late, missing)
        assert kv.wait_for_result(after) == "Commit"
        assert [kv.get(first, b"k"), kv.get(first, b"x")] == [b"late", b"after"]


def test_one_transaction_with_many_items_is_read_whole(chain: Chain, node: Node, kv: KvNode) -> None:
    first = stream()
    items = [Item.of((first, b"%d" % turn, b"v")) for turn in range(20)]
    seqs = chain.submit(*(item.submission() for item in items))
    node.wait_for_seq(seqs[-1])
    for seq, item in zip(seqs, items, strict=True):
        node.upload(item, seq)
    kv.wait(lambda: all(kv.keeper.store.result(seq) is not None for seq in seqs))
    assert {kv.rpc("kv_getTransactionResult", seq) for seq in seqs} == {"Commit"}


def test_a_contract_that_calls_the_flow_does_not_become_the_sender(chain: Chain, node: Node, kv: KvNode) -> None:
    """A forwarding contract: calldata after its first word goes to the flow, so the event names the contract."""
    flow = LOCAL.addresses["flow"]
    code = bytes.fromhex("366000600037600060003660003473") + flow + bytes.fromhex("5af1600052") + bytes.fromhex("60206000f3")
    init = bytes.fromhex("60") + bytes([len(code)]) + bytes.fromhex("600c60003960") + bytes([len(code)]) + bytes.fromhex("6000f3") + code
    receipt = chain.client.wait_for_receipt(chain.client.send(None, data=init, account=ACCOUNTS[3]))
    assert receipt.contract_address is not None
    first = stream()
    item = Item.of((first, b"k", b"v"))
    submission = item.submission()
    before = kv.keeper.store.next_seq
    sent = chain.client.send(
        receipt.contract_address,
        value_wei=submission.fee_wei(PRICE_WEI),
        data=submit_call(submission, ADDRESSES[1]),
        gas_limit=2_000_000,
        account=ACCOUNTS[3],
    )
    assert chain.client.wait_for_receipt(sent).succeeded
    node.wait_for_seq(before)
    node.upload(item, before)
    assert kv.wait_for_result(before) == "Commit"
    admins = [kv.rpc("kv_isAdmin", str(each), str(first)) for each in (ADDRESSES[1], ADDRESSES[3], receipt.contract_address)]
    assert admins == [False, True, False]


def test_nodes_that_lie_are_left_and_nothing_wrong_is_applied(network: KvNetwork, chain: Chain, node: Node) -> None:
    """Every node lies at first: about the bytes, about the proof, with rubbish. Then an honest one is there."""
    import msgspec

    first = stream()
    item = Item.of(*((first, b"%d" % turn, bytes([turn]) * 90_000) for turn in range(4)))
    seq = submit(chain, item)
    node.wait_for_seq(seq)

    def flipped(data: bytes, first: int, number: int) -> bytes:
        segments = segments_of_file(data, range(first, first + number))
        wrong = [msgspec.structs.replace(each, data=memoryview(bytes(each.data[:-1]) + b"\x77")) for each in segments]
        return answer_of(msgspec.msgpack.encode(wrong), kind="application/msgpack")

    def other_place(data: bytes, first: int, number: int) -> bytes:
        [segment, *_] = segments_of_file(data, range(1, 2))
        return answer_of(msgspec.msgpack.encode([msgspec.structs.replace(segment, index=first)]), kind="application/msgpack")

    def rubbish(data: bytes, first: int, number: int) -> bytes:
        return answer_of(b"\xc1" * number)

    def refusal(data: bytes, first: int, number: int) -> bytes:
        return answer_of(b"no", status="500 Internal Server Error")

    scripts = [impostor(item.data, lie) for lie in (flipped, other_place, rubbish, refusal)]
    with peer(scripts[0]) as one, peer(scripts[1]) as two, peer(scripts[2]) as three, peer(scripts[3]) as four:
        door = network.stage(chain).door(node.url, spoil=lambda content: content.replace(b"\x02" * 64, b"\x03" * 64))
        with network.running_kv(chain, nodes=(one, two, three, four, door.url)) as kv:
            kv.wait_for_seq(seq)
            node.upload(item, seq)
            kv.wait(lambda: sum(kv.keeper.counters.nodes_refused.values()) >= 6)
            kv.wait(lambda: all(source.failures for source in kv.keeper.sources.all))
            assert kv.rpc("kv_getTransactionResult", seq) is None
            assert kv.get(first, b"0") is None
            assert {"wrong_answer", "refused"} <= set(kv.keeper.counters.nodes_refused)
            door.spoil = None
            assert kv.wait_for_result(seq) == "Commit"
            assert kv.get(first, b"2", length=100_000) == b"\x02" * 90_000


def test_an_official_node_gives_items_too(network: KvNetwork, chain: Chain, node: Node) -> None:
    """Without our routes and methods, and by the number of the submission; whole ones of several segments and ones of a moment later."""
    first = stream()
    with peer(forwarding(node)) as official, network.running_kv(chain, nodes=(official,)) as kv:
        large = put(chain, node, Item.of((first, b"k", bytes(range(256)) * 3_000)))
        late = Item.of((first, b"late", b"v"))
        missing = submit(chain, late)
        kv.wait_for_seq(missing)
        kv.wait(lambda: kv.keeper.counters.looks >= 4)
        node.wait_for_seq(missing)
        node.upload(late, missing)
        assert [kv.wait_for_result(seq) for seq in (large, missing)] == ["Commit", "Commit"]
        assert kv.get(first, b"k", start=700_000) == (bytes(range(256)) * 3_000)[700_000:701_000]
        assert kv.get(first, b"late") == b"v"
        assert not kv.keeper.counters.nodes_refused


def test_nodes_that_hold_halves_give_a_whole_item_also_through_an_indexer(network: KvNetwork, chain: Chain) -> None:
    first = stream()
    stage = network.stage(chain)
    halves = stage.nodes("0/2", "1/2")
    indexer, bare = stage.indexer(*(half.url for half in halves)), stage.indexer(*(half.url for half in halves), router=False)
    with (
        network.running_kv(chain, *halves, item_bytes_in_memory=0) as direct,
        network.running_kv(chain, indexer=indexer.url) as routed,
        network.running_kv(chain, indexer=bare.url) as located,
    ):
        item = Item.of((first, b"k", bytes(range(256)) * 10_000))
        seq = submit(chain, item)
        for half in halves:
            half.wait_for_seq(seq)
        with indexer.node_client() as client:
            [outcome] = client.upload_binary([item.bulk(item.segments, seq)])
            assert outcome.code is None
        for kv in (direct, routed, located):
            assert kv.wait_for_result(seq) == "Commit"
            assert kv.get(first, b"k", start=2_550_000, length=10_000) == (bytes(range(256)) * 10_000)[2_550_000:]
        assert [source.url for source in routed.keeper.sources.all] == [f"{indexer.url}/node"]


def test_a_node_past_a_router_that_lies_is_asked_itself(network: KvNetwork, chain: Chain, node: Node) -> None:
    """The indexer names nodes behind its router to whoever leaves the router out."""
    first = stream()
    stage = network.stage(chain)
    indexer = stage.indexer(node.url)
    door = stage.door(f"{indexer.url}/node", spoil=lambda content: content.replace(b"truth", b"error"))
    indexer.service.locations.router_url = door.url
    with network.running_kv(chain, indexer=indexer.url) as kv:
        seq = put(chain, node, Item.of((first, b"k", b"truth")))
        assert kv.wait_for_result(seq) == "Commit"
        assert kv.get(first, b"k") == b"truth"
        assert kv.keeper.counters.nodes_refused["wrong_answer"] >= 1
