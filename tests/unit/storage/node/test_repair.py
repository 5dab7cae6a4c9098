"""A damaged node finds it, serves none of it, and heals from its peers; what no peer has it says, and takes from whoever brings it."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.storage.client.peers import peer
from tests.unit.storage.node.network import Chain, File, Network, Node, pattern
from tests.unit.storage.node.test_hostile_peers import ROGUES, Rogue, other_data, silent
from tests.unit.storage.node.test_peers import assert_holds, uploaded, wait_until_complete
from zerog.storage.node.store.data_files import FILE_HEADER
from zerog.storage.wire.files import Availability

seeds = count(50_000)

SEGMENT = 262_144
QUICK: dict[str, Any] = {"peer_interval_s": 0.05, "peer_timeout_s": 2.0, "upkeep_interval_s": 0.05}
PATIENT: dict[str, Any] = {"peer_interval_s": 1_000.0, "peer_timeout_s": 2.0}
"""Only what is done at once is done within the time of a test."""


def flip_bits(folder: Path, number: int, seed: int) -> None:
    """Change single bits at random places of a node's data files, behind their headers."""
    dice = random.Random(seed)
    paths = sorted((folder / "store" / "data").glob("*.segments"))
    for path in dice.choices(paths, [path.stat().st_size for path in paths], k=number):
        offset = dice.randrange(FILE_HEADER.size, path.stat().st_size)
        with path.open("r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1 << dice.randrange(8)]))


@contextmanager
def readers(node: Node, files: list[tuple[int, File]], number: int = 2) -> Iterator[list[str]]:
    """Clients that read all segments of files again and again, and what they got that is not what was stored."""
    wrong: list[str] = []
    stop = threading.Event()

    def read(first: int) -> None:
        with httpx.Client() as http:
            reader = Node(node.node, node.url, http, node.portal)
            while not stop.is_set():
                for seq, file in files:
                    for index in file.segments[first::number]:
                        found = reader.rpc("zgs_downloadSegmentWithProofByTxSeq", seq, index)
                        if found is not None and found != file.segment(index):
                            wrong.append(f"segment {index} of submission {seq}")

    threads = [threading.Thread(target=read, args=(first,)) for first in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def upkeep(node: Node) -> Any:
    return node.admin.rpc("admin_getUpkeep")


def test_flipped_bits_are_found_never_served_and_repaired(network: Network, chain: Chain, node: Node, tmp_path: Path) -> None:
    files = uploaded(chain, node, 24 * SEGMENT, 3, 700, SEGMENT, SEGMENT + 1)
    with network.running(chain, data_dir=tmp_path, peers=(node.url,), **QUICK) as victim:
        for seq, _ in files:
            wait_until_complete(victim, seq)
        with readers(victim, files) as wrong:
            flip_bits(tmp_path, 20, next(seeds))
            victim.admin.rpc("admin_startScrub")
            scrubber, store = victim.keeper.store.scrubber, victim.keeper.store
            victim.wait(lambda: scrubber.progress.ended_bytes > 0 and not scrubber.is_under_way)
            victim.wait(lambda: not len(store.damage) and all(victim.is_finalized_now(seq) for seq, _ in files))
        assert wrong == []
        for seq, file in files:
            assert_holds(victim, seq, file)
        facts = upkeep(victim)
        assert facts["repair"]["found"] == facts["repair"]["repaired"] >= 10
        assert (facts["repair"]["damaged"], facts["repair"]["lost"]) == (0, 0)
        victim.admin.rpc("admin_startScrub")
        victim.wait(lambda: not scrubber.is_under_way)
        assert scrubber.progress.ended_damaged == 0


def test_damage_that_a_read_meets_is_repaired_at_once(network: Network, chain: Chain, node: Node, tmp_path: Path) -> None:
    [(seq, file)] = uploaded(chain, node, 3 * SEGMENT)
    quick = QUICK | {"scrub_mib_s": 0.0}
    with network.running(chain, data_dir=tmp_path, peers=(node.url,), **quick) as victim:
        wait_until_complete(victim, seq)
        [path] = (tmp_path / "store" / "data").glob("*.segments")
        path.write_bytes(path.read_bytes()[: FILE_HEADER.size + 200].ljust(path.stat().st_size, b"\0"))
        assert victim.rpc("zgs_downloadSegmentByTxSeq", seq, 0, 10) is None
        victim.wait(lambda: victim.keeper.store.statistics()["repaired_segments"] >= 1 and victim.is_finalized_now(seq))
        assert victim.keeper.store.scrubber.progress.passes == 0
        victim.wait(lambda: victim.keeper.store.read(file.root, 2) == file.uploaded(2))


def test_what_nobody_has_is_told_and_taken_from_whoever_brings_it(network: Network, tmp_path: Path) -> None:
    chain = network.chain()  # Of its own, so that there is no other file whose bits could be flipped.
    node = network.node(chain)
    file = File(pattern(4 * SEGMENT, next(seeds)))
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    with network.running(chain, data_dir=tmp_path, peers=(node.url,), **QUICK) as victim:
        victim.wait_for_seq(seq)
        victim.upload(file, seq)
        flip_bits(tmp_path, 1, next(seeds))
        victim.admin.rpc("admin_startScrub")
        victim.wait(lambda: len(victim.keeper.store.damage) == 1)
        victim.wait(lambda: "Failed" in str(victim.keeper.peers.wanted.get(seq)) or victim.keeper.upkeep.repair.lost() == [(seq, 1)])
        facts = upkeep(victim)
        assert (facts["repair"]["lost"], facts["repair"]["lost_files"]) == (1, [seq])
        assert victim.admin.rpc("admin_getMetrics", "zerog_storage_lost")["zerog_storage_lost_segments"] == "gauge 1"
        victim.wait(lambda: victim.keeper.peers.wanted.get(seq).state.value == "Failed")
        assert victim.admin.rpc("admin_getSyncStatus", seq) == 'Failed { reason: "no peer has the damaged segments" }'
        assert victim.info(seq)["finalized"] is False
    with network.running(chain, data_dir=tmp_path, peers=(node.url,), **QUICK) as victim:
        victim.wait(lambda: victim.keeper.upkeep.repair.lost() == [(seq, 1)])  # No restart forgets it.
        node.upload(file, seq)
        victim.wait(lambda: victim.is_finalized_now(seq))
        assert (upkeep(victim)["repair"]["lost"], upkeep(victim)["repair"]["repaired"]) == (0, 1)
        victim.wait(lambda: victim.keeper.upkeep.duty.count.segments_required == victim.keeper.upkeep.duty.count.segments_held > 0)


def test_a_file_comes_from_two_peers_at_once(network: Network, chain: Chain, node: Node) -> None:
    files = uploaded(chain, node, 160 * SEGMENT)
    with network.running(chain, peers=(node.url,), **QUICK) as other:
        wait_until_complete(other, files[0][0])
        with network.running(chain, peers=(node.url, other.url), **QUICK) as late:
            wait_until_complete(late, files[0][0])
            late.wait(lambda: late.keeper.peers.wanted.get(files[0][0]).state.value == "Completed")
            wish = late.keeper.peers.wanted.get(files[0][0])
            assert (wish.fetched, wish.peers) == (160, {node.url, other.url})  # No segment came twice.


@pytest.mark.parametrize("answer", [other_data, silent], ids=["lies", "stalls"])
def test_what_one_peer_fails_to_deliver_is_asked_of_the_next_at_once(network: Network, chain: Chain, node: Node, answer: Any) -> None:
    [(seq, file)] = uploaded(chain, node, 2 * SEGMENT)
    rogue = Rogue(file, answer)
    with peer(rogue.serve) as url, network.running(chain, peers=(url, node.url), **PATIENT) as victim:
        victim.wait_for_seq(seq)
        victim.admin.rpc("admin_startSyncFile", seq)
        wait_until_complete(victim, seq)
        assert_holds(victim, seq, file)
        victim.wait(lambda: victim.keeper.peers.wanted.get(seq).state.value == "Completed")
        assert victim.keeper.peers.wanted.get(seq).peers == {node.url}
        assert rogue.sent <= 1


def test_when_all_peers_lie_nothing_gets_in_and_all_else_goes_on(network: Network, chain: Chain, node: Node) -> None:
    file = File(pattern(20 * SEGMENT, next(seeds)))
    [seq] = chain.submit(file.submission())
    lying = {name: answer for name, (answer, fault) in ROGUES.items() if fault in ("wrong_bytes", "wrong_proof", "malformed", "withheld")}
    rogues = [Rogue(file, answer) for answer in lying.values()]
    with peers_of(rogues) as urls, network.running(chain, peers=urls, **QUICK) as victim:
        victim.wait(lambda: all(peer.standing.lies for peer in victim.keeper.peers.all))
        assert victim.keeper.store.held_count(file.root) == 0
        assert victim.keeper.counters.segments_fetched == 0
        assert all(peer.standing.score < 0.1 for peer in victim.keeper.peers.all)
        scores = upkeep(victim)["peers"]
        assert {fault for facts in scores.values() for fault in facts["faults"]} == {"wrong_bytes", "wrong_proof", "malformed", "withheld"}
        assert victim.admin.rpc("admin_getPeers")[urls[0]]["standing"]["score"] < 0.1
        [(own_seq, own)] = uploaded(chain, victim, 3 * SEGMENT)
        assert_holds(victim, own_seq, own)
        victim.upload(file, seq)
        victim.wait(lambda: victim.is_finalized_now(seq))


@contextmanager
def peers_of(rogues: list[Rogue]) -> Iterator[tuple[str, ...]]:
    if not rogues:
        yield ()
        return
    with peer(rogues[0].serve) as url, peers_of(rogues[1:]) as urls:
        yield (url, *urls)


def test_a_peer_that_lied_is_asked_only_for_what_no_better_one_has(network: Network, chain: Chain, node: Node) -> None:
    [(seq, file)] = uploaded(chain, node, 30 * SEGMENT)
    rogue = Rogue(file, other_data)
    with peer(rogue.serve) as url, network.running(chain, peers=(url, node.url), **QUICK) as victim:
        wait_until_complete(victim, seq)
        asked = rogue.sent
        [(second, _)] = uploaded(chain, node, 30 * SEGMENT)
        wait_until_complete(victim, second)
        assert rogue.sent == asked <= 1


def test_segments_of_a_file_that_the_chain_took_back_are_dropped_after_a_while(network: Network) -> None:
    chain = network.chain()
    with network.running(chain, orphans_kept_s=0.2, **QUICK) as node:
        [(kept_seq, kept)] = uploaded(chain, node, 2 * SEGMENT)
        snapshot = chain.rpc("evm_snapshot")
        [(_, gone)] = uploaded(chain, node, 3 * SEGMENT)
        assert node.keeper.store.held_count(gone.root) == 3
        chain.rpc("evm_revert", snapshot)
        chain.rpc("evm_mine")
        node.wait(lambda: node.keeper.counters.orphans_dropped > 0)
        assert node.keeper.store.held_count(gone.root) == 0
        assert node.keeper.counters.orphans_dropped == 1
        assert_holds(node, kept_seq, kept)


def test_availability_follows_damage(chain: Chain, network: Network, tmp_path: Path) -> None:
    with network.running(chain, data_dir=tmp_path, **QUICK) as victim:
        [(seq, file)] = uploaded(chain, victim, 5 * SEGMENT)
        flip_bits(tmp_path, 1, next(seeds))
        victim.admin.rpc("admin_startScrub")
        victim.wait(lambda: len(victim.keeper.store.damage) == 1)
        [index] = victim.keeper.store.damage.of_file(file.root, 10)
        told = victim.rpc("zgs_getAvailability", seq)
        assert told["held"] == "0x" + Availability.bitmap((other for other in range(5) if other != index), 5).hex()
        assert (told["heldCount"], told["finalized"]) == (4, False)
        assert victim.http.get(f"{victim.url}/segments/{file.root}?first={index}&count=1").content == b"\x90"
