"""Key-value streams as the official SDKs write and read them: values, versions, rights, junk, faults, and an older SDK."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from anyio.from_thread import start_blocking_portal

from tests.interop.storage.kv import KvNetwork, call, iterate, key, raw, running_kv_network, stream, value, write
from tests.interop.storage.sdk import OLD, Job, Outcome, Step
from zerog._kernel import keccak256
from zerog.devnet.folder import NetworkFolder
from zerog.devnet.inspect import network_status
from zerog.storage.client import UploadOptions
from zerog.storage.client.kv import Batch, KvClient
from zerog.storage.kv.service import KeyValueNode
from zerog.storage.kv.settings import KeyValueNodeSettings
from zerog.storage.protocol.streams import Operation

pytestmark = pytest.mark.timeout(200)

A: Final = stream("interop/values")
LARGE: Final = stream("interop/large")
CONFLICT: Final = stream("interop/conflict")
JUNK: Final = stream("interop/junk")
FOREIGN: Final = stream("interop/foreign")
OLDER: Final = stream("interop/older")
SECRET: Final = stream("interop/secret")
AES_KEY: Final = bytes(range(32)).hex()
PRIVATE_KEY: Final = "01" * 32
PUBLIC_KEY: Final = "0x031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f"
"""Of that private key, compressed."""
SEGMENT_BYTES: Final = 262_144
SIZES: Final = {b"one segment": SEGMENT_BYTES, b"one byte more": SEGMENT_BYTES + 1, b"a million": 1_000_000}

QUICKSTART: Final = Path(__file__).parent / "kv-quickstart.mjs"
PROGRAM_S_MAX: Final = 60
WAIT_S_MAX: Final = 60
ITEMS: Final = 50
ITEM_VALUE_BYTES: Final = 20_000
ATTEMPTS: Final = 5

READERS, BASICS, LARGES, CONFLICTS, JUNKS, ADMIN, WRITER, SPECIAL, STRANGER, OWNER = range(10)
"""Lanes, each with the test account of its number. The first account is that of the program of the documentation, whose reader has it."""

ROLES: Final = {"admin": ADMIN, "writer": WRITER, "special writer": SPECIAL, "stranger": STRANGER}
NORMAL_KEY: Final = b"normal"
SPECIAL_KEY: Final = b"special"
OPERATIONS: Final = ("WRITE", "WRITE_SPECIAL", *(operation.name for operation in Operation))
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "admin": frozenset(OPERATIONS),
    "writer": frozenset({"WRITE", "GRANT_WRITER", "RENOUNCE_ADMIN", "RENOUNCE_WRITER", "RENOUNCE_SPECIAL_WRITER"}),
    "special writer": frozenset({"WRITE_SPECIAL", "GRANT_SPECIAL_WRITER", "RENOUNCE_ADMIN", "RENOUNCE_WRITER", "RENOUNCE_SPECIAL_WRITER"}),
    "stranger": frozenset({"RENOUNCE_ADMIN", "RENOUNCE_WRITER", "RENOUNCE_SPECIAL_WRITER"}),
}
"""Who may do what, on a stream where «normal» is an ordinary key and «special» has writers of its own."""
ROLE_NAMES: Final = {
    "GRANT_ADMIN": "GRANT_ADMIN_ROLE",
    "SET_KEY_TO_SPECIAL": "SET_KEY_TO_SPECIAL",
    "SET_KEY_TO_NORMAL": "SET_KEY_TO_NORMAL",
    "GRANT_WRITER": "GRANT_WRITER_ROLE",
    "REVOKE_WRITER": "REVOKE_WRITER_ROLE",
    "GRANT_SPECIAL_WRITER": "GRANT_SPECIAL_WRITER_ROLE",
    "REVOKE_SPECIAL_WRITER": "REVOKE_SPECIAL_WRITER_ROLE",
}
"""Operations in the words of a refusal."""


def ground(operation: str, role: str) -> str:
    """The stream on which one role tries one operation."""
    return f"interop/matrix/{role}/{operation}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An operation by a role, on a stream of its own: what is in the batch, and what the SDK asks afterwards."""

    sets: Sequence[tuple[str, bytes, bytes]]
    controls: Sequence[dict[str, object]]
    question: Job

    @classmethod
    def of(cls, operation: str, role: str, account: str, victim: str) -> "Attempt":
        name = stream(ground(operation, role))
        if operation.startswith("WRITE"):
            place = NORMAL_KEY if operation == "WRITE" else SPECIAL_KEY
            return cls([(name, place, b"written")], [], call("getValue", name, key(place)))
        kind = Operation[operation]
        touched = NORMAL_KEY if kind is Operation.SET_KEY_TO_SPECIAL else SPECIAL_KEY
        control: dict[str, object] = {"type": int(kind), "stream": name}
        if kind.has_key:
            control["key"] = f"0x{touched.hex()}"
        if kind.has_account:
            control["account"] = victim
        who = account if kind.is_renounce else victim
        questions = {
            0x00: call("isAdmin", who, name),
            0x10: call("isSpecialKey", name, key(touched)),
            0x20: call("isWriterOfStream", who, name),
            0x30: call("isWriterOfKey", who, name, key(touched)),
        }
        return cls([], [control], questions[kind.kind])


