"""Storage of a network as a user meets it: files go in and come back, over crashes, restarts and a chain that goes back."""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import httpx
import msgspec
import pytest

import zerog as library
from tests.devnet.command import Zerog, ask
from zerog.chain.client import ChainClient
from zerog.devnet.endpoints import Endpoints, StorageEndpoints
from zerog.devnet.storage_proof import PROOF_FILE, PROOF_KEY, PROOF_STREAM, PROOF_VALUE
from zerog.networks import load, role_account
from zerog.runtime.control import connect
from zerog.runtime.ports import holder_of_port
from zerog.storage.client import FilePrunedError, FileUnknownError, NodeClient, StorageClientError
from zerog.storage.client.kv import KvClient, Value
from zerog.storage.protocol.merkle import file_root
from zerog.storage.protocol.shards import Shard

WAIT_S_MAX = 30
ROLES = ("--only", "chain", "--only", "storage")
PROOF_ROOT = file_root(PROOF_FILE)
Clients = Callable[[Endpoints], list[NodeClient]]


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    command = Zerog(tmp_path)
    yield command
    command.down()


def storage_of(endpoints: Endpoints) -> StorageEndpoints:
    assert endpoints.storage is not None
    return endpoints.storage


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not is_so():
        assert time.monotonic() < deadline


@pytest.fixture
def clients() -> Iterator[Clients]:
    """Makes a client of each node."""
    with ExitStack() as stack:
        yield lambda endpoints: [stack.enter_context(NodeClient(node.rpc)) for node in storage_of(endpoints).nodes]


def storage_pid(zerog: Zerog) -> int | None:
    """The process of storage, once it serves."""
    status = msgspec.json.decode(zerog.run("status", "--json").stdout)["roles"].get("storage", {})
    return int(status["pid"]) if "url" in status else None


def some_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def payer_of_proofs() -> str:
    genesis = load("local").genesis
    assert genesis is not None
    return str(role_account(genesis.mnemonic, "storage").address)


def written(kv: KvClient, stream: str, key: bytes) -> bytes | None:
    """The value of a key, if it has one."""
    found = kv.get(stream, key)
    return None if found is None else found.data


def test_the_first_start_leaves_a_file_and_a_key_and_later_starts_add_nothing(zerog: Zerog) -> None:
    seen = []
    for _ in range(2):
        endpoints = zerog.up(*ROLES)
        with NodeClient(f"{storage_of(endpoints).indexer}/node") as router:
            files = [file.tx.data_merkle_root for file in router.list_files().files]
        kv_url = storage_of(endpoints).kv
        assert kv_url is not None
        with KvClient(kv_url) as kv:
            assert kv.get(PROOF_STREAM, PROOF_KEY) == Value(version=1, data=PROOF_VALUE)
            assert [stream.stream_id for stream in kv.streams().streams] == [PROOF_STREAM]
        nonce = ask(endpoints, "eth_getTransactionCount", payer_of_proofs(), "latest")
        seen.append((files, nonce, ask(endpoints, "eth_blockNumber"), storage_of(endpoints)))
        zerog.down()
    assert seen[0] == seen[1]
    assert (seen[0][0][0], len(seen[0][0]), *seen[0][1:3]) == (PROOF_ROOT, 2, "0x1", "0x2")


def test_files_come_back_by_python_by_curl_and_after_a_restart(zerog: Zerog) -> None:
    """The same in a copy of a public network."""
    content = some_bytes(1, 1_000_001)
    for like in ((), ("--like", "galileo")):
        endpoints = zerog.up(*ROLES, *like)
        with library.connect("local", folder=zerog.folder) as network:
            upload = network.storage.upload(content)
            assert upload.root == file_root(content)
            assert network.storage.read(upload.root) == content
            network.kv.put("notes", b"greeting", b"hello")
            assert written(network.kv, "notes", b"greeting") == b"hello"
        zerog.down()
        endpoints = zerog.up(*ROLES, *like)
        with library.connect("local", folder=zerog.folder) as network:
            assert network.storage.read(upload.root) == content
            assert written(network.kv, "notes", b"greeting") == b"hello"
        answer = httpx.get(f"{storage_of(endpoints).indexer}/file", params={"root": str(upload.root)}, headers={"Range": "bytes=999990-"})
        assert (answer.status_code, answer.content) == (206, content[999_990:])
        zerog.down()
        zerog.run("reset")


