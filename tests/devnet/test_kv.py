"""Key-value streams of a running network as a user meets them, from the shell and from Python, over proofs, secrets and lost blocks."""

import io
import re
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from anyio.from_thread import start_blocking_portal
from msgspec.structs import replace

import zerog as library
from tests.devnet.command import Zerog, ask
from zerog.chain.client import ChainClient
from zerog.cli.application import run
from zerog.devnet.endpoints import Endpoints
from zerog.networks import load
from zerog.primitives import Address, Hash32
from zerog.sdk.network import Network
from zerog.storage.client import Encryption
from zerog.storage.client.connection import HttpServer
from zerog.storage.client.kv import (
    Batch,
    BatchRejectedError,
    ControlDeniedError,
    ItemInvalidError,
    KvClient,
    NoChainError,
    NoWriterError,
    ProofInvalidError,
    StreamNotFollowedError,
    ValueTooLargeError,
    VersionConflictError,
    WriteDeniedError,
    calls,
    stream_id,
)
from zerog.storage.client.kv.proving import Prover
from zerog.storage.client.rpc import run_call
from zerog.storage.kv.service import KeyValueNode
from zerog.storage.kv.settings import KeyValueNodeSettings
from zerog.storage.protocol.encryption import FileKeys, SecretKey
from zerog.storage.wire.kv import ValueProof
from zerog.storage.wire.segments import FileProof

SEGMENT_BYTES = 262_144
WAIT_S_MAX = 30


@pytest.fixture(scope="module")
def zerog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zerog]:
    """The command in the folder of a running network."""
    command = Zerog(tmp_path_factory.mktemp("kv"))
    command.up("--only", "chain", "--only", "storage")
    yield command
    command.down()


@pytest.fixture(scope="module")
def network(zerog: Zerog) -> Iterator[Network]:
    with library.connect("local", folder=zerog.folder) as network:
        yield network


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not is_so():
        assert time.monotonic() < deadline


@contextmanager
def as_account(network: Network, zerog: Zerog, number: int) -> Iterator[KvClient]:
    """The client of another test account."""
    with library.connect("local", folder=zerog.folder, key=network.accounts[number]) as other:
        yield other.kv


# ---- values ------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_at_once_and_as_it_was(network: Network) -> None:
    kv = network.kv
    versions = [kv.put("versions", b"k", value).tx_seq for value in (b"one", b"two")]
    versions.append(kv.delete("versions", b"k").tx_seq)
    assert kv.get("versions", b"k") is None
    assert kv.read("versions", b"k").version == versions[-1]
    found = [kv.get("versions", b"k", version=version) for version in (versions[0] - 1, *versions)]
    assert [value and value.data for value in found] == [None, b"one", b"two", None]
    assert kv.get("versions", b"never") is None