def attempts(role: str, account: str, victim: str) -> list[Job]:
    """What the role may do in one batch, since each operation has a stream of its own; then a batch for each that it may not do.

    A stranger writes to a stream of its own in the same batch: who can write nothing at all is refused before anything is looked at.
    """
    everything = {operation: Attempt.of(operation, role, account, victim) for operation in OPERATIONS}
    jobs = []
    for group in grouped(role):
        members = [everything[operation] for operation in group]
        sets = [one for member in members for one in member.sets]
        if role == "stranger":
            sets.append((stream(ground(group[0], "own")), b"mine", b"1"))
        controls = [control for member in members for control in member.controls]
        jobs.append(write(*sets, controls=controls, then=[member.question for member in members]))
    return jobs


def grouped(role: str) -> list[list[str]]:
    """Operations that go together."""
    allowed = [operation for operation in OPERATIONS if operation in ALLOWED[role]]
    return [allowed, *([operation] for operation in OPERATIONS if operation not in ALLOWED[role])]


def held_before(operation: str, role: str) -> bool:
    """What the question of an attempt would have been answered before it."""
    match operation:
        case "SET_KEY_TO_NORMAL" | "REVOKE_WRITER" | "REVOKE_SPECIAL_WRITER":
            return True
        case "RENOUNCE_ADMIN":
            return role == "admin"
        case "RENOUNCE_WRITER":
            return role == "writer"
        case "RENOUNCE_SPECIAL_WRITER":
            return role == "special writer"
    return False


def held_after(operation: str, role: str) -> bool:
    """The same when it took effect."""
    return operation.startswith(("GRANT", "SET_KEY_TO_SPECIAL"))


@dataclass(frozen=True, slots=True)
class Story:
    """All that the SDK did in one go, lanes at the same time, since it waits two seconds for each write."""

    kv: KvNetwork
    lanes: Sequence[Sequence[Outcome]]
    older: Sequence[Outcome]
    quickstart: str
    """What the program of the documentation printed."""

    def of(self, lane: int, job: int) -> Any:
        return self.lanes[lane][job].result()


@pytest.fixture(scope="module")
def kv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KvNetwork]:
    with running_kv_network(tmp_path_factory.mktemp("kv")) as kv:
        yield kv


def accounts(kv: KvNetwork) -> list[str]:
    return [str(account.address) for account in kv.ours.accounts]


def prepare_matrix(kv: KvNetwork) -> None:
    """Every stream of the matrix in one batch, by its owner."""
    import zerog

    owner = kv.ours.accounts[OWNER]
    who = [account.address for account in kv.ours.accounts]
    batch = Batch()
    for role in ROLES:
        for operation in OPERATIONS:
            name = ground(operation, role)
            batch.grant_admin(name, who[ADMIN]).grant_writer(name, who[WRITER]).set_special(name, SPECIAL_KEY)
            batch.grant_writer_of_key(name, SPECIAL_KEY, who[SPECIAL])
            if operation == "REVOKE_WRITER":
                batch.grant_writer(name, who[BASICS])
            if operation == "REVOKE_SPECIAL_WRITER":
                batch.grant_writer_of_key(name, SPECIAL_KEY, who[BASICS])
    with zerog.connect("local", folder=Path(kv.network.endpoints.data_dir).parent, key=owner) as network:
        network.kv.write(batch)
        network.kv.put("interop/foreign", b"theirs", b"owned")


