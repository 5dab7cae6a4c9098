"""Block parameters in all their forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.chain.protocol.tags import BlockByHash, BlockByNumber, Tag, tag_number
from zerog.chain.wire.blocks import BlockId, BlockNumber

HASH = "0x" + "ab" * 32


@given(st.integers(0, 2**63 - 1))
def test_heights_are_read_from_text_numbers_and_objects(number: int) -> None:
    for value in (hex(number), number, {"blockNumber": hex(number)}):
        assert BlockId.from_json(value).selector == BlockByNumber(number)
    assert BlockNumber.from_json(hex(number)).selector == BlockByNumber(number)


@pytest.mark.parametrize("tag", list(Tag))
def test_tags_are_read(tag: Tag) -> None:
    assert BlockId.from_json(tag.value).selector is tag
    assert BlockId.from_json({"blockNumber": tag.value}).selector is tag


@pytest.mark.parametrize("value", [HASH, {"blockHash": HASH}, {"blockHash": HASH, "requireCanonical": True}])
def test_hashes_are_read(value: object) -> None:
    assert BlockId.from_json(value).selector == BlockByHash(bytes.fromhex("ab" * 32))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("newest", "without 0x prefix"),
        ("0x8000000000000000", "larger than int64"),
        ({}, "neither block nor hash specified"),
        ({"blockNumber": "0x1", "blockHash": HASH}, "cannot specify both"),
        (True, "cannot unmarshal bool"),
        ([], "cannot unmarshal array"),
        ({"blockHash": "0x12"}, "want 64"),
        (-1, "negative"),
    ],
)
def test_what_names_no_block_is_refused(value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        BlockId.from_json(value)


def test_safe_and_finalized_do_not_trail() -> None:
    assert [tag_number(tag, 7) for tag in (Tag.EARLIEST, Tag.LATEST, Tag.SAFE, Tag.FINALIZED, Tag.PENDING)] == [0, 7, 7, 7, None]
