"""Readers wait for nobody: while a writer applies, takes back and applies again, each answer is of one moment."""

import threading
from pathlib import Path

from tests.unit.storage.kv.store.test_store import A, Log
from zerog.storage.kv.store import KvStore
from zerog.storage.protocol.streams import StreamItem, StreamWrite

KEYS = 50
ITEMS = 30
ROUNDS = 3


def test_reads_beside_replay_and_reorganisation(tmp_path: Path) -> None:
    wrong: list[object] = []
    stop = threading.Event()

    def read(store: KvStore) -> None:
        reads = 0
        while not stop.is_set() or reads < 200:
            key = b"%04d" % (reads % KEYS)
            found = store.value(A, key)
            if found is not None:
                data = store.read(found, 0, found.size)
                # An item that was taken back between the two is not there; there is never one of another version or key.
                if data is not None and data != value_of(key, found.version):
                    wrong.append((key, found, data))
            following = store.next(A, key, inclusive=True)
            if following is not None and bytes(following.key) < key:
                wrong.append((key, following))
            reads += 1

    with KvStore.open(tmp_path / "kv", follow_all=True, durable=False) as store:
        readers = [threading.Thread(target=read, args=(store,)) for _ in range(3)]
        for reader in readers:
            reader.start()
        try:
            for _ in range(ROUNDS):
                log = Log(store)
                for seq in range(ITEMS):
                    log.add(StreamItem(writes=[StreamWrite(stream=A, key=key, value=value_of(key, seq)) for key in keys()]))
                    assert log.settle(seq)[-1] == "Commit"
                store.unwind(ITEMS // 2)
                store.unwind(-1)
        finally:
            stop.set()
            for reader in readers:
                reader.join()
    assert wrong == []


def keys() -> list[bytes]:
    return [b"%04d" % number for number in range(KEYS)]


def value_of(key: bytes, seq: int) -> bytes:
    return key * (seq + 1)