def test_files_go_in_and_come_back_by_the_command_line(zerog: Zerog) -> None:
    zerog.up(*ROLES)
    given, got = zerog.folder / "given", zerog.folder / "got"
    given.write_bytes(some_bytes(8, 600_000))
    root = zerog.run("storage", "put", str(given)).stdout.strip()
    assert root == str(file_root(given.read_bytes()))
    zerog.run("storage", "get", root, "-o", str(got))
    assert got.read_bytes() == given.read_bytes()
    assert f"root        {root}" in zerog.run("storage", "stat", root).stdout
    listed = zerog.run("storage", "ls").stdout
    assert root in listed
    assert str(PROOF_ROOT) in listed


@pytest.mark.parametrize("extra", [(), ("--ephemeral",)], ids=["kept", "ephemeral"])
def test_after_kill_9_of_storage_it_comes_back_by_itself_with_its_files(zerog: Zerog, extra: tuple[str, ...]) -> None:
    content = some_bytes(2, 300_000)
    endpoints = zerog.up(*ROLES, *extra)
    command = Zerog(Path(endpoints.data_dir).parent)
    with library.connect("local", folder=command.folder) as network:
        root = network.storage.upload(content).root
        for number in range(3):
            network.kv.put("notes", b"%d" % number, b"before")
        first = storage_pid(command)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: storage_pid(command) not in (None, first))
        assert network.storage.read(root) == content
        # Of a temporary folder, too, only the process is gone.
        assert [entry.key for entry in network.kv.entries("notes")] == [b"0", b"1", b"2"]
        network.kv.put("notes", b"1", b"after")
        assert written(network.kv, "notes", b"1") == b"after"
        second = network.storage.upload(content[::-1])
        assert network.storage.read(second.root) == content[::-1]
    assert ask(endpoints, "eth_getTransactionCount", payer_of_proofs(), "latest") == "0x1"
    command.down()


def test_several_nodes_share_the_segments_and_the_router_stands_for_all(zerog: Zerog, clients: Clients) -> None:
    content = some_bytes(3, 9 * 262_144 + 5)
    endpoints = zerog.up(*ROLES, "--nodes", "2", "--replicas", "2")
    nodes = clients(endpoints)
    assert [node.shard() for node in nodes] == [Shard(2, 0), Shard(2, 1), Shard(2, 0), Shard(2, 1)]
    with library.connect("local", folder=zerog.folder) as network:
        root = network.storage.upload(content).root
        assert network.storage.read(root) == content
        network.kv.put("large", b"content", content)  # Its segments lie on different nodes.
        assert written(network.kv, "large", b"content") == content
        until(lambda: all(node.is_finalized(root) for node in nodes))  # Replicas fetch from each other.
    held = [node.availability(root) for node in nodes]
    assert [found.held_count for found in held if found] == [5, 5, 5, 5]
    zerog.down()
    again = zerog.up(*ROLES)
    assert again.storage == endpoints.storage
    zerog.down()
    assert "error [fewer_nodes]" in zerog.run("up", "--wait", "--nodes", "2", "--replicas", "1", *ROLES, expect=1).stderr


def test_a_network_grows_and_its_new_nodes_fetch_what_they_must_hold(zerog: Zerog, clients: Clients) -> None:
    content = some_bytes(4, 6 * 262_144)
    zerog.up(*ROLES)
    with library.connect("local", folder=zerog.folder) as network:
        root = network.storage.upload(content).root
    zerog.down()
    endpoints = zerog.up(*ROLES, "--nodes", "2")
    nodes = clients(endpoints)
    until(lambda: all(node.is_finalized(root) for node in nodes))
    with library.connect("local", folder=zerog.folder) as network:
        assert network.storage.read(root) == content


