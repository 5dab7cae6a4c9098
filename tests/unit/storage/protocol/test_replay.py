"""Who may do what to a stream: every operation by everybody, and the order in which an item is judged."""

from collections.abc import Sequence

import pytest

from tests.unit.storage.protocol.plain_streams import PlainStreams
from zerog.primitives import ZERO_ADDRESS, Address, Hash32
from zerog.storage.protocol.replay import Commit, Rejected, judge, streams_read
from zerog.storage.protocol.streams import ENTRIES_MAX, VERSION_ANY, Control, Operation, StreamItem, StreamWrite, encode_item

S = Hash32(b"\x51" * 32)
OTHER = Hash32(b"\x52" * 32)
UNMONITORED = Hash32(b"\x5f" * 32)
PEOPLE = {
    "admin": Address(b"\xa1" * 20),
    "writer": Address(b"\xb2" * 20),
    "special": Address(b"\xc3" * 20),
    "stranger": Address(b"\xd4" * 20),
}
SOMEBODY = Address(b"\xee" * 20)
SPECIAL = b"special key"
LATER_SPECIAL = b"another special key"
NORMAL = b"normal key"

GRANT_ADMIN, RENOUNCE_ADMIN = Operation.GRANT_ADMIN, Operation.RENOUNCE_ADMIN
GRANT_WRITER, RENOUNCE_WRITER = Operation.GRANT_WRITER, Operation.RENOUNCE_WRITER
NO_PERMISSION = "SenderNoWritePermission"


class Stage:
    """Streams on which items are judged one after another."""

    def __init__(self) -> None:
        self.state = PlainStreams()
        self.seq = 10

    def play(
        self, sender: str, item: StreamItem | bytes, *, streams: Sequence[Hash32] = (S,), monitored: Sequence[Hash32] = (S, OTHER)
    ) -> str:
        """What becomes of the next item, which takes effect."""
        data = item if isinstance(item, bytes) else encode_item(item)
        verdict = judge(
            data,
            sender=PEOPLE[sender],
            seq=self.seq,
            streams=streams,
            is_monitored=monitored.__contains__,
            state=self.state,
        )
        if isinstance(verdict, Commit):
            self.state.take(self.seq, tuple(streams), verdict)
        self.seq += 1
        return verdict.text


@pytest.fixture
def stage() -> Stage:
    """A stream that an admin has made, with a writer, a special key, and a special writer of it."""
    stage = Stage()
    first = StreamItem(
        controls=[
            control(GRANT_WRITER, account=PEOPLE["writer"]),
            control(Operation.SET_KEY_TO_SPECIAL, SPECIAL),
            control(Operation.SET_KEY_TO_SPECIAL, LATER_SPECIAL),
            control(Operation.GRANT_SPECIAL_WRITER, SPECIAL, PEOPLE["special"]),
        ]
    )
    assert stage.play("admin", first) == "Commit"
    return stage


def control(operation: Operation, key: bytes = b"", account: Address = ZERO_ADDRESS, stream: Hash32 = S) -> Control:
    return Control(operation=operation, stream=stream, key=key, account=account)


def writing(*keys: bytes, stream: Hash32 = S, version: int = VERSION_ANY) -> StreamItem:
    return StreamItem(version=version, writes=[StreamWrite(stream=stream, key=key, value=b"v") for key in keys])


def denied(name: str, key: str = "NONE", account: Address = SOMEBODY) -> str:
    return f"AccessControlPermissionDenied: operation: {name}, stream: 0x{S.hex()}, key: {key}, account: 0x{account.hex()}"


def unwritable(key: str) -> str:
    return f"WritePermissionDenied: stream: 0x{S.hex()}, key: {key}"


@pytest.mark.parametrize(
    ("key", "who", "result"),
    [
        (NORMAL, "admin", "Commit"),
        (NORMAL, "writer", "Commit"),
        (NORMAL, "special", unwritable("normal key")),
        (NORMAL, "stranger", NO_PERMISSION),
        (SPECIAL, "admin", "Commit"),
        (SPECIAL, "writer", unwritable("special key")),
        (SPECIAL, "special", "Commit"),
        (SPECIAL, "stranger", NO_PERMISSION),
        (LATER_SPECIAL, "special", unwritable("another special key")),
    ],
)
def test_who_may_write(stage: Stage, key: bytes, who: str, result: str) -> None:
    assert stage.play(who, writing(key)) == result