@pytest.fixture(scope="module")
def story(kv: KvNetwork) -> Story:
    prepare_matrix(kv)
    who = accounts(kv)
    lanes: list[list[Step]] = [[] for _ in range(10)]
    lanes[BASICS] = [
        write((A, b"b", b"two"), (A, b"a", b"one"), (A, b"\xff\x00", b"bytes"), (A, b"gone", b"soon")),
        write((A, b"a", b"one again"), (A, b"gone", b"")),
        [value(A, b"a"), value(A, b"gone"), value(A, b"never"), value(A, b"\xff\x00")],
        [
            iterate(A, "seekToFirst", "next"),
            iterate(A, "seekToLast", "prev"),
            iterate(A, "seekAfter", "next", b"aa"),
            iterate(A, "seekBefore", "prev", b"gone"),
            iterate(A, "seekAfter", "next", b"\xff\xff"),
            call("getHoldingStreamIds"),
        ],
    ]
    lanes[LARGES] = [
        [
            write(zeros=[(LARGE, f"0x{name.hex()}", size) for name, size in SIZES.items()]),
            write((SECRET, b"shared", b"for who has the key"), options={"encryption": {"type": "aes256", "key": f"0x{AES_KEY}"}}),
            write((SECRET, b"own", b"for one"), options={"encryption": {"type": "ecies", "recipientPubKey": PUBLIC_KEY}}),
        ],
        [value(LARGE, name) for name in SIZES] + [iterate(LARGE, "seekToFirst", "next")],
    ]
    lanes[CONFLICTS] = [
        write((CONFLICT, b"k", b"1"), (CONFLICT, b"other", b"1")),
        [
            write((CONFLICT, b"k", b"2"), version=0),
            write((CONFLICT, b"fresh", b"2"), reads=[(CONFLICT, b"other")], version=0),
            write((CONFLICT, b"fresh", b"3"), reads=[(CONFLICT, b"never written")], version=0),
        ],
        value(CONFLICT, b"k"),
    ]
    lanes[JUNKS] = [
        [raw(b"\x00", JUNK), raw(bytes(range(10)), JUNK), raw(b"not an item at all" * 20, JUNK)],
        [write((JUNK, b"after", b"2")), write((FOREIGN, b"theirs", b"stolen"), options={"submitter": who[OWNER]})],
        value(JUNK, b"after"),
    ]
    for role, lane in ROLES.items():
        theft = [write((stream(ground("WRITE", "admin")), NORMAL_KEY, b"stolen"))] if role == "stranger" else []
        lanes[lane] = [[*attempts(role, who[lane], who[BASICS]), *theft]]
    older: list[Step] = [
        write((OLDER, b"k", b"from 0.3.3")),
        [value(OLDER, b"k"), iterate(OLDER, "seekToFirst", "next"), call("isWriterOfStream", who[OWNER], OLDER)],
    ]
    folder = Path(kv.network.endpoints.data_dir).parent
    quickstart = ["node", str(QUICKSTART), stream("interop/quickstart")]
    with (
        kv.sdk().started(*lanes) as new,
        subprocess.Popen(quickstart, cwd=folder, stdout=subprocess.PIPE, text=True) as program,
    ):
        outcomes_of_older = kv.sdk(OLD).run(*[[] for _ in range(OWNER)], older)[OWNER]
        printed, _ = program.communicate(timeout=PROGRAM_S_MAX)
        return Story(kv, new.finish(lanes), outcomes_of_older, printed)


# ---- values ------------------------------------------------------------------------------------------------------


def test_what_the_sdk_writes_it_reads(story: Story) -> None:
    first, second = story.of(BASICS, 0), story.of(BASICS, 1)
    assert (first["result"], second["result"]) == ("Commit", "Commit")
    a, gone, never, odd = story.of(BASICS, 2)
    assert (bytes.fromhex(a["data"][2:]), a["version"]) == (b"one again", second["txSeq"])
    assert (gone["data"], gone["size"], gone["version"]) == ("0x", 0, second["txSeq"])
    assert (never["data"], never["size"], never["version"]) == ("0x", 0, 0)
    assert (bytes.fromhex(odd["data"][2:]), odd["version"]) == (b"bytes", first["txSeq"])


def test_the_iterator_walks_both_ways_and_passes_what_was_deleted(story: Story) -> None:
    forwards, backwards, after, before, beyond, held = story.of(BASICS, 3)
    first, second = story.of(BASICS, 0)["txSeq"], story.of(BASICS, 1)["txSeq"]
    pairs = [(b"a", b"one again", second), (b"b", b"two", first), (b"\xff\x00", b"bytes", first)]
    expected = [[f"0x{name.hex()}", f"0x{data.hex()}", version] for name, data, version in pairs]
    assert forwards == expected
    assert backwards == expected[::-1]
    assert (after, before, beyond) == (expected[1:], expected[1::-1], [])
    assert A in held
    assert held == sorted(held)


