"""How many keys a second a key-value node replays that begins with nothing, beside etcd and a bare table of SQLite."""

import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.nodes import Node
from benchmarks.report import Row
from benchmarks.storage.network import Network, network
from benchmarks.streams.etcd import etcd, put_in_batches
from benchmarks.streams.reads import KEYS, KEYS_AN_ITEM, STREAM, key_of, key_value_node, value_of
from zerog.storage.client import UploadOptions
from zerog.storage.protocol.streams import StreamItem, StreamWrite, encode_item, tags_of_streams

__all__ = ["sqlite_version", "stream_replay"]

LIMIT_S: Final = 120.0
LOOK_S: Final = 0.01
KEYS_PER_S_MIN: Final = 20_000


def sqlite_version() -> str:
    """Of the library that comes with Python."""
    return sqlite3.sqlite_version


def stream_replay(bench: Bench) -> None:
    """A node without data reads the chain, fetches 100 items of 1,000 keys with proof and applies them, all of it durable."""
    with network(bench.environment) as net:
        last = write_items(net)
        with tempfile.TemporaryDirectory(prefix="benchmark-streams-") as name:
            started = time.perf_counter()
            with key_value_node(net.chain, Path(name), indexer=net.indexer) as node:
                ready = time.perf_counter()
                wait_until_applied(node, last)
                done = time.perf_counter()
    with etcd(bench.environment) as peer:
        etcd_s = put_in_batches(peer, [(key_of(number), value_of(number)) for number in range(KEYS)])
    bare_s = bare_table()
    bench.details["stream_replay"] = {"start_s": ready - started, "replay_s": done - ready, "etcd_s": etcd_s, "sqlite_s": bare_s}
    pace, bare = KEYS / (done - started), KEYS / bare_s
    what = f"{KEYS:,} keys in items of {KEYS_AN_ITEM:,}: fetched, checked and replayed"
    note = "from the start of the process on; etcd and SQLite take the same keys, a durable transaction an item, and are up before"
    met = pace >= KEYS_PER_S_MIN
    bench.rows.append(Row(what, "keys/s", pace, KEYS / etcd_s, "≥ 20,000 keys/s", met, note, second_peer=bare))


def items() -> list[bytes]:
    return [
        encode_item(
            StreamItem(
                writes=[
                    StreamWrite(stream=STREAM, key=key_of(number), value=value_of(number)) for number in range(first, first + KEYS_AN_ITEM)
                ]
            )
        )
        for first in range(0, KEYS, KEYS_AN_ITEM)
    ]


def write_items(net: Network) -> int:
    """Store all items as a client does; returns the number of the last submission."""
    with net.client() as client:
        done = client.upload_many(items(), UploadOptions(tags=tags_of_streams([STREAM])))
        return max(fragment.tx_seq for upload in done for fragment in upload.fragments)


def wait_until_applied(node: Node, last: int) -> None:
    """Raises `OSError` if the node takes too long, or refuses an item."""
    with node.connect() as connection:
        ends, pause = time.perf_counter() + LIMIT_S, threading.Event()
        while time.perf_counter() < ends:
            progress = connection.call("kv_getReplayProgress")
            if isinstance(progress, dict) and progress["appliedSeq"] > last:
                if connection.call("kv_getTransactionResult", last) != "Commit":
                    break
                return
            pause.wait(LOOK_S)
    raise OSError(f"the node did not apply {KEYS} keys")


def bare_table() -> float:
    """Seconds that SQLite takes for the same keys and values, by the same rules of durability."""
    with tempfile.TemporaryDirectory(prefix="benchmark-sqlite-") as name:
        connection = sqlite3.connect(Path(name) / "keys.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        started = time.perf_counter()
        for first in range(0, KEYS, KEYS_AN_ITEM):
            connection.execute("BEGIN")
            rows = ((key_of(number), value_of(number)) for number in range(first, first + KEYS_AN_ITEM))
            connection.executemany("INSERT INTO pairs VALUES (?, ?)", rows)
            connection.execute("COMMIT")
        seconds = time.perf_counter() - started
        connection.close()
    return seconds