def test_a_chain_that_goes_back_takes_its_files_along(zerog: Zerog) -> None:
    content = some_bytes(5, 5_000)
    endpoints = zerog.up(*ROLES)
    with library.connect("local", folder=zerog.folder) as network:
        snapshot = ask(endpoints, "evm_snapshot")
        root = network.storage.upload(content).root
        lost = network.kv.put("notes", b"greeting", b"lost")
        assert ask(endpoints, "evm_revert", snapshot) is True
        with NodeClient(f"{storage_of(endpoints).indexer}/node") as router:
            until(lambda: router.file_info(root) is None)
            assert router.is_finalized(PROOF_ROOT) is True
        with pytest.raises(FileUnknownError):
            network.storage.read(root)
        again = network.storage.upload(content)
        assert (again.tx_seqs, network.storage.read(root)) == ((2,), content)
        until(lambda: written(network.kv, "notes", b"greeting") is None)
        found = network.kv.put("notes", b"greeting", b"found")  # Under the number of what was lost.
        assert (found.tx_seq, written(network.kv, "notes", b"greeting")) == (lost.tx_seq, b"found")


def test_a_chain_that_is_reset_under_the_node_is_followed_from_its_beginning(zerog: Zerog) -> None:
    """Also over a restart of the network: the proof is then stored once more."""
    endpoints = zerog.up(*ROLES)
    with library.connect("local", folder=zerog.folder) as network:
        root = network.storage.upload(some_bytes(6, 5_000)).root
        network.kv.put("notes", b"greeting", b"lost")
        ask(endpoints, "anvil_reset")
        with NodeClient(f"{storage_of(endpoints).indexer}/node") as router:
            until(lambda: router.file_info(PROOF_ROOT) is None and router.file_info(root) is None)
        zerog.down()
        zerog.up(*ROLES)
        assert network.storage.read(PROOF_ROOT) == PROOF_FILE
        with pytest.raises(StorageClientError):
            network.storage.read(root)
        assert [stream.stream_id for stream in network.kv.streams().streams] == [PROOF_STREAM]


def test_a_network_whose_files_have_expired_goes_on_and_starts_again(zerog: Zerog) -> None:
    """A year passes: all that there is expires, the proof of the first start too, and can be stored once more."""
    settings = zerog.folder / ".zerog" / "zerog.toml"
    settings.parent.mkdir()
    settings.write_text("[storage.run]\nupkeep-interval = 0.1\nprune-grace = 0\n")
    endpoints = zerog.up(*ROLES)
    content = some_bytes(12, 2_000_000)  # More than a pricing chunk of the local network, so that its time begins.
    with library.connect("local", folder=zerog.folder) as network:
        upload = network.storage.upload(content)
        listed = json.loads(zerog.run("storage", "expiring", "--json").stdout)["files"]
        assert [entry["tx_seq"] for entry in listed] == [0, 1, 2]
        assert "expires     2" in zerog.run("storage", "stat", str(PROOF_ROOT)).stdout
        ask(endpoints, "evm_increaseTime", 400 * 86_400)
        ask(endpoints, "evm_mine")
        with NodeClient(f"{storage_of(endpoints).indexer}/node") as router:
            until(lambda: router.file_info(PROOF_ROOT) is None and router.file_info(upload.root) is None)
        with pytest.raises(FilePrunedError, match="submission 2"):
            network.storage.read(2)
        zerog.down()
        zerog.up(*ROLES)
        assert network.storage.read(PROOF_ROOT) == PROOF_FILE
        again = network.storage.upload(content)
        assert (again.root, again.tx_seqs, network.storage.read(again.root)) == (upload.root, (5,), content)


def test_after_zerog_reset_everything_begins_anew(zerog: Zerog) -> None:
    zerog.up(*ROLES)
    with library.connect("local", folder=zerog.folder) as network:
        root = network.storage.upload(some_bytes(7, 5_000)).root
    zerog.down()
    zerog.run("reset")
    zerog.up(*ROLES)
    with library.connect("local", folder=zerog.folder) as network:
        with pytest.raises(FileUnknownError):
            network.storage.read(root)
        assert [file.tx.data_merkle_root for file in network.storage.files().files][:1] == [PROOF_ROOT]


