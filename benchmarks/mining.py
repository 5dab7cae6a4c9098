"""How fast loads are searched and sealed on each path of the processor, beside Python's hashlib and pycryptodome on the same rules."""

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from Crypto.Hash import keccak

from benchmarks.bench import Bench
from benchmarks.report import Row
from zerog._kernel import MiningWork, SealedLoads, hash_paths, pora_probe, pora_qualities, pora_scratchpad, pora_seal
from zerog.storage.protocol.pora import LOAD_BYTES, LOAD_SEALS, LOAD_SECTORS, SEAL_BYTES, SEAL_SECTORS

__all__ = ["MINING_ROWS", "pycryptodome_version"]

MIB: Final = 1 << 20
LOADS: Final = 256
"""64 MiB: in the system's memory, and in no cache of the processor."""
RUNS: Final = 3
RUN_S: Final = 1.0
GROUP: Final = 64
"""Nonces of one call."""
PEER_LOADS: Final = 40
PEER_SEALS: Final = 64
MINER, CONTEXT, SUBTASK, NONCE = (bytes([byte]) * 32 for byte in (0x11, 0x22, 0x44, 0x55))
WORK: Final = MiningWork(
    miner_id=MINER,
    subtask_digest=SUBTASK,
    start_sector=0,
    sectors=LOADS * LOAD_SECTORS,
    shard_id=0,
    shard_mask=2**64 - 1,
    quality_max=0,
)
"""Every load is weighed, and nothing is ever found."""


def mining(bench: Bench) -> None:
    """One thread each. The peer must come to the same numbers before it is timed."""
    data = bytes(index % 251 for index in range(LOAD_BYTES))
    digests = [CONTEXT] * LOAD_SEALS
    with tempfile.TemporaryDirectory(prefix="benchmark-mining-") as folder:
        loads = SealedLoads(Path(folder) / "sealed", MINER, LOADS)
        for load in range(LOADS):
            loads.put(load, 2**64 - 1, digests, pora_seal(MINER, load * LOAD_SECTORS, digests, data))
        searched = {path: best(partial(searched_s, loads, path)) for path in hash_paths()}
    sealed = {path: best(partial(sealed_mib_s, data, digests, path)) for path in hash_paths()}
    peer_searched, peer_sealed = peer_search(data), peer_seal(data)
    bench.details["mining"] = {"loads_s": searched, "seal_mib_s": sealed, "peer_loads_s": peer_searched, "peer_seal_mib_s": peer_sealed}
    note = "one thread; the peer also takes BLAKE2b from hashlib"
    for path, pace in searched.items():
        bench.rows.append(Row(f"mining iteration, {path}", "loads/s", pace, peer_searched, "reported", None, note))
    for path, pace in sealed.items():
        bench.rows.append(Row(f"sealing, {path}", "MiB/s", pace, peer_sealed, "reported", None, note))


def best(measure: Callable[[], float]) -> float:
    return max(measure() for _ in range(RUNS))


def searched_s(loads: SealedLoads, path: str) -> float:
    """Loads weighed in a second, their reading included."""
    started, weighed, nonce = time.perf_counter(), 0, int.from_bytes(NONCE)
    while (seconds := time.perf_counter() - started) < RUN_S:
        _, (_, picked, _, _) = pora_probe(WORK, loads, nonce.to_bytes(32), GROUP, path=path)
        weighed += picked
        nonce += GROUP
    return weighed / seconds


def sealed_mib_s(data: bytes, digests: Sequence[bytes], path: str) -> float:
    started, loads = time.perf_counter(), 0
    while (seconds := time.perf_counter() - started) < RUN_S:
        pora_seal(MINER, loads * LOAD_SECTORS, digests, data, path=path)
        loads += 1
    return loads * LOAD_BYTES / MIB / seconds


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def mixed(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))


def pad_of(nonce: bytes) -> tuple[bytes, bytes, bytes]:
    """Seed, pad and recall seed, as the rule is written."""
    seed = state = hashlib.blake2b(MINER + nonce + SUBTASK + WORK.range_digest()).digest()
    parts = []
    for _ in range(256):
        state = keccak256(state) + state[32:]
        state = state[:32] + keccak256(state)
        parts.append(state)
    return seed, b"".join(parts), keccak256(state)


def weighed(nonce: bytes, load: bytes) -> list[tuple[int, int]]:
    """Place and quality of each seal of a load."""
    seed, pad, _ = pad_of(nonce)
    quarters = [pad[place : place + SEAL_BYTES] for place in range(0, len(pad), SEAL_BYTES)]
    found = []
    for place in range(LOAD_SEALS):
        part = mixed(load[place * SEAL_BYTES : (place + 1) * SEAL_BYTES], quarters[place % len(quarters)])
        digest = hashlib.blake2b(place.to_bytes(32) + seed + bytes(32) + part).digest()
        found.append((place, int.from_bytes(digest[:32])))
    return found


def sealed_plainly(start_sector: int, data: bytes) -> bytes:
    mask, words = keccak256(MINER + CONTEXT + start_sector.to_bytes(32)), []
    for place in range(0, SEAL_BYTES, 32):
        words.append(mixed(data[place : place + 32], mask))
        mask = keccak256(words[-1])
    return b"".join(words)


def peer_search(load: bytes) -> float:
    if (pad_of(NONCE), weighed(NONCE, load)) != (pora_scratchpad(WORK, NONCE), pora_qualities(WORK, NONCE, load, 2**64 - 1)):
        raise OSError("the peer and the kernel do not agree on a nonce")
    started = time.perf_counter()
    for count in range(PEER_LOADS):
        weighed(count.to_bytes(32), load)
    return PEER_LOADS / (time.perf_counter() - started)


def peer_seal(data: bytes) -> float:
    if sealed_plainly(SEAL_SECTORS, data[:SEAL_BYTES]) != pora_seal(MINER, SEAL_SECTORS, [CONTEXT], data[:SEAL_BYTES]):
        raise OSError("the peer and the kernel do not agree on a seal")
    started = time.perf_counter()
    for place in range(PEER_SEALS):
        sealed_plainly(place * SEAL_SECTORS, data[place * SEAL_BYTES : (place + 1) * SEAL_BYTES])
    return PEER_SEALS * SEAL_BYTES / MIB / (time.perf_counter() - started)


def pycryptodome_version() -> str:
    """Of the package that the tests have for a Keccak that is not ours."""
    return version("pycryptodome")


MINING_ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {"storage-mining": mining}
"""By the name that `--only` takes, in the order of the table."""