CONTROLS: list[tuple[Operation, bytes, str, set[str]]] = [
    (GRANT_ADMIN, b"", "GRANT_ADMIN_ROLE", {"admin"}),
    (RENOUNCE_ADMIN, b"", "RENOUNCE_ADMIN_ROLE", {"admin", "writer", "special"}),
    (Operation.SET_KEY_TO_SPECIAL, NORMAL, "SET_KEY_TO_SPECIAL", {"admin"}),
    (Operation.SET_KEY_TO_SPECIAL, SPECIAL, "SET_KEY_TO_SPECIAL", {"admin"}),
    (Operation.SET_KEY_TO_NORMAL, NORMAL, "SET_KEY_TO_NORMAL", {"admin"}),
    (Operation.SET_KEY_TO_NORMAL, SPECIAL, "SET_KEY_TO_NORMAL", {"admin"}),
    (GRANT_WRITER, b"", "GRANT_WRITER_ROLE", {"admin", "writer"}),
    (Operation.REVOKE_WRITER, b"", "REVOKE_WRITER_ROLE", {"admin"}),
    (RENOUNCE_WRITER, b"", "RENOUNCE_WRITER_ROLE", {"admin", "writer", "special"}),
    (Operation.GRANT_SPECIAL_WRITER, NORMAL, "GRANT_SPECIAL_WRITER_ROLE", {"admin"}),
    (Operation.GRANT_SPECIAL_WRITER, SPECIAL, "GRANT_SPECIAL_WRITER_ROLE", {"admin", "special"}),
    (Operation.GRANT_SPECIAL_WRITER, LATER_SPECIAL, "GRANT_SPECIAL_WRITER_ROLE", {"admin"}),
    (Operation.REVOKE_SPECIAL_WRITER, NORMAL, "REVOKE_SPECIAL_WRITER_ROLE", {"admin"}),
    (Operation.REVOKE_SPECIAL_WRITER, SPECIAL, "REVOKE_SPECIAL_WRITER_ROLE", {"admin"}),
    (Operation.RENOUNCE_SPECIAL_WRITER, NORMAL, "RENOUNCE_SPECIAL_WRITER_ROLE", {"admin", "writer", "special"}),
    (Operation.RENOUNCE_SPECIAL_WRITER, SPECIAL, "RENOUNCE_SPECIAL_WRITER_ROLE", {"admin", "writer", "special"}),
]


def with_operands(operation: Operation, key: bytes) -> Control:
    return control(operation, key, SOMEBODY if operation.has_account else ZERO_ADDRESS)


@pytest.mark.parametrize(("operation", "key", "name", "allowed"), CONTROLS, ids=[f"{row[2]} {row[1].decode()}" for row in CONTROLS])
@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_control(stage: Stage, operation: Operation, key: bytes, name: str, allowed: set[str], who: str) -> None:
    wanted = with_operands(operation, key)
    refusal = NO_PERMISSION if who == "stranger" else denied(name, key.decode() or "NONE", wanted.account)
    assert stage.play(who, StreamItem(controls=[wanted])) == ("Commit" if who in allowed else refusal)


@pytest.mark.parametrize(("operation", "key", "name", "allowed"), CONTROLS, ids=[f"{row[2]} {row[1].decode()}" for row in CONTROLS])
@pytest.mark.parametrize("who", PEOPLE)
def test_anybody_may_do_anything_with_a_new_stream(operation: Operation, key: bytes, name: str, allowed: set[str], who: str) -> None:
    stage = Stage()
    item = StreamItem(writes=writing(NORMAL, SPECIAL).writes, controls=[with_operands(operation, key)])
    assert stage.play(who, item) == "Commit"
    assert stage.state.is_admin(PEOPLE[who], S) == (operation is not RENOUNCE_ADMIN)
    assert not stage.state.is_new(S)