def test_a_checkpoint_of_the_whole_network_is_a_network_of_its_own(zerog: Zerog, tmp_path: Path) -> None:
    """Chain and files at one block: what was stored before is in it, and nothing that came later."""
    endpoints = zerog.up(*ROLES)
    state = tmp_path / "copy" / ".zerog"
    with library.connect("local", folder=zerog.folder) as network:
        before = network.storage.upload(some_bytes(9, 400_000)).root
        network.kv.put("notes", b"when", b"before")

        async def copy() -> None:
            async with connect(zerog.folder / ".zerog" / "run" / "supervisor.sock") as supervisor:
                await supervisor.ask("quiesce", block=int(network.chain.block_number()), timeout_s=WAIT_S_MAX)
                await supervisor.ask("checkpoint", directory=state, timeout_s=WAIT_S_MAX)
                await supervisor.ask("resume", timeout_s=WAIT_S_MAX)

        anyio.run(copy)
        network.kv.put("notes", b"when", b"after")
        after = network.storage.upload(some_bytes(10, 5_000)).root
        assert network.storage.read(after) == some_bytes(10, 5_000)
    zerog.down()
    copied = Zerog(state.parent)
    try:
        again = copied.up(*ROLES)
        assert ask(again, "eth_blockNumber") == "0x4"
        assert again.storage != endpoints.storage
        with library.connect("local", folder=copied.folder) as network:
            assert network.storage.read(before) == some_bytes(9, 400_000)
            assert written(network.kv, "notes", b"when") == b"before"
            with pytest.raises(FileUnknownError):
                network.storage.read(after)
    finally:
        copied.down()


def test_after_kill_9_of_the_chain_files_go_on(zerog: Zerog) -> None:
    endpoints = zerog.up(*ROLES)
    assert endpoints.chain is not None
    port = int(endpoints.chain.http.rsplit(":", 1)[1])
    first = holder_of_port(port)
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: (now := holder_of_port(port)) is not None and now.pid != first.pid)
    with library.connect("local", folder=zerog.folder) as network:
        upload = network.storage.upload(some_bytes(11, 70_000))
        assert network.storage.read(upload.root) == some_bytes(11, 70_000)


def test_a_chain_that_makes_blocks_only_when_told_is_told_so_once(zerog: Zerog) -> None:
    """And where it cannot be told either, the start ends with a reason."""
    settings = zerog.folder / ".zerog" / "zerog.toml"
    settings.parent.mkdir()
    settings.write_text("[chain.run]\nautomine = false\n")
    assert ask(zerog.up(*ROLES), "eth_blockNumber") == "0x2"
    zerog.down()
    assert ask(zerog.up(*ROLES), "eth_blockNumber") == "0x2"
    zerog.down()
    zerog.run("reset")
    settings.write_text("[chain.run]\nautomine = false\ndev-methods = false\n")
    errors = zerog.run("up", "--wait", "--port-base", "0", *ROLES, expect=1).stderr
    assert "error [storage_not_proven]" in errors
    assert "the chain makes none on demand" in errors


def test_storage_alone_waits_for_a_chain_and_finds_it_in_its_folder(zerog: Zerog) -> None:
    ports = [word for use in ("indexer", "kv", "rpc", "admin", "grpc") for word in (f"--{use}-port", "0")]
    with zerog.begin("storage", "serve", *ports) as storage, zerog.begin("chain", "run", "--rpc-port", "0") as chain:
        assert chain.stdout is not None
        assert storage.stdout is not None
        chain_url, indexer = chain.stdout.readline().strip(), storage.stdout.readline().strip()
        assert httpx.get(f"{indexer}/readyz").status_code == 200
        with ChainClient(chain_url) as client:
            assert client.block_number() == 0  # Only a supervisor asks for the proof.
        for process in (storage, chain):
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_S_MAX) == 0


def test_a_node_that_is_asked_to_shut_down_is_brought_back(zerog: Zerog) -> None:
    endpoints = zerog.up(*ROLES)
    first = storage_pid(zerog)
    question = {"jsonrpc": "2.0", "id": 1, "method": "admin_shutdown", "params": []}
    assert "error" not in httpx.post(storage_of(endpoints).nodes[0].admin, json=question).json()
    until(lambda: storage_pid(zerog) not in (None, first))
    assert "code=shutdown_asked" in zerog.run("logs", "storage").stdout
    with library.connect("local", folder=zerog.folder) as network:
        assert network.storage.read(PROOF_ROOT) == PROOF_FILE
