"""Text from tokens: whole characters, no part of a stop, and the same however it comes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.compute.protocol.exact import Writing, decimal_text, tokens_sha256


def byte_of(tokens: Sequence[int]) -> bytes:
    """A vocabulary of bytes, which cuts every character that has more than one."""
    return bytes(tokens)


def told(data: bytes, stop: Sequence[str] = ()) -> tuple[str, str | None]:
    """All that is told of these bytes; nothing is added once a stop has been found, as the engine does it."""
    writing, text = Writing(byte_of, stop), ""
    for byte in data:
        text += writing.add(byte)
        if writing.stopped_by is not None:
            return text, writing.stopped_by
    return text + writing.end(), writing.stopped_by


@given(st.binary(max_size=64))
def test_the_pieces_are_the_whole(data: bytes) -> None:
    assert told(data) == (data.decode(errors="replace"), None)


@given(st.text(max_size=64))
def test_every_piece_has_whole_characters(text: str) -> None:
    writing = Writing(byte_of)
    pieces = [writing.add(byte) for byte in text.encode()]
    assert "".join(pieces) == text
    assert "\N{REPLACEMENT CHARACTER}" in text or not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


@given(st.text("abé", max_size=40), st.lists(st.text("abé", min_size=1, max_size=4), min_size=1, max_size=4))
def test_the_text_ends_before_the_stop_that_is_whole_first(text: str, stops: list[str]) -> None:
    heard, stopped_by = told(text.encode(), stops)
    ends = [at + len(stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not ends:
        assert (heard, stopped_by) == (text, None)
        return
    whole = text[: min(ends)]
    assert stopped_by is not None
    starts = [whole.find(stop) for stop in stops]
    assert heard == whole[: min(start for start in starts if start >= 0)]


@given(st.text("ab", max_size=40), st.text("ab", min_size=1, max_size=4))
def test_nothing_that_was_told_is_taken_back(text: str, stop: str) -> None:
    writing, heard = Writing(byte_of, [stop]), ""
    for byte in text.encode():
        heard += writing.add(byte)
        assert stop not in heard
        assert text.startswith(heard)
        if writing.stopped_by is not None:
            return


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7, "0.7"),
        (1.0, "1"),
        (0.0, "0"),
        (-0.0, "0"),
        (-2.0, "-2"),
        (1e-7, "0.0000001"),
        (0.1 + 0.2, "0.30000000000000004"),
        (100.0, "100"),
    ],
)
def test_numbers_are_told_in_their_shortest_form(value: float, text: str) -> None:
    assert decimal_text(value) == text


@given(st.floats(-100, 100))
def test_a_number_is_read_back_as_it_was(value: float) -> None:
    assert float(decimal_text(value)) == value
    assert "e" not in decimal_text(value)


def test_the_hash_of_tokens_is_over_four_bytes_each() -> None:
    # Made with `printf '\x01\x00\x00\x00\x00\x01\x00\x00' | sha256sum`.
    assert tokens_sha256([1, 256]).hex() == "242045e2f1bb37769b514f182fd91b3d215324cb57f187cced1e9c62921dbac3"
