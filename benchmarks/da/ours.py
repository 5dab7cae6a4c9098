"""One piece of the kernel's work for DA, alone in a process: `python -m benchmarks.da.ours JOB.json`, JSON on standard output."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from zerog._kernel import AmtSetup, amt_coset_root, amt_recover, amt_roots, keccak256

TAU: Final = (123_456_789).to_bytes(32, "big")
VERIFY_SLICES: Final = 3072


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(TASKS[job["task"]](job)))


def blob_of(size: int) -> bytearray:
    """The bytes of the golden vectors, made without a second copy of them."""
    period = bytes((7 * index + 3) % 256 for index in range(256))
    blob = bytearray(size)
    for start in range(0, size, len(period)):
        blob[start : start + len(period)] = period[: size - start]
    return blob


def setup_of(job: Mapping[str, Any]) -> AmtSetup:
    """With τ, or from the files of a folder."""
    return AmtSetup.load(job["folder"], prove=job["task"] == "encode") if job.get("folder") else AmtSetup.insecure(TAU)


def make(job: Mapping[str, Any]) -> dict[str, float]:
    started = time.perf_counter()
    AmtSetup.make(job["folder"], TAU)
    return {"seconds": time.perf_counter() - started}


def encode(job: Mapping[str, Any]) -> dict[str, float]:
    """The second of two blobs: the first makes the tables that a running encoder has. Memory is counted with the blob, without Python's."""
    before = resident_bytes("VmRSS")
    setup = setup_of(job)
    setup.encode(b"\x01")
    data = blob_of(job["size"])
    started = time.perf_counter()
    blob = setup.encode(data)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_bytes": resident_bytes("VmHWM") - before, "root": int.from_bytes(blob.data_root, "big") % 2**32}


def verify(job: Mapping[str, Any]) -> dict[str, float]:
    """All slices of a full blob. They are made with τ, which takes less."""
    blob = AmtSetup.insecure(TAU).encode(blob_of(job["size"]))
    slices = blob.slices(0, VERIFY_SLICES)
    setup = setup_of(job)
    setup.verify_slices(slices[:1], blob.data_root, blob.commitment)
    started = time.perf_counter()
    setup.verify_slices(slices, blob.data_root, blob.commitment)
    return {"seconds": time.perf_counter() - started, "peak_bytes": resident_bytes("VmHWM")}


def recover(job: Mapping[str, Any]) -> dict[str, float]:
    """The blob from its own rows, proven by the other cosets' roots or by encoding it again; and from rows of parity alone."""
    size = job["size"]
    data = blob_of(size)
    blob = AmtSetup.insecure(TAU).encode(data)
    row_bytes = len(blob.rows(0, 1))
    parts = {index: blob.rows(index, index + 1) for index in range(2048)}
    root, roots = blob.data_root, blob.coset_roots
    del blob
    before = resident_bytes("VmRSS")
    started = time.perf_counter()
    own = [parts[index] for index in range(1024)]
    first = amt_coset_root(own)
    ours = keccak256(keccak256(first + roots[1]) + roots[2])
    found = amt_recover(list(enumerate(own)))
    by_roots = time.perf_counter() - started
    if ours != root or found != data:
        raise SystemExit("the blob did not come back")
    started = time.perf_counter()
    found = amt_recover(list(enumerate(own)))
    again = amt_roots(found)[0]
    by_encoding = time.perf_counter() - started
    if again != root:
        raise SystemExit("the blob encoded again has another root")
    reset_peak()
    started = time.perf_counter()
    found = amt_recover([(index, parts[index]) for index in range(1024, 2048)])
    parity = time.perf_counter() - started
    if found != data:
        raise SystemExit("the blob did not come back from parity")
    peak = resident_bytes("VmHWM") - before + 1024 * row_bytes  # The rows themselves count too.
    return {"by_roots": by_roots, "by_encoding": by_encoding, "parity": parity, "parity_peak_bytes": peak}


def resident_bytes(kind: str) -> int:
    """Of this process, as the system counts them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"the system does not count {kind}")


def reset_peak() -> None:
    """Let the most memory be counted from now on. See proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5")


TASKS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, float]]]] = {
    "make": make, "encode": encode, "verify": verify, "recover": recover,
}  # fmt: skip

if __name__ == "__main__":
    main()
