"""The log of the flow, followed on real chain nodes: to the tip within a block, back with the chain, and through its failures."""

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.from_thread import BlockingPortal

from tests.unit.storage.node.network import ACCOUNTS, LOCAL, Chain, File, Network, Node, pattern
from zerog.chain.client import NodeUnreachableError
from zerog.chain.client.heads import WAIT_MS
from zerog.contracts.storage import FLOW
from zerog.networks import NetworkParams, own_network
from zerog.primitives import Hash32
from zerog.storage.following import FlowUnknownError, ForeignChainError
from zerog.storage.node.errors import FlowMismatchError
from zerog.storage.node.service import StorageNode
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.protocol.flow import FlowTree

seeds = count(10_000)


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


def flow_root(chain: Chain, seq: int) -> str:
    """As the contract has it."""
    data = chain.client.call(LOCAL.addresses["flow"], FLOW.function("getFlowRootByTxSeq").encode(seq))
    return "0x" + data.hex()


def wait_for_tip(chain: Chain, node: Node) -> None:
    """Until the node has read the newest block of the chain."""
    head = chain.client.block()
    assert head is not None
    node.wait(lambda: node.keeper.follower.read is not None and node.keeper.follower.read.hash == head.hash)


@pytest.fixture
def own_chain(network: Network) -> Chain:
    """A chain whose blocks a test takes back."""
    return network.chain()


def test_the_tree_is_the_contracts_after_every_submission(network: Network, own_chain: Chain) -> None:
    with network.running(own_chain, root_check_submissions=1) as node:
        for size in (1, 300, 5_000, 262144, 262145, 17 * 262144, 255):
            [seq] = own_chain.submit(file_of(size).submission())
            node.wait_for_seq(seq)
            assert node.rpc("zgs_getFlowContext")[0] == flow_root(own_chain, seq)
        node.wait(lambda: node.keeper.counters.roots_checked == 7)


def test_a_node_that_comes_late_reads_all_in_pages(network: Network, own_chain: Chain) -> None:
    """3,000 blocks without a submission lie between files; a page has at most 999."""
    first = own_chain.submit(*(file_of(300).submission() for _ in range(5)))
    own_chain.rpc("hardhat_mine", hex(3_000))
    second = own_chain.submit(file_of(400).submission())
    with network.running(own_chain) as node:
        node.wait_for_seq(second[0])
        assert node.rpc("zgs_getStatus")["nextTxSeq"] == len(first) + 1
        assert node.rpc("zgs_getFlowContext")[0] == flow_root(own_chain, second[0])
        wait_for_tip(own_chain, node)
        assert node.keeper.counters.blocks_read == own_chain.client.block_number() + 1


def test_a_new_block_is_read_without_a_poll(network: Network, own_chain: Chain) -> None:
    """The chain node tells of it, so that the interval of polls does not matter."""
    with network.running(own_chain, sync_interval_s=100_000.0) as node:
        for _ in range(5):
            [seq] = own_chain.submit(file_of(300).submission())
            node.wait_for_seq(seq)


def test_submissions_are_taken_back_with_their_blocks(network: Network, own_chain: Chain) -> None:
    kept, gone, other = file_of(300), file_of(262144 + 1), file_of(700)
    with network.running(own_chain) as node:
        [first] = own_chain.submit(kept.submission())
        snapshot = own_chain.rpc("evm_snapshot")
        [second] = own_chain.submit(gone.submission())
        node.wait_for_seq(second)
        node.upload(kept, first)
        node.upload(gone, second)
        root_before = flow_root(own_chain, first)
        assert own_chain.rpc("evm_revert", snapshot)
        node.wait(lambda: node.keeper.store.next_seq == first + 1)
        assert (node.info(gone.root), node.info(second)) == (None, None)
        assert node.rpc("zgs_getFlowContext")[0] == root_before
        assert node.is_finalized(first)
        [again] = own_chain.submit(other.submission())
        assert again == second
        node.wait_for_seq(again)
        assert node.info(again)["tx"]["dataMerkleRoot"] == str(other.root)
        late = node.refusal("zgs_uploadSegmentsByTxSeq", [gone.segment(0)], second)
        assert late == (-32603, "Internal error", "data root and tx seq not match")
        node.upload(other, again)
        assert node.is_finalized(again)
        assert node.rpc("zgs_getFlowContext")[0] == flow_root(own_chain, again)
        assert node.keeper.counters.reorganizations >= 1


