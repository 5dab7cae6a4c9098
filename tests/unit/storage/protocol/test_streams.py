"""Items of key-value streams are written and read as the official clients do, whatever somebody puts in their place."""

import mmap
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.primitives import ZERO_ADDRESS, Address, Hash32
from zerog.storage.protocol.errors import StreamDataError
from zerog.storage.protocol.streams import (
    ENTRIES_MAX,
    KEY_BYTES_MAX,
    STREAM_DOMAIN,
    VERSION_ANY,
    Control,
    Operation,
    StreamItem,
    StreamReader,
    StreamWrite,
    encode_item,
    head_size,
    stream_ids_of_tags,
    tags_of_streams,
)

STREAM = Hash32(bytes(30) + b"\xf2\xbd")
ACCOUNT = Address(b"\x11" * 20)
SENDER = Address(b"\x22" * 20)
GOLDEN = (
    "0000000000000007 00000001 S 000002 6b31 00000002 S 000002 6b31 0000000000000005 S 000004 6b657932 0000000000000003"
    " 68656c6c6f 010203 00000003 20 S A 30 S 000002 6b31 A 01 S"
)
"""Made with npm `@0gfoundation/0g-ts-sdk` 1.2.8."""
SHORT = "DataParseError: Invalid stream data"
LONG = "DataParseError: Stream read/write/access_control list too long"


def golden_bytes() -> bytes:
    return bytes.fromhex(GOLDEN.replace("S", STREAM.hex()).replace("A", ACCOUNT.hex()))


GOLDEN_ITEM = StreamItem(
    version=7,
    reads=[(STREAM, b"k1")],
    writes=[StreamWrite(stream=STREAM, key=b"k1", value=b"hello"), StreamWrite(stream=STREAM, key=b"key2", value=b"\1\2\3")],
    controls=[
        Control(operation=Operation.GRANT_WRITER, stream=STREAM, account=ACCOUNT),
        Control(operation=Operation.GRANT_SPECIAL_WRITER, stream=STREAM, key=b"k1", account=ACCOUNT),
        Control(operation=Operation.RENOUNCE_ADMIN, stream=STREAM),
    ],
)


def read_whole(data: bytes | memoryview) -> StreamItem:
    """The item with its values; duplicates among the writes are gone."""
    reader = StreamReader(data)
    version, reads, writes = reader.version(), reader.reads(), reader.writes()
    return StreamItem(
        version=version,
        reads=[(Hash32(stream), bytes(key)) for stream, key in reads],
        writes=[
            StreamWrite(stream=Hash32(stream), key=bytes(key), value=bytes(data[span.start : span.start + span.size]))
            for (stream, key), span in writes.items()
        ],
        controls=reader.controls(ZERO_ADDRESS),
    )


def test_an_item_is_written_as_the_official_client_writes_it() -> None:
    assert len(golden_bytes()) == 301
    assert encode_item(GOLDEN_ITEM) == golden_bytes()
    assert read_whole(golden_bytes()) == GOLDEN_ITEM
    assert GOLDEN_ITEM.streams == (STREAM,)


def test_the_head_of_an_item_ends_before_the_first_value() -> None:
    size = golden_bytes().index(b"hello")
    assert head_size(golden_bytes()[:size]) == head_size(golden_bytes()) == size
    with pytest.raises(StreamDataError):
        head_size(golden_bytes()[: size - 1])


def test_who_renounces_is_the_sender() -> None:
    reader = StreamReader(golden_bytes())
    reader.version(), reader.reads(), reader.writes()
    assert [control.account for control in reader.controls(SENDER)] == [ACCOUNT, ACCOUNT, SENDER]


def test_tags_name_the_streams() -> None:
    other = Hash32(b"\7" * 32)
    assert stream_ids_of_tags(tags_of_streams([STREAM, other, STREAM])) == (STREAM, other, STREAM)


@pytest.mark.parametrize(
    "tags",
    [b"", STREAM_DOMAIN, STREAM_DOMAIN[:31], STREAM_DOMAIN + bytes(31), STREAM_DOMAIN + bytes(33), bytes(64), bytes(32) + STREAM_DOMAIN],
)
def test_other_tags_are_of_no_stream(tags: bytes) -> None:
    assert stream_ids_of_tags(tags) is None


keys = st.binary(min_size=1, max_size=40) | st.binary(min_size=1020, max_size=1030)
streams = st.sampled_from([STREAM, Hash32(b"\1" * 32), Hash32(b"\xff" * 32)])
writes = st.builds(lambda stream, key, value: StreamWrite(stream=stream, key=key, value=value), streams, keys, st.binary(max_size=50))
controls = st.builds(
    lambda operation, stream, key, account: Control(
        operation=operation,
        stream=stream,
        key=key if operation.has_key else b"",
        account=account if operation.has_account else ZERO_ADDRESS,
    ),
    st.sampled_from(Operation),
    streams,
    keys,
    st.binary(min_size=20, max_size=20).map(Address),
)
items = st.builds(
    lambda version, reads, writes, controls: StreamItem(version=version, reads=reads, writes=writes, controls=controls),
    st.integers(0, VERSION_ANY),
    st.lists(st.tuples(streams, keys), max_size=5),
    st.lists(writes, max_size=5, unique_by=lambda write: (write.stream, write.key)),
    st.lists(controls, max_size=5),
)


@given(items, st.binary(max_size=5))
def test_what_was_written_is_read_and_what_trails_is_ignored(item: StreamItem, trailing: bytes) -> None:
    assert read_whole(encode_item(item) + trailing) == item


@given(items, st.data())
def test_an_item_that_is_cut_anywhere_is_refused(item: StreamItem, data: st.DataObject) -> None:
    whole = encode_item(item)
    with pytest.raises(StreamDataError, match=SHORT):
        read_whole(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=200))
