"""The peer of key-value streams: etcd, which also keeps versions of keys, durably, and answers JSON over HTTP."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import httpx

from benchmarks.nodes import START_LIMIT_S, Node, free_port

__all__ = ["RANGE_PATH", "ensure_etcd", "etcd", "put_in_batches"]

INSTALL: Final = "etcd is missing: install it with `apt-get install etcd-server` (Debian, Ubuntu) or `brew install etcd` (macOS)"
RANGE_PATH: Final = "/v3/kv/range"
OPERATIONS_MAX: Final = 1_000
"""Of one transaction; etcd takes 128 unless it is told otherwise."""
CALL_LIMIT_S: Final = 30.0
LOOK_S: Final = 0.02


def ensure_etcd() -> str:
    """Version of the etcd on this machine; stops with what installs it where there is none."""
    program = shutil.which("etcd")
    if program is None:
        raise SystemExit(INSTALL)
    printed = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"etcd Version: (\S+)", printed)
    return version[1] if version else "unknown"


@contextmanager
def etcd(environment: Mapping[str, str] | None = None) -> Iterator[Node]:
    """A fresh etcd of one member, which waits for the disk with every write, as by default."""
    ensure_etcd()
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    with tempfile.TemporaryDirectory(prefix="benchmark-etcd-") as folder:
        command = ["etcd", "--data-dir", folder, "--max-txn-ops", str(OPERATIONS_MAX), "--log-level", "error"]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ETCD_UNSUPPORTED_ARCH": "arm64", **(environment or {})},
        )
        try:
            wait_until_healthy(client)
            yield Node("etcd", client, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=START_LIMIT_S)


def wait_until_healthy(url: str) -> None:
    """Return once it has a leader."""
    deadline = time.perf_counter() + START_LIMIT_S
    while time.perf_counter() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=CALL_LIMIT_S).json()["health"] == "true":
                return
        except httpx.TransportError:
            pass  # It does not listen yet.
        time.sleep(LOOK_S)  # noqa: TID251 - a foreign program tells nobody when it is ready.
    raise SystemExit(f"etcd was not ready within {START_LIMIT_S} s")


def put_in_batches(node: Node, pairs: Sequence[tuple[bytes, bytes]]) -> float:
    """Seconds for keys and their values, `OPERATIONS_MAX` in a transaction, one after the other; making the requests does not count."""
    bodies = []
    for first in range(0, len(pairs), OPERATIONS_MAX):
        puts = [
            {"requestPut": {"key": b64encode(key).decode(), "value": b64encode(value).decode()}}
            for key, value in pairs[first : first + OPERATIONS_MAX]
        ]
        bodies.append(json.dumps({"success": puts}).encode())
    with httpx.Client(timeout=CALL_LIMIT_S) as client:
        started = time.perf_counter()
        for body in bodies:
            client.post(f"{node.url}/v3/kv/txn", content=body).raise_for_status()
        return time.perf_counter() - started
