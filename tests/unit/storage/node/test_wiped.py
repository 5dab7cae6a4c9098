"""One of three nodes is killed and its folder deleted: it comes back, fetches what it must hold from the others, and heals."""

import shutil
from itertools import count
from pathlib import Path

from tests.unit.storage.node.network import Chain, File, Node, pattern
from tests.unit.storage.node.process import NodeProcess, node_process
from tests.unit.storage.node.test_repair import flip_bits

seeds = count(110_000)

SEGMENT = 262_144
QUICK = ("--peer-interval", "0.2", "--upkeep-interval", "0.2")


def peers(*nodes: NodeProcess) -> tuple[str, ...]:
    return tuple(part for node in nodes for part in ("--peers", node.url))


def complete(node: NodeProcess, seqs: list[int]) -> None:
    """Wait until a node holds all that it must of some files."""
    for seq in seqs:
        node.until(lambda seq=seq: node.rpc("zgs_checkFileFinalized", seq) is True)  # type: ignore[misc]


def require_bytes(node: NodeProcess, file: File, seq: int, *, step: int = 1) -> None:
    for index in file.segments:
        found = node.rpc("zgs_downloadSegmentWithProofByTxSeq", seq, index)
        assert found == (file.segment(index) if index % step == 0 else None)


def test_a_node_that_lost_everything_holds_its_duty_again(chain: Chain, node: Node, tmp_path: Path) -> None:
    files = [File(pattern(size, next(seeds))) for size in (24 * SEGMENT, 17 * SEGMENT + 5, 300, SEGMENT)]
    seqs = chain.submit(*(file.submission() for file in files))
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    with node_process(chain, folders[0], *QUICK) as first:
        first.until(lambda: first.rpc("zgs_getStatus")["nextTxSeq"] > seqs[-1])
        for seq, file in zip(seqs, files, strict=True):
            for index in file.segments:
                assert first.rpc("zgs_uploadSegmentsByTxSeq", [file.segment(index)], seq) == 0
        with node_process(chain, folders[1], *QUICK, *peers(first)) as second:
            complete(second, seqs)
            with node_process(chain, folders[2], *QUICK, *peers(first, second)) as third:
                complete(third, seqs)
                third.process.kill()
                third.process.wait()
            shutil.rmtree(folders[2])
            folders[2].mkdir()
            with node_process(chain, folders[2], *QUICK, *peers(first, second)) as third:
                complete(third, seqs)
                third.until(lambda: third.metrics()["zerog_storage_duty_segments_held"] >= 24 + 18 + 1 + 1)
                metrics = third.metrics()
                assert metrics["zerog_storage_duty_segments_held"] == metrics["zerog_storage_duty_segments_required"]
                assert all(metrics[f'zerog_storage_peer_segments_total{{peer="{url}"}}'] > 0 for url in (first.url, second.url))
                flip_bits(folders[2] / ".zerog" / "storage", 20, next(seeds))
                for seq, file in zip(seqs, files, strict=True):
                    for index in file.segments:
                        assert third.rpc("zgs_downloadSegmentWithProofByTxSeq", seq, index) in (None, file.segment(index))
                complete(third, seqs)
                third.until(lambda: third.metrics()["zerog_storage_store_damaged_segments"] == 0)
                for seq, file in zip(seqs, files, strict=True):
                    require_bytes(third, file, seq)
                assert third.metrics()["zerog_storage_store_repaired_segments"] >= 10
