"""Files of blocks come apart as they were put together, in whatever pieces they are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.chain.protocol.block_file import BLOCK_BYTES_MAX, BlockFileError, header_of, split_blocks


def rlp_list(payload: bytes) -> bytes:
    """A list with this payload, already encoded."""
    if len(payload) < 56:
        return bytes([0xC0 + len(payload)]) + payload
    size = (len(payload).bit_length() + 7) // 8
    return bytes([0xF7 + size]) + len(payload).to_bytes(size, "big") + payload


BLOCKS = st.lists(st.binary(max_size=400).map(rlp_list).map(lambda header: rlp_list(header + b"\xc0\xc0")), max_size=8)


@given(BLOCKS, st.integers(1, 50))
def test_pieces_of_any_size_give_the_same_blocks(blocks: list[bytes], size: int) -> None:
    whole = b"".join(blocks)
    assert list(split_blocks(whole[begin : begin + size] for begin in range(0, len(whole), size))) == blocks


@given(BLOCKS.filter(bool), st.data())
def test_a_torn_file_gives_the_blocks_before_and_says_where_it_ends(blocks: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(blocks)
    kept = data.draw(st.integers(1, len(blocks[-1]) - 1))
    read: list[bytes] = []
    with pytest.raises(BlockFileError) as refusal:
        read.extend(split_blocks([whole[: len(whole) - kept]]))
    assert refusal.value.offset == len(whole) - len(blocks[-1])


@pytest.mark.parametrize("damaged", [b"\x80", b"\x01\x02", b"\xbf", b"\xff" * 9, b"\xfb" + (BLOCK_BYTES_MAX + 1).to_bytes(4, "big")])
def test_what_is_no_block_is_refused_at_once(damaged: bytes) -> None:
    with pytest.raises(BlockFileError):
        list(split_blocks([damaged]))


@given(st.binary(max_size=400).map(rlp_list))
def test_the_header_is_the_first_item(header: bytes) -> None:
    assert header_of(rlp_list(header + b"\xc0\xc0")) == header


@pytest.mark.parametrize("block", [b"\xc0", b"\xc1\x80", b"\xc2\xc5\x01"])
def test_a_block_without_a_header_is_refused(block: bytes) -> None:
    with pytest.raises(BlockFileError):
        header_of(block)
