"""How many values a key-value node gives a second over HTTP, and how long one takes, beside etcd, asked in the same way."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.nodes import START_LIMIT_S, ZEROG_COMMAND, Node, zerog
from benchmarks.report import Row
from benchmarks.storage.held import blocks_of
from benchmarks.streams.etcd import RANGE_PATH, etcd, put_in_batches
from benchmarks.wrk import Load, load
from zerog.primitives import Address, Hash32
from zerog.storage.following import BlockMark
from zerog.storage.kv.records import StreamSubmission
from zerog.storage.kv.store import KvStore
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.streams import StreamItem, StreamWrite, encode_item

__all__ = ["stream_reads"]

KEYS: Final = 100_000
KEYS_AN_ITEM: Final = 1_000
VALUE_BYTES: Final = 100
CONNECTIONS: Final = 8
"""Each asks again as soon as it is answered."""
SECONDS: Final = 5
RUNS: Final = 3
READS_PER_S_MIN: Final = 5_000
READ_MS_MAX: Final = 2.0
STREAM: Final = Hash32(bytes(30) + b"\xf2\xbd")
RANDOM_KEYS: Final = """
local digits = "0123456789"
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(text)
  return ((text:gsub(".", function(character)
    local bits, byte = "", character:byte()
    for place = 8, 1, -1 do bits = bits .. (byte %% 2 ^ place - byte %% 2 ^ (place - 1) > 0 and "1" or "0") end
    return bits
  end)):gsub("%%d%%d%%d%%d%%d%%d", function(six) return alphabet:sub(tonumber(six, 2) + 1, tonumber(six, 2) + 1) end))
end
local bodies, turn = {}, 0
init = function(arguments)
  for number = 1, 4096 do
    local key = base64(string.format("key-%%08d", (number * 7919) %% %d))
    bodies[number] = wrk.format("POST", wrk.path, nil, (wrk.body:gsub("KEY", key, 1)))
  end
end
request = function()
  turn = turn %% #bodies + 1
  return bodies[turn]
end
"""
"""Keys of twelve bytes, whose base64 has no padding, all over the stream."""


def stream_reads(bench: Bench) -> None:
    """wrk asks a node with 100,000 keys for random ones, on as many cores as there are for both."""
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "kv_getValue", "params": [str(STREAM), "KEY", 0, VALUE_BYTES]})
    keys = RANDOM_KEYS % KEYS
    with zerog(bench.environment) as chain, tempfile.TemporaryDirectory(prefix="benchmark-streams-") as name:
        fill(Path(name) / "store", blocks_of(chain))
        with key_value_node(chain.url, Path(name)) as node:
            check(node)
            ours = [ask(node, call.encode(), keys) for _ in range(RUNS)]
    with etcd(bench.environment) as peer:
        put_in_batches(peer, [(key_of(number), value_of(number)) for number in range(KEYS)])
        gateway = Node(peer.name, peer.url + RANGE_PATH, peer.pid)
        theirs = [ask(gateway, b'{"key":"KEY"}', keys) for _ in range(RUNS)]
    bench.details["stream_reads"] = {"zerog": [vars_of(each) for each in ours], "etcd": [vars_of(each) for each in theirs]}
    best, other = max(ours, key=lambda each: each.per_second), max(theirs, key=lambda each: each.per_second)
    where = f"{CONNECTIONS} connections; the client has the same cores"
    met = best.per_second >= READS_PER_S_MIN
    bench.rows.append(Row("values read from 100,000 keys", "/s", best.per_second, other.per_second, "≥ 5,000/s", met, where))
    slow, slow_other = min(each.latency_ms_p95 for each in ours), min(each.latency_ms_p95 for each in theirs)
    bench.rows.append(Row("a value read, p95", "ms", slow, slow_other, "≤ 2 ms", slow <= READ_MS_MAX, where))


def vars_of(found: Load) -> dict[str, float]:
    return {"per_second": found.per_second, "p50_ms": found.latency_ms_p50, "p95_ms": found.latency_ms_p95, "p99_ms": found.latency_ms_p99}


def ask(node: Node, body: bytes, more: str) -> Load:
    return load(node, body, connections=CONNECTIONS, seconds=SECONDS, threads=1, more=more)


def key_of(number: int) -> bytes:
    return b"key-%08d" % number


def value_of(number: int) -> bytes:
    return (b"value %d " % number * VALUE_BYTES)[:VALUE_BYTES]


def fill(folder: Path, blocks: list[BlockMark]) -> None:
    """Apply items as a node does that has read the blocks and fetched their data."""
    with KvStore.open(folder, follow_all=True) as store:
        for seq in range(KEYS // KEYS_AN_ITEM):
            numbers = range(seq * KEYS_AN_ITEM, (seq + 1) * KEYS_AN_ITEM)
            writes = [StreamWrite(stream=STREAM, key=key_of(number), value=value_of(number)) for number in numbers]
            data = encode_item(StreamItem(writes=writes))
            tree = FileTree(data)
            submission = StreamSubmission(
                seq=seq,
                root=tree.root,
                size_bytes=len(data),
                start_sector=1 + seq * 1024,
                sectors=tree.submission().sectors,
                streams=(STREAM,),
                sender=Address(b"\1" * 20),
                transaction_hash=tree.root,
                block_number=blocks[seq].number,
            )
            store.record(blocks[seq], seq + 1, [submission])
            store.supply(seq, tree.root, data)
        while store.apply():
            pass


def check(node: Node) -> None:
    """Raises `OSError` unless the node has what it was given."""
    with node.connect() as connection:
        found = connection.call("kv_getFirst", str(STREAM), 0, VALUE_BYTES)
        if not isinstance(found, dict) or (found["size"], found["version"]) != (VALUE_BYTES, 0):
            raise OSError(f"the node answers {found}")


@contextmanager
def key_value_node(chain_url: str, data_dir: Path, *, indexer: str = "http://127.0.0.1:9") -> Iterator[Node]:
    """A node that serves a folder; without an indexer it has all that it needs."""
    with tempfile.TemporaryDirectory(prefix="benchmark-node-") as folder:
        flags = ["--chain-url", chain_url, "--data-dir", str(data_dir), "--dir", folder, "--port", "0", "--indexer", indexer]
        with subprocess.Popen(
            [*ZEROG_COMMAND, "kv", "run", *flags, "--stream", "all"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                if process.stdout is None:
                    raise OSError("the node has no output")
                url = process.stdout.readline().strip()
                if not url:
                    raise OSError("the node did not start")
                yield Node("zerog", url, process.pid)
            finally:
                process.terminate()
                process.wait(START_LIMIT_S)