@pytest.mark.parametrize("size", [1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES + 17])
def test_a_value_of_any_size_comes_back_whole_in_pieces_and_proved(network: Network, size: int) -> None:
    kv, value = network.kv, secrets.token_bytes(size)
    written = kv.put("sizes", b"%d" % size, value)
    found = kv.get("sizes", b"%d" % size)
    assert found is not None
    assert (found.version, found.data) == (written.tx_seq, value)
    assert b"".join(kv.stream("sizes", b"%d" % size)) == value
    assert kv.read("sizes", b"%d" % size, offset=size // 2, length=1).data == value[size // 2 : size // 2 + 1]
    proved = kv.get_proved("sizes", b"%d" % size)
    assert proved is not None
    assert (proved.data, proved.sender, proved.transaction_hash) == (value, network.accounts[0].address, written.transaction_hash)
    if size > 1:
        with pytest.raises(ValueTooLargeError):
            kv.get("sizes", b"%d" % size, bytes_max=size - 1)


def test_keys_come_in_the_order_of_their_bytes(network: Network) -> None:
    kv = network.kv
    keys = [b"\x00", b"a", b"a\x00", b"ab", b"b", b"\xff", b"\xff\xff", b"\xff\xff\x01"]
    batch = Batch().set("order", b"gone", b"1")
    for key in reversed(keys):
        batch.set("order", key, b"value of " + key)
    kv.write(batch.delete("order", b"gone"))
    assert [(entry.key, entry.data) for entry in kv.entries("order")] == [(key, b"value of " + key) for key in keys]
    assert [entry.key for entry in kv.entries("order", backwards=True, values=False)] == keys[::-1]
    assert [entry.key for entry in kv.entries("order", prefix=b"a")] == [b"a", b"a\x00", b"ab"]
    assert [entry.key for entry in kv.entries("order", prefix=b"a", backwards=True)] == [b"ab", b"a\x00", b"a"]
    assert [entry.key for entry in kv.entries("order", prefix=b"\xff", backwards=True)] == keys[:4:-1]
    assert [entry.key for entry in kv.entries("order", start=b"aa")] == keys[3:]
    assert [entry.key for entry in kv.entries("order", start=b"aa", prefix=b"a", backwards=True)] == [b"a\x00", b"a"]
    assert list(kv.entries("order", prefix=b"c")) == []
    first, last = kv.first("order"), kv.last("order", values=False)
    assert first is not None
    assert last is not None
    assert (first.key, last.key, last.data, last.size_bytes) == (keys[0], keys[-1], b"", len(b"value of " + keys[-1]))
    pages, cursor = [], None
    while True:
        page = kv.key_page("order", cursor, count=3)
        pages.append([found.key for found in page.keys])
        if (cursor := page.next) is None:
            break
    assert [key for page in pages for key in page] == keys
    assert max(map(len, pages)) == 3


def test_the_same_batch_written_twice_is_two_submissions_and_a_sealed_one_is_one(network: Network) -> None:
    batch = Batch().set("twice", b"k", b"v")
    first, second = network.kv.write(batch), network.kv.write(batch)
    assert second.tx_seq == first.tx_seq + 1
    sealed = batch.seal()
    third, again = network.kv.write(sealed), network.kv.write(sealed)
    assert (again.tx_seq, again.transaction_hash) == (third.tx_seq, None)
    assert [item.result for item in network.kv.items(first.tx_seq).items if stream_id("twice") in item.streams] == ["Commit"] * 3


@pytest.mark.anyio
async def test_the_asynchronous_twin_does_the_same(zerog: Zerog) -> None:
    async with library.connect_async("local", folder=zerog.folder) as network:
        written = await network.kv.write(Batch().set("async", b"a", b"1").set("async", b"b", b"2" * 300_000))
        assert [(entry.key, entry.size_bytes) async for entry in network.kv.entries("async", values=False)] == [(b"a", 1), (b"b", 300_000)]
        assert b"".join([piece async for piece in network.kv.stream("async", b"b")]) == b"2" * 300_000
        proved = await network.kv.get_proved("async", b"a")
        assert proved is not None
        assert proved.version == written.tx_seq


# ---- conditions and rights ---------------------------------------------------------------------------------------


def test_a_batch_of_an_older_version_has_no_effect_at_all(network: Network) -> None:
    kv = network.kv
    first = kv.write(Batch().set("conditions", b"a", b"1").set("conditions", b"b", b"1"))
    kv.put("conditions", b"a", b"2", version=first.tx_seq)
    for batch in (
        Batch(version=first.tx_seq).set("conditions", b"a", b"3").set("conditions", b"b", b"3"),
        Batch(version=first.tx_seq).set("conditions", b"b", b"3").watch("conditions", b"a"),
    ):
        with pytest.raises(VersionConflictError) as refused:
            kv.write(batch)
        assert (refused.value.result, kv.result(refused.value.tx_seq)) == ("VersionConfliction", "VersionConfliction")
    assert [entry.data for entry in kv.entries("conditions")] == [b"2", b"1"]


def test_rights_are_granted_revoked_and_renounced(network: Network, zerog: Zerog) -> None:
    kv, who = network.kv, [account.address for account in network.accounts]
    kv.write(Batch().set("rights", b"k", b"1").set_special("rights", b"s").grant_writer_of_key("rights", b"s", who[2]))
    with as_account(network, zerog, 1) as writer, as_account(network, zerog, 2) as special:
        with pytest.raises(WriteDeniedError, match="SenderNoWritePermission"):
            writer.put("rights", b"k", b"2")
        kv.write(Batch().grant_writer("rights", who[1]))
        writer.put("rights", b"k", b"2")
        with pytest.raises(WriteDeniedError, match=r"WritePermissionDenied: .*key: s"):
            writer.put("rights", b"s", b"2")
        with pytest.raises(ControlDeniedError, match="GRANT_ADMIN_ROLE"):
            writer.write(Batch().grant_admin("rights", who[4]))
        special.put("rights", b"s", b"3")
        assert [writer.may_write(who[number], "rights", b"k") for number in range(4)] == [True, True, False, False]
        assert [writer.may_write(who[number], "rights", b"s") for number in range(4)] == [True, False, True, False]
        assert (kv.is_admin(who[0], "rights"), kv.is_writer(who[1], "rights"), kv.is_special("rights", b"s")) == (True, True, True)
        assert kv.is_writer_of_key(who[2], "rights", b"s")
        writer.write(Batch().renounce_writer("rights"))
        kv.write(Batch().revoke_writer_of_key("rights", b"s", who[2]))
        for client in (writer, special):
            with pytest.raises(BatchRejectedError):
                client.put("rights", b"k", b"4")
    proved = kv.get_proved("rights", b"s")
    assert proved is not None
    assert (proved.sender, proved.data) == (who[2], b"3")


# ---- other nodes -------------------------------------------------------------------------------------------------


@contextmanager
def another_node(zerog: Zerog, **settings: object) -> Iterator[str]:
    """The URL of a second key-value node of the network, in this process."""
    endpoints = msgspec.json.decode((zerog.folder / ".zerog" / "endpoints.json").read_bytes(), type=Endpoints)
    assert endpoints.chain is not None
    assert endpoints.storage is not None
    nodes = tuple(node.rpc for node in endpoints.storage.nodes)
    node = KeyValueNode(KeyValueNodeSettings(port=0, chain_url=endpoints.chain.http, nodes=nodes, **settings))  # type: ignore[arg-type]
    with start_blocking_portal() as portal:
        future, url = portal.start_task(node.run)
        yield url
        future.cancel()


def test_an_encrypted_stream_is_read_by_who_has_the_key(network: Network, zerog: Zerog) -> None:
    key, other = SecretKey(secrets.token_bytes(32)), SecretKey(secrets.token_bytes(32))
    stream = str(stream_id("encrypted"))
    with (
        another_node(zerog, stream=(stream,), encryption_key=key.hex()) as url,
        library.connect("local", folder=zerog.folder, kv_url=url) as reader,
    ):
        for number, encryption in enumerate((Encryption(key=key), Encryption(key=key, form="official"))):
            reader.kv.put(stream, b"%d" % number, b"for few", encrypt=encryption)
            proved = reader.kv.get_proved(stream, b"%d" % number, keys=FileKeys(shared=key))
            assert proved is not None
            assert proved.data == b"for few"
        with pytest.raises(ItemInvalidError):
            reader.kv.put(stream, b"plain", b"for all")
        with pytest.raises(ItemInvalidError):
            reader.kv.put(stream, b"wrong", b"for others", encrypt=Encryption(key=other))
        assert [entry.data for entry in reader.kv.entries(stream)] == [b"for few"] * 2
    # A node without the key can read of it what was not meant to be there, once it is as far.
    until(lambda: network.kv.get(stream, b"plain") is not None)
    assert [entry.key for entry in network.kv.entries(stream)] == [b"plain"]


def test_a_node_that_does_not_follow_the_stream_says_so_instead_of_keeping_one_waiting(network: Network, zerog: Zerog) -> None:
    with (
        another_node(zerog, stream=(str(stream_id("followed")),)) as url,
        library.connect("local", folder=zerog.folder, kv_url=url) as other,
    ):
        other.kv.put("followed", b"k", b"1")
        with pytest.raises(StreamNotFollowedError) as refused:
            other.kv.put("not followed", b"k", b"1")
        assert other.kv.get("followed", b"k") is not None
        assert run(["kv", "follow", "not followed", "--kv", url, "--dir", str(zerog.folder)]) == 0
        until(lambda: other.kv.get("not followed", b"k") is not None)  # What was written before is applied too.
    until(lambda: network.kv.result(refused.value.tx_seq) == "Commit")


def test_a_proof_is_held_against_the_chain(network: Network, zerog: Zerog) -> None:
    """Here against another one, which knows nothing of it."""
    network.kv.put("proofs", b"k", b"v")
    url, flow = network.kv.url, Address(bytes(20))
    with KvClient(url) as reader:
        with pytest.raises(NoChainError):
            reader.get_proved("proofs", b"k")
        with pytest.raises(NoWriterError):
            reader.put("proofs", b"k", b"v")
    with ChainClient(network.chain.url) as chain, KvClient(url, chain=chain, flow=flow) as reader:
        with pytest.raises(ProofInvalidError, match="does not tell of submission"):
            reader.get_proved("proofs", b"k")
        assert reader.get_proved("proofs", b"never") is None


def flipped(hash_: Hash32) -> Hash32:
    return Hash32(bytes([hash_[0] ^ 1]) + hash_[1:])


def other_hash(proof: ValueProof, part: str, **changes: object) -> ValueProof:
    return replace(proof, **{part: replace(getattr(proof, part), **changes)})


FORGERIES: Final[dict[str, Callable[[ValueProof], ValueProof]]] = {
    "version": lambda proof: replace(proof, version=proof.version - 1),
    "number": lambda proof: replace(proof, version=proof.version + 1, tx_seq=proof.tx_seq + 1),
    "start": lambda proof: replace(proof, start=proof.start + 1),
    "size": lambda proof: replace(proof, size=proof.size - 1),
    "root": lambda proof: replace(proof, root=flipped(proof.root)),
    "file size": lambda proof: replace(proof, file_size=proof.file_size + 1),
    "data": lambda proof: replace(proof, segments=[replace(proof.segments[0], data=b"\1" * len(proof.segments[0].data))]),
    "index": lambda proof: replace(proof, segments=[replace(proof.segments[0], index=2**40)]),
    "transaction": lambda proof: other_hash(proof, "submission", transaction_hash=flipped(proof.submission.transaction_hash)),
    "block": lambda proof: other_hash(proof, "submission", block_number=proof.submission.block_number + 1),
    "place": lambda proof: other_hash(proof, "submission", start_sector=proof.submission.start_sector + 1),
    "nodes": lambda proof: other_hash(proof, "submission", nodes=proof.submission.nodes * 2),
    "flow root": lambda proof: other_hash(proof, "flow", root=flipped(proof.flow.root)),
    "no way": lambda proof: other_hash(proof, "flow", proofs=[]),
    "short way": lambda proof: other_hash(proof, "flow", proofs=[FileProof([proof.flow.root], [])]),
    "side": lambda proof: other_hash(
        proof, "flow", proofs=[FileProof(proof.flow.proofs[0].lemma, [not proof.flow.proofs[0].path[0], *proof.flow.proofs[0].path[1:]])]
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_proof_proves_nothing(network: Network, forgery: str) -> None:
    kv, flow = network.kv, load("local").addresses["flow"]
    kv.put("forged", b"k", b"v" * 300)
    stream = stream_id("forged")
    with HttpServer(kv.url) as server:
        proof = run_call(server, calls.proof(stream, b"k", None))
    assert proof is not None
    prover = Prover(url=kv.url, chain=network.chain, flow=flow, storage=None)
    check = partial(prover.prove, stream=stream, key=b"k", version=None, keys=None, bytes_max=1000)
    assert check(proof).data == b"v" * 300
    with pytest.raises(ProofInvalidError):
        check(FORGERIES[forgery](proof))


def test_segments_that_a_proof_leaves_out_come_from_storage(network: Network) -> None:
    kv, flow, value = network.kv, load("local").addresses["flow"], secrets.token_bytes(700_000)
    kv.write(Batch().set("left out", b"k", value).set("left out", b"first", b"x" * 300_000))
    stream = stream_id("left out")
    with HttpServer(kv.url) as server:
        proof = run_call(server, calls.proof(stream, b"k", None))
    assert proof is not None
    bare = replace(proof, segments=proof.segments[:1])
    found = Prover(url=kv.url, chain=network.chain, flow=flow, storage=network.storage).prove(
        bare, stream, b"k", version=None, keys=None, bytes_max=1 << 20
    )
    assert found.data == value
    with pytest.raises(ProofInvalidError, match="segments are missing"):
        Prover(url=kv.url, chain=network.chain, flow=flow, storage=None).prove(
            bare, stream, b"k", version=None, keys=None, bytes_max=1 << 20
        )
    with pytest.raises(ProofInvalidError, match="does not write the key"):
        Prover(url=kv.url, chain=network.chain, flow=flow, storage=network.storage).prove(
            bare, stream, b"another", version=None, keys=None, bytes_max=1 << 20
        )


# ---- the shell ---------------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """What a command wrote."""

    out: bytes
    err: str


@dataclass(frozen=True, slots=True)
class Shell:
    """`zerog kv` in this process: the same arguments and outputs, without half a second for each interpreter."""

    folder: Path
    captured: pytest.CaptureFixture[bytes]

    def run(self, *words: str, expect: int = 0) -> Said:
        code = run(["kv", *words, "--dir", str(self.folder)])
        out, err = self.captured.readouterr()
        assert code == expect, err.decode()
        return Said(out, err.decode())

    def json(self, *words: str) -> Any:
        return msgspec.json.decode(self.run(*words, "--json").out)


@pytest.fixture
def shell(zerog: Zerog, capsysbinary: pytest.CaptureFixture[bytes]) -> Shell:
    return Shell(zerog.folder, capsysbinary)


def test_the_shell_writes_reads_lists_and_deletes(shell: Shell, zerog: Zerog, network: Network, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(secrets.token_bytes(500_000))
    version = zerog.run("kv", "put", "shell", "greeting", "hello").stdout.strip()
    assert shell.run("get", "shell", "greeting").out == b"hello"
    written = shell.json("put", "shell", "0x00ff", "--file", str(big))
    assert written["streams"] == [str(stream_id("shell"))]
    told = shell.run("get", "shell", "0x00ff", "-o", str(tmp_path / "got"), "--verify").err
    assert (tmp_path / "got").read_bytes() == big.read_bytes()
    assert f"written by {network.accounts[0].address} in submission {written['tx_seq']}" in told
    assert "target_exists" in shell.run("get", "shell", "0x00ff", "-o", str(tmp_path / "got"), expect=1).err
    assert shell.run("list", "shell").out.decode().split() == [str(written["tx_seq"]), "500,000", "0x00ff", version, "5", "greeting"]
    listed = shell.json("list", "shell", "--reverse", "--limit", "1")
    assert ([found["key"] for found in listed["keys"]], listed["next"]) == (["greeting"], "0x00ff")
    late = shell.run("put", "shell", "greeting", "late", "--if-version", "0", expect=1).err
    assert "error [kv_version_conflict]" in late
    refused = re.findall(r"submission (\d+)", late)[0]
    assert shell.run("result", refused, expect=1).out == b"VersionConfliction\n"
    shell.run("delete", "shell", "greeting")
    assert "there is no greeting" in shell.run("get", "shell", "greeting", expect=4).err
    assert b64decode(shell.json("get", "shell", "greeting", "--version", version)["value"]) == b"hello"
    assert shell.run("result", version).out == b"Commit\n"
    shell.run("result", "999999", expect=4)
    assert str(stream_id("shell")) in shell.run("streams").out.decode()
    assert str(stream_id("shell")) in [one["streamId"] for one in shell.json("streams")["streams"]]


def test_the_shell_changes_rights(shell: Shell, network: Network) -> None:
    account = network.accounts[3]
    who, key = str(account.address), ("--key", account.private_key.hex())
    shell.run("special", "shell rights", "s")
    shell.run("grant", "shell rights", who, "--special", "s")
    shell.run("put", "shell rights", "s", "mine", *key)
    rights = {"admin": False, "writer": False, "key_is_special": True, "writer_of_key": True, "may_write_key": True}
    assert shell.json("rights", "shell rights", who, "s") == rights
    shell.run("revoke", "shell rights", who, "--special", "s")
    refused = shell.run("put", "shell rights", "s", "again", *key, expect=1).err
    assert "error [kv_write_denied]" in refused
    assert "zerog kv grant" in refused
    shell.run("grant", "shell rights", who, "--admin")
    shell.run("special", "shell rights", "s", "--off", *key)
    shell.run("renounce", "shell rights", "--admin", *key)
    assert shell.json("rights", "shell rights", who, "s") == dict.fromkeys(rights, False)


def test_the_shell_writes_what_it_is_given_by_a_pipe(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for flag, value in (("--file", b"bytes \x00\xff and no text"), ("-f", b"again")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(value)))
        shell.run("put", "shell pipe", "k", flag, "-")
        assert shell.run("get", "shell pipe", "k").out == value


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("grant", "s", "0x" + "11" * 20), "name one right"),
        (("grant", "s", "0x" + "11" * 20, "--admin", "--writer"), "name one right"),
        (("grant", "s", "0x11", "--admin"), "an account is 0x and 40 hex digits"),
        (("get", "0x11", "k"), "names no stream"),
        (("get", "s", "0x1"), "is no key"),
        (("put", "s", "k"), "give a value, or a file"),
        (("put", "s", "k", ""), "an empty value deletes"),
        (("put", "s", "k", "--file", "/nowhere"), "/nowhere"),
        (("put", "s", "", "v"), "1 to 16777215 bytes, not 0"),
    ],
    ids=" ".join,
)
def test_what_the_shell_does_not_understand_it_says(shell: Shell, words: Sequence[str], cause: str) -> None:
    told = shell.run(*words, expect=1).err
    assert cause in told
    assert "remedy: " in told


# ---- a chain that goes back --------------------------------------------------------------------------------------


def test_after_the_chain_went_back_a_write_tells_its_own_result(zerog: Zerog, network: Network) -> None:
    """Its number had another result before, which the node may not have forgotten yet."""
    endpoints = msgspec.json.decode((zerog.folder / ".zerog" / "endpoints.json").read_bytes(), type=Endpoints)
    owned = network.kv.put("back", b"k", b"1")
    for value in (b"2", b"3"):
        snapshot = ask(endpoints, "evm_snapshot")
        assert network.kv.put("back", b"k", value).tx_seq == owned.tx_seq + 1
        assert ask(endpoints, "evm_revert", snapshot) is True
        snapshot = ask(endpoints, "evm_snapshot")
        with as_account(network, zerog, 5) as stranger:
            with pytest.raises(WriteDeniedError) as refused:
                stranger.put("back", b"k", b"stolen")
            assert refused.value.tx_seq == owned.tx_seq + 1
            assert (found := stranger.get("back", b"k")) is not None
            assert found.data == b"1"
        assert ask(endpoints, "evm_revert", snapshot) is True
