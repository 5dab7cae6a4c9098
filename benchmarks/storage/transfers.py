"""Large files to storage and back: by our client, by plain JSON-RPC, through the gateway, and by the official SDK."""

import base64
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.nodes import START_LIMIT_S
from benchmarks.report import Row
from benchmarks.storage.network import Network, PeakMemory, network
from benchmarks.storage.sdk import HERE, run_sdk
from zerog.chain.client import ChainClient
from zerog.contracts.storage import submit_call
from zerog.primitives import Account, Data, Hash32
from zerog.storage.client import NodeClient, UploadOptions
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.files import FileInfo

__all__ = ["large_file", "sdk_upload"]

MEBIBYTE: Final = 1 << 20
LARGE_MIB: Final = 1024
SDK_MIB: Final = 64
"""What the SDK is given beside our gibibyte; it takes seconds for each of them."""
SDK_LARGE_MIB: Final = 256
SDK_PAIRS: Final = 2
JSON_THREADS: Final = 4
SEEN_S_MAX: Final = 30.0
SERVER_MIB_MAX: Final = 300


def large_file(bench: Bench) -> None:
    """One gibibyte of random bytes each way, on each route, and what the server's processes took."""
    with network(bench.environment) as net, tempfile.TemporaryDirectory(prefix="benchmark-files-") as folder:
        path = random_file(Path(folder) / "large", LARGE_MIB)
        sdk_up = run_sdk("upload", size=SDK_MIB * MEBIBYTE, salt=1, indexer=net.indexer, chain=net.chain, key=net.keys[1])
        sdk_down = run_sdk("download", root=sdk_up["roots"][0], indexer=net.indexer, path=str(Path(folder) / "sdk"))
        up_peer, down_peer = SDK_MIB / sdk_up["seconds"], SDK_MIB / sdk_down["seconds"]
        with PeakMemory(net.storage_pids()) as memory:
            root, up = upload(net, path)
            down = download(net, root, path)
            json_up = upload_json(net, random_file(Path(folder) / "json", LARGE_MIB))
            gateway = download_by_curl(net, root, path)
        peak = memory.peak_bytes / MEBIBYTE
        bench.details["large_file"] = {"sdk_upload": dict(sdk_up), "sdk_download": dict(sdk_down), "idle_bytes": memory.idle_bytes}
        note = f"the SDK moved {SDK_MIB} MiB"
        bench.rows += [
            Row("upload of 1 GiB, our client", "MiB/s", up, up_peer, "≥ 250 MiB/s", up >= 250, note),
            Row(
                "download of 1 GiB, verified, our client",
                "MiB/s",
                down,
                down_peer,
                "≥ 300 MiB/s",
                down >= 300,
                f"{note} and verified nothing",
            ),
            Row(
                "upload of 1 GiB through JSON-RPC", "MiB/s", json_up, up_peer, "≥ 100 MiB/s", json_up >= 100, f"{JSON_THREADS} connections"
            ),
            Row("download of 1 GiB from the gateway, curl", "MiB/s", gateway, down_peer, "≥ 300 MiB/s", gateway >= 300),
            Row(
                "  most memory of the storage process",
                "MiB",
                peak,
                None,
                "≤ 300 MiB",
                peak <= SERVER_MIB_MAX,
                f"idle {memory.idle_bytes / MEBIBYTE:.0f}",
            ),
        ]


def random_file(path: Path, mebibytes: int) -> Path:
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MEBIBYTE))
    return path


def upload(net: Network, path: Path) -> tuple[Hash32, float]:
    """From the call until the file is finalized; root and MiB/s."""
    with net.client() as client:
        started = time.perf_counter()
        done = client.upload(path, UploadOptions(tags=b"benchmark"))
        return done.root, LARGE_MIB / (time.perf_counter() - started)


def download(net: Network, root: Hash32, original: Path) -> float:
    """Into a file, which afterwards is compared."""
    target = original.with_suffix(".back")
    with net.client() as client:
        started = time.perf_counter()
        client.download(root, target)
        seconds = time.perf_counter() - started
    require_same(original, target)
    target.unlink()
    return LARGE_MIB / seconds


def download_by_curl(net: Network, root: Hash32, original: Path) -> float:
    curl = shutil.which("curl")
    if curl is None:
        raise OSError("curl is missing: install it with the system's packages")
    target = original.with_suffix(".curl")
    started = time.perf_counter()
    subprocess.run([curl, "--silent", "--fail", "--output", target, f"{net.indexer}/file?root={root}"], check=True)
    seconds = time.perf_counter() - started
    require_same(original, target)
    target.unlink()
    return LARGE_MIB / seconds