def test_values_of_one_segment_and_more_come_back_whole(story: Story) -> None:
    assert story.of(LARGES, 0)[0]["result"] == "Commit"
    *values, walked = story.of(LARGES, 1)
    for found, size in zip(values, SIZES.values(), strict=True):
        assert (found["length"], found["size"]) == (size, size)
        assert found["data"] == f"0x{keccak256(bytes([7]) * size).hex()}"
    assert [(bytes.fromhex(name[2:]), (len(data) - 2) // 2) for name, data, _ in walked] == sorted(SIZES.items())


def test_our_client_reads_what_the_sdk_wrote(story: Story) -> None:
    kv = story.kv.ours.kv
    for name, size in SIZES.items():
        found = kv.get_proved("interop/large", name)
        assert found is not None
        assert found.data == bytes([7]) * size
        assert str(found.sender) == accounts(story.kv)[LARGES]


def test_what_the_sdk_encrypts_is_read_by_a_node_with_the_keys(story: Story) -> None:
    _, shared, own = story.of(LARGES, 0)
    assert {found["result"].partition(":")[0] for found in (shared, own)} == {"DataParseError"}  # The network's node has no keys.
    storage = story.kv.network.endpoints.storage
    assert storage is not None
    settings = KeyValueNodeSettings(
        port=0,
        chain_url=story.kv.ours.chain.url,
        nodes=tuple(node.rpc for node in storage.nodes),
        stream=(SECRET,),
        encryption_key=AES_KEY,
        private_key=PRIVATE_KEY,
    )
    with start_blocking_portal() as portal:
        future, url = portal.start_task(KeyValueNode(settings).run)
        with KvClient(url) as kv:
            until(lambda: [kv.result(found["txSeq"]) for found in (shared, own)] == ["Commit"] * 2)
            entries = {entry.key: entry.data for entry in kv.entries(SECRET)}
        future.cancel()
    assert entries == {b"shared": b"for who has the key", b"own": b"for one"}


def test_a_write_of_an_older_version_has_no_effect(story: Story) -> None:
    assert story.of(CONFLICTS, 0)["result"] == "Commit"
    assert [found["result"] for found in story.of(CONFLICTS, 1)] == ["VersionConfliction", "VersionConfliction", "Commit"]
    assert bytes.fromhex(story.of(CONFLICTS, 2)["data"][2:]) == b"1"


def test_an_older_sdk_does_the_same(story: Story) -> None:
    written, (found, walked, is_writer) = (outcome.result() for outcome in story.older)
    assert written["result"] == "Commit"
    assert bytes.fromhex(found["data"][2:]) == b"from 0.3.3"
    assert [bytes.fromhex(data[2:]) for _, data, _ in walked] == [b"from 0.3.3"]
    assert is_writer is False


# ---- rights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_role_does_what_it_may_and_nothing_else(story: Story, role: str, operation: str) -> None:
    place, group = next((place, group) for place, group in enumerate(grouped(role)) if operation in group)
    found = story.of(ROLES[role], 0)[place]
    result, then = found["result"], found["then"][group.index(operation)]
    allowed = operation in ALLOWED[role]
    if operation.startswith("WRITE"):
        expected = f"WritePermissionDenied: stream: {stream(ground(operation, role))}, key: "
        expected += (NORMAL_KEY if operation == "WRITE" else SPECIAL_KEY).decode()
        assert result == ("Commit" if allowed else expected)
        assert then["size"] == (len(b"written") if allowed else 0)
        return
    if allowed:
        assert result == "Commit"
        assert then is held_after(operation, role)
        return
    assert result.startswith(
        f"AccessControlPermissionDenied: operation: {ROLE_NAMES[operation]}, stream: {stream(ground(operation, role))}"
    )
    assert then is held_before(operation, role)


def test_who_can_write_nothing_is_refused_as_a_whole(story: Story) -> None:
    assert story.of(STRANGER, 0)[-1]["result"] == "SenderNoWritePermission"


def test_who_names_another_as_the_submitter_gains_nothing(story: Story) -> None:
    """Only the signature of the transaction counts."""
    assert story.of(JUNKS, 1)[1]["result"] == "SenderNoWritePermission"
    found = story.kv.ours.kv.get("interop/foreign", b"theirs")
    assert found is not None
    assert found.data == b"owned"


# ---- what is no item ---------------------------------------------------------------------------------------------


def test_junk_is_recorded_and_passed(story: Story) -> None:
    invalid, too_long = "DataParseError: Invalid stream data", "DataParseError: Stream read/write/access_control list too long"
    assert [found["result"] for found in story.of(JUNKS, 0)] == [invalid, invalid, too_long]
    assert story.of(JUNKS, 1)[0]["result"] == "Commit"
    assert bytes.fromhex(story.of(JUNKS, 2)["data"][2:]) == b"2"


# ---- the methods themselves --------------------------------------------------------------------------------------


def test_a_number_may_be_text_and_a_name_may_be_written_as_the_sdk_writes_it(story: Story) -> None:
    seq, who = story.of(BASICS, 0)["txSeq"], accounts(story.kv)
    assert [story.kv.ask("kv_getTransactionResult", form) for form in (seq, str(seq))] == ["Commit", "Commit"]
    assert story.kv.ask("kv_getTransactionResult", 999) is None
    for method in ("kv_IsAdmin", "kv_isAdmin"):
        assert [story.kv.ask(method, who[account], A) for account in (BASICS, OWNER)] == [True, False]
    assert story.kv.ask("kv_getStatus") is True
    progress = story.kv.ask("kv_getReplayProgress")
    assert progress["appliedSeq"] > seq


# ---- faults ------------------------------------------------------------------------------------------------------


def test_what_the_chain_took_back_is_gone_and_its_number_is_used_again(kv: KvNetwork) -> None:
    name = stream("interop/back")
    snapshot = kv.network.chain("evm_snapshot")
    lost = kv.ours.kv.put(name, b"k", b"lost")
    assert kv.network.chain("evm_revert", snapshot) is True
    assert kv.ours.kv.put(name, b"k", b"found").tx_seq == lost.tx_seq
    now, before, result = kv.sdk().do([value(name, b"k"), value(name, b"k", lost.tx_seq - 1), call("getTransactionResult", lost.tx_seq)])
    assert (bytes.fromhex(now["data"][2:]), before["size"], result) == (b"found", 0, "Commit")


def test_a_kill_in_mid_replay_loses_and_repeats_nothing(kv: KvNetwork) -> None:
    assert any(survives_a_kill(kv, f"interop/killed {attempt}") for attempt in range(ATTEMPTS)), "every replay was over before its kill"


def survives_a_kill(kv: KvNetwork, label: str) -> bool:
    """Kill storage once it has begun to apply a stream; returns whether that was before it had applied all of it."""
    name = stream(label)
    batches = [Batch() for _ in range(ITEMS)]
    for number, batch in enumerate(batches):
        batch.set(name, b"last", b"%d" % number).set(name, b"of %d" % number, bytes(ITEM_VALUE_BYTES))
    sealed = [batch.seal() for batch in batches]
    options = UploadOptions(tags=sealed[0].tags, message_bytes=4 * ITEM_VALUE_BYTES)
    pid, begin = storage_pid(kv), kv.ask("kv_getReplayProgress")["appliedSeq"]
    assert pid is not None
    with ThreadPoolExecutor(1) as thread:
        broken_off = thread.submit(kv.ours.storage.upload_many, [one.data for one in sealed], options)
        while (applied := kv.ask("kv_getReplayProgress")["appliedSeq"]) == begin:
            if broken_off.done():
                broken_off.result()  # Whoever could not upload would be waited for in vain.
        os.kill(pid, signal.SIGKILL)
        broken_off.exception()  # It may have failed, or have waited until storage was back.
    until(lambda: storage_pid(kv) not in (None, pid))
    again = kv.ours.storage.upload_many([one.data for one in sealed], options)  # Nothing is submitted twice.
    first, last = again[0].tx_seqs[0], again[-1].tx_seqs[0]
    assert (first, last) == (begin, begin + ITEMS - 1)
    until(lambda: kv.ask("kv_getReplayProgress")["appliedSeq"] > last)
    assert [kv.ours.kv.result(seq) for seq in range(first, last + 1)] == ["Commit"] * ITEMS
    newest, walked = kv.sdk().do([value(name, b"last"), iterate(name, "seekToLast", "prev")])
    assert (bytes.fromhex(newest["data"][2:]), newest["version"]) == (b"%d" % (ITEMS - 1), last)
    assert len(walked) == ITEMS + 1
    return bool(applied < begin + ITEMS)


def storage_pid(kv: KvNetwork) -> int | None:
    """The process of storage, once it serves."""
    status = network_status(NetworkFolder(Path(kv.network.endpoints.data_dir))).roles.get("storage", {})
    return int(str(status["pid"])) if "url" in status else None


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not is_so():
        assert time.monotonic() < deadline


def test_the_program_of_the_documentation_runs(story: Story) -> None:
    assert "Commit: greeting is hello at " in story.quickstart
