"""The ABI codec against eth-abi, EIP-712 against eth-account, and hostile input."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from zerog._kernel import DecodeError, abi_decode, abi_encode, keccak256, typed_data_hash

WORD = 32


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "uint8": integers(8),
    "uint64": integers(64),
    "uint256": integers(256),
    "int8": st.integers(-(2**7), 2**7 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "bytes1": st.binary(min_size=1, max_size=1),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes": st.binary(max_size=70),
    "string": st.text(max_size=40),
}


def with_value(types: st.SearchStrategy[tuple[str, st.SearchStrategy[Any]]]) -> st.SearchStrategy[tuple[str, st.SearchStrategy[Any]]]:
    """Arrays and tuples of these types, each with a strategy of its values."""
    arrays = types.map(lambda it: (f"{it[0]}[]", st.lists(it[1], max_size=3)))
    fixed = st.tuples(types, st.integers(1, 3)).map(lambda it: (f"{it[0][0]}[{it[1]}]", st.lists(it[0][1], min_size=it[1], max_size=it[1])))
    tuples = st.lists(types, min_size=1, max_size=3).map(
        lambda its: (f"({','.join(it[0] for it in its)})", st.tuples(*[it[1] for it in its]))
    )
    return arrays | fixed | tuples


typed = st.recursive(st.sampled_from(sorted(LEAVES)).map(lambda name: (name, LEAVES[name])), with_value, max_leaves=5)


@st.composite
def arguments(draw: st.DrawFn) -> tuple[list[str], list[Any]]:
    drawn = draw(st.lists(typed, max_size=4))
    return [name for name, _ in drawn], [draw(values) for _, values in drawn]


def as_tuples(value: Any) -> Any:
    """eth-abi gives arrays as tuples or lists, by version."""
    return tuple(as_tuples(item) for item in value) if isinstance(value, list | tuple) else value


@settings(deadline=None)
@given(arguments())
def test_the_codec_agrees_with_eth_abi(types_and_values: tuple[list[str], list[Any]]) -> None:
    types, values = types_and_values
    data = abi_encode(types, values)
    assert data == encode(types, values)
    decoded = abi_decode(types, data)
    assert list(decoded) == values
    assert as_tuples(decoded) == as_tuples(decode(types, data))


def test_arrays_come_as_lists_and_tuples_as_tuples() -> None:
    types = ["(uint8,address)[]", "bool[2]"]
    values: list[Any] = [[(1, b"\1" * 20)], [True, False]]
    assert abi_decode(types, abi_encode(types, values)) == ([(1, b"\1" * 20)], [True, False])
    assert abi_encode(["address"], ["0x" + "0A" * 20]) == bytes(12) + b"\x0a" * 20


REFUSED: list[tuple[str, Any]] = [
    ("uint8", 256),
    ("uint8", -1),
    ("uint256", 2**256),
    ("int256", 2**255),
    ("int256", -(2**255) - 1),
    ("uint256", True),
    ("bool", 1),
    ("address", b"\1" * 19),
    ("address", "0x12"),
    ("bytes4", b"\1" * 5),
    ("string", b"text"),
    ("bytes", "0x00"),
    ("uint256[2]", [1]),
    ("(uint256,bool)", [1]),
    ("uint7", 1),
    ("nothing", 1),
]


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_values_that_do_not_fit_are_refused(kind: str, value: Any) -> None:
    with pytest.raises(DecodeError):
        abi_encode([kind], [value])


def test_values_that_contain_themselves_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(DecodeError):
        abi_encode(["uint256[]"], endless)
    with pytest.raises(TypeError):
        abi_encode(["uint256"], [1.5])  # type: ignore[list-item]
    with pytest.raises(DecodeError):
        abi_encode(["uint256"], [])


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(WORD, "big") for number in numbers)


HOSTILE: list[tuple[str, bytes]] = [
    ("uint256", b""),
    ("uint8", words(256)),
    ("bool", words(2)),
    ("address", words(2**160)),
    ("string", words(32, 1) + b"\xff" * 32),
    ("bytes", words(32, 2**255)),
    ("bytes", words(2**256 - 32, 1)),
    ("uint256[]", words(32, 2**64)),
    ("uint256[4294967295]", words(1)),
    ("()[]", words(32, 9000) + bytes(9000)),
    ("uint256" + "[]" * 13, words(32) + words(2, 64, 64) * 12 + words(0)),
]


@pytest.mark.parametrize(("kind", "data"), HOSTILE, ids=[kind for kind, _ in HOSTILE])
def test_hostile_data_is_refused_within_its_own_size(kind: str, data: bytes) -> None:
    with pytest.raises(DecodeError):
        abi_decode([kind], data)


def mail(**changes: object) -> dict[str, Any]:
    """The example of EIP-712."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
            "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person[]"}, {"name": "contents", "type": "string"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "Ether Mail", "version": "1", "chainId": 1, "verifyingContract": "0x" + "cc" * 20},
        "message": {
            "from": {"name": "Cow", "wallet": "0x" + "cd" * 20},
            "to": [{"name": "Bob", "wallet": "0x" + "bb" * 20}, {"name": "Eve", "wallet": "0x" + "ee" * 20}],
            "contents": "Hello, Bob!",
        },
    } | changes


def digest(document: object) -> bytes:
    return typed_data_hash(json.dumps(document).encode())


def expected(document: dict[str, Any]) -> bytes:
    signable = encode_typed_data(full_message=document)
    return keccak256(b"\x19" + signable.version + signable.header + signable.body)


def test_digests_agree_with_eth_account() -> None:
    assert digest(mail()) == expected(mail())
    wide = mail(
        types={
            "EIP712Domain": [{"name": "salt", "type": "bytes32"}],
            "All": [{"name": "a", "type": "int64"}, {"name": "b", "type": "bytes"}, {"name": "c", "type": "bool[2][]"}],
        },
        primaryType="All",
        domain={"salt": "0x" + "ab" * 32},
        message={"a": -5, "b": "0x1234", "c": [[True, False], [False, False]]},
    )
    assert digest(wide) == expected(wide)


def test_the_digest_of_the_eip_comes_out() -> None:
    document = mail()
    document["types"]["Mail"][1]["type"] = "Person"
    document["domain"]["verifyingContract"] = "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"
    document["message"]["from"]["wallet"] = "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"
    document["message"]["to"] = {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"}
    assert digest(document).hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    # As some wallets send it: JSON in a JSON string.
    assert digest(json.dumps(document)) == digest(document)


BAD_DOCUMENTS: Sequence[object] = (
    1,
    {},
    mail(primaryType="Letter"),
    mail(message={}),
    mail(message={"from": {"name": 1, "wallet": "0x"}, "to": [], "contents": ""}),
    mail(domain={"name": "Ether Mail"}),
    mail(types={"Mail": [{"name": "from", "type": "Unknown"}]}),
)


@pytest.mark.parametrize("document", BAD_DOCUMENTS)
def test_documents_that_do_not_fit_are_refused(document: object) -> None:
    with pytest.raises(DecodeError):
        digest(document)


def test_text_that_is_no_json_is_refused() -> None:
    for text in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(DecodeError):
            typed_data_hash(text)