def require_same(left: Path, right: Path) -> None:
    digests = []
    for path in (left, right):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "blake2b").digest())
    if digests[0] != digests[1]:
        raise OSError(f"{right} is not what was stored")


def upload_json(net: Network, path: Path) -> float:
    """Through `zgs_uploadSegmentsByTxSeq`, ten segments a call as the official Go client; bodies are made outside of the measured time."""
    data = path.read_bytes()
    tree = FileTree(data)
    account = Account.from_private_key(Data.from_json(net.keys[2]))
    with ChainClient(net.chain) as chain, NodeClient(net.node) as node:
        submission = tree.submission()
        status = node.status()
        price = int.from_bytes(chain.call(status_market(chain, status.network_identity.flow_address), bytes.fromhex("61ec5082")))
        sent = chain.send(
            status.network_identity.flow_address,
            value_wei=submission.sectors * price,
            data=submit_call(submission, account.address),
            account=account,
        )
        chain.wait_for_receipt(sent)
        info = await_file(node, tree.root)
        segments = -(-len(data) // SEGMENT_BYTES)
        groups = [range(first, min(first + 10, segments)) for first in range(0, segments, 10)]
        seconds = 0.0
        for begin in range(0, len(groups), 64):  # All bodies at once would take gigabytes.
            bodies = [json_body(data, tree, group, info.tx.seq) for group in groups[begin : begin + 64]]
            started = time.perf_counter()
            post_all(net.node, bodies)
            seconds += time.perf_counter() - started
        if not node.is_finalized(info.tx.seq):
            raise OSError("the upload through JSON-RPC is not finalized")
    path.unlink()
    return LARGE_MIB / seconds


def await_file(node: NodeClient, root: Hash32) -> FileInfo:
    """What the node says of a file, once it has read the block that announces it: that takes milliseconds."""
    deadline = time.perf_counter() + SEEN_S_MAX
    while (info := node.file_info(root)) is None:
        if time.perf_counter() > deadline:
            raise OSError(f"the node has not seen {root} within {SEEN_S_MAX} s")
    return info


def status_market(chain: ChainClient, flow: bytes) -> bytes:
    """Address of the market that a flow has."""
    return chain.call(flow, bytes.fromhex("80f55605"))[-20:]


def json_body(data: bytes, tree: FileTree, group: Sequence[int], seq: int) -> bytes:
    segments = []
    for index in group:
        proof = tree.segment_proof(index)
        segment = data[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
        segments.append(
            {
                "root": str(tree.root),
                "data": base64.b64encode(segment).decode(),
                "index": index,
                "proof": {"lemma": [str(each) for each in proof.lemma], "path": list(proof.path)},
                "fileSize": len(data),
            }
        )
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "zgs_uploadSegmentsByTxSeq", "params": [segments, seq]}).encode()


def post_all(url: str, bodies: Sequence[bytes]) -> None:
    """Each thread has a connection and takes the next body when it is done with one."""
    left = iter(bodies)
    parts = urlsplit(url)

    def work(_: int) -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
        for body in left:
            connection.request("POST", "/", body, {"content-type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            if answer.get("result") != 0:
                raise OSError(f"an upload was refused: {answer}")
        connection.close()

    with ThreadPoolExecutor(JSON_THREADS) as pool:
        list(pool.map(work, range(JSON_THREADS)))


def sdk_upload(bench: Bench) -> None:
    """The unmodified SDK to our node, and to a server that throws the segments away, in turn; the better of two runs counts."""
    size = SDK_LARGE_MIB * MEBIBYTE
    ours, theirs = [], []
    with network(bench.environment) as net, discarding_server(net) as discarding:
        for run in range(SDK_PAIRS):
            shared = {"size": size, "chain": net.chain, "key": net.keys[3]}
            theirs.append(run_sdk("upload", indexer=discarding, salt=100 + run, **shared)["seconds"])
            ours.append(run_sdk("upload", indexer=net.indexer, salt=200 + run, **shared)["seconds"])
    bench.details["sdk_upload"] = {"zerog_s": ours, "discarding_s": theirs}
    what = f"upload of {SDK_LARGE_MIB} MiB by the SDK; peer: to a server that discards"
    ratio = min(ours) / min(theirs)
    bench.rows.append(Row(what, "s", min(ours), min(theirs), "≤ 1.10× discarding", ratio <= 1.10))


@contextmanager
def discarding_server(net: Network) -> Iterator[str]:
    """URL of an indexer whose only node discards."""
    node = shutil.which("node") or "node"
    command = [node, str(HERE / "discard.mjs"), net.indexer, net.node]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True) as process:
        try:
            if process.stdout is None:
                raise OSError("the discarding server has no output")
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(START_LIMIT_S)