def test_junk_is_read_or_refused(junk: bytes) -> None:
    try:
        read_whole(junk)
    except StreamDataError as error:
        assert str(error) in (SHORT, LONG)  # noqa: PT017 - either way is right.


def test_of_writes_to_one_key_the_last_counts_in_its_place() -> None:
    values = [(b"a", b"one"), (b"b", b"two"), (b"a", b"three")]
    data = encode_item(StreamItem(writes=[StreamWrite(stream=STREAM, key=key, value=value) for key, value in values]))
    assert [(write.key, write.value) for write in read_whole(data).writes] == [(b"b", b"two"), (b"a", b"three")]


NO_LIST = bytes(4)
VERSION = bytes(8)
HEADS: dict[str, bytes] = {"reads": VERSION, "writes": VERSION + NO_LIST, "controls": VERSION + NO_LIST + NO_LIST}
ENTRIES: dict[str, bytes] = {
    "reads": STREAM + b"\0\0\1k",
    "writes": STREAM + b"\0\0\1k" + bytes(8),
    "controls": b"\x01" + STREAM,
}


@pytest.mark.parametrize("part", HEADS)
def test_a_list_has_at_most_65536_entries(part: str) -> None:
    rest = NO_LIST * (2 - list(HEADS).index(part))
    entry = ENTRIES[part]
    read_whole(HEADS[part] + ENTRIES_MAX.to_bytes(4) + entry * ENTRIES_MAX + rest)
    with pytest.raises(StreamDataError, match=LONG):
        read_whole(HEADS[part] + (ENTRIES_MAX + 1).to_bytes(4) + entry * (ENTRIES_MAX + 1) + rest)


@pytest.mark.parametrize("part", HEADS)
@pytest.mark.parametrize("count", [ENTRIES_MAX, (1 << 32) - 1])
def test_a_count_that_lies_costs_nothing(part: str, count: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(StreamDataError):
            read_whole(HEADS[part] + count.to_bytes(4) + ENTRIES[part])
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0", id="one byte"),
        pytest.param(bytes(7), id="less than a version"),
        pytest.param(bytes(10), id="ten bytes"),
        pytest.param(VERSION + b"\0\0\0\1" + STREAM + b"\0\0\0", id="empty key of a read"),
        pytest.param(VERSION + NO_LIST + b"\0\0\0\1" + STREAM + b"\0\0\0" + bytes(8), id="empty key of a write"),
        pytest.param(VERSION + 2 * NO_LIST + b"\0\0\0\1\x10" + STREAM + b"\0\0\0", id="empty key of a control"),
        pytest.param(VERSION + NO_LIST + b"\0\0\0\1" + STREAM + b"\0\0\1k" + b"\xff" * 8 + NO_LIST, id="value of 2^64 - 1 bytes"),
        pytest.param(VERSION + NO_LIST + b"\0\0\0\1" + STREAM + b"\0\0\1k" + (5).to_bytes(8) + b"1234", id="value cut"),
        pytest.param(VERSION + NO_LIST + b"\0\0\0\1" + STREAM + b"\xff\xff\xff" + bytes(99), id="key longer than the item"),
        *(
            pytest.param(VERSION + 2 * NO_LIST + b"\0\0\0\1" + bytes([code]) + bytes(99), id=f"operation {code:02x}")
            for code in (0x02, 0x12, 0x23, 0x33, 0x40, 0xFF)
        ),
    ],
)
def test_what_is_wrong_is_invalid_data(data: bytes) -> None:
    with pytest.raises(StreamDataError) as raised:
        read_whole(data)
    assert str(raised.value) == SHORT


def test_the_longest_key_can_be_written_and_a_longer_one_cannot() -> None:
    key = bytes(KEY_BYTES_MAX)
    item = StreamItem(writes=[StreamWrite(stream=STREAM, key=key, value=b"v")])
    assert read_whole(encode_item(item)).writes == item.writes
    with pytest.raises(ValueError, match="1 to 16777215 bytes, not 16777216"):
        encode_item(StreamItem(writes=[StreamWrite(stream=STREAM, key=key + b"\0", value=b"v")]))


too_many: list[Callable[[], StreamItem]] = [
    lambda: StreamItem(reads=[(STREAM, b"k")] * (ENTRIES_MAX + 1)),
    lambda: StreamItem(writes=[StreamWrite(stream=STREAM, key=b"k", value=b"")] * (ENTRIES_MAX + 1)),
    lambda: StreamItem(controls=[Control(operation=Operation.RENOUNCE_ADMIN, stream=STREAM)] * (ENTRIES_MAX + 1)),
    lambda: StreamItem(reads=[(STREAM, b"")]),
]


@pytest.mark.parametrize("make", too_many, ids=["reads", "writes", "controls", "empty key"])
def test_what_nobody_would_read_is_not_written(make: Callable[[], StreamItem]) -> None:
    with pytest.raises(ValueError, match=r"65536 entries|1 to 16777215"):
        encode_item(make())


def test_values_and_long_keys_of_a_mapped_file_are_not_copied(tmp_path: Path) -> None:
    size = 1 << 33
    path = tmp_path / "item"
    key = b"\xab" * 100_000
    head = VERSION + NO_LIST + b"\0\0\0\1" + STREAM + len(key).to_bytes(3) + key + (size - 200_000).to_bytes(8)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)  # All else is a hole.
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    tracemalloc.start()
    try:
        reader = StreamReader(memoryview(mapped))
        reader.version(), reader.reads()
        ((where, span),) = reader.writes().items()
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()
    assert where == (STREAM, key)
    assert hash(where[1]) == hash(key)
    assert (span.start, span.size) == (len(head), size - 200_000)
    assert reader.controls(SENDER) == []
