"""Many small files through the client's batch path."""

import time
from typing import Final

from benchmarks.bench import Bench
from benchmarks.report import Row
from benchmarks.storage.network import network
from benchmarks.storage.sdk import run_sdk

__all__ = ["many_files"]

COUNT: Final = 10_000
SIZE_BYTES: Final = 4096
SDK_COUNT: Final = 3
"""The SDK looks once a second whether a file is there."""
TARGET_PER_SECOND: Final = 500


def many_files(bench: Bench) -> None:
    """10,000 files of 4 KiB until all are finalized, beside a few of the SDK."""
    with network(bench.environment) as net:
        theirs = run_sdk("upload", size=SIZE_BYTES, salt=1, count=SDK_COUNT, indexer=net.indexer, chain=net.chain, key=net.keys[1])
        files = [index.to_bytes(8, "big") * (SIZE_BYTES // 8) for index in range(COUNT)]
        with net.client() as client:
            started = time.perf_counter()
            done = client.upload_many(files)
            seconds = time.perf_counter() - started
            if len({each.root for each in done}) != COUNT or not client.stat(done[-1].root).finalized:
                raise OSError("not all of the small files were stored")
    bench.details["many_files"] = {"zerog_s": seconds, "sdk": dict(theirs)}
    pace = COUNT / seconds
    what = f"{COUNT:,} files of {SIZE_BYTES // 1024} KiB in batches"
    bench.rows.append(Row(what, "files/s", pace, SDK_COUNT / theirs["seconds"], "≥ 500 files/s", pace >= TARGET_PER_SECOND))
