"""What a body says, to the byte: ids, batches, depth, and everything that is no request."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.primitives import Address, Data, Quantity, ZerogError
from zerog.runtime.jsonrpc.envelope import (
    DEPTH_MAX,
    BrokenEntry,
    Request,
    encode_error,
    encode_result,
    encode_value,
    join_batch,
    parse_body,
)
from zerog.runtime.jsonrpc.errors import BatchTooLargeError, InvalidRequestError, ParametersError, ParseError


def one(body: bytes) -> Request:
    entry = parse_body(body, calls_max=1000)
    assert isinstance(entry, Request)
    return entry


def broken(body: bytes) -> BrokenEntry:
    entry = parse_body(body, calls_max=1000)
    assert isinstance(entry, BrokenEntry)
    return entry


def batch(body: bytes, calls_max: int = 1000) -> list[Request | BrokenEntry]:
    entries = parse_body(body, calls_max=calls_max)
    assert isinstance(entries, list)
    return entries


@pytest.mark.parametrize(
    "identifier",
    [
        b"1",
        b"0",
        b"-7",
        b"1.50",
        b"1e3",
        b"123456789012345678901234567890123456789012345678901234567890",
        b'"a"',
        b'""',
        '"größe 0G ☂"'.encode(),
        b'"\\u00e9\\n\\ud83d\\ude00"',
        b"null",
    ],
)
def test_an_id_is_kept_byte_for_byte(identifier: bytes) -> None:
    request = one(b'{"jsonrpc":"2.0","id":  ' + identifier + b'  ,"method":"m"}')
    assert bytes(request.id) == identifier
    assert encode_result(request.id, b"true") == b'{"jsonrpc":"2.0","id":' + identifier + b',"result":true}'


def test_without_an_id_it_is_a_notification() -> None:
    assert bytes(one(b'{"jsonrpc":"2.0","method":"m"}').id) == b""


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "truncated"),
        (b"   ", "truncated"),
        (b"{", "truncated"),
        (b"[", "truncated"),
        (b"[1,", "truncated"),
        (b"{]", "malformed"),
        (b"nul", "truncated"),
        (b'{"jsonrpc":"2.0","id":1,"method":"m"} x', "trailing"),
        (b'{"jsonrpc":"2.0","id":1,"method":"m"}{"jsonrpc":"2.0","id":2,"method":"m"}', "trailing"),
        (b'{"jsonrpc":"2.0","id":01,"method":"m"}', "number"),
        (b'{"jsonrpc":"2.0","id":1.,"method":"m"}', "number"),
        (b'{"jsonrpc":"2.0","id":"a\nb","method":"m"}', "malformed"),
        (b'{"jsonrpc":"2.0","id":"\\x","method":"m"}', "escape"),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"m"}', "malformed"),
        (b"{'jsonrpc':'2.0'}", "malformed"),
        (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"m"}', "malformed"),
        (b'{"jsonrpc":"2.0","id":"\xff","method":"m"}', "UTF-8 at byte 23"),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":["\xc3\x28"]}', "UTF-8"),
        (b"1 x", "trailing"),
        (b'[1,{"a":}]', "malformed"),
    ],
)
def test_what_is_no_json_is_a_parse_error(body: bytes, cause: str) -> None:
    with pytest.raises(ParseError, match=cause) as caught:
        parse_body(body, calls_max=1000)
    assert caught.value.rpc_code == -32700


@pytest.mark.parametrize(
    ("body", "identifier"),
    [
        (b"1", b"null"),
        (b'"text"', b"null"),
        (b"null", b"null"),
        (b"true", b"null"),
        (b"{}", b"null"),
        (b'{"id":5}', b"5"),
        (b'{"id":5,"method":"m"}', b"5"),
        (b'{"id":5,"method":"m","jsonrpc":"1.0"}', b"5"),
        (b'{"id":5,"method":"m","jsonrpc":2.0}', b"5"),
        (b'{"id":"five","method":7,"jsonrpc":"2.0"}', b'"five"'),
        (b'{"id":5,"method":null,"jsonrpc":"2.0"}', b"5"),
        (b'{"id":{},"method":"m","jsonrpc":"2.0"}', b"null"),
        (b'{"id":[1],"method":"m","jsonrpc":"2.0"}', b"null"),
        (b'{"id":true,"method":"m","jsonrpc":"2.0"}', b"null"),
        (b'{"id":5,"result":"0x1","jsonrpc":"2.0"}', b"5"),
    ],
)
def test_json_that_is_no_request_is_answered_under_its_id(body: bytes, identifier: bytes) -> None:
    entry = broken(body)
    assert entry.id == identifier
    assert entry.error.rpc_code == -32600
    (in_batch,) = batch(b"[" + body + b"]")
    assert isinstance(in_batch, BrokenEntry)
    assert in_batch.id == identifier


def test_the_last_of_two_equal_members_counts() -> None:
    assert bytes(one(b'{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}').id) == b"2"


def test_an_empty_batch_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequestError, match="empty batch"):
        parse_body(b" [ ] ", calls_max=1000)


def test_good_entries_of_a_batch_survive_bad_ones() -> None:
    kinds = [type(entry) for entry in batch(b'[{"jsonrpc":"2.0","id":1,"method":"m"},7,{"jsonrpc":"2.0","id":2,"method":"m"}]')]
    assert kinds == [Request, BrokenEntry, Request]


def test_a_batch_over_the_limit_is_one_error_under_the_first_id() -> None:
    call = b'{"jsonrpc":"2.0","id":"first","method":"m"}'
    assert len(batch(b"[" + b",".join([call] * 3) + b"]", calls_max=3)) == 3
    (entry,) = batch(b"[" + b",".join([call] * 4) + b"]", calls_max=3)
    assert isinstance(entry, BrokenEntry)
    assert isinstance(entry.error, BatchTooLargeError)
    assert entry.id == b'"first"'
    assert str(entry.error).startswith("batch too large")


def test_commas_inside_calls_do_not_count_as_calls() -> None:
    call = b'{"jsonrpc":"2.0","id":1,"method":"m","params":[1,2,3,4,5,6]}'
    assert len(batch(b"[" + call + b"]", calls_max=2)) == 1


def test_a_batch_over_the_limit_of_things_that_are_no_calls_has_no_id() -> None:
    (entry,) = batch(b"[1,2,3,4]", calls_max=3)
    assert isinstance(entry, BrokenEntry)
    assert entry.id == b"null"


def nested(levels: int) -> bytes:
    """A request whose parameters make it so many levels deep."""
    return b'{"jsonrpc":"2.0","id":9,"method":"m","params":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_depth_is_bounded_exactly() -> None:
    one(nested(DEPTH_MAX))
    entry = broken(nested(DEPTH_MAX + 1))
    assert entry.id == b"9"
    assert "deeper than 64 levels" in str(entry.error)


def test_brackets_in_text_are_no_depth() -> None:
    one(b'{"jsonrpc":"2.0","id":9,"method":"m","params":["' + b"[{" * 500 + b'\\"[[' + b'"]}')


def test_many_shallow_objects_are_no_depth() -> None:
    one(b'{"jsonrpc":"2.0","id":9,"method":"m","params":[' + b",".join([b'{"a":[]}'] * 500) + b"]}")


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b"[" * 2_000 + b"]" * 2_000, b'{"a":' * 100_000, nested(5_000), b"[" + nested(5_000) + b"]"]
)
def test_no_depth_is_a_request(body: bytes) -> None:
    try:
        parsed = parse_body(body, calls_max=1000)
    except (InvalidRequestError, ParseError):
        return  # Where the parser itself gives up depends on the interpreter's limit of recursion.
    entries = parsed if isinstance(parsed, list) else [parsed]
    assert all(isinstance(entry, BrokenEntry) for entry in entries)


def test_depth_in_a_batch_hits_only_its_entry() -> None:
    kinds = [type(entry) for entry in batch(b"[" + nested(3) + b"," + nested(90) + b"]")]
    assert kinds == [Request, BrokenEntry]


def test_an_error_carries_code_message_and_data() -> None:
    class RevertError(ZerogError):
        rpc_code = 3
        rpc_data = "0xaa"

    assert msgspec.json.decode(encode_error(b"1", RevertError("execution reverted"))) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": 3, "message": "execution reverted", "data": "0xaa"},
    }
    assert msgspec.json.decode(encode_error(b"1", ParametersError("x")))["error"] == {"code": -32602, "message": "x"}
    assert msgspec.json.decode(encode_error(b"1", ZerogError("plain")))["error"] == {"code": -32000, "message": "plain"}


def test_our_own_types_are_written_as_hex() -> None:
    value = {"a": Address(b"\1" * 20), "d": Data(b""), "q": [Quantity(0), Quantity(255)], "n": 2**70}
    assert encode_value(value) == b'{"a":"0x' + b"01" * 20 + b'","d":"0x","q":["0x0","0xff"],"n":1180591620717411303424}'


def test_a_batch_of_notifications_has_no_answer() -> None:
    assert join_batch([]) == b""
    assert join_batch([b"1", b"2"]) == b"[1,2]"


@given(st.binary(max_size=200))
def test_any_bytes_are_either_entries_or_an_error_of_ours(body: bytes) -> None:
    with suppress(ParseError, InvalidRequestError):
        parse_body(body, calls_max=3)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_any_json_is_either_entries_or_an_invalid_request(value: object) -> None:
    body = msgspec.json.encode(value)
    try:
        entries = parse_body(body, calls_max=3)
    except InvalidRequestError:
        assert value == []
    else:
        assert isinstance(entries, list) == isinstance(value, list)
