"""How long a storage node takes to start that holds 50 GB in 100,000 files."""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.nodes import START_LIMIT_S, ZEROG_COMMAND, Node, free_port, resident_bytes, zerog
from benchmarks.report import Row
from zerog.primitives import Address, Hash32
from zerog.storage.client import NodeClient
from zerog.storage.node.store import BlockMark, SegmentWrite, Store, StoredSubmission
from zerog.storage.node.store.catalogue import CATALOGUE_FILE, Catalogue
from zerog.storage.node.store.data_files import RECORD_HEADER, Appended, Place
from zerog.storage.node.store.segment_index import SegmentIndex
from zerog.storage.node.store.store import DATA_FOLDER
from zerog.storage.protocol.flow import FlowTree, start_sector
from zerog.storage.protocol.submission import Submission, SubmissionNode
from zerog.storage.protocol.units import HASH_BYTES, SEGMENT_BYTES

__all__ = ["node_with_much"]

FILES: Final = 100_000
SEGMENTS_A_FILE: Final = 2
FILE_BYTES: Final = SEGMENTS_A_FILE * SEGMENT_BYTES
BLOCKS: Final = 100
RUNS: Final = 3
TARGET_S: Final = 3.0
DATA_FILE_BYTES: Final = 256 << 20
RECORD_BYTES: Final = RECORD_HEADER.size + HASH_BYTES + SEGMENT_BYTES
EMPTY: Final = bytes(SEGMENT_BYTES)
FILE_HEIGHT: Final = 11
"""Of the one node that a file of two segments is submitted as."""


def node_with_much(bench: Bench) -> None:
    """`zerog storage run` until it answers. Its catalogue is whole, its data files are sparse; the chain it follows has the blocks."""
    with zerog(bench.environment) as chain, tempfile.TemporaryDirectory(prefix="benchmark-held-") as name:
        folder = Path(name)
        make_store(folder / "store", blocks_of(chain))
        seconds, memory = [], 0
        for _ in range(RUNS):
            started = time.perf_counter()
            with storage_node(chain.url, folder) as (url, pid):
                seconds.append(time.perf_counter() - started)
                memory = max(memory, resident_bytes(pid)[1])
                with NodeClient(url) as node:
                    info = node.file_info_by_seq(FILES - 1)
                    if node.status().next_tx_seq != FILES or info is None or not info.finalized:
                        raise OSError("the node does not hold what it was given")
    bench.details["node_with_much"] = {"zerog_s": seconds, "memory_bytes": memory}
    median = statistics.median(seconds)
    note = f"sparse data; the most memory was {memory / (1 << 20):.0f} MiB"
    size = f"{FILES * FILE_BYTES / 1e9:.0f} GB in {FILES:,} files"
    bench.rows.append(Row(f"start of a node that holds {size}", "s", median, None, "≤ 3 s", median <= TARGET_S, note))


def blocks_of(chain: Node) -> list[BlockMark]:
    """Blocks for the submissions to stand in."""
    with chain.connect() as connection:
        connection.call("anvil_mine", hex(BLOCKS))
        found = connection.call_many([("eth_getBlockByNumber", [hex(number), False]) for number in range(1, BLOCKS + 1)])
    return [BlockMark(int(str(block["number"]), 16), Hash32.from_json(block["hash"])) for block in found if isinstance(block, dict)]


def make_store(folder: Path, blocks: list[BlockMark]) -> None:
    """A store that says it holds everything."""
    Store.open(folder).close()
    roots = [Hash32(index.to_bytes(HASH_BYTES, "big")) for index in range(1, FILES + 1)]
    catalogue = Catalogue.open(folder / CATALOGUE_FILE, durable=False)
    index, number, end = SegmentIndex(catalogue), 1, 0
    for first in range(0, FILES, 1_000):
        appended, segments = Appended(), []
        for root in roots[first : first + 1_000]:
            for position in range(SEGMENTS_A_FILE):
                if end + RECORD_BYTES > DATA_FILE_BYTES:
                    number, end = number + 1, 0
                appended.places.append(Place(number, end, 1, SEGMENT_BYTES))
                end += RECORD_BYTES
                appended.ends[number] = end
                segments.append(
                    SegmentWrite(root=root, size_bytes=FILE_BYTES, index=position, data=EMPTY, segment_root=root, siblings=(root,))
                )
        index.add(segments, appended)
    for name, length in index.data_files().items():
        with (folder / DATA_FOLDER / f"{name:08}.segments").open("wb") as file:
            file.truncate(length)
    catalogue.close()
    with Store.open(folder) as store:
        announce(store, roots, blocks)


def announce(store: Store, roots: list[Hash32], blocks: list[BlockMark]) -> None:
    """The log of the chain, a share of the files a block."""
    tree, share = FlowTree(), len(roots) // len(blocks)
    for place, block in enumerate(blocks):
        submissions = []
        for seq in range(place * share, (place + 1) * share):
            submission = Submission(size_bytes=FILE_BYTES, nodes=(SubmissionNode(roots[seq], FILE_HEIGHT),))
            start = start_sector(tree.sectors, submission)
            tree.append(start, submission.nodes)
            submissions.append(
                StoredSubmission(
                    seq=seq,
                    submission=submission,
                    root=roots[seq],
                    start_sector=start,
                    sender=Address(bytes(20)),
                    transaction_hash=roots[seq],
                    block_number=block.number,
                    block_hash=block.hash,
                    pruned=False,
                )
            )
        store.record(block, submissions, tree.checkpoint())


@contextmanager
def storage_node(chain_url: str, data_dir: Path, *, flags: Sequence[str] = (), admin_on_rpc: bool = False) -> Iterator[tuple[str, int]]:
    """URL and process of a node that serves a folder, perhaps with `admin_*` on the same port."""
    with tempfile.TemporaryDirectory(prefix="benchmark-node-") as folder:
        rpc = str(free_port()) if admin_on_rpc else "0"
        ports = ["--rpc-port", rpc, "--admin-port", rpc, "--grpc-port", "0"]
        places = ["--chain-url", chain_url, "--data-dir", str(data_dir), "--dir", folder]
        command = [*ZEROG_COMMAND, "storage", "run", *places, *ports, *flags]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                if process.stdout is None:
                    raise OSError("the node has no output")
                url = process.stdout.readline().strip()
                if not url:
                    raise OSError("the node did not start")
                yield url, process.pid
            finally:
                process.terminate()
                process.wait(START_LIMIT_S)
