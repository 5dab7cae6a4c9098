"""Random histories of streams, and stores that are led through them with data that is late, restarts, reorganisations and junk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.unit.storage.kv.store.model import Entry, Model
from zerog._kernel import keccak256
from zerog.primitives import ZERO_ADDRESS, Address, Hash32
from zerog.storage.following import BlockMark
from zerog.storage.kv.records import StreamSubmission
from zerog.storage.kv.store import KvStore
from zerog.storage.protocol.streams import VERSION_ANY, Control, Operation, StreamItem, StreamWrite, encode_item

__all__ = ["ACCOUNTS", "KEYS", "STREAMS", "Block", "Feeding", "History", "Rewind", "dump", "require_agreement", "submission_of"]

STREAMS = [Hash32(bytes([number]) * 32) for number in (1, 2, 3, 0xFE)]
UNHEARD = Hash32(b"\x77" * 32)
ACCOUNTS = [Address(bytes([number]) * 20) for number in (0xA1, 0xB2, 0xC3)]
KEYS = [b"a", b"b", b"b\0", b"\xff\xfe", b"long" * 400]


@dataclass(frozen=True)
class Block:
    """Blocks up to `mark` with their submissions."""

    mark: BlockMark
    next_seq: int
    submissions: tuple[StreamSubmission, ...]


@dataclass(frozen=True)
class Rewind:
    """The chain went back to block `number`."""

    number: int


@dataclass
class History:
    """What happens on a chain: some 20 items on four streams, by three accounts."""

    dice: Random
    events: list[Block | Rewind] = field(default_factory=list)
    data: dict[Hash32, bytes] = field(default_factory=dict)
    """By root; never changed."""
    log: list[StreamSubmission] = field(default_factory=list)
    """At the end."""

    @classmethod
    def drawn(cls, seed: int) -> "History":
        history = cls(Random(f"history {seed}"))
        next_seq = number = 0
        marks = {-1: 0}
        for _ in range(history.dice.randint(5, 10)):
            if number and history.dice.random() < 0.15:
                number = history.dice.choice([*marks, number - 1])
                number = max(at for at in marks if at <= number)
                marks = {at: seq for at, seq in marks.items() if at <= number}
                history.events.append(Rewind(number))
                next_seq = marks[number]
                history.log = [entry for entry in history.log if entry.seq < next_seq]
                number = max(number, 0)
            number += history.dice.randint(1, 3)
            submissions = []
            for _ in range(history.dice.randint(0, 5)):
                if history.dice.random() < 0.2:
                    next_seq += 1  # A submission of no stream.
                submissions.append(history.submission(next_seq, number))
                next_seq += 1
            history.log += submissions
            marks[number] = next_seq
            fork = history.dice.getrandbits(64)
            history.events.append(Block(BlockMark(number, Hash32(keccak256(fork.to_bytes(8)))), next_seq, tuple(submissions)))
        return history

    def submission(self, seq: int, block_number: int) -> StreamSubmission:
        streams = tuple(self.dice.choices(STREAMS, weights=(6, 4, 2, 1), k=self.dice.choice((1, 1, 1, 2, 3))))
        again = bool(self.data) and self.dice.random() < 0.12
        data = self.dice.choice(list(self.data.values())) if again else self.item(seq, streams)
        root = Hash32(keccak256(data))
        self.data[root] = data
        return submission_of(seq, root, data, streams, self.dice.choices(ACCOUNTS, weights=(5, 3, 2))[0], block_number)

    def item(self, seq: int, streams: Sequence[Hash32]) -> bytes:
        kind = self.dice.random()
        if kind < 0.06:
            return self.dice.randbytes(self.dice.choice((1, 10, 100)))
        own = streams if kind < 0.94 else STREAMS
        item = StreamItem(
            version=self.dice.choice((VERSION_ANY, VERSION_ANY, max(0, seq - self.dice.randint(1, 6)))),
            reads=[(self.dice.choice([*STREAMS, *STREAMS, UNHEARD]), self.key()) for _ in range(self.dice.choice((0, 0, 0, 1, 2)))],
            writes=[
                StreamWrite(stream=self.dice.choice(own), key=self.key(), value=self.dice.randbytes(self.dice.choice((0, 1, 30, 5000))))
                for _ in range(self.dice.choice((0, 1, 1, 2, 4)))
            ],
            controls=[self.control(self.dice.choice(own)) for _ in range(self.dice.choice((0, 0, 1, 2, 3)))],
        )
        data = encode_item(item)
        return data[: self.dice.randint(1, len(data))] if self.dice.random() < 0.04 else data

    def control(self, stream: Hash32) -> Control:
        operation = self.dice.choice([*Operation, Operation.GRANT_WRITER, Operation.GRANT_SPECIAL_WRITER, Operation.GRANT_ADMIN])
        return Control(
            operation=operation,
            stream=stream,
            key=self.key() if operation.has_key else b"",
            account=self.dice.choice(ACCOUNTS) if operation.has_account else ZERO_ADDRESS,
        )

    def key(self) -> bytes:
        return self.dice.choices(KEYS, weights=(4, 3, 2, 2, 1))[0]


def submission_of(
    seq: int, root: Hash32, data: bytes, streams: tuple[Hash32, ...], sender: Address, block_number: int = 1
) -> StreamSubmission:
    return StreamSubmission(
        seq=seq,
        root=root,
        size_bytes=len(data),
        start_sector=seq + 1,
        sectors=1,
        streams=streams,
        sender=sender,
        transaction_hash=Hash32(keccak256(seq.to_bytes(8) + root)),
        block_number=block_number,
    )


@dataclass
class Feeding:
    """One store on its way through a history. It goes on with `step` until that is false; `folder` outlives the store."""

    history: History
    dice: Random
    folder: Path
    follow_all: bool
    chosen: set[Hash32]
    """Streams that are followed in the end."""
    store: KvStore = field(init=False)
    known: list[StreamSubmission] = field(default_factory=list)
    given: set[Hash32] = field(default_factory=set)
    added: set[Hash32] = field(default_factory=set)
    at: int = 0

    def __post_init__(self) -> None:
        self.added = {stream for stream in self.chosen if self.dice.random() < 0.5}
        self.store = self.open()

    def open(self) -> KvStore:
        return KvStore.open(self.folder, follow_all=self.follow_all, streams=self.added, durable=False)

    def step(self) -> bool:
        """Do one thing that may happen next; whether there was any."""
        actions = list(self.actions())
        if not actions:
            return False
        action, subject = self.dice.choice(actions)
        match action, subject:
            case "log", Block() | Rewind() as event:
                self.read_log(event)
            case "supply", StreamSubmission() as entry:
                self.supply(entry)
            case "add", Hash32() as stream:
                assert self.store.add_stream(stream) == (not self.follow_all)
                self.added.add(stream)
            case _:
                self.disturb(self.dice.random())
        return True

    def actions(self) -> Iterator[tuple[str, object]]:
        if self.at < len(self.history.events):
            yield from [("log", self.history.events[self.at])] * 3
        missing = [entry for entry in self.known if entry.root not in self.given]
        if missing:
            yield from [("supply", self.dice.choice(missing))] * 4
        for stream in sorted(self.chosen - self.added):
            yield "add", stream
        if self.at < len(self.history.events) or missing or self.chosen - self.added:
            yield from [("disturb", None)] * 3

    def read_log(self, event: Block | Rewind) -> None:
        self.at += 1
        match event:
            case Block(mark, next_seq, submissions):
                self.store.record(mark, next_seq, submissions)
                self.known += submissions
            case Rewind(number):
                left = self.store.unwind(number)
                assert (left.number if left is not None else -1) == number
                self.known = [entry for entry in self.known if entry.block_number <= number]

    def supply(self, entry: StreamSubmission) -> None:
        data = self.history.data[entry.root]
        if self.dice.random() < 0.2:
            path = self.store.incoming / "item"
            path.write_bytes(data)
            self.store.supply(entry.seq, entry.root, path)
            assert not path.exists()
        else:
            self.store.supply(entry.seq, entry.root, data)
        self.given.add(entry.root)

    def disturb(self, chance: float) -> None:
        if chance < 0.8:
            self.store.apply(self.dice.randint(1, 3))
        elif chance < 0.88:
            self.settle()
            require_agreement(self.store, self.model(), self.dice, looks=2)
        elif chance < 0.94:
            self.store.close()  # In the middle of a replay, as what was not applied is still to do.
            self.store = self.open()
        else:
            self.store.supply(10**6, STREAMS[0], b"of no submission")

    def settle(self) -> None:
        while self.store.apply(self.dice.randint(1, 50)):
            pass

    def model(self) -> Model:
        log = [Entry(entry.seq, entry.root, entry.streams, entry.sender) for entry in self.known]
        data: dict[bytes, bytes] = {root: self.history.data[root] for root in self.given}
        return Model(log, data, None if self.follow_all else self.added)


def require_agreement(store: KvStore, model: Model, dice: Random, *, looks: int) -> None:
    """A store whose applying is done answers as the model does, now and as of some versions."""
    seqs = [entry.seq for entry in model.log]
    assert {seq: store.result(seq) for seq in seqs} == {seq: model.results.get(seq) for seq in seqs}
    heard = {stream for entry in model.log for stream in entry.streams}
    assert set(store.holding_streams()) == (heard if model.followed is None else set(model.followed))
    assert {record.stream for record in store.list_streams(None, 100)[0] if record.is_parked} == model.parked
    waiting = [entry.seq for entry in model.log if entry.seq not in model.results and all(map(model.follows, entry.streams))]
    assert store.progress().applied_seq == min(waiting, default=store.next_seq)
    assert store.progress().waiting_items == len(waiting)
    assert store.progress().settled_items == len(model.results)
    for upto in ({}, {"version": dice.randint(0, max(seqs, default=0) + 1)}):
        for stream in dice.sample(STREAMS, 2):
            require_same_keys(store, model, stream, upto)
        for _ in range(looks):
            require_same_answers(store, model, dice, upto)


def require_same_keys(store: KvStore, model: Model, stream: Hash32, upto: dict[str, int]) -> None:
    keys = model.keys(stream, **upto)
    for begin, step, wanted in ((store.first, store.next, keys), (store.last, store.prev, keys[::-1])):
        found = begin(stream, **upto)
        seen = []
        while found is not None:
            assert (found.version, found.size) == value_facts(model, stream, bytes(found.key), upto)
            seen.append(found.key)
            found = step(stream, found.key, inclusive=False, **upto)
        assert seen == wanted
    if not upto:
        assert [found.key for found in store.list_keys(stream, None, 100)[0]] == keys


def value_facts(model: Model, stream: Hash32, key: bytes, upto: dict[str, int]) -> tuple[int, int]:
    found = model.value(stream, key, **upto)
    assert found is not None
    return found[0], len(found[1])


def require_same_answers(store: KvStore, model: Model, dice: Random, upto: dict[str, int]) -> None:
    stream, key, account = dice.choice(STREAMS), dice.choice(KEYS), dice.choice(ACCOUNTS)
    found, wanted = store.value(stream, key, **upto), model.value(stream, key, **upto)
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert found.version == wanted[0]
        start = dice.randint(0, found.size)
        length = dice.randint(0, 5000)
        assert store.read(found, start, length) == wanted[1][start : start + length]
    assert store.is_admin(account, stream, **upto) == model.is_admin(account, stream, **upto)
    assert store.is_writer(account, stream, **upto) == model.is_writer(account, stream, **upto)
    assert store.is_special_key(stream, key, **upto) == model.is_special_key(stream, key, **upto)
    assert store.is_key_writer(account, stream, key, **upto) == model.is_key_writer(account, stream, key, **upto)
    assert store.can_write(account, stream, **upto) == model.can_write(account, stream, **upto)
    assert store.has_write_permission(account, stream, key, **upto) == model.has_write_permission(account, stream, key, **upto)


def dump(store: KvStore) -> dict[str, list[tuple[object, ...]]]:
    """All that a store knows of its streams, without what depends on the order in which it learned it."""
    queries = {
        "values": "SELECT streams.stream, key, seq, start, size FROM versions JOIN streams ON streams.id = versions.stream"
        " ORDER BY 1, 2, 3",
        "controls": "SELECT streams.stream, kind, account, key, seq, operation FROM controls JOIN streams ON streams.id = controls.stream"
        " ORDER BY 1, 2, 3, 4, 5",
        "streams": "SELECT stream, followed, first_commit FROM streams WHERE EXISTS (SELECT 1 FROM tagged WHERE stream = id) ORDER BY 1",
        "items": "SELECT seq, root, streams, state, result, unmonitored, data IS NULL FROM items ORDER BY seq",
        "reads": "SELECT stream, seq FROM reads ORDER BY 1, 2",
        "queue": "SELECT streams.stream, seq FROM queue JOIN streams ON streams.id = queue.stream ORDER BY 1, 2",
        "facts": "SELECT name, value FROM facts ORDER BY 1",
    }
    with store._catalogue.reading() as connection:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}