def test_whoever_commits_first_owns_all_streams_of_the_item() -> None:
    stage = Stage()
    assert stage.play("stranger", b"junk", streams=[S, OTHER]) == "DataParseError: Invalid stream data"
    assert stage.play("admin", writing(NORMAL), streams=[S, OTHER]) == "Commit"
    assert stage.play("writer", writing(NORMAL)) == NO_PERMISSION
    assert stage.play("writer", writing(NORMAL, stream=OTHER), streams=[OTHER]) == NO_PERMISSION
    assert stage.state.is_admin(PEOPLE["admin"], OTHER)


def test_who_renounces_all_at_birth_leaves_a_stream_to_nobody() -> None:
    stage = Stage()
    item = StreamItem(controls=[control(RENOUNCE_ADMIN), control(Operation.SET_KEY_TO_SPECIAL, SPECIAL)])
    assert stage.play("admin", item) == "Commit"  # Adminship is that before the item, and what the new stream gives.
    assert [stage.play(who, writing(NORMAL)) for who in PEOPLE] == [NO_PERMISSION] * 4


def test_adminship_is_judged_before_the_item(stage: Stage) -> None:
    renounced = StreamItem(controls=[control(RENOUNCE_ADMIN), control(GRANT_WRITER, account=SOMEBODY)])
    assert stage.play("admin", renounced) == "Commit"
    assert stage.play("admin", StreamItem(controls=[control(GRANT_WRITER, account=SOMEBODY)])) == NO_PERMISSION


def test_a_grant_gives_nothing_within_its_item(stage: Stage) -> None:
    item = StreamItem(
        writes=writing(LATER_SPECIAL).writes, controls=[control(Operation.GRANT_SPECIAL_WRITER, LATER_SPECIAL, PEOPLE["special"])]
    )
    assert stage.play("special", item) == unwritable("another special key")


def test_granting_adminship_never_replaces_and_to_oneself_is_nothing(stage: Stage) -> None:
    back_and_forth = StreamItem(controls=[control(RENOUNCE_ADMIN), control(GRANT_ADMIN, account=PEOPLE["admin"])])
    assert stage.play("admin", back_and_forth) == "Commit"
    assert not stage.state.is_admin(PEOPLE["admin"], S)
    # What is nothing is not judged either: a writer is not refused for it.
    assert stage.play("writer", StreamItem(controls=[control(GRANT_ADMIN, account=PEOPLE["writer"])])) == "Commit"
    assert not stage.state.is_admin(PEOPLE["writer"], S)


def test_of_controls_of_a_kind_the_last_counts(stage: Stage) -> None:
    refused = control(GRANT_WRITER, account=PEOPLE["special"])
    assert stage.play("special", StreamItem(controls=[refused])) == denied("GRANT_WRITER_ROLE", account=PEOPLE["special"])
    assert stage.play("special", StreamItem(controls=[refused, control(RENOUNCE_WRITER)])) == "Commit"
    kinds = [Operation.SET_KEY_TO_SPECIAL, Operation.SET_KEY_TO_NORMAL, Operation.SET_KEY_TO_SPECIAL]
    assert stage.play("admin", StreamItem(controls=[control(kind, NORMAL) for kind in kinds])) == "Commit"
    assert stage.state.is_special_key(S, NORMAL)
    toggled = [Operation.GRANT_SPECIAL_WRITER, Operation.REVOKE_SPECIAL_WRITER]
    assert stage.play("admin", StreamItem(controls=[control(kind, NORMAL, SOMEBODY) for kind in toggled])) == "Commit"
    assert not stage.state.is_key_writer(SOMEBODY, S, NORMAL)


def test_a_special_writer_keeps_its_key_when_that_becomes_normal_and_special_again(stage: Stage) -> None:
    assert stage.play("admin", StreamItem(controls=[control(Operation.SET_KEY_TO_NORMAL, SPECIAL)])) == "Commit"
    assert stage.play("special", writing(SPECIAL)) == unwritable("special key")
    assert stage.play("writer", writing(SPECIAL)) == "Commit"
    assert stage.play("admin", StreamItem(controls=[control(Operation.SET_KEY_TO_SPECIAL, SPECIAL)])) == "Commit"
    assert stage.play("special", writing(SPECIAL)) == "Commit"
    assert stage.play("special", StreamItem(controls=[control(Operation.RENOUNCE_SPECIAL_WRITER, SPECIAL)])) == "Commit"
    assert stage.play("special", writing(SPECIAL)) == NO_PERMISSION


