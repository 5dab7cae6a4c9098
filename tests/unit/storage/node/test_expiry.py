"""Files whose time is over are pruned and their data goes; a life extended in time goes on, and a chain that goes back gives it back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.unit.storage.node.network import ACCOUNTS, LOCAL, PRICE_WEI, Chain, File, Network, Node, pattern
from zerog.contracts.storage import FLOW, REWARD
from zerog.networks import own_network
from zerog.primitives import Hash32
from zerog.storage.client import FilePrunedError, StorageClient
from zerog.storage.node.pruning import life_end
from zerog.storage.node.reward_view import RewardView
from zerog.storage.protocol.submission import Submission, SubmissionNode

seeds = count(130_000)
SEGMENT = 262_144
QUICK: dict[str, Any] = {"upkeep_interval_s": 0.02, "prune_grace_s": 0.0}
DAY_S = 86_400
RELEASE_S = LOCAL.storage.release_s if LOCAL.storage is not None else 0


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


@dataclass
class Flow:
    """A chain of its own, whose time a test moves, and a node that follows it."""

    chain: Chain
    node: Node
    files: dict[int, File] = field(default_factory=dict)

    def store(self, file: File) -> int:
        [seq] = self.chain.submit(file.submission())
        self.node.wait_for_seq(seq)
        self.node.upload(file, seq)
        self.files[seq] = file
        return seq

    def fill_chunk(self) -> int:
        """Submit a file that nobody uploads, and that is as large as a pricing chunk: the time of those before it begins."""
        sectors = self.node.portal.call(self.node.keeper.upkeep.pruning._rewards.chunk_sectors)
        root = Hash32(next(seeds).to_bytes(32))
        [seq] = self.chain.submit(Submission(size_bytes=256 * sectors, nodes=(SubmissionNode(root, sectors.bit_length() - 1),)))
        self.node.wait_for_seq(seq)
        return seq

    def ask(self, name: str, *arguments: int) -> int:
        """What a contract says."""
        interface, address = (FLOW, "flow") if name == "expiry" else (REWARD, "reward")
        data = self.chain.client.call(LOCAL.addresses[address], interface.function(name).encode(*arguments))
        return int(interface.function(name).decode_result(data)[0])

    def extend(self, seq: int) -> None:
        fee_wei = self.files[seq].submission().fee_wei(PRICE_WEI)
        data = FLOW.function("extend").encode(seq)
        sent = self.chain.client.send(LOCAL.addresses["flow"], value_wei=fee_wei, data=data, account=ACCOUNTS[2])
        assert self.chain.client.wait_for_receipt(sent).succeeded

    def go_to(self, time_s: int) -> None:
        """A block at a time, which the node looks at."""
        self.chain.rpc("evm_setNextBlockTimestamp", time_s)
        self.chain.rpc("evm_mine")
        self.look()

    def look(self) -> None:
        """Until the node has judged the newest block."""
        head = self.chain.client.block()
        assert head is not None
        pruning = self.node.keeper.upkeep.pruning
        self.node.wait(lambda: pruning._looked is not None and pruning._looked.hash == head.hash)

    def is_pruned(self, seq: int) -> bool:
        return bool(self.node.info(seq)["pruned"])

    def wait_until_dropped(self, file: File) -> None:
        self.node.wait(lambda: not self.node.keeper.store.held_count(file.root))


@pytest.fixture
def flow(network: Network) -> Iterator[Flow]:
    chain = network.chain()
    with network.running(chain, **QUICK) as node:
        yield Flow(chain, node)


def test_what_has_expired_is_pruned_and_its_data_goes(flow: Flow) -> None:
    """At the deadline itself it is still kept; a second later it is not."""
    file, large = file_of(300), file_of(2 * SEGMENT + 1)
    seqs = [flow.store(file), flow.store(large)]
    filler = flow.fill_chunk()
    end_s = flow.ask("expiry", seqs[0])
    assert end_s == flow.ask("rewardDeadline", 0) > 0
    flow.go_to(end_s)
    assert not flow.is_pruned(seqs[0])
    assert flow.node.is_finalized(seqs[0])
    flow.go_to(end_s + 1)
    for seq, gone in zip(seqs, (file, large), strict=True):
        flow.wait_until_dropped(gone)
        info = flow.node.info(seq)
        assert (info["pruned"], info["finalized"], info["uploadedSegNum"]) == (True, False, len(gone.segments))
        assert flow.node.info(gone.root) is None
        assert flow.node.rpc("zgs_downloadSegmentByTxSeq", seq, 0, 1) is None
        assert flow.node.rpc("zgs_checkFileFinalized", str(gone.root)) is None
        assert flow.node.rpc("zgs_checkFileFinalized", seq) is False
        assert flow.node.rpc("zgs_getAvailability", seq)["heldCount"] == 0
        refusal = flow.node.refusal("zgs_uploadSegmentsByTxSeq", [gone.segment(0)], seq)
        assert refusal == (-32602, "Invalid params: root", "already pruned")
        assert flow.node.admin.refusal("admin_startSyncFile", seq)[2] == "already pruned"
    assert not flow.is_pruned(filler) or flow.ask("expiry", filler) <= end_s
    assert flow.node.keeper.counters.files_expired >= 2
    assert "zerog_storage_files_pruned" in flow.node.http.get(f"{flow.node.url}/metrics").text


def test_an_extended_life_ends_one_release_later(flow: Flow) -> None:
    kept, gone = file_of(400), file_of(500)
    kept_seq, gone_seq = flow.store(kept), flow.store(gone)
    flow.fill_chunk()
    end_s = flow.ask("rewardDeadline", 0)
    flow.go_to(end_s - DAY_S)
    flow.extend(kept_seq)
    assert flow.ask("expiry", kept_seq) == life_end(end_s, 1, RELEASE_S) == end_s + RELEASE_S
    flow.go_to(end_s + 1)
    flow.wait_until_dropped(gone)
    assert (flow.is_pruned(kept_seq), flow.is_pruned(gone_seq)) == (False, True)
    assert flow.node.is_finalized(kept_seq)
    assert flow.node.rpc("zgs_getExpiry", kept_seq) == {
        "txSeq": kept_seq,
        "root": str(kept.root),
        "size": 400,
        "pricingChunk": 0,
        "extensions": 1,
        "expiry": end_s + RELEASE_S,
        "pruned": False,
    }
    flow.go_to(end_s + RELEASE_S)
    assert not flow.is_pruned(kept_seq)
    flow.go_to(end_s + RELEASE_S + 1)
    assert flow.is_pruned(kept_seq)
    flow.wait_until_dropped(kept)


def test_a_client_is_told_and_may_store_the_file_again(flow: Flow) -> None:
    data = pattern(2000, next(seeds))
    with StorageClient(nodes=[flow.node.url], chain=flow.chain.client, account=ACCOUNTS[3]) as client:
        upload = client.upload(data)
        [seq] = upload.tx_seqs
        expiry = client.stat(upload.root).expiry
        assert expiry is not None
        assert (expiry.tx_seq, expiry.pricing_chunk, expiry.extensions, expiry.expiry) == (seq, 0, 0, None)
        flow.fill_chunk()
        end_s = flow.ask("rewardDeadline", 0)
        assert [entry.expiry for entry in client.expiring(count=1).files] == [end_s]
        flow.go_to(end_s + 1)
        with pytest.raises(FilePrunedError, match="time of submission"):
            client.stat(seq)
        again = client.upload(data)
        assert again.root == upload.root
        assert again.tx_seqs > upload.tx_seqs
        assert client.read(again.root) == data


def test_data_that_another_submission_needs_stays(flow: Flow) -> None:
    file = file_of(SEGMENT + 5)
    first = flow.store(file)
    flow.fill_chunk()
    end_s = flow.ask("rewardDeadline", 0)
    flow.go_to(end_s - DAY_S)
    [second] = flow.chain.submit(file.submission())
    flow.node.wait_for_seq(second)
    flow.go_to(end_s + 1)
    flow.node.wait(lambda: flow.node.keeper.counters.files_dropped > 0)
    assert (flow.is_pruned(first), flow.is_pruned(second)) == (True, False)
    assert flow.node.info(file.root)["tx"]["seq"] == second
    assert flow.node.is_finalized(second)
    assert flow.node.rpc("zgs_downloadSegment", str(file.root), 0, 4) is not None


def test_a_chain_that_takes_time_back_takes_the_marks_back(network: Network) -> None:
    """The data of a file in its grace is there at once; what is dropped already is brought by a peer."""
    chain = network.chain()
    file = file_of(SEGMENT + 9)
    with (
        network.running(chain, upkeep_interval_s=0.02, prune_grace_s=1e6) as patient,
        network.running(chain, **QUICK, peers=(patient.url,), peer_interval_s=0.05) as quick,
    ):
        flow, other = Flow(chain, patient), Flow(chain, quick)
        seq = flow.store(file)
        quick.wait_for_seq(seq)
        quick.wait(lambda: quick.is_finalized_now(seq))
        flow.fill_chunk()
        end_s = flow.ask("rewardDeadline", 0)
        snapshot = chain.rpc("evm_snapshot")
        flow.go_to(end_s + 1)
        other.look()
        other.wait_until_dropped(file)
        assert [one.is_pruned(seq) for one in (flow, other)] == [True, True]
        assert patient.keeper.store.held_count(file.root) == 2
        assert patient.info(file.root) is None
        assert patient.node.status()["upkeep"]["expiry"]["files_kept_in_grace"] >= 1  # type: ignore[index]
        assert chain.rpc("evm_revert", snapshot)
        for one in (flow, other):
            one.look()
            one.node.wait(partial(one.node.is_finalized_now, seq))
            assert not one.is_pruned(seq)
            assert one.node.keeper.counters.files_revived > 0


def test_time_that_is_taken_back_is_noticed_at_once(network: Network, tmp_path: Path) -> None:
    """However rarely the node looks by itself."""
    chain = network.chain()
    kept: dict[str, Any] = {"data_dir": tmp_path, "prune_grace_s": 1e6}
    with network.running(chain, upkeep_interval_s=0.02, **kept) as node:
        flow = Flow(chain, node)
        seq = flow.store(file_of(700))
        flow.fill_chunk()
        snapshot = chain.rpc("evm_snapshot")
        flow.go_to(flow.ask("rewardDeadline", 0) + 1)
    with network.running(chain, upkeep_interval_s=3600, **kept) as node:
        flow = Flow(chain, node)
        flow.look()
        assert flow.is_pruned(seq)
        assert chain.rpc("evm_revert", snapshot)
        node.wait(lambda: node.is_finalized_now(seq))


def test_an_extension_that_is_taken_back_does_not_count(flow: Flow) -> None:
    seq = flow.store(file_of(600))
    flow.fill_chunk()
    end_s = flow.ask("rewardDeadline", 0)
    flow.go_to(end_s - DAY_S)
    snapshot = flow.chain.rpc("evm_snapshot")
    flow.extend(seq)
    flow.go_to(end_s + 1)
    assert not flow.is_pruned(seq)
    assert flow.chain.rpc("evm_revert", snapshot)
    flow.go_to(end_s + 1)
    assert flow.is_pruned(seq)


def test_thirty_days_pass_under_a_running_node(flow: Flow) -> None:
    """Nothing expires, nothing breaks, and what is told of the time to come is right."""
    early, late = file_of(700), file_of(800)
    seq = flow.store(early)
    assert flow.node.rpc("zgs_getExpiry", seq)["expiry"] is None
    flow.fill_chunk()
    flow.chain.rpc("evm_increaseTime", 30 * DAY_S)
    flow.chain.rpc("evm_mine")
    flow.look()
    later = flow.store(late)
    assert [flow.node.is_finalized(number) for number in (seq, later)] == [True, True]
    status = flow.node.node.status()
    assert (status["trouble"], status["upkeep"]["expiry"]["trouble"]) == (None, None)  # type: ignore[index]
    assert status["upkeep"]["expiry"]["next_expiry"] == flow.ask("rewardDeadline", 0)  # type: ignore[index]
    page = flow.node.rpc("zgs_listExpiry", None, 2)
    ends = {entry["txSeq"]: entry["expiry"] for entry in page["files"]}
    assert ends[seq] == flow.ask("expiry", seq)
    rest = flow.node.rpc("zgs_listExpiry", page["next"], 100)
    assert [entry["txSeq"] for entry in page["files"] + rest["files"]] == list(range(flow.node.keeper.store.next_seq))
    assert rest["next"] is None
    assert all(entry["expiry"] == (flow.ask("expiry", entry["txSeq"]) or None) for entry in rest["files"])


def test_a_start_reads_the_extensions_that_it_had_read(network: Network, tmp_path: Path) -> None:
    chain = network.chain()
    with network.running(chain, data_dir=tmp_path, **QUICK) as node:
        flow = Flow(chain, node)
        kept, gone = flow.store(file_of(900)), flow.store(file_of(901))
        flow.fill_chunk()
        flow.extend(kept)
        flow.look()
        files = flow.files
        end_s = flow.ask("rewardDeadline", 0)
    with network.running(chain, data_dir=tmp_path, **QUICK) as node:
        flow = Flow(chain, node, files)
        flow.go_to(end_s + 1)
        assert (flow.is_pruned(kept), flow.is_pruned(gone)) == (False, True)


def test_who_keeps_what_has_expired_keeps_it(network: Network) -> None:
    chain = network.chain()
    with network.running(chain, **QUICK, keep_expired=True) as node, network.running(chain, **QUICK, clock_skew_s=3600.0) as doubting:
        flow, other = Flow(chain, node), Flow(chain, doubting)
        seq = flow.store(file_of(1000))
        flow.fill_chunk()
        chain.rpc("evm_setNextBlockTimestamp", flow.ask("rewardDeadline", 0) + 1)
        chain.rpc("evm_mine")
        doubting.wait(lambda: "from ours" in (doubting.keeper.upkeep.pruning.trouble or ""))
        assert not flow.is_pruned(seq)
        assert not other.is_pruned(seq)


def test_a_copy_of_a_public_network_is_one_of_ours(network: Network) -> None:
    """Its chain id is that of the network itself, whose pricing chunks it has; its time is believed."""
    chain = network.chain(own_network("galileo"))
    with network.running(chain) as node:
        rewards = node.keeper.upkeep.pruning._rewards
        assert node.portal.call(rewards.is_own_network)
        assert node.portal.call(rewards.chunk_sectors) == 1 << 25
        assert node.portal.call(RewardView(rewards._client, rewards._flow, 16_661, chunk_sectors=None).is_own_network)
