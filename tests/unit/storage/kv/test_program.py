"""`zerog kv run` as a program: its flags, its secrets in files, and its end."""

import re
import signal
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.unit.storage.kv.network import Item, KvNetwork, put, stream, submit
from tests.unit.storage.node.network import Chain, Node, Talker
from zerog.storage.client import NodeClient
from zerog.storage.protocol.encryption import SecretKey, cipher_v1

KEY = SecretKey(bytes(range(32)))
END_S = 20


@contextmanager
def program(folder: Path, *flags: str) -> Iterator["subprocess.Popen[str]"]:
    """A node of its own process, which has ended in the end."""
    command = [sys.executable, "-m", "zerog", "kv", "run", "--dir", str(folder), "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def test_a_program_serves_until_it_is_told_to_end_and_goes_on_when_it_is_killed(
    network: KvNetwork, chain: Chain, node: Node, tmp_path: Path
) -> None:
    first = stream()
    secret = tmp_path / "secret"
    secret.write_text(f"{KEY.hex()}\n")
    items = [
        Item(cipher_v1(KEY, nonce=bytes(15) + bytes([turn])).encrypt(Item.of((first, b"k", b"%d" % turn)).data), [first]) for turn in (0, 1)
    ]
    flags = ("--stream", str(first), "--chain-url", chain.url, "--nodes", node.url, "--encryption-key-file", str(secret))
    values = []
    for item, end in zip(items, (signal.SIGKILL, signal.SIGTERM), strict=True):
        seq = put(chain, node, item)
        with program(tmp_path, *flags) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            talker = Talker(url, network.http)
            network.portal.call(until_settled, talker, seq)
            values.append(talker.rpc("kv_getValue", str(first), "aw==", 0, 10)["data"])
            process.send_signal(end)
            assert process.wait(END_S) == (0 if end is signal.SIGTERM else -signal.SIGKILL)
    assert values == ["MA==", "MQ=="]
    assert (tmp_path / ".zerog" / "kv" / "store").is_dir()


def test_a_long_item_never_lies_in_memory(network: KvNetwork, chain: Chain, node: Node, tmp_path: Path) -> None:
    """64 MiB come, are applied and read in parts with less than half as much memory; a proof of 4 MiB takes some more."""
    first = stream()
    value = bytes(range(256)) * (8 << 12)
    item = Item.of(*((first, b"%d" % turn, value + b"%d" % turn) for turn in range(8)))
    seq = submit(chain, item)
    node.wait_for_seq(seq)
    with NodeClient(node.url) as client:
        for begin in range(0, len(item.segments), 16):
            [outcome] = client.upload_binary([item.bulk(item.segments[begin : begin + 16], seq)])
            assert outcome.code is None
    with program(tmp_path, "--stream", str(first), "--chain-url", chain.url, "--nodes", node.url) as process:
        assert process.stdout is not None
        talker = Talker(process.stdout.readline().strip(), network.http)
        idle_kib = memory_kib(process.pid, "VmRSS")
        network.portal.call(until_settled, talker, seq)
        for turn in range(8):
            found = talker.rpc("kv_getValue", str(first), b64encode(b"%d" % turn).decode(), 8 << 20, 262_143)
            assert b64decode(found["data"]) == b"%d" % turn
        assert memory_kib(process.pid, "VmHWM") - idle_kib < 24 << 10
        assert talker.rpc("kv_getProof", str(first), b64encode(b"7").decode())["size"] == len(value) + 1
        assert memory_kib(process.pid, "VmHWM") - idle_kib < 60 << 10


def memory_kib(pid: int, which: str) -> int:
    """`VmRSS` is what a process takes now, `VmHWM` the most that it ever took."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


async def until_settled(talker: Talker, seq: int) -> None:
    """Ask until there is a result; the program tells nobody."""
    with anyio.fail_after(END_S):
        while await to_thread.run_sync(talker.rpc, "kv_getTransactionResult", seq) != "Commit":  # noqa: ASYNC110 - as it says.
            await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--encryption-key-file", "nowhere"), "No such file"),
        (("--nodes", "http://a", "--indexer", "http://b"), "not from both"),
        (("--stream", "f2bd"), "64 hex digits"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_begun(flags: tuple[str, ...], word: str, tmp_path: Path) -> None:
    with program(tmp_path, *flags) as process:
        _, said = process.communicate(timeout=END_S)
        assert process.returncode != 0
    assert word in said
    assert "Traceback" not in said