def test_versions_conflict_when_a_key_that_is_read_or_written_is_later(stage: Stage) -> None:
    assert stage.play("admin", writing(NORMAL, SPECIAL)) == "Commit"
    written = stage.seq - 1
    reading = [StreamItem(version=version, reads=[(S, NORMAL)]) for version in (written - 1, written)]
    assert [stage.play("admin", item) for item in reading] == ["VersionConfliction", "Commit"]
    assert [stage.play("admin", writing(NORMAL, version=version)) for version in (0, written - 1, written)] == [
        "VersionConfliction",
        "VersionConfliction",
        "Commit",
    ]
    assert stage.play("admin", writing(NORMAL, version=written)) == "VersionConfliction"
    assert stage.play("admin", writing(b"never written", version=0)) == "Commit"


def test_streams_of_writes_and_controls_are_tagged_and_of_reads_monitored(stage: Stage) -> None:
    assert stage.play("admin", writing(NORMAL, stream=OTHER)) == "TagsMismatch"
    assert stage.play("admin", StreamItem(controls=[control(GRANT_WRITER, account=SOMEBODY, stream=OTHER)])) == "TagsMismatch"
    assert stage.play("admin", StreamItem(reads=[(UNMONITORED, NORMAL)])) == "TagsMismatch"
    assert stage.play("admin", StreamItem(reads=[(OTHER, NORMAL)])) == "Commit"


def test_an_unmonitored_read_is_named(stage: Stage) -> None:
    data = encode_item(StreamItem(reads=[(S, NORMAL), (UNMONITORED, NORMAL)]))
    verdict = judge(data, sender=PEOPLE["admin"], seq=20, streams=[S], is_monitored=[S].__contains__, state=stage.state)
    assert verdict == Rejected("TagsMismatch", unmonitored=UNMONITORED)
    assert streams_read(data) == {S, UNMONITORED}
    assert streams_read(b"junk") == frozenset()


def test_what_fails_first_decides(stage: Stage) -> None:
    assert stage.play("admin", writing(NORMAL)) == "Commit"
    conflict, bad_operation = encode_item(StreamItem(version=0, reads=[(S, NORMAL)])), b"\0\0\0\1\x99"
    assert stage.play("stranger", b"junk") == NO_PERMISSION
    assert stage.play("admin", conflict[:-8]) == "VersionConfliction"  # Reads before what should follow.
    wrong_write = encode_item(writing(NORMAL, stream=OTHER))
    assert stage.play("admin", wrong_write[:-4] + bad_operation) == "TagsMismatch"  # Writes before controls are read.
    assert stage.play("admin", encode_item(writing(NORMAL))[:-4] + bad_operation) == "DataParseError: Invalid stream data"
    first_then_second = StreamItem(version=0, writes=[*writing(NORMAL).writes, *writing(NORMAL, stream=OTHER).writes])
    assert stage.play("admin", first_then_second) == "VersionConfliction"
    too_many = bytes(8) + (ENTRIES_MAX + 1).to_bytes(4)
    assert stage.play("admin", too_many) == "DataParseError: Stream read/write/access_control list too long"
    assert stage.play("writer", StreamItem(version=0, writes=writing(SPECIAL, NORMAL).writes)) == unwritable("special key")


@pytest.mark.parametrize(
    ("key", "shown"),
    [(b"k" * 33, "k" * 32), ("ä".encode() * 40, "ä" * 32), (b"\xff\xfe", "UNKNOWN"), (b"x" * 40 + b"\xff", "UNKNOWN"), (b"\0", "\0")],
)
def test_results_show_the_beginning_of_a_key(stage: Stage, key: bytes, shown: str) -> None:
    assert stage.play("special", writing(key)) == unwritable(shown)


def test_nothing_of_a_rejected_item_holds(stage: Stage) -> None:
    before = (set(stage.state.committed), dict(stage.state.versions), dict(stage.state.latest))
    item = StreamItem(
        writes=writing(NORMAL).writes, controls=[control(GRANT_WRITER, account=SOMEBODY), control(GRANT_ADMIN, account=SOMEBODY)]
    )
    assert stage.play("writer", item) == denied("GRANT_ADMIN_ROLE")
    assert (stage.state.committed, stage.state.versions, stage.state.latest) == before