def test_an_upload_whose_block_is_taken_back_meanwhile_is_told(network: Network, own_chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain goes back exactly while the disk writes."""
    file = file_of(262144)
    with network.running(own_chain) as node:
        snapshot = own_chain.rpc("evm_snapshot")
        [seq] = own_chain.submit(file.submission())
        node.wait_for_seq(seq)
        store = node.keeper.store
        put = store.put

        async def put_and_go_back(segments: Any) -> None:
            await put(segments)
            await anyio.to_thread.run_sync(own_chain.rpc, "evm_revert", snapshot)
            while store.next_seq > seq:  # noqa: ASYNC110 - the node reads the chain meanwhile.
                await anyio.sleep(0.002)

        monkeypatch.setattr(store, "put", put_and_go_back)
        refusal = node.refusal("zgs_uploadSegmentsByTxSeq", [file.segment(0)], seq)
        assert refusal == (-32000, "Transaction reverted, please upload again", None)
        monkeypatch.undo()
        own_chain.submit(file_of(300).submission())
        [again] = own_chain.submit(file.submission())
        node.wait_for_seq(again)
        assert node.is_finalized(again)


def test_data_outlives_the_block_that_announced_it(network: Network, own_chain: Chain) -> None:
    """A file whose block was taken back is complete as soon as another block announces it."""
    file = file_of(3 * 262144)
    with network.running(own_chain) as node:
        snapshot = own_chain.rpc("evm_snapshot")
        [seq] = own_chain.submit(file.submission())
        node.wait_for_seq(seq)
        node.upload(file, seq)
        assert own_chain.rpc("evm_revert", snapshot)
        node.wait(lambda: node.keeper.store.next_seq == seq)
        own_chain.submit(file_of(300).submission())
        [again] = own_chain.submit(file.submission())
        node.wait_for_seq(again)
        assert node.is_finalized(again)


def test_a_chain_that_begins_anew_is_read_anew(network: Network, own_chain: Chain) -> None:
    with network.running(own_chain) as node:
        seqs = own_chain.submit(*(file_of(size).submission() for size in (300, 5_000, 262145)))
        node.wait_for_seq(seqs[-1])
        own_chain.rpc("hardhat_reset")
        node.wait(lambda: node.keeper.store.next_seq == 0)
        file = file_of(900)
        [seq] = own_chain.submit(file.submission())
        assert seq == 0
        node.wait_for_seq(seq)
        assert node.info(0)["tx"]["dataMerkleRoot"] == str(file.root)
        assert node.rpc("zgs_getFlowContext")[0] == flow_root(own_chain, 0)


def test_a_way_back_while_the_node_is_stopped_is_noticed(network: Network, own_chain: Chain, tmp_path: Path) -> None:
    kept, gone = file_of(300), file_of(400)
    [first] = own_chain.submit(kept.submission())
    snapshot = own_chain.rpc("evm_snapshot")
    [second] = own_chain.submit(gone.submission())
    with network.running(own_chain, data_dir=tmp_path / "storage") as node:
        node.wait_for_seq(second)
        node.upload(kept, first)
        wait_for_tip(own_chain, node)
    assert own_chain.rpc("evm_revert", snapshot)
    own_chain.rpc("hardhat_mine", "0x5")
    with network.running(own_chain, data_dir=tmp_path / "storage") as node:
        wait_for_tip(own_chain, node)
        assert (node.is_finalized(first), node.info(second)) == (True, None)
        [third] = own_chain.submit(file_of(262145).submission())
        node.wait_for_seq(third)
        assert node.rpc("zgs_getFlowContext")[0] == flow_root(own_chain, third)


def test_a_node_goes_on_where_it_stopped(network: Network, own_chain: Chain, tmp_path: Path) -> None:
    """Also with an upload under way: what was answered is there, and the rest can be sent."""
    file = file_of(4 * 262144)
    [seq] = own_chain.submit(file.submission())
    settings = {"data_dir": tmp_path / "storage"}
    with network.running(own_chain, **settings) as node:
        node.wait_for_seq(seq)
        assert node.rpc("zgs_uploadSegmentsByTxSeq", [file.segment(0), file.segment(2)], seq) == 0
    own_chain.submit(*(file_of(300).submission() for _ in range(3)))
    with network.running(own_chain, **settings) as node:
        node.wait_for_seq(seq + 3)
        assert (node.rpc("zgs_getAvailability", seq)["held"], node.is_finalized(seq)) == ("0x05", False)
        for index in (1, 3):
            assert node.rpc("zgs_uploadSegment", file.segment(index)) == 0
        assert node.is_finalized(seq)
        assert node.keeper.follower.tree.sectors == node.rpc("zgs_getFlowContext")[1]
        start = node.info(seq)["tx"]["startEntryIndex"]
        assert len(node.rpc("zgs_getSectorProof", start, None)["lemma"]) > 2


def test_reads_go_on_while_the_chain_is_away(network: Network, tmp_path: Path) -> None:
    file = file_of(262144 + 5)
    with Network.open() as other:
        chain = other.chain(data_dir=tmp_path / "chain")
        port = int(chain.url.rpartition(":")[2])
        with network.running(chain, data_dir=tmp_path / "storage") as node:
            [seq] = chain.submit(file.submission())
            node.wait_for_seq(seq)
            other.stop_all()
            node.wait(lambda: node.keeper.follower.trouble is not None)
            node.upload(file, seq)
            assert node.rpc("zgs_downloadSegmentByTxSeq", seq, 0, 1024) == file.segment(0)["data"]
            assert node.node.status()["trouble"]
            assert node.http.get(f"{node.url}/readyz").status_code == 503
            assert node.keeper.counters.chain_failures > 0
            again = other.chain(data_dir=tmp_path / "chain", rpc_port=port)
            node.wait(lambda: node.keeper.follower.trouble is None, wait_s=WAIT_MS / 2_000)  # No new block tells it.
            [next_seq] = again.submit(file_of(300).submission())
            node.wait_for_seq(next_seq)
            assert node.http.get(f"{node.url}/readyz").status_code == 200


def test_a_second_start_does_without_the_chain(network: Network, tmp_path: Path) -> None:
    file = file_of(500)
    with Network.open() as other:
        chain = other.chain()
        with network.running(chain, data_dir=tmp_path) as node:
            [seq] = chain.submit(file.submission())
            node.wait_for_seq(seq)
            node.upload(file, seq)
    with network.running(chain, data_dir=tmp_path) as node:
        assert node.is_finalized(seq)
        assert node.rpc("zgs_getStatus")["networkIdentity"]["chainId"] == LOCAL.chain_id


def test_a_reverted_submission_changes_nothing(network: Network, own_chain: Chain) -> None:
    """A submission that pays too little is in a block, and leaves no event."""
    file = file_of(300)
    with network.running(own_chain) as node:
        own_chain.rpc("evm_setAutomine", False)
        own_chain.submit_underpaid(file.submission(), ACCOUNTS[2])
        own_chain.rpc("evm_mine")
        own_chain.rpc("evm_setAutomine", True)
        assert node.rpc("zgs_uploadSegment", file.segment(0)) == 0
        wait_for_tip(own_chain, node)
        assert (node.info(file.root), node.keeper.store.next_seq) == (None, 0)
        [seq] = own_chain.submit(file.submission())
        node.wait_for_seq(seq)
        node.wait(lambda: node.is_finalized_now(seq))


def test_blocks_may_have_to_be_confirmed(network: Network, own_chain: Chain) -> None:
    with network.running(own_chain, confirmations=2) as node:
        [seq] = own_chain.submit(file_of(300).submission())
        own_chain.rpc("hardhat_mine", "0x1")
        head = own_chain.client.block_number()
        node.wait(lambda: node.keeper.follower.head_number == head)
        assert node.keeper.store.next_seq == 0
        own_chain.rpc("hardhat_mine", "0x1")
        node.wait_for_seq(seq)


def run_to_the_end(portal: BlockingPortal, settings: StorageNodeSettings) -> None:
    """Run a node that must fail by itself."""

    async def run() -> None:
        with anyio.fail_after(20):
            await StorageNode(settings).run()

    portal.call(run)


def test_a_flow_that_is_not_the_contracts_ends_the_node(network: Network, own_chain: Chain) -> None:
    """As when the log was read from a block after the first submission, or a node of the chain leaves logs out."""
    own_chain.submit(file_of(300).submission())
    with network.running(own_chain, root_check_submissions=1) as node:
        node.wait_for_seq(0)
        tree = FlowTree()
        tree.append(4, file_of(800).submission().nodes)
        node.keeper.follower.tree = tree
        own_chain.submit(file_of(262145).submission())
        failure = network.failure(node)
    assert isinstance(failure, FlowMismatchError)
    assert "root of the flow" in str(failure)
    assert isinstance(failure.ours, Hash32)


def test_data_of_another_network_is_refused(network: Network, own_chain: Chain, tmp_path: Path) -> None:
    with network.running(own_chain, data_dir=tmp_path):
        pass
    settings = StorageNodeSettings(data_dir=tmp_path, rpc_port=0, admin_port=0, grpc_port=0, chain_url=own_chain.url, flow="0x" + "12" * 20)
    with pytest.raises(ForeignChainError, match="belongs to chain"):
        run_to_the_end(network.portal, settings)


@pytest.mark.parametrize(
    ("params", "flow"),
    [
        (own_network("galileo"), "0x22e03a6a89b950f1c82ec5e74f8eca321a105296"),
        (own_network(chain_id=7), str(LOCAL.addresses["flow"]).lower()),
    ],
)
def test_the_flow_of_a_network_that_we_know_is_known(network: Network, params: NetworkParams, flow: str) -> None:
    with network.running(network.chain(params=params)) as node:
        identity = node.rpc("zgs_getStatus")["networkIdentity"]
        assert (identity["chainId"], identity["flowAddress"]) == (params.chain_id, flow)


def test_the_flow_of_another_chain_has_to_be_named(network: Network) -> None:
    unknown = network.chain(params=replace(LOCAL, name="other", chain_id=5_000))
    with pytest.raises(FlowUnknownError, match="chain 5000"):
        run_to_the_end(network.portal, StorageNodeSettings(rpc_port=0, admin_port=0, grpc_port=0, chain_url=unknown.url))


def test_a_first_start_without_a_chain_fails_in_time(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerog.chain.client.patience.START_S_MAX", 0.3)
    with pytest.raises(NodeUnreachableError):
        run_to_the_end(network.portal, StorageNodeSettings(rpc_port=0, admin_port=0, grpc_port=0, chain_url="http://127.0.0.1:9"))
